//! The readers that functions are ahead of: where there is no place and no room for one more, one of them makes some.

use std::sync::{Arc, Mutex, Weak};

use httpfsm::handler::BodyFailure;

use super::window::Window;
use crate::lock::lock;

/// Milliseconds that a reader takes nothing before its response may be cut for another one.
const STILL: u64 = 1000;

/// Those of a server.
#[derive(Default)]
pub(crate) struct SlowReaders(Mutex<Vec<SlowReader>>);

struct SlowReader {
    window: Weak<Window>,
    /// How often it had taken something when it was last looked at, and since when it has taken nothing more; `None` where
    /// its function did not wait then.
    seen: Option<(u64, u64)>,
}

impl SlowReaders {
    /// The function of this window begins to wait, or to write into a file.
    pub(super) fn add(&self, window: &Arc<Window>) {
        let mut readers = lock(&self.0);
        if readers.len() == readers.capacity() {
            readers.retain(|reader| reader.window.strong_count() > 0);
        }
        readers.push(SlowReader { window: Arc::downgrade(window), seen: None });
    }

    /// Has a function that waits give its place to another one: that whose reader has taken nothing for longest, and for a
    /// second. Its response is cut.
    pub(super) fn cut_stillest(&self, now: u64) {
        let mut stillest = None;
        let windows = self.look(|reader, window, at| {
            reader.seen = window.waits_for().map(|taken| match reader.seen {
                Some((seen, since)) if seen == taken => (taken, since),
                _ => (taken, now),
            });
            let since = reader.seen.map_or(now, |(_, since)| since);
            if now >= since + STILL && stillest.is_none_or(|(least, _)| since < least) {
                stillest = Some((since, at));
            }
        });
        if let Some(window) = stillest.and_then(|(_, at)| windows.get(at)) {
            window.cut(BodyFailure::source(
                "Its reader stood still, and no more functions may wait: another one needed its place.",
            ));
        }
    }

    /// Makes room on the disk for a function: the response whose file is longest is cut, unless it is its own. `false`: it
    /// is.
    pub(super) fn cut_longest(&self, own: &Arc<Window>) -> bool {
        let (mut longest, mut longest_at) = (own.file_length(), None);
        let windows = self.look(|_, window, at| {
            let length = window.file_length();
            if length > longest {
                (longest, longest_at) = (length, Some(at));
            }
        });
        let window = longest_at.and_then(|at| windows.get(at));
        window.is_some_and(|window| {
            window.cut(BodyFailure::source(
                "Its reader is slow, and responses fill their half of `max_spooled_bytes`, this one the most of it.",
            ));
            true
        })
    }

    /// Looks at each. What comes back holds the windows outside of the lock: to drop the last of one closes its file.
    fn look(&self, mut look: impl FnMut(&mut SlowReader, &Window, usize)) -> Vec<Arc<Window>> {
        let mut windows = Vec::new();
        let mut readers = lock(&self.0);
        for reader in &mut *readers {
            let Some(window) = reader.window.upgrade() else { continue };
            look(reader, &window, windows.len());
            windows.push(window);
        }
        drop(readers);
        windows
    }
}
