//! How many descriptors the program may have, and how many of them are for connections.

use httpfsm::config::ServerConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::log::note;

/// Descriptors that are no connection's: the listeners, the runtime's.
const OTHERS: u64 = 64;

/// Raises the soft limit to the hard one: the soft one is 1,024 nearly everywhere, for the sake of programs that use
/// select(2). Where not all connections find a descriptor, with one in four left for files, fewer may be open: then the
/// longest idle one makes room, before a file finds none. Who `asked` for a number is told.
pub(super) fn share(config: &mut ServerConfig, asked: bool) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let Some(current) = current else { return };
    let most = u32::try_from(connections(current)).unwrap_or(u32::MAX);
    let wanted = config.max_connections;
    if wanted == 0 || wanted > most {
        config.max_connections = most;
        if asked {
            note(format_args!(
                "--max-connections is {most} instead of {wanted}: only {current} descriptors may be open (ulimit -n)"
            ));
        }
    }
}

/// So many connections for so many descriptors.
fn connections(descriptors: u64) -> u64 {
    (descriptors.saturating_sub(OTHERS) / 4 * 3).max(1)
}

#[cfg(test)]
mod tests {
    use super::connections;

    #[test]
    fn one_descriptor_in_four_is_for_files() {
        for (descriptors, expected) in [(0, 1), (64, 1), (1024, 720), (20_000, 14_952), (1 << 20, 786_384)] {
            assert_eq!(connections(descriptors), expected, "{descriptors}");
        }
    }
}
