//! What the machine tells of its input: each byte once, in order, and as what it was taken.

use httpfsm::channel::{InputPart, State};
use httpfsm::request::{head_lines, trailer_lines};
use proptest::prelude::*;

use super::caller::{Caller, steps};
use super::cases;
use super::limits::limits;
use super::messages::traffic;

/// Whether `bytes` are what their part says.
fn is_well_formed(part: InputPart, bytes: &[u8]) -> bool {
    match part {
        InputPart::Head => {
            let lines: Vec<_> = head_lines(bytes).collect();
            lines.iter().map(|line| line.len).sum::<usize>() == bytes.len() && bytes.ends_with(b"\r\n\r\n")
        }
        InputPart::Trailers => {
            let lines: Vec<_> = trailer_lines(bytes).collect();
            lines.iter().map(|line| line.len).sum::<usize>() == bytes.len() && bytes.ends_with(b"\r\n")
        }
        InputPart::ChunkSize => bytes.iter().all(u8::is_ascii_hexdigit) && bytes.len() <= 16,
        InputPart::ChunkExtension => !bytes.iter().any(|byte| b"\r\n".contains(byte)),
        InputPart::ChunkLineEnd => bytes == b"\r\n",
        _ => true,
    }
}

proptest! {
    #![proptest_config(cases(512))]

    /// In any order of calls the parts are the input, and those with a grammar keep it.
    ///
    /// Fails if the CR LF of a chunk is not told, or a refused head is told as one.
    #[test]
    fn the_parts_are_the_input(traffic in traffic(), limits in limits(), steps in steps()) {
        let mut caller = Caller::new(&limits.config(), &traffic);
        caller.parts.listen();
        for step in &steps {
            let (_, view) = caller.step(step);
            let told: usize = caller.parts.told.iter().map(|part| part.1).sum();
            let stats = caller.channel.stats();
            let is_over = matches!(view.state, State::Closing | State::Upgraded | State::Closed);
            prop_assert!(told as u64 <= stats.received, "{} told of {}", told, stats.received);
            prop_assert!(!is_over || told as u64 == stats.received, "{} told of {}", told, stats.received);
            let heads = caller.parts.told.iter().filter(|part| part.0 == InputPart::Head).count();
            prop_assert_eq!(heads as u64, stats.requests);
        }
        if let Some(mut rest) = caller.parts.input.as_deref() {
            for &(part, n) in &caller.parts.told {
                let (bytes, behind) = rest.split_at(n);
                rest = behind;
                prop_assert!(n == 0 || is_well_formed(part, bytes), "{:?} {:?}", part, bytes.escape_ascii().to_string());
            }
        }
    }
}
