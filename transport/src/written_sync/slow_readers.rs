//! The readers that functions are ahead of: where there is no place and no room for one more, one of them makes some.

use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::handler::BodyFailure;

use super::window::{Held, Lag, Window};
use crate::lock::lock;

/// Milliseconds that a reader takes nothing before its response may be cut for another one. A system's own buffer may hold
/// as much as a slow reader takes in that time.
const STILL: u64 = 2000;

/// A reader that takes so many bytes a second makes room soon, and holds nobody up for long who waits for that. Slower ones
/// could hold all workers so.
const FAST: u64 = 4 << 20;
/// Milliseconds over which that is measured, at least: a system's own buffer takes megabytes at once.
const MEASURED: u64 = 1000;

/// How long room is waited for where no reader is known to be slow and none takes anything.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for room of a response that is cut, before another one is.
const COMES: Duration = Duration::from_millis(100);
/// Between two looks at all readers, and two tries.
const LOOK: Duration = Duration::from_millis(20);
const TRY: Duration = Duration::from_millis(2);

/// Those of a server.
#[derive(Default)]
pub(crate) struct SlowReaders {
    readers: Mutex<Vec<SlowReader>>,
    /// Held by the one function for which room is made.
    makes_room: Mutex<()>,
}

struct SlowReader {
    window: Weak<Window>,
    /// What it had taken when it was last looked at, and since when it has taken nothing more and its function has held the
    /// same place, or none; `None` where the server was to read for it then.
    seen: Option<Seen>,
    /// `None` where it was not behind when it was last looked at.
    pace: Option<Pace>,
}

#[derive(Clone, Copy)]
struct Pace {
    /// Bytes that it had taken at this time.
    taken: u64,
    at: u64,
    /// Before that it took less than a fast one does.
    is_slow: bool,
}

#[derive(Clone, Copy)]
struct Seen {
    taken: u64,
    holds: Option<Held>,
    since: u64,
}

impl SlowReader {
    /// Since when its reader stands still, which has been looked at before. The server waits for it.
    fn still_since(&mut self, lag: Option<Lag>, now: u64) -> Option<u64> {
        let lag = lag.filter(|lag| !lag.is_being_read);
        self.seen = lag.map(|Lag { taken, holds, .. }| match self.seen {
            Some(seen) if (seen.taken, seen.holds) == (taken, holds) => seen,
            _ => Seen { taken, holds, since: now },
        });
        self.seen.map(|seen| seen.since)
    }

    /// Whether it was slow when it was measured last. The server does not wait for one that it is to read for.
    fn is_slow(&mut self, lag: &Lag, now: u64) -> bool {
        let Lag { taken, is_being_read, .. } = *lag;
        let unknown = Pace { taken, at: now, is_slow: false };
        let pace = self.pace.get_or_insert(unknown);
        let passed = now.saturating_sub(pace.at);
        if passed >= 2 * MEASURED {
            // It may have had nothing to take meanwhile.
            *pace = unknown;
        } else if passed >= MEASURED {
            let is_slow = taken.saturating_sub(pace.taken).saturating_mul(1000) < FAST.saturating_mul(passed);
            *pace = Pace { taken, at: now, is_slow };
        }
        pace.is_slow && !is_being_read
    }
}

/// Since when a function waits for room while readers take nothing.
struct Patience {
    since: Instant,
    /// Bytes that they had taken in all when they were last looked at.
    taken: u64,
}

/// Whom a lack of room is to cost its response.
enum Verdict {
    /// The one that has found none.
    Own,
    /// Another one, which is cut.
    Cut,
    /// Nobody yet.
    Waits,
}

impl SlowReaders {
    /// The function of this window begins to wait, or to write into a file.
    pub(super) fn add(&self, window: &Arc<Window>) {
        let mut readers = lock(&self.readers);
        if readers.len() == readers.capacity() {
            readers.retain(|reader| reader.window.strong_count() > 0);
            // Not at each of many.
            let more = readers.len().max(16);
            readers.reserve(more);
        }
        readers.push(SlowReader { window: Arc::downgrade(window), seen: None, pace: None });
    }

    /// Has a function that waits give its place to another one, which `takes` such a place: that whose reader has taken
    /// nothing for longest, and for two seconds. Its response is cut.
    pub(super) fn cut_stillest(&self, now: u64, takes: impl Fn(Held) -> bool) {
        let mut stillest: Option<(u64, Lag, usize)> = None;
        let windows = self.look(|reader, lag, at| {
            let since = reader.still_since(lag, now);
            let is_still = since.is_some_and(|since| now >= since + STILL);
            let Some(lag) = lag.filter(|lag| lag.holds.is_some_and(&takes) && is_still) else {
                return;
            };
            if let Some(since) = since.filter(|&since| stillest.is_none_or(|(least, ..)| since < least)) {
                stillest = Some((since, lag, at));
            }
        });
        let Some((_, lag, at)) = stillest else { return };
        let text = "Its reader stood still, and no more functions may wait: another one needed its place.";
        if let Some(window) = windows.get(at) {
            window.cut_if_still(lag, BodyFailure::source(text));
        }
    }

    /// Writes into the file of a function that has found no room there: once more, and then as soon as readers have made
    /// some, or the response has been cut whose reader is furthest behind of the slow ones, or of all where none takes
    /// anything, unless it is its own. One at a time, which does what readers wait for meanwhile (`helps`).
    pub(super) fn write_with_room(
        &self,
        own: &Arc<Window>,
        mut write: impl FnMut() -> io::Result<()>,
        is_for_want_of_room: impl Fn(&io::Error) -> bool,
        helps: impl Fn() -> bool,
        now: impl Fn() -> u64,
    ) -> io::Result<()> {
        let _makes_room = lock(&self.makes_room);
        let mut patience = Patience { since: Instant::now(), taken: 0 };
        loop {
            let error = match write() {
                Err(error) if is_for_want_of_room(&error) => error,
                written => return written,
            };
            let is_cut = match self.cut_longest(own, now(), &mut patience) {
                Verdict::Own => return Err(error),
                Verdict::Cut => true,
                Verdict::Waits => false,
            };
            let (looked, comes) = (Instant::now(), if is_cut { COMES } else { LOOK });
            while looked.elapsed() < comes {
                if !helps() {
                    thread::sleep(TRY);
                }
                match write() {
                    Err(error) if is_for_want_of_room(&error) => {}
                    written => return written,
                }
            }
        }
    }

    /// Cuts the response that has most in its files of those whose readers are slow, or of all.
    fn cut_longest(&self, own: &Arc<Window>, now: u64, patience: &mut Patience) -> Verdict {
        // Nobody reads it any more.
        if own.check().is_err() {
            return Verdict::Own;
        }
        let (mut longest, mut taken): (Option<(Lag, usize)>, u64) = (None, 0);
        let of_all = patience.since.elapsed() >= PATIENCE;
        let windows = self.look(|reader, lag, at| {
            let Some(lag) = lag else { return reader.pace = None };
            taken = taken.wrapping_add(lag.taken);
            if !(reader.is_slow(&lag, now) || of_all) {
                return;
            }
            if lag.in_file > longest.map_or(0, |(longest, _)| longest.in_file) {
                longest = Some((lag, at));
            }
        });
        let is_read = patience.taken != taken;
        if is_read {
            *patience = Patience { since: Instant::now(), taken };
        }
        let longest = longest.and_then(|(lag, at)| Some((lag, windows.get(at)?)));
        match longest {
            _ if of_all && is_read => Verdict::Waits,
            None if of_all => Verdict::Own,
            None => Verdict::Waits,
            Some((_, window)) if Arc::ptr_eq(window, own) => Verdict::Own,
            Some((lag, window)) => {
                let text = "Its reader is slow, and there is no room for more files of responses, of which its own is the longest.";
                // Else it has just taken something, or begins to.
                if window.cut_if_still(lag, BodyFailure::source(text)) {
                    Verdict::Cut
                } else {
                    Verdict::Waits
                }
            }
        }
    }

    /// Looks at each. What comes back holds the windows outside of the lock: to drop the last of one closes its file.
    fn look(&self, mut look: impl FnMut(&mut SlowReader, Option<Lag>, usize)) -> Vec<Arc<Window>> {
        let mut windows = Vec::new();
        let mut readers = lock(&self.readers);
        for reader in &mut *readers {
            let Some(window) = reader.window.upgrade() else { continue };
            look(reader, window.lag(), windows.len());
            windows.push(window);
        }
        drop(readers);
        windows
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::Relaxed;

    use httpfsm::handler::NoRoom;

    use super::*;

    fn has_in_file(window: &Window) {
        assert!(window.spool(1, 1, |_| Ok(())).is_ok());
    }

    #[test]
    fn a_place_is_taken_from_one_that_has_such_a_place() {
        let (readers, windows) = (SlowReaders::default(), [(); 2].map(|()| Arc::<Window>::default()));
        let holds = [Held::StandIn, Held::Permit];
        thread::scope(|scope| {
            for (at, (window, held)) in windows.iter().zip(holds).enumerate() {
                has_in_file(window);
                scope.spawn(move || assert!(window.wait(Some(held)).is_err(), "it is cut"));
                while window.lag().is_none_or(|lag| lag.holds.is_none()) {
                    thread::yield_now();
                }
                readers.add(window);
                // The first is still for longer.
                readers.cut_stillest(at as u64, |_| true);
            }
            let is_cut = || windows.each_ref().map(|window| window.check().is_err());
            readers.cut_stillest(STILL + 1, |held| held == Held::Permit);
            let of_permits = is_cut();
            readers.cut_stillest(STILL + 1, |_| true);
            let of_all = is_cut();
            windows.iter().for_each(|window| window.close());
            assert_eq!((of_permits, of_all), ([false, true], [true, true]));
        });
    }

    #[test]
    fn nothing_is_cut_for_what_nobody_reads() {
        let (readers, [own, other]) = (SlowReaders::default(), [(); 2].map(|()| Arc::<Window>::default()));
        [&own, &other].into_iter().for_each(|window| has_in_file(window));
        readers.add(&other);
        own.close();
        let written =
            readers.write_with_room(&own, || Err(io::Error::other(NoRoom)), |_| true, || false, || 0);
        assert!(written.is_err() && other.check().is_ok());
    }

    #[test]
    fn a_reader_is_slow_that_has_taken_less_than_a_fast_one_and_is_not_waited_for_by_it() {
        let lag = |taken, is_being_read| Lag { taken, in_file: 9, holds: None, is_being_read };
        let mut reader = SlowReader { window: Weak::new(), seen: None, pace: None };
        let fast = FAST / 1000 * MEASURED;
        assert!(!reader.is_slow(&lag(5, false), 0), "nothing is known");
        assert!(!reader.is_slow(&lag(5, false), MEASURED - 1));
        assert!(!reader.is_slow(&lag(5 + fast + 1000, false), MEASURED));
        assert!(reader.is_slow(&lag(5 + 2 * fast, false), 2 * MEASURED));
        assert!(!reader.is_slow(&lag(5 + 2 * fast, true), 2 * MEASURED), "the server is to read for it");
        assert!(reader.is_slow(&lag(5 + 9 * fast, false), 2 * MEASURED + 1), "it is measured anew later");
        assert!(!reader.is_slow(&lag(5 + 9 * fast, false), 3 * MEASURED));
        assert!(reader.is_slow(&lag(5 + 9 * fast, false), 4 * MEASURED));
        assert!(!reader.is_slow(&lag(5 + 9 * fast, false), 6 * MEASURED), "it may have had nothing to take");
    }

    #[test]
    fn one_response_is_cut_for_one_lack_of_room_and_none_where_room_would_not_help() {
        let (readers, windows) = (SlowReaders::default(), [(); 3].map(|()| Arc::<Window>::default()));
        let [own, others @ ..] = &windows;
        for window in others {
            has_in_file(window);
            readers.add(window);
        }
        let is_cut = || others.iter().filter(|window| window.check().is_err()).count();
        let failed =
            readers.write_with_room(own, || Err(io::ErrorKind::NotFound.into()), |_| false, || false, || 0);
        assert!(failed.is_err() && is_cut() == 0);
        // Room comes a little behind the cut.
        let (mut tries, now) = (0, AtomicU64::new(0));
        let write = || {
            tries += is_cut();
            if tries > 3 { Ok(()) } else { Err(io::Error::other(NoRoom)) }
        };
        let now = || now.fetch_add(MEASURED, Relaxed);
        assert!(readers.write_with_room(own, write, |_| true, || false, now).is_ok());
        assert_eq!(is_cut(), 1);
    }
}
