//! How many descriptors the program may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::log::note;

/// Descriptors that are not a connection's: the listeners, the runtime's, files that are being sent.
const OTHERS: u64 = 64;

/// Raises the soft limit to the hard one: the soft one is 1,024 nearly everywhere, for the sake of programs that use
/// select(2). Says so where even that does not reach for the connections that were asked for.
pub(super) fn raise(max_connections: Option<u32>) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let (Some(wanted), Some(current)) = (max_connections, current) else { return };
    if u64::from(wanted) + OTHERS > current {
        note(format_args!(
            "--max-connections is {wanted}, but only {current} descriptors may be open (ulimit -n); where there are none \
             left, the connection that has been idle for the longest is closed"
        ));
    }
}
