//! The lines that wait to be written to the standard error stream. Any thread adds lines without waiting; one thread
//! writes them.

use std::collections::HashMap;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::printable::{LENGTH, printable};
use output::LineOutput;
pub(super) use output::LogStream;

mod output;

/// Bytes of lines that may wait; lines beyond it are dropped and counted.
const ROOM: usize = 256 << 10;
/// At most one line of each kind is written in this time.
const PERIOD: Duration = Duration::from_secs(1);

/// Lines for one writer. At most [`ROOM`] bytes and one line wait, and as many are being written.
#[derive(Default)]
pub(super) struct LineQueue {
    waiting: Mutex<PendingLines>,
    /// There are lines to write.
    more: Condvar,
    /// Everything is written.
    done: Condvar,
}

#[derive(Default)]
struct PendingLines {
    lines: Vec<String>,
    bytes: usize,
    dropped: u64,
    /// A batch was taken and is being written.
    writing: bool,
    /// Lines that could not be written. Their number is written before the next line.
    failed: u64,
    kinds: HashMap<&'static str, Repeats>,
}

/// The messages of one kind since its last line.
struct Repeats {
    /// When the next line may be written.
    due: Instant,
    count: u64,
    last: String,
}

impl LineQueue {
    /// Adds a line, if there is room.
    pub(super) fn push(&self, line: &str) {
        self.lock().push(line);
        self.more.notify_one();
    }

    /// Adds a line of a kind. The first line of a second is written at once; at the end of the second the last one
    /// follows, with the number of lines.
    pub(super) fn push_repeated(&self, kind: &'static str, line: &str) {
        self.lock().push_repeated(kind, line, Instant::now());
        self.more.notify_one();
    }

    /// Waits until everything that was added is written, for at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let mut waiting = self.lock();
        waiting.push_due_repeats(None);
        self.more.notify_one();
        let is_busy = |waiting: &mut PendingLines| waiting.writing || waiting.has_lines();
        drop(self.done.wait_timeout_while(waiting, limit, is_busy));
    }

    /// Writes the lines, for ever. It goes on when the stream fails, as another process may repair it.
    pub(super) fn write_to(&self, stream: impl LogStream) -> ! {
        let mut output = LineOutput::new(stream);
        loop {
            let batch = self.take();
            self.write(&batch, &mut output);
        }
    }

    /// Writes the waiting lines on this thread, if no thread runs [`write_to`](Self::write_to).
    pub(super) fn write_now(&self, stream: impl LogStream) {
        let mut output = LineOutput::new(stream);
        let mut waiting = self.lock();
        waiting.push_due_repeats(None);
        waiting.writing = true;
        let batch = waiting.take();
        drop(waiting);
        self.write(&batch, &mut output);
    }

    fn write(&self, batch: &PendingLines, output: &mut LineOutput<impl LogStream>) {
        let failed = output.write(batch);
        let mut waiting = self.lock();
        waiting.failed += failed;
        waiting.writing = false;
        drop(waiting);
        self.done.notify_all();
    }

    /// Waits for lines.
    fn take(&self) -> PendingLines {
        let mut waiting = self.lock();
        loop {
            waiting.push_due_repeats(Some(Instant::now()));
            if waiting.has_lines() {
                waiting.writing = true;
                return waiting.take();
            }
            let due =
                waiting.kinds.values().filter(|repeats| repeats.count > 0).map(|repeats| repeats.due).min();
            waiting = match due {
                None => self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let rest = due.saturating_duration_since(Instant::now());
                    self.more.wait_timeout(waiting, rest).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, PendingLines> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingLines {
    fn has_lines(&self) -> bool {
        !self.lines.is_empty() || self.dropped > 0
    }

    fn push(&mut self, line: &str) {
        // Lines after dropped ones are dropped, too, until the gap is reported.
        if self.bytes >= ROOM || self.dropped > 0 {
            self.dropped += 1;
        } else {
            let line = printable(line);
            self.bytes += line.len();
            self.lines.push(line);
        }
    }

    /// Takes the waiting lines and counts, but not the kinds.
    fn take(&mut self) -> Self {
        let kinds = mem::take(&mut self.kinds);
        let writing = self.writing;
        mem::replace(self, Self { kinds, writing, ..Self::default() })
    }

    fn push_repeated(&mut self, kind: &'static str, line: &str, now: Instant) {
        let repeats =
            self.kinds.entry(kind).or_insert_with(|| Repeats { due: now, count: 0, last: String::new() });
        if repeats.count == 0 && repeats.due <= now {
            repeats.due = now + PERIOD;
            return self.push(line);
        }
        repeats.count += 1;
        repeats.last.clear();
        repeats.last.extend(line.chars().take(LENGTH));
    }

    /// Adds the lines of the kinds that are due `now`; with `None`, of all kinds.
    fn push_due_repeats(&mut self, now: Option<Instant>) {
        let mut kinds = mem::take(&mut self.kinds);
        for repeats in kinds.values_mut().filter(|repeats| repeats.count > 0) {
            if now.is_none_or(|now| repeats.due <= now) {
                match repeats.count {
                    1 => self.push(&repeats.last),
                    count => {
                        self.push(&format!("{} ({count} like this since the line before)", repeats.last))
                    }
                }
                repeats.count = 0;
                repeats.due += PERIOD;
            }
        }
        self.kinds = kinds;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use super::*;

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let mut waiting = PendingLines::default();
        let lines = ROOM / 64;
        for n in 0..lines + 7 {
            waiting.push(&format!("{n:063}"));
        }
        let PendingLines { lines: kept, dropped, .. } = waiting.take();
        assert_eq!((kept.len(), dropped), (lines, 7));
        let batch = PendingLines { lines: vec!["a\n".into()], dropped: 7, ..PendingLines::default() };
        let mut output = LineOutput::new(ScriptedStream::default());
        assert_eq!(output.write(&batch), 0);
        let message = "httpfsm: 7 lines were dropped here, as nobody read this stream in time\n";
        assert_eq!(output.stream.text(), format!("a\n{message}"));
        waiting.push("more");
        assert_eq!(waiting.take().lines, ["more\n"]);
    }

    /// Takes at most five bytes a time, after the errors that are due.
    #[derive(Default)]
    struct ScriptedStream {
        errors: Vec<Option<io::ErrorKind>>,
        written: Vec<u8>,
        waited: usize,
    }

    impl ScriptedStream {
        fn text(&self) -> &str {
            str::from_utf8(&self.written).unwrap()
        }
    }

    impl Write for ScriptedStream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(Some(kind)) = self.errors.pop() {
                return Err(kind.into());
            }
            let taken = bytes.get(..5).unwrap_or(bytes);
            self.written.extend(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl LogStream for ScriptedStream {
        fn wait(&mut self) -> io::Result<()> {
            self.waited += 1;
            Ok(())
        }
    }

    impl LogStream for &mut ScriptedStream {
        fn wait(&mut self) -> io::Result<()> {
            LogStream::wait(*self)
        }
    }

    #[test]
    fn a_stream_that_is_full_is_waited_for_and_loses_nothing() {
        let (queue, block) = (LineQueue::default(), Some(io::ErrorKind::WouldBlock));
        let mut stream =
            ScriptedStream { errors: vec![block, block, None, block], ..ScriptedStream::default() };
        queue.push("first line");
        queue.push("second");
        queue.write_now(&mut stream);
        assert_eq!((stream.text(), stream.waited), ("first line\nsecond\n", 3));
        assert_eq!(queue.lock().failed, 0);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (queue, broken) = (LineQueue::default(), Some(io::ErrorKind::StorageFull));
        // Behind five bytes of the second line.
        let mut stream =
            ScriptedStream { errors: vec![broken, None, None, None], ..ScriptedStream::default() };
        ["first", "second", "third"].iter().for_each(|line| queue.push(line));
        let mut output = LineOutput::new(&mut stream);
        for line in ["", "fourth"] {
            // Nothing is retried before there is another line: a stream that stays broken costs nothing.
            assert_eq!(queue.lock().has_lines(), line.is_empty());
            if !line.is_empty() {
                queue.push(line);
            }
            let batch = queue.take();
            queue.write(&batch, &mut output);
        }
        let message = "httpfsm: 2 lines were lost here, as they could not be written\n";
        assert_eq!(stream.text(), format!("first\nsecon\n{message}fourth\n"));
    }

    #[test]
    fn a_batch_of_which_nothing_can_be_written_is_counted_as_a_whole() {
        let batch = PendingLines {
            lines: vec!["a\n".into(), "b\n".into()],
            dropped: 7,
            failed: 9,
            ..PendingLines::default()
        };
        let broken = Some(io::ErrorKind::BrokenPipe);
        let mut output =
            LineOutput::new(ScriptedStream { errors: vec![broken], ..ScriptedStream::default() });
        assert_eq!(output.write(&batch), 18);
    }

    #[test]
    fn of_many_lines_of_a_kind_the_first_and_a_count_are_written_each_second() {
        let mut waiting = PendingLines::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut written = Vec::new();
        for tenth in 0..25 {
            let now = at(tenth * 100);
            waiting.push_due_repeats(Some(now));
            waiting.push_repeated("a", &format!("a{tenth}"), now);
            written.extend(waiting.take().lines);
        }
        waiting.push_repeated("b", "b", at(2400));
        waiting.push_due_repeats(None);
        written.extend(waiting.take().lines);
        let expected = [
            "a0",
            "a9 (9 like this since the line before)",
            "a19 (10 like this since the line before)",
            "b",
            "a24 (5 like this since the line before)",
        ];
        assert_eq!(written, expected.map(|line| format!("{line}\n")));
        // A single line is written at once.
        for second in 4..8 {
            waiting.push_due_repeats(Some(at(second * 1000)));
            waiting.push_repeated("a", "again", at(second * 1000));
            assert_eq!(waiting.take().lines, ["again\n"]);
        }
    }

    /// Takes a line each time the other end allows one.
    struct GatedStream(Receiver<()>, Sender<String>);

    impl Write for GatedStream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl LogStream for GatedStream {
        fn wait(&mut self) -> io::Result<()> {
            unreachable!("it blocks")
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_that_stalls() {
        let (allow, gate) = channel();
        let (output, written) = channel();
        let queue = Arc::new(LineQueue::default());
        let writer = Arc::clone(&queue);
        thread::spawn(move || writer.write_to(GatedStream(gate, output)));
        let added = 3 * ROOM / 64;
        for n in 0..added {
            queue.push(&format!("{n:063}"));
        }
        queue.flush(Duration::from_millis(1));
        // It reads again and gets the kept lines, then the number of dropped ones.
        drop(allow);
        queue.flush(Duration::MAX);
        let lines: Vec<String> = written.try_iter().collect();
        let dropped: usize =
            lines.iter().filter_map(|line| line.split(' ').nth(1)?.parse::<usize>().ok()).sum();
        let kept = lines.iter().filter(|line| !line.starts_with("httpfsm: ")).count();
        assert_eq!(kept + dropped, added);
        assert!(kept <= 2 * ROOM / 64, "{kept}");
    }
}
