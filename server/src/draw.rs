//! `httpfsm draw`: the machines, drawn from the tables that drive them.

use clap::ValueEnum;

/// A machine of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Machine {
    /// One connection
    #[default]
    Channel,
    /// The server, which opens channels
    Server,
}

/// A language for pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// A Mermaid state diagram
    #[default]
    Mermaid,
    /// A Graphviz digraph
    Dot,
    /// The section of docs/fsm.md
    Markdown,
    /// A picture
    Svg,
}

impl Machine {
    /// The picture, ending in a line end.
    pub(crate) fn draw(self, format: Format) -> String {
        let description = match self {
            Self::Channel => httpfsm::channel::MACHINE.describe(),
            Self::Server => httpfsm::server::MACHINE.describe(),
        };
        let mut picture = match format {
            Format::Mermaid => description.to_mermaid(),
            Format::Dot => description.to_dot(),
            Format::Markdown => description.to_markdown(),
            Format::Svg => description.to_svg(),
        };
        if !picture.ends_with('\n') {
            picture.push('\n');
        }
        picture
    }
}
