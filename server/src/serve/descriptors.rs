//! The limit of descriptors, and how many of them are for connections.

use httpfsm::config::ServerConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for other things than connections: listeners, the runtime.
const OTHERS: u64 = 64;

/// Raises the soft limit to the hard one: the soft one is usually 1,024, for programs that use select(2). When there
/// are fewer than `most` descriptors for each connection, lowers `max_connections`, so that the longest idle connection
/// is closed before the descriptors are used up. The text for the operator has both numbers, and says whether the user has
/// `asked` for the first or it is the default.
pub(super) fn share(config: &mut ServerConfig, most: Most, asked: bool) -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let current = current?;
    let share = u32::try_from(most.connections(current)).unwrap_or(u32::MAX);
    let wanted = config.max_connections;
    if wanted != 0 && wanted <= share {
        return None;
    }
    config.max_connections = share;
    let wanted = if wanted == 0 { "no limit".to_owned() } else { wanted.to_string() };
    let name = if asked { "--max-connections" } else { "the default of --max-connections" };
    let kept = most.kept();
    Some(format!(
        "{name} is {share} instead of {wanted}: of the {current} descriptors that may be open (ulimit -n), {kept}"
    ))
}

/// The most descriptors that a connection holds at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Most {
    /// Its socket, and seldom another: one descriptor in four is left for other files of the application.
    One,
    /// Its socket and a file, while the client reads the response or sends its body. Otherwise slow clients could use
    /// all descriptors for connections, and no client would get a file.
    ///
    /// A look-up of a file holds up to three descriptors: the root, a folder and the file. The first two are not
    /// counted, as a look-up takes some 50 µs. When the disk is slow and most connections look up at once, some get a
    /// 503; counting these descriptors would halve the connections instead.
    Two,
}

impl Most {
    /// What the other descriptors are for, in words for the operator.
    fn kept(self) -> &'static str {
        match self {
            Self::One => "a quarter is kept for what is opened beside connections",
            Self::Two => "half are kept for files",
        }
    }

    /// The connections for this number of descriptors.
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
