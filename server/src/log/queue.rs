//! The lines that wait to be written to the standard error stream. Whoever has one puts it here and goes on; one thread
//! writes, and nobody waits for it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of lines that may wait; what comes behind them is dropped, and counted.
const ROOM: usize = 256 << 10;
/// Bytes of a line that are kept.
const LENGTH: usize = 16 << 10;
/// How often the same kind of trouble is written.
const PERIOD: Duration = Duration::from_secs(1);

/// Lines on their way to one writer. It holds no more than [`ROOM`] and a line of them, and as many that are being written.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Something is to be written.
    more: Condvar,
    /// Everything is written.
    done: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<String>,
    bytes: usize,
    dropped: u64,
    /// Lines were taken to be written and are not yet.
    writing: bool,
    /// Lines that could not be written, which is told before the next that can.
    failed: u64,
    kinds: HashMap<&'static str, Repeats>,
}

/// What came of one kind since its last line.
struct Repeats {
    /// When the next line may be written.
    due: Instant,
    count: u64,
    last: String,
}

impl Queue {
    /// Adds a line, if there is room.
    pub(super) fn push(&self, line: &str) {
        self.lock().push(line);
        self.more.notify_one();
    }

    /// Adds a line of a kind. Of those that come within a second of one another the first is written, and then, at the
    /// end of the second, the last with their number.
    pub(super) fn push_repeated(&self, kind: &'static str, line: &str) {
        self.lock().push_repeated(kind, line, Instant::now());
        self.more.notify_one();
    }

    /// Waits until everything that was added is written, for at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let mut waiting = self.lock();
        waiting.tell_repeats(None);
        self.more.notify_one();
        let is_busy = |waiting: &mut Waiting| waiting.writing || waiting.has_lines();
        drop(self.done.wait_timeout_while(waiting, limit, is_busy));
    }

    /// Writes what is added, for ever. A stream that fails is no reason to stop: another process may have it repaired.
    pub(super) fn write_to(&self, stream: impl Stream) -> ! {
        let mut output = Output { stream, is_inside_line: false };
        loop {
            let batch = self.take();
            self.write(&batch, &mut output);
        }
    }

    /// Writes what waits, on this thread: where there is none for [`write_to`](Self::write_to).
    pub(super) fn write_now(&self, stream: impl Stream) {
        let mut output = Output { stream, is_inside_line: false };
        let mut waiting = self.lock();
        waiting.tell_repeats(None);
        waiting.writing = true;
        let batch = waiting.take();
        drop(waiting);
        self.write(&batch, &mut output);
    }

    fn write(&self, batch: &Waiting, output: &mut Output<impl Stream>) {
        let failed = output.write(batch);
        let mut waiting = self.lock();
        waiting.failed += failed;
        waiting.writing = false;
        drop(waiting);
        self.done.notify_all();
    }

    /// Waits for lines.
    fn take(&self) -> Waiting {
        let mut waiting = self.lock();
        loop {
            waiting.tell_repeats(Some(Instant::now()));
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

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where lines are written.
pub(super) trait Stream: Write {
    /// Waits until the stream, which was full, takes more.
    ///
    /// # Errors
    ///
    /// It is not to be waited for any longer.
    fn wait(&mut self) -> io::Result<()>;
}

struct Output<S> {
    stream: S,
    /// A line was written in part before the stream failed.
    is_inside_line: bool,
}

impl<S: Stream> Output<S> {
    /// Writes a batch; returns how many of its lines could not be written, which includes those that it was to tell of.
    fn write(&mut self, batch: &Waiting) -> u64 {
        if batch.failed > 0 {
            let told =
                format!("httpfsm: {} lines were lost here, as they could not be written\n", batch.failed);
            if self.line(&told).is_err() {
                return batch.failed + batch.lines.len() as u64 + batch.dropped;
            }
        }
        for (written, line) in batch.lines.iter().enumerate() {
            if self.line(line).is_err() {
                return (batch.lines.len() - written) as u64 + batch.dropped;
            }
        }
        if batch.dropped > 0 {
            let dropped = batch.dropped;
            let told =
                format!("httpfsm: {dropped} lines were dropped here, as nobody read this stream in time\n");
            if self.line(&told).is_err() {
                return dropped;
            }
        }
        // What was flushed too late was written all the same.
        let _ = self.stream.flush();
        0
    }

    /// One write a line, so that those of several programs do not mix.
    fn line(&mut self, line: &str) -> io::Result<()> {
        if self.is_inside_line {
            self.all(b"\n")?;
            self.is_inside_line = false;
        }
        self.all(line.as_bytes())
    }

    fn all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    self.is_inside_line = !bytes.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Another program that has the stream, too, has set O_NONBLOCK on it.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.wait()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Waiting {
    fn has_lines(&self) -> bool {
        !self.lines.is_empty() || self.dropped > 0
    }

    fn push(&mut self, line: &str) {
        // Lines behind a gap wait for the line that tells of it.
        if self.bytes >= ROOM || self.dropped > 0 {
            self.dropped += 1;
        } else {
            let line = printable(line);
            self.bytes += line.len();
            self.lines.push(line);
        }
    }

    /// What waits, without the kinds.
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

    /// Adds the lines of the kinds that are due `now`; of all, without.
    fn tell_repeats(&mut self, now: Option<Instant>) {
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

/// A line of which a terminal obeys nothing, and that cannot look like two: what stands behind a line end inside of it is
/// indented.
fn printable(line: &str) -> String {
    let mut printable = String::with_capacity(line.len() + 1);
    for c in line.chars() {
        if printable.len() >= LENGTH {
            printable.push_str("...");
            break;
        }
        match c {
            '\n' => printable.push_str("\n    "),
            c if !is_shown(c) => printable.extend(c.escape_default()),
            c => printable.push(c),
        }
    }
    printable.push('\n');
    printable
}

/// Whether it is shown as what it is, and changes nothing of what stands beside it: no control character, no other line or
/// paragraph separator, no character of no width or that turns the direction of the text. Accents that combine with the
/// character before them are shown, and nothing else that does: text can be hidden in variation selectors.
pub(crate) fn is_shown(c: char) -> bool {
    // Behind another, as those are that combine with it. Quotes and backslashes would be escaped, too.
    matches!(c, ' '..='~') || !is_ignorable(c) && format!("_{c}").escape_debug().eq(['_', c])
}

/// Whether it is one of those that Unicode has programs ignore (`Default_Ignorable_Code_Point`) and that `escape_debug` leaves
/// as it is.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use super::*;

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let mut waiting = Waiting::default();
        let lines = ROOM / 64;
        for n in 0..lines + 7 {
            waiting.push(&format!("{n:063}"));
        }
        let Waiting { lines: kept, dropped, .. } = waiting.take();
        assert_eq!((kept.len(), dropped), (lines, 7));
        let batch = Waiting { lines: vec!["a\n".into()], dropped: 7, ..Waiting::default() };
        let mut output = Output { stream: Script::default(), is_inside_line: false };
        assert_eq!(output.write(&batch), 0);
        let told = "httpfsm: 7 lines were dropped here, as nobody read this stream in time\n";
        assert_eq!(output.stream.text(), format!("a\n{told}"));
        waiting.push("more");
        assert_eq!(waiting.take().lines, ["more\n"]);
    }

    /// Takes at most five bytes a time, after the errors that are due.
    #[derive(Default)]
    struct Script {
        errors: Vec<Option<io::ErrorKind>>,
        written: Vec<u8>,
        waited: usize,
    }

    impl Script {
        fn text(&self) -> &str {
            str::from_utf8(&self.written).unwrap()
        }
    }

    impl Write for Script {
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

    impl Stream for Script {
        fn wait(&mut self) -> io::Result<()> {
            self.waited += 1;
            Ok(())
        }
    }

    impl Stream for &mut Script {
        fn wait(&mut self) -> io::Result<()> {
            Stream::wait(*self)
        }
    }

    #[test]
    fn a_stream_that_is_full_is_waited_for_and_loses_nothing() {
        let (queue, block) = (Queue::default(), Some(io::ErrorKind::WouldBlock));
        let mut stream = Script { errors: vec![block, block, None, block], ..Script::default() };
        queue.push("first line");
        queue.push("second");
        queue.write_now(&mut stream);
        assert_eq!((stream.text(), stream.waited), ("first line\nsecond\n", 3));
        assert_eq!(queue.lock().failed, 0);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (queue, broken) = (Queue::default(), Some(io::ErrorKind::StorageFull));
        // Behind five bytes of the second line.
        let mut stream = Script { errors: vec![broken, None, None, None], ..Script::default() };
        ["first", "second", "third"].iter().for_each(|line| queue.push(line));
        let mut output = Output { stream: &mut stream, is_inside_line: false };
        for line in ["", "fourth"] {
            // Nothing is tried again before there is another line: a stream that stays broken costs nothing.
            assert_eq!(queue.lock().has_lines(), line.is_empty());
            if !line.is_empty() {
                queue.push(line);
            }
            let batch = queue.take();
            queue.write(&batch, &mut output);
        }
        let told = "httpfsm: 2 lines were lost here, as they could not be written\n";
        assert_eq!(stream.text(), format!("first\nsecon\n{told}fourth\n"));
    }

    #[test]
    fn a_batch_of_which_nothing_can_be_written_is_counted_as_a_whole() {
        let batch =
            Waiting { lines: vec!["a\n".into(), "b\n".into()], dropped: 7, failed: 9, ..Waiting::default() };
        let broken = Some(io::ErrorKind::BrokenPipe);
        let mut output =
            Output { stream: Script { errors: vec![broken], ..Script::default() }, is_inside_line: false };
        assert_eq!(output.write(&batch), 18);
    }

    #[test]
    fn of_many_of_a_kind_the_first_and_a_count_are_told_each_second() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut told = Vec::new();
        for tenth in 0..25 {
            let now = at(tenth * 100);
            waiting.tell_repeats(Some(now));
            waiting.push_repeated("a", &format!("a{tenth}"), now);
            told.extend(waiting.take().lines);
        }
        waiting.push_repeated("b", "b", at(2400));
        waiting.tell_repeats(None);
        told.extend(waiting.take().lines);
        let expected = [
            "a0",
            "a9 (9 like this since the line before)",
            "a19 (10 like this since the line before)",
            "b",
            "a24 (5 like this since the line before)",
        ];
        assert_eq!(told, expected.map(|line| format!("{line}\n")));
        // What comes alone is told at once.
        for second in 4..8 {
            waiting.tell_repeats(Some(at(second * 1000)));
            waiting.push_repeated("a", "again", at(second * 1000));
            assert_eq!(waiting.take().lines, ["again\n"]);
        }
    }

    #[test]
    fn a_line_can_neither_forge_another_nor_command_a_terminal() {
        assert_eq!(printable("a\nb\x1b[2J\r\u{9b}é"), "a\n    b\\u{1b}[2J\\r\\u{9b}é\n");
        let shown = "\"a' \\ \u{e4}e\u{301}\u{939}\u{93f}\u{4e2d}\u{1f600}";
        assert_eq!(printable(shown), format!("{shown}\n"));
        for hidden in [
            '\u{7f}',
            '\u{ad}',
            '\u{200b}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
            '\u{34f}',
            '\u{115f}',
            '\u{180b}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{e0100}',
            '\u{e01ef}',
        ] {
            assert_eq!(printable(&format!("a{hidden}b")), format!("a{}b\n", hidden.escape_default()));
        }
        let long = printable(&"é".repeat(LENGTH));
        assert!(long.ends_with("...\n") && long.len() <= LENGTH + 8, "{}", long.len());
    }

    /// Takes a line each time the other end allows one.
    struct Gate(Receiver<()>, Sender<String>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Gate {
        fn wait(&mut self) -> io::Result<()> {
            unreachable!("it blocks")
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_that_stalls() {
        let (allow, gate) = channel();
        let (output, written) = channel();
        let queue = Arc::new(Queue::default());
        let writer = Arc::clone(&queue);
        thread::spawn(move || writer.write_to(Gate(gate, output)));
        let added = 3 * ROOM / 64;
        for n in 0..added {
            queue.push(&format!("{n:063}"));
        }
        queue.flush(Duration::from_millis(1));
        // It reads again: everything that was kept comes, then how much was not.
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
