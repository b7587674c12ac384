//! How many descriptors the program may have, and how many of them are for connections.

use httpfsm::config::ServerConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::log::note;

/// Descriptors that are no connection's: the listeners, the runtime's.
const OTHERS: u64 = 64;

/// Raises the soft limit to the hard one: the soft one is 1,024 nearly everywhere, for the sake of programs that use
/// select(2). Where there are not the `most` descriptors for each connection that it may hold, fewer may be open: then the
/// longest idle one makes room, before what is held has taken all. That is told, by both numbers; who has not `asked` for
/// one is told that it is the default.
pub(super) fn share(config: &mut ServerConfig, most: Most, asked: bool) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let Some(current) = current else { return };
    let share = u32::try_from(most.connections(current)).unwrap_or(u32::MAX);
    let wanted = config.max_connections;
    if wanted == 0 || wanted > share {
        config.max_connections = share;
        let wanted = if wanted == 0 { "no limit".to_owned() } else { wanted.to_string() };
        let name = if asked { "--max-connections" } else { "the default of --max-connections" };
        let kept = most.kept();
        note(format_args!(
            "{name} is {share} instead of {wanted}: of the {current} descriptors that may be open (ulimit -n), {kept}"
        ));
    }
}

/// The most descriptors that a connection holds at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Most {
    /// Its socket, and seldom another: one descriptor in four is left for what the application opens meanwhile.
    One,
    /// Its socket and a file, for as long as a client takes to read the response or to send its body. If clients that
    /// are slow were to hold all connections, the last of them would find no descriptor for a file, and with them whoever
    /// is quick.
    ///
    /// A look-up of a file holds up to three on its way, the root and a folder beside the file, which are not counted: it
    /// takes some 50 µs. Where the disk is slow, so that most connections look up at once, some find none and get a 503;
    /// to count these would halve the connections, and turn the others away.
    Two,
}

impl Most {
    /// What is left for others, for the operator.
    fn kept(self) -> &'static str {
        match self {
            Self::One => "a quarter is kept for what is opened beside connections",
            Self::Two => "half are kept for files",
        }
    }

    /// So many connections for so many descriptors.
    fn connections(self, descriptors: u64) -> u64 {
        let shared = descriptors.saturating_sub(OTHERS);
        let connections = match self {
            Self::One => shared / 4 * 3,
            Self::Two => shared / 2,
        };
        connections.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Most;

    #[test]
    fn one_descriptor_in_four_is_left_where_a_connection_holds_one() {
        for (descriptors, expected) in [(0, 1), (64, 1), (1024, 720), (20_000, 14_952), (1 << 20, 786_384)] {
            assert_eq!(Most::One.connections(descriptors), expected, "{descriptors}");
        }
    }

    #[test]
    fn half_of_the_descriptors_are_left_for_the_files_that_connections_hold() {
        for (descriptors, expected) in
            [(0, 1), (64, 1), (67, 1), (1024, 480), (20_000, 9_968), (1 << 20, 524_256)]
        {
            assert_eq!(Most::Two.connections(descriptors), expected, "{descriptors}");
        }
    }
}
