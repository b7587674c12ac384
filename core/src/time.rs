//! Time is an input: the machine owns no clock.
//!
//! A caller says how long ago the channel opened ([`Moment`]) and what the wall clock reads for the `Date` field
//! ([`Date`]); both together are [`Now`]. Early, late, repeated and backward moments are harmless.

use core::fmt;
use core::time::Duration;

/// Milliseconds since a channel (or a server) opened, on a monotonic clock that the caller reads.
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm::time::Moment;
///
/// let opened = Moment::START;
/// let due = opened.saturating_add_millis(30_000);
/// assert!(due > opened && due < Moment::NEVER);
/// assert_eq!(due, Moment::from_duration(Duration::from_secs(30)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment of opening.
    pub const START: Self = Self(0);

    /// No moment: the deadline that does not run. Nothing reaches it.
    pub const NEVER: Self = Self(u64::MAX);

    /// The last moment there is; a later one counts as it.
    pub(crate) const LAST: Self = Self(u64::MAX - 1);

    /// The moment `millis` milliseconds after the opening.
    ///
    /// ```
    /// use httpfsm::time::Moment;
    ///
    /// assert_eq!(Moment::from_millis(0), Moment::START);
    /// assert!(Moment::from_millis(5) < Moment::from_millis(6));
    /// ```
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the opening.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use httpfsm::time::Moment;
    ///
    /// assert_eq!(Moment::from_duration(Duration::from_secs(2)).as_millis(), 2_000);
    /// ```
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `since_open` after the opening; saturates after 584 million years.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use httpfsm::time::Moment;
    ///
    /// let opened = Instant::now();
    /// let at = Moment::from_duration(opened.elapsed());
    /// assert!(at >= Moment::START);
    /// // What is less than a millisecond does not count.
    /// assert_eq!(Moment::from_duration(Duration::from_micros(1_999)), Moment::from_millis(1));
    /// ```
    #[must_use]
    pub fn from_duration(since_open: Duration) -> Self {
        Self(u64::try_from(since_open.as_millis()).unwrap_or(u64::MAX))
    }

    /// This moment, `millis` milliseconds later; saturates.
    ///
    /// ```
    /// use httpfsm::time::Moment;
    ///
    /// assert_eq!(Moment::from_millis(5).saturating_add_millis(10), Moment::from_millis(15));
    /// assert_eq!(Moment::NEVER.saturating_add_millis(10), Moment::NEVER);
    /// ```
    #[must_use]
    pub const fn saturating_add_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this moment; 0 if `earlier` is later.
    ///
    /// ```
    /// use httpfsm::time::Moment;
    ///
    /// let (began, ended) = (Moment::from_millis(20), Moment::from_millis(50));
    /// assert_eq!(ended.millis_since(began), 30);
    /// assert_eq!(began.millis_since(ended), 0);
    /// ```
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The wall clock as the 29 bytes of an IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`, RFC 9110 section 5.6.7).
///
/// The caller renders it, once a second is enough; the machine copies it into `Date` (RFC 9110 section 6.6.1). The crate
/// `httpdate` writes these bytes, and `Clock::stamp` of `httpfsm-transport` has them ready:
///
/// ```
/// use std::time::SystemTime;
///
/// use httpfsm::time::Date;
///
/// let text = httpdate::fmt_http_date(SystemTime::now());
/// let date = text.as_bytes().try_into().ok().and_then(Date::new);
/// assert!(date.is_some_and(|date| date != Date::EPOCH));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Date([u8; 29]);

/// 23:59:59 on the last day of the year 9999: a later year has five digits, which the format has not.
#[cfg(feature = "std")]
const LAST_SECOND: u64 = 253_402_300_799;

impl Date {
    /// The first second of 1970, for tests: a server that passes it says in each response that it is 1970.
    pub const EPOCH: Self = Self(*b"Thu, 01 Jan 1970 00:00:00 GMT");

    /// Takes the 29 bytes of a rendered date; `None` if one of them is neither visible ASCII nor SP, so that no
    /// date can end a field line.
    ///
    /// ```
    /// use httpfsm::time::Date;
    ///
    /// let date = Date::new(*b"Sun, 06 Nov 1994 08:49:37 GMT");
    /// assert!(date.is_some());
    /// // It goes into a response as it is, so it must not end a line.
    /// assert_eq!(Date::new(*b"Sun, 06 Nov 1994 08:49:37\r\nX:"), None);
    /// ```
    #[must_use]
    pub const fn new(bytes: [u8; 29]) -> Option<Self> {
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] < 0x20 || bytes[at] > 0x7e {
                return None;
            }
            at += 1;
        }
        Some(Self(bytes))
    }

    /// The date of a second since the beginning of 1970 (UTC, without leap seconds), at the latest the last one of the year
    /// 9999. Needs the feature `std`.
    ///
    /// ```
    /// # #[cfg(feature = "std")]
    /// assert_eq!(httpfsm::time::Date::from_unix(784_111_777).as_bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        // No clock is read: it is what the crate takes.
        let since = Duration::from_secs(seconds.min(LAST_SECOND));
        let date = std::time::SystemTime::UNIX_EPOCH.checked_add(since).map(httpdate::fmt_http_date);
        date.and_then(|date| Self::new(date.as_bytes().try_into().ok()?)).unwrap_or(Self::EPOCH)
    }

    /// The bytes as they go into the field value.
    ///
    /// ```
    /// use httpfsm::time::Date;
    ///
    /// assert_eq!(Date::EPOCH.as_bytes(), b"Thu, 01 Jan 1970 00:00:00 GMT");
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 29] {
        &self.0
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Date({})", core::str::from_utf8(&self.0).unwrap_or(""))
    }
}

/// When an input arrives: the monotonic moment and the wall clock's `Date`.
///
/// ```
/// use httpfsm::time::{Date, Moment, Now};
///
/// // A driver renders the date once a second, and takes the same one for every input in that second.
/// let date = Date::new(*b"Sun, 06 Nov 1994 08:49:37 GMT").expect("it is visible ASCII");
/// let first = Now { at: Moment::from_millis(20), date: &date };
/// let second = Now { at: Moment::from_millis(21), ..first };
/// assert_eq!(first.date, second.date);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// Time since the channel opened.
    pub at: Moment,
    /// The value of the `Date` field for responses made now.
    pub date: &'a Date,
}

impl<'a> Now<'a> {
    /// Puts the two together.
    ///
    /// ```
    /// use httpfsm::time::{Date, Moment, Now};
    ///
    /// let now = Now::new(Moment::from_millis(20), &Date::EPOCH);
    /// assert_eq!(now.at.as_millis(), 20);
    /// ```
    #[must_use]
    pub const fn new(at: Moment, date: &'a Date) -> Self {
        Self { at, date }
    }
}
