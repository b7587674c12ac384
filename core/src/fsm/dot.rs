//! A machine as a Graphviz graph.

use alloc::string::String;
use core::fmt::{self, Write};

use super::Description;
use super::text::labels;

impl Description {
    /// A DOT digraph, for Graphviz. Transitions between the same two states are one arrow.
    ///
    /// ```
    #[doc = include_str!("../examples/door.txt")]
    /// let graph = MACHINE.describe().to_dot();
    /// assert!(graph.starts_with("digraph Door {\n") && graph.contains("    Shut -> Open [label=\"Push\"];\n"));
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write_dot(&mut out);
        out
    }

    fn write_dot(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "digraph {} {{", self.name)?;
        writeln!(out, "    rankdir=LR;")?;
        writeln!(out, "    node [shape=box, style=rounded, fontname=\"sans-serif\"];")?;
        writeln!(out, "    edge [fontname=\"sans-serif\", fontsize=10];")?;
        for (at, state) in self.states.iter().enumerate() {
            let separator = if state.deadline.is_empty() { "" } else { "\\n" };
            let outline = if self.is_final(at) { ", peripheries=2" } else { "" };
            let label = state.label;
            writeln!(out, "    {label} [label=\"{label}{separator}{}\"{outline}];", state.deadline)?;
        }
        writeln!(out, "    start [shape=point, label=\"\"];")?;
        writeln!(out, "    start -> {};", self.states[self.initial].label)?;
        for edge in self.edges() {
            let (from, to) = (self.states[edge.from].label, self.states[edge.to].label);
            writeln!(out, "    {from} -> {to} [label=\"{}\"];", labels(self, &edge.events, 3, ",\\n"))?;
        }
        writeln!(out, "}}")
    }
}

#[cfg(test)]
mod tests {
    use crate::server::MACHINE;

    #[test]
    fn a_machine_is_a_graph() {
        let graph = MACHINE.describe().to_dot();
        for line in [
            "    Draining [label=\"Draining\\ndrain_deadline\"];\n",
            "    Gone [label=\"Gone\", peripheries=2];\n",
            "    start -> Listening;\n",
            "    Leaving -> Gone [label=\"LastClosed\"];\n",
            "    Gone -> Gone [label=\"Connected, ProxyConnected, GoOut,\\nListenersClosed, Tick\"];\n",
        ] {
            assert!(graph.contains(line), "{line} is missing in\n{graph}");
        }
    }
}
