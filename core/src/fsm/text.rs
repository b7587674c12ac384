//! Text that several drawings need.

use alloc::string::String;

use super::Description;

/// The names of events, separated by commas, with a `line_break` after every `per_line` of them.
pub(super) fn labels(machine: &Description, events: &[usize], per_line: usize, line_break: &str) -> String {
    let mut out = String::new();
    for (at, &event) in events.iter().enumerate() {
        out.push_str(match at {
            0 => "",
            _ if at % per_line == 0 => line_break,
            _ => ", ",
        });
        out.push_str(machine.events[event].label);
    }
    out
}
