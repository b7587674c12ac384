//! Time: a monotonic clock in milliseconds, and the `Date` of the responses, rendered once a second.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use httpfsm::time::Date;

/// The zero of all system clocks of a process, so that a rendered date serves every server on a thread.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

thread_local! {
    /// The last second that a manual clock showed, with its date: simulations ask thousands of times a second.
    static SHOWN: Cell<(u64, Date)> = const { Cell::new((0, Date::EPOCH)) };
    static RENDERED: Cell<(u64, Date)> = const { Cell::new((0, Date::EPOCH)) };
}

/// Where a server takes its time from.
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm_transport::Clock;
///
/// let clock = Clock::manual();
/// let of_the_server = clock.clone();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(of_the_server.now(), 60_000);
/// ```
#[derive(Clone, Debug)]
pub struct Clock(TimeSource);

#[derive(Clone, Debug)]
enum TimeSource {
    System(Instant),
    Manual(Arc<AtomicU64>),
}

/// What a clock shows: milliseconds since its zero, and the wall clock's `Date`.
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm_transport::{Clock, Stamp};
///
/// let clock = Clock::manual();
/// clock.advance(Duration::from_secs(1));
/// let Stamp { at, date } = clock.stamp();
/// assert_eq!(at, 1000);
/// assert_eq!(date.as_bytes(), b"Thu, 01 Jan 1970 00:00:01 GMT");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Milliseconds since the clock's zero.
    pub at: u64,
    /// The value of `Date` for responses made now.
    pub date: Date,
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// The system's monotonic clock.
    #[must_use]
    pub fn system() -> Self {
        Self(TimeSource::System(*EPOCH))
    }

    /// A clock that stands at 0 (1 January 1970) until [`advance`](Self::advance) moves it. Its clones move with it.
    #[must_use]
    pub fn manual() -> Self {
        Self(TimeSource::Manual(Arc::default()))
    }

    /// Moves a manual clock; a system clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let TimeSource::Manual(at) = &self.0 {
            at.fetch_add(millis(by), Ordering::SeqCst);
        }
    }

    /// Milliseconds since the clock's zero.
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.0 {
            TimeSource::System(epoch) => millis(epoch.elapsed()),
            TimeSource::Manual(at) => at.load(Ordering::SeqCst),
        }
    }

    /// The time and the date.
    #[must_use]
    #[inline]
    pub fn stamp(&self) -> Stamp {
        let at = self.now();
        let date = match &self.0 {
            TimeSource::System(_) => match RENDERED.get() {
                (until, date) if at < until => date,
                _ => render_system(at),
            },
            TimeSource::Manual(_) => render_manual(at / 1000),
        };
        Stamp { at, date }
    }

    /// The instant that this clock shows as `at`; `None` for a manual clock, and for an instant that is too far.
    ///
    /// For a timer of a runtime, which wants an instant:
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use httpfsm_transport::Clock;
    ///
    /// let clock = Clock::system();
    /// let in_a_minute = clock.instant(clock.now() + 60_000);
    /// assert!(in_a_minute.is_some_and(|at| at > Instant::now()));
    /// assert_eq!(Clock::manual().instant(60_000), None);
    /// ```
    #[must_use]
    pub fn instant(&self, at: u64) -> Option<Instant> {
        match &self.0 {
            TimeSource::System(epoch) => epoch.checked_add(Duration::from_millis(at)),
            TimeSource::Manual(_) => None,
        }
    }
}

/// Renders the date and keeps it until the wall clock's second is over.
#[cold]
fn render_system(at: u64) -> Date {
    let wall = SystemTime::now();
    let date = render(wall);
    let into_second = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_millis());
    RENDERED.set((at + 1000 - u64::from(into_second), date));
    date
}

fn render_manual(second: u64) -> Date {
    let (shown, date) = SHOWN.get();
    if shown == second {
        return date;
    }
    let date = render(UNIX_EPOCH + Duration::from_secs(second));
    SHOWN.set((second, date));
    date
}

fn render(wall: SystemTime) -> Date {
    let mut bytes = [b' '; 29];
    let text = httpdate::fmt_http_date(wall);
    if text.len() == bytes.len() {
        bytes.copy_from_slice(text.as_bytes());
    }
    Date::new(bytes).unwrap_or(Date::EPOCH)
}

fn millis(duration: Duration) -> u64 {
    // Not by `as_millis`: its 128 bits are counted in every wake-up.
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_when_told() {
        let clock = Clock::manual();
        assert_eq!(clock.stamp().at, 0);
        clock.clone().advance(Duration::from_secs(784_111_777));
        assert_eq!(clock.stamp().at, 784_111_777_000);
        assert_eq!(clock.stamp().date.as_bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn the_system_clock_shows_a_date() {
        let stamp = Clock::system().stamp();
        assert!(stamp.date.as_bytes().ends_with(b" GMT"));
        assert_ne!(stamp.date, Date::EPOCH);
    }
}
