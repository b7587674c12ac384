//! What to do when accepting fails: never end the loop, and never spin.

use std::io;
use std::time::Duration;

/// The pause after failed accepts: none for the failure of one connection, growing from 5 ms to 1 s while the
/// process or the system is out of descriptors or memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A connection was accepted.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Accepting failed: how long to pause before the next try, `None` for not at all.
    pub fn failed(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind as Kind;
        // These are about the connection that was to be accepted (accept(2): "treat them like EAGAIN").
        let of_one_connection = matches!(
            error.kind(),
            Kind::ConnectionAborted
                | Kind::ConnectionReset
                | Kind::ConnectionRefused
                | Kind::Interrupted
                | Kind::PermissionDenied
                | Kind::TimedOut
                | Kind::HostUnreachable
                | Kind::NetworkUnreachable
                | Kind::NetworkDown
        );
        if of_one_connection {
            return None;
        }
        let pause = Duration::from_millis(5 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        Some(pause.min(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_descriptors_backs_off_up_to_a_second() {
        let mut backoff = Backoff::default();
        let emfile = io::Error::from_raw_os_error(24);
        assert_eq!(backoff.failed(&emfile), Some(Duration::from_millis(5)));
        assert_eq!(backoff.failed(&emfile), Some(Duration::from_millis(10)));
        for _ in 0..100 {
            assert!(backoff.failed(&emfile) <= Some(Duration::from_secs(1)));
        }
        assert_eq!(backoff.failed(&emfile), Some(Duration::from_secs(1)));
        backoff.succeeded();
        assert_eq!(backoff.failed(&emfile), Some(Duration::from_millis(5)));
    }

    #[test]
    fn a_connection_that_was_reset_costs_no_pause() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(&io::ErrorKind::ConnectionAborted.into()), None);
    }
}
