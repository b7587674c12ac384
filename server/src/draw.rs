//! `httpfsm draw`: the machines, drawn from the tables that drive them.

use clap::ValueEnum;

/// A machine of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum DrawnMachine {
    /// One connection
    #[default]
    Channel,
    /// The server, which opens channels
    Server,
    /// What comes before HTTP on a connection
    Prologue,
}

/// A language for pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum DrawFormat {
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

impl DrawnMachine {
    /// The picture, ending in a line end.
    pub(crate) fn draw(self, format: DrawFormat) -> String {
        let description = match self {
            Self::Channel => httpfsm::channel::MACHINE.describe(),
            Self::Server => httpfsm::server::MACHINE.describe(),
            Self::Prologue => httpfsm::prologue::MACHINE.describe(),
        };
        let mut picture = match format {
            DrawFormat::Mermaid => description.to_mermaid(),
            DrawFormat::Dot => description.to_dot(),
            DrawFormat::Markdown => description.to_markdown(),
            DrawFormat::Svg => description.to_svg(),
        };
        if !picture.ends_with('\n') {
            picture.push('\n');
        }
        picture
    }
}
