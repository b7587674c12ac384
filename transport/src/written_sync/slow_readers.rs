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

/// How long room is waited for that others have given back, before another response is cut: files are closed elsewhere.
const COMES: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(2);

/// Those of a server.
#[derive(Default)]
pub(crate) struct SlowReaders {
    readers: Mutex<Vec<SlowReader>>,
    /// Held by the one function for which room is made.
    makes_room: Mutex<()>,
}

struct SlowReader {
    window: Weak<Window>,
    /// How often it had taken something when it was last looked at, and since when it has taken nothing more; `None` where
    /// its function did not hold a place then, or the server was to read for it.
    seen: Option<(u64, u64)>,
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
        readers.push(SlowReader { window: Arc::downgrade(window), seen: None });
    }

    /// Has a function that waits give its place to another one, which `takes` such a place: that whose reader has taken
    /// nothing for longest, and for two seconds. Its response is cut.
    pub(super) fn cut_stillest(&self, now: u64, takes: impl Fn(Held) -> bool) {
        let mut stillest: Option<(u64, Lag, usize)> = None;
        let windows = self.look(|reader, lag, at| {
            let lag = lag.filter(|lag| lag.holds.is_some() && !lag.is_being_read);
            reader.seen = lag.map(|lag| match reader.seen {
                Some((taken, since)) if taken == lag.taken => (taken, since),
                _ => (lag.taken, now),
            });
            if let (Some(lag), Some((_, since))) = (lag, reader.seen) {
                let may_be_cut = now >= since + STILL && lag.holds.is_some_and(&takes);
                if may_be_cut && stillest.is_none_or(|(least, ..)| since < least) {
                    stillest = Some((since, lag, at));
                }
            }
        });
        let Some((_, lag, at)) = stillest else { return };
        let text = "Its reader stood still, and no more functions may wait: another one needed its place.";
        if let Some(window) = windows.get(at) {
            window.cut_if_still(lag, BodyFailure::source(text));
        }
    }

    /// Writes into the file of a function that has found no room there: once more, and then after the response has been cut
    /// whose reader is furthest behind, unless it is its own. One at a time.
    pub(super) fn write_with_room(
        &self,
        own: &Arc<Window>,
        mut write: impl FnMut() -> io::Result<()>,
        is_for_want_of_room: impl Fn(&io::Error) -> bool,
    ) -> io::Result<()> {
        let _makes_room = lock(&self.makes_room);
        loop {
            let error = match write() {
                Err(error) if is_for_want_of_room(&error) => error,
                written => return written,
            };
            let Some(is_cut) = self.cut_longest(own) else { return Err(error) };
            let (began, comes) = (Instant::now(), if is_cut { COMES } else { LOOK });
            while began.elapsed() < comes {
                thread::sleep(LOOK);
                match write() {
                    Err(error) if is_for_want_of_room(&error) => {}
                    written => return written,
                }
            }
        }
    }

    /// Cuts the response whose reader is furthest behind in its files. `None`: that is its own. `false`: the reader has just
    /// taken something, or begins to.
    fn cut_longest(&self, own: &Arc<Window>) -> Option<bool> {
        // Nobody reads it any more.
        own.check().ok()?;
        let mut most = own.lag().map_or(0, |lag| lag.in_file);
        let mut longest = None;
        let windows = self.look(|_, lag, at| {
            if let Some(lag) = lag.filter(|lag| lag.in_file > most) {
                (most, longest) = (lag.in_file, Some((lag, at)));
            }
        });
        let (lag, at) = longest?;
        let text = "Its reader is slow, and there is no room for more files of responses, of which its own is the longest.";
        Some(windows.get(at)?.cut_if_still(lag, BodyFailure::source(text)))
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
        let written = readers.write_with_room(&own, || Err(io::Error::other(NoRoom)), |_| true);
        assert!(written.is_err() && other.check().is_ok());
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
        let failed = readers.write_with_room(own, || Err(io::ErrorKind::NotFound.into()), |_| false);
        assert!(failed.is_err() && is_cut() == 0);
        // Room comes a little behind the cut.
        let mut tries = 0;
        let write = || {
            tries += 1;
            if tries > 3 { Ok(()) } else { Err(io::Error::other(NoRoom)) }
        };
        assert!(readers.write_with_room(own, write, |_| true).is_ok());
        assert_eq!(is_cut(), 1);
    }
}
