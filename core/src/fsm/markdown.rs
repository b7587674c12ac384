//! A machine as a section of Markdown: everything that its table says.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::fmt::{self, Write};

use super::{Description, Direction};

impl Description {
    /// The whole section: picture, states, events, actions, transitions, and a matrix that shows what is refused.
    ///
    /// ```
    #[doc = include_str!("../examples/door.txt")]
    /// let section = MACHINE.describe().to_markdown();
    /// assert!(section.starts_with("## Door\n"));
    /// assert!(section.contains("| Shut  | Push  | Creak, Turn(90) | Open       |\n"));
    /// ```
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write_markdown(&mut out);
        out
    }

    fn write_markdown(&self, out: &mut String) -> fmt::Result {
        let name = self.name;
        writeln!(out, "## {name}\n\n```mermaid\n{}```\n", self.to_mermaid())?;
        writeln!(out, "### States of {name}\n\n{}", self.state_table())?;
        writeln!(out, "### Events of {name}\n\n{}", self.event_table())?;
        writeln!(out, "### Actions of {name}\n\n{}", self.action_table())?;
        writeln!(out, "### Transitions of {name}\n\n{}", self.row_table())?;
        writeln!(
            out,
            "### Matrix of {name}\n\n\
             Where each event leads: `=` stays in the state. An empty cell of an input is a refusal (the input is not \
             accepted and changes nothing); an internal event is never raised where its cell is empty.\n\n{}",
            self.matrix_table()
        )
    }

    fn state_table(&self) -> String {
        let mut lines = vec![cells(["state", "meaning", "its deadline"])];
        for state in &self.states {
            lines.push(vec![state.label.into(), state.meaning.into(), code(state.deadline)]);
        }
        table(&lines)
    }

    fn event_table(&self) -> String {
        let mut lines = vec![cells(["event", "direction", "meaning"])];
        for direction in Direction::ALL {
            for event in self.events.iter().filter(|event| event.direction == direction) {
                lines.push(cells([event.label, direction.label(), event.meaning]));
            }
            for output in self.outputs.iter().filter(|output| output.direction == direction) {
                lines.push(cells([output.name, direction.label(), output.meaning]));
            }
        }
        table(&lines)
    }

    fn action_table(&self) -> String {
        let mut lines = vec![cells(["action", "meaning"])];
        lines.extend(self.actions.iter().map(|action| cells([&action.label, action.meaning])));
        table(&lines)
    }

    fn row_table(&self) -> String {
        let mut lines = vec![cells(["state", "event", "actions", "next state"])];
        for row in &self.rows {
            let actions: Vec<&str> = row.actions.iter().map(|&at| self.actions[at].label.as_str()).collect();
            lines.push(cells([
                self.states[row.state].label,
                self.events[row.event].label,
                &actions.join(", "),
                self.states[row.next].label,
            ]));
        }
        table(&lines)
    }

    fn matrix_table(&self) -> String {
        let mut head = cells(["event"]);
        head.extend(self.states.iter().map(|state| state.label.to_string()));
        let mut lines = vec![head];
        for (event, note) in self.events.iter().enumerate() {
            let mut line = cells([note.label]);
            line.extend((0..self.states.len()).map(|state| match self.row(state, event) {
                Some(row) if row.next == state => "=".into(),
                Some(row) => self.states[row.next].label.into(),
                None => String::new(),
            }));
            lines.push(line);
        }
        table(&lines)
    }
}

fn cells<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(|text| text.replace('|', "\\|")).into()
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// A table whose columns line up in the source too; the first line is the head.
fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        for (cell, &width) in line.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(out, "| {cell:width$} ");
        }
        out.push_str("|\n");
        if at == 0 {
            for &width in &widths {
                let _ = write!(out, "|{:-<1$}", "", width + 2);
            }
            out.push_str("|\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::{cells, table};
    use crate::server::MACHINE;

    #[test]
    fn columns_line_up() {
        let lines = [cells(["a", "long head"]), cells(["longer", "b|c"])];
        let expected = "\
            | a      | long head |\n\
            |--------|-----------|\n\
            | longer | b\\|c      |\n";
        assert_eq!(table(&lines), expected);
    }

    #[test]
    fn every_row_is_a_line_and_every_other_pair_an_empty_cell() {
        let page = MACHINE.describe().to_markdown();
        let section = |title: &str| -> Vec<String> {
            let (_, rest) = page.split_once(title).unwrap();
            rest.lines()
                .skip_while(|line| !line.starts_with('|'))
                .take_while(|line| line.starts_with('|'))
                .skip(2)
                .map(String::from)
                .collect()
        };
        let rows = MACHINE.describe().rows.len();
        assert_eq!(section("### Transitions of Server").len(), rows);
        let matrix = section("### Matrix of Server");
        let empty = matrix
            .iter()
            .flat_map(|line| line.split('|'))
            .filter(|cell| !cell.is_empty() && cell.trim().is_empty());
        let machine = MACHINE.describe();
        assert_eq!(empty.count(), machine.states.len() * machine.events.len() - rows);
        assert!(section("### States of Server")[1].contains("`drain_deadline`"));
    }
}
