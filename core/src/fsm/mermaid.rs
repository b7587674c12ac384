//! A machine as a Mermaid state diagram, which code hosts render in place.

use alloc::string::String;
use core::fmt::{self, Write};

use super::Description;
use super::text::labels;

impl Description {
    /// A `stateDiagram-v2`. Transitions between the same two states are one arrow; those that stay in their state
    /// are left to the table.
    ///
    /// ```
    #[doc = include_str!("../examples/door.txt")]
    /// let diagram = MACHINE.describe().to_mermaid();
    /// assert!(diagram.starts_with("stateDiagram-v2\n") && diagram.contains("Shut --> Open : Push\n"));
    /// ```
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write_mermaid(&mut out);
        out
    }

    fn write_mermaid(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "stateDiagram-v2")?;
        writeln!(out, "    direction LR")?;
        for state in self.states.iter().filter(|state| !state.deadline.is_empty()) {
            writeln!(out, "    state \"{} ({})\" as {}", state.label, state.deadline, state.label)?;
        }
        writeln!(out, "    [*] --> {}", self.states[self.initial].label)?;
        for edge in self.edges().iter().filter(|edge| edge.from != edge.to) {
            let (from, to) = (self.states[edge.from].label, self.states[edge.to].label);
            writeln!(out, "    {from} --> {to} : {}", labels(self, &edge.events, 3, ",<br/>"))?;
        }
        for (at, state) in self.states.iter().enumerate() {
            if self.is_final(at) {
                writeln!(out, "    {} --> [*]", state.label)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::server::MACHINE;

    #[test]
    fn a_machine_is_a_state_diagram() {
        assert_eq!(
            MACHINE.describe().to_mermaid(),
            "stateDiagram-v2\n    \
                direction LR\n    \
                state \"Draining (drain_deadline)\" as Draining\n    \
                state \"Leaving (drain_deadline)\" as Leaving\n    \
                [*] --> Listening\n    \
                Leaving --> Gone : LastClosed\n    \
                Listening --> Draining : GoOut\n    \
                Draining --> Leaving : ListenersClosed\n    \
                Gone --> [*]\n"
        );
    }
}
