//! The bytes of a response: pieces of a file, and text between them.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use bytes::Bytes;
use httpfsm::channel::Elsewhere;
use httpfsm::handler::{self, Body, BodyFailure, Frame, MemoryHandle, NoRoom, ReserveFuture, ReservedMemory};
use httpfsm_transport::{DiskWait, Job, SentFile};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

use crate::at_once::{Reads, read_at};
use crate::failure::Unreadable;
use crate::jobs::Jobs;

/// Bytes read at once, at most; fewer where the server has little room ([`piece`]).
const PIECE: u64 = 256 << 10;

/// A response of at most so many bytes is read by the job that opens its file, which saves a second job. The first pieces of
/// a larger one have as many at least.
pub(crate) const SMALL: u64 = 64 << 10;

/// The same of one that is read where the request is, as it is in memory: the copy of a larger one costs more than that the
/// system sends it by itself.
pub(crate) const AT_ONCE: u64 = 16 << 10;

/// Content of at most so many bytes needs no room: it is little more than its request.
const LITTLE: usize = 4 << 10;

/// The content of a response, piece by piece. A file that has become shorter is a failure; of one that has grown, only
/// the promised bytes are sent.
pub(crate) struct FileContent {
    file: Arc<File>,
    /// The same for a transport that sends it by itself, once one has asked.
    sent_file: Option<Arc<SentFile>>,
    disk: DiskWait,
    /// The path of the file, for the operator.
    path: PathBuf,
    segments: VecDeque<Segment>,
    /// Waits for room for the next piece, which begins the first segment.
    reserving: Option<ReserveFuture>,
    /// Room for the first piece.
    reserved: Option<ReservedMemory>,
    /// The piece that is being read, and its length.
    reading: Option<(Job<io::Result<Bytes>>, u64)>,
    /// Bytes of the pieces so far.
    sent: u64,
    memory: MemoryHandle,
    jobs: Jobs,
}

/// The content of a response: all of it, or what is read piece by piece.
pub(crate) enum FileBody {
    Whole(Bytes),
    Pieces(FileContent),
}

enum Segment {
    Bytes(Bytes),
    File(Range<u64>),
}

/// The part of the room of the server that a piece may take whose reader has not read as much.
const SHARE: u64 = 2048;

/// The length of the next piece, behind so many bytes, and where so many are left: as many as were sent, or a small part of
/// the room that is free. So who reads little holds little where there is little room, and peers that read nothing leave
/// some to those who read. Each piece is a job, so they are large where there is room.
fn piece(sent: u64, left: u64, room: u64) -> usize {
    // Rounded, so that the little that others hold does not make two pieces of one.
    let share = (room / SHARE).next_multiple_of(SMALL);
    usize::try_from(sent.max(share).clamp(SMALL, PIECE).min(left)).unwrap_or_default()
}

impl FileContent {
    /// Nothing yet.
    pub(crate) fn new(file: File, path: PathBuf, memory: MemoryHandle, jobs: Jobs) -> Self {
        Self::shared(Arc::new(file), path, memory, jobs)
    }

    fn shared(file: Arc<File>, path: PathBuf, memory: MemoryHandle, jobs: Jobs) -> Self {
        Self {
            file,
            sent_file: None,
            disk: DiskWait::Never,
            path,
            segments: VecDeque::new(),
            reserving: None,
            reserved: None,
            reading: None,
            sent: 0,
            memory,
            jobs,
        }
    }

    /// Whether a transport that sends it by itself may wait for the disk: not by default.
    pub(crate) fn disk(mut self, disk: DiskWait) -> Self {
        self.disk = disk;
        self
    }

    /// Then these bytes of the file.
    pub(crate) fn range(mut self, range: Range<u64>) -> Self {
        self.segments.push_back(Segment::File(range));
        self
    }

    /// Then this.
    pub(crate) fn bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.segments.push_back(Segment::Bytes(bytes.into()));
        self
    }

    /// A body that reads the file in jobs, when it is polled.
    pub(crate) fn into_stream(self) -> Body {
        Body::stream(self)
    }

    /// Waits for room for its first piece. The head of a response leaves before the source is polled, so who waits before it
    /// responds can still respond otherwise.
    pub(crate) async fn reserve(mut self) -> Result<Self, NoRoom> {
        let is_file = |segment: &&Segment| matches!(segment, Segment::File(range) if !range.is_empty());
        if let Some(first) = self.segments.iter().find(is_file) {
            self.reserved = Some(self.memory.reserve(piece(0, first.length(), self.memory.room())).await?);
        }
        Ok(self)
    }

    /// The complete content where it has at most so many bytes and there is room for them; blocks, unless it is read at
    /// once.
    pub(crate) fn read_whole(self, reads: Reads, most: u64) -> Result<FileBody, Unreadable> {
        let length = usize::try_from(self.left()).unwrap_or(usize::MAX);
        if length as u64 > most {
            return Ok(FileBody::Pieces(self));
        }
        let Some(reserved) = self.memory.try_reserve(if length > LITTLE { length } else { 0 }) else {
            return Ok(FileBody::Pieces(self));
        };
        let mut whole = Vec::with_capacity(length);
        for segment in self.segments {
            match segment {
                Segment::Bytes(bytes) => whole.extend_from_slice(&bytes),
                Segment::File(range) => {
                    if let Err(error) = read(&self.file, &range, &mut whole, reads) {
                        return Err(Unreadable { path: self.path, error });
                    }
                }
            }
        }
        Ok(FileBody::Whole(if length > LITTLE { reserved.attach(whole) } else { whole.into() }))
    }

    fn left(&self) -> u64 {
        let reading = self.reading.as_ref().map_or(0, |(_, length)| *length);
        reading + self.segments.iter().map(Segment::length).sum::<u64>()
    }
}

impl Segment {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.end.saturating_sub(range.start),
        }
    }
}

impl handler::Source for FileContent {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        let this = self.get_mut();
        loop {
            if let Some((job, _)) = &mut this.reading {
                let piece = ready!(Pin::new(job).poll(cx));
                this.reading = None;
                return Poll::Ready(match piece {
                    Ok(bytes) => Frame::Data(bytes),
                    Err(error) => this.fail(error),
                });
            }
            if let Some(reserving) = &mut this.reserving {
                let reserved = ready!(Pin::new(reserving).poll(cx));
                this.reserving = None;
                if let Err(failure) = this.begin(reserved) {
                    return Poll::Ready(failure);
                }
                continue;
            }
            match this.segments.front() {
                Some(Segment::File(Range { start, end })) if start < end => {
                    if let Some(reserved) = this.reserved.take() {
                        if let Err(failure) = this.begin(Ok(reserved)) {
                            return Poll::Ready(failure);
                        }
                        continue;
                    }
                    let length = piece(this.sent, end - start, this.memory.room());
                    this.reserving = Some(this.memory.reserve(length));
                }
                _ => match this.segments.pop_front() {
                    None => return Poll::Ready(Frame::End),
                    Some(Segment::Bytes(bytes)) => return Poll::Ready(Frame::Data(bytes)),
                    Some(Segment::File(_)) => {}
                },
            }
        }
    }

    fn length(&self) -> Option<u64> {
        Some(self.left())
    }

    fn take_elsewhere(self: Pin<&mut Self>) -> Option<Elsewhere> {
        let this = self.get_mut();
        if this.reading.is_some() || this.reserving.is_some() {
            return None;
        }
        let Some(Segment::File(range)) = this.segments.front().filter(|next| next.length() > 0) else {
            return None;
        };
        let range = range.clone();
        this.segments.pop_front();
        // It takes no room.
        this.reserved = None;
        Some(this.sent_file().range(range))
    }
}

impl FileContent {
    /// The file for a transport that sends it by itself, and reads in jobs what it cannot send.
    fn sent_file(&mut self) -> &Arc<SentFile> {
        let (file, path, memory) = (&self.file, &self.path, &self.memory);
        // Where it is sent no server is known.
        let jobs = &self.jobs;
        self.sent_file.get_or_insert_with(|| {
            let (shared, path, memory, jobs) =
                (Arc::clone(file), path.clone(), memory.clone(), jobs.of_server());
            let read = move |range| {
                let content = Self::shared(Arc::clone(&shared), path.clone(), memory.clone(), jobs.clone());
                content.range(range).into_stream()
            };
            Arc::new(SentFile::new(Arc::clone(file), self.disk, read))
        })
    }

    fn fail(&mut self, error: io::Error) -> Frame {
        Frame::Error(BodyFailure::source(Unreadable { path: mem::take(&mut self.path), error }))
    }

    /// Begins to read the piece for which there is room.
    fn begin(&mut self, reserved: Result<ReservedMemory, NoRoom>) -> Result<(), Frame> {
        let reserved = reserved.map_err(|none| Frame::Error(BodyFailure::source(none)))?;
        let Some(Segment::File(range)) = self.segments.front_mut() else { return Ok(()) };
        let end = range.end.min(range.start.saturating_add(reserved.bytes() as u64));
        let piece = range.start..end;
        range.start = end;
        self.sent += piece.end - piece.start;
        let length = piece.end - piece.start;
        self.reading = Some((self.read(piece, reserved).map_err(|error| self.fail(error))?, length));
        Ok(())
    }

    fn read(&self, range: Range<u64>, reserved: ReservedMemory) -> io::Result<Job<io::Result<Bytes>>> {
        let file = Arc::clone(&self.file);
        self.jobs.spawn(move || {
            let mut bytes = Vec::with_capacity(reserved.bytes());
            read(&file, &range, &mut bytes, Reads::Waiting)?;
            Ok(reserved.attach(bytes))
        })
    }
}

/// Appends bytes of a file to a vector that has room for them.
fn read(file: &File, range: &Range<u64>, bytes: &mut Vec<u8>, reads: Reads) -> io::Result<()> {
    if reads == Reads::AtOnce {
        return read_at_once(file, range, bytes);
    }
    let mut at = range.start;
    while at < range.end {
        let before = bytes.len();
        match pread(file, spare_capacity(bytes), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => at += (bytes.len() - before) as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // The capacity may be larger than the range.
        let beyond = usize::try_from(at.saturating_sub(range.end)).unwrap_or_default();
        bytes.truncate(bytes.len() - beyond);
        at -= beyond as u64;
    }
    Ok(())
}

/// The same, where it is in memory.
fn read_at_once(file: &File, range: &Range<u64>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let (begin, mut at) = (bytes.len(), range.start);
    bytes.resize(begin + usize::try_from(range.end - at).unwrap_or_default(), 0);
    let mut left = bytes.get_mut(begin..).unwrap_or_default();
    while !left.is_empty() {
        match read_at(file, left, at, Reads::AtOnce) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                at += read as u64;
                left = left.get_mut(read..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::mem;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use httpfsm::handler::{Body, Frame, MemoryHandle, MemoryLedger, NoRoom, Waiter};
    use httpfsm_transport::{Inline, NoThread, Spawner};

    use super::{FileBody, FileContent, Jobs, PIECE, Reads, SMALL};

    /// A file in which each byte depends on its position.
    fn file(length: u64) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes(0, length)).unwrap();
        file
    }

    fn bytes(start: u64, end: u64) -> Vec<u8> {
        (start..end).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
    }

    /// A server with so much room, which does not count what is taken.
    struct Room(u64);

    impl MemoryLedger for Room {
        fn poll_reserve(
            &self,
            _: &mut Waiter,
            bytes: usize,
            _: &mut Context<'_>,
        ) -> Poll<Result<usize, NoRoom>> {
            Poll::Ready(Ok(bytes))
        }

        fn room(&self) -> u64 {
            self.0
        }

        fn try_reserve(&self, _: usize) -> bool {
            true
        }

        fn reserve_now(&self, bytes: usize) -> usize {
            bytes
        }

        fn give_back(&self, _: usize) {}

        fn forget(&self, _: &mut Waiter) {}
    }

    /// Where there is little room.
    fn source(file: &File) -> FileContent {
        source_with(file, 100 << 20)
    }

    fn source_with(file: &File, room: u64) -> FileContent {
        let memory = MemoryHandle::new(Arc::new(Room(room)));
        FileContent::new(file.try_clone().unwrap(), "/srv/www/a.iso".into(), memory, jobs(Inline))
    }

    fn jobs(spawner: impl Spawner) -> Jobs {
        Jobs { spawner: Some(Arc::new(spawner)), ..Jobs::default() }
    }

    /// The body of a response, however it is made.
    fn body(content: FileContent) -> Body {
        match content.read_whole(Reads::Waiting, SMALL) {
            Ok(FileBody::Whole(bytes)) => bytes.into(),
            Ok(FileBody::Pieces(content)) => content.into_stream(),
            Err(unreadable) => panic!("{unreadable}"),
        }
    }

    fn next(body: &mut Body) -> Frame {
        match body.poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame,
            Poll::Pending => panic!("pending"),
        }
    }

    #[track_caller]
    fn assert_data(frame: Frame, expected: &[u8]) {
        assert!(matches!(&frame, Frame::Data(bytes) if bytes == expected), "{} expected", expected.len());
    }

    #[test]
    fn a_file_comes_in_pieces_with_its_length_known() {
        let mut body = body(source(&file(2 * SMALL + 7)).range(3..2 * SMALL + 5).bytes("end"));
        assert_eq!(body.length(), Some(2 * SMALL + 5));
        assert_data(next(&mut body), &bytes(3, SMALL + 3));
        assert_eq!(body.length(), Some(SMALL + 5));
        assert_data(next(&mut body), &bytes(SMALL + 3, 2 * SMALL + 3));
        assert_data(next(&mut body), &bytes(2 * SMALL + 3, 2 * SMALL + 5));
        assert_data(next(&mut body), b"end");
        assert!(matches!(next(&mut body), Frame::End));
    }

    #[test]
    fn pieces_grow_with_what_was_sent_and_are_large_where_there_is_room() {
        let file = file(4 * PIECE);
        let sizes = |room: u64| {
            let mut body = body(source_with(&file, room).range(0..4 * PIECE));
            let mut sizes = Vec::new();
            while let Frame::Data(bytes) = next(&mut body) {
                sizes.push(bytes.len() >> 10);
            }
            sizes
        };
        assert_eq!(sizes(0), [64, 64, 128, 256, 256, 256]);
        assert_eq!(sizes(128 << 20), sizes(0), "hardened");
        assert_eq!(sizes(256 << 20), [128, 128, 256, 256, 256]);
        assert_eq!(sizes(511 << 20), [256; 4], "the default, and little is taken");
        assert_eq!(sizes(u64::MAX), [256; 4], "without a limit");
    }

    #[test]
    fn room_for_the_first_piece_is_that_of_the_first_bytes_of_the_file() {
        let file = file(2 * PIECE);
        let content = source(&file).bytes("head").range(3..3).range(1..5).bytes("|").range(0..2);
        let mut reserving = std::pin::pin!(content.reserve());
        let Poll::Ready(Ok(content)) = reserving.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("there is room")
        };
        assert_eq!(content.reserved.as_ref().map(|reserved| reserved.bytes()), Some(4));
        let mut body = content.into_stream();
        assert_eq!(body.length(), Some(11));
        for expected in [&b"head"[..], b"\x01\x02\x03\x04", b"|", b"\x00\x01"] {
            assert_data(next(&mut body), expected);
        }
        assert!(matches!(next(&mut body), Frame::End));
    }

    /// Never runs the work.
    struct ForgetsJobs;

    impl Spawner for ForgetsJobs {
        fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
            mem::forget(work);
            Ok(())
        }
    }

    #[test]
    fn a_piece_that_is_being_read_is_still_to_come() {
        let mut body = FileContent::new(file(9), "a".into(), MemoryHandle::default(), jobs(ForgetsJobs))
            .range(0..9)
            .into_stream();
        assert!(body.poll_frame(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(body.length(), Some(9));
    }

    #[test]
    fn a_small_response_is_read_at_once() {
        let file = file(SMALL + 1);
        let whole = body(source(&file).bytes("<").range(1..5).bytes("|").range(3..4));
        assert!(
            matches!(&whole, Body::Full(content) if content[..] == *b"<\x01\x02\x03\x04|\x03"),
            "{whole:?}"
        );
        assert!(matches!(body(source(&file).range(0..SMALL)), Body::Full(_)));
        assert!(matches!(body(source(&file).range(0..SMALL + 1)), Body::Stream(_)));
        assert!(matches!(source(&file).range(0..1).into_stream(), Body::Stream(_)));
    }

    #[test]
    fn a_file_that_becomes_shorter_fails() {
        let file = file(SMALL * 2);
        let mut body = body(source(&file).range(0..SMALL * 2));
        assert_data(next(&mut body), &bytes(0, SMALL));
        file.set_len(SMALL + 1).unwrap();
        let failure = "\"/srv/www/a.iso\" became shorter while it was sent.";
        assert_eq!(failure_of(next(&mut body)), format!("The source of the body failed: {failure}"));
        let unreadable =
            source(&file).range(SMALL..SMALL + 2).read_whole(Reads::Waiting, SMALL).err().unwrap();
        assert_eq!(unreadable.to_string(), failure);
    }

    #[track_caller]
    fn failure_of(frame: Frame) -> String {
        match frame {
            Frame::Error(failure) => failure.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let only_written = File::create(folder.path().join("a")).unwrap();
        let mut body = source(&only_written).range(0..9).into_stream();
        let failure = "\"/srv/www/a.iso\" cannot be read: Bad file descriptor (os error 9).";
        assert_eq!(failure_of(next(&mut body)), format!("The source of the body failed: {failure}"));
        let unreadable = source(&only_written).range(0..9).read_whole(Reads::Waiting, SMALL).err().unwrap();
        assert_eq!(unreadable.to_string(), failure);
    }

    #[test]
    fn of_a_file_that_grows_comes_what_was_promised() {
        let mut file = file(SMALL + 1);
        let mut body = body(source(&file).range(0..SMALL + 1));
        file.write_all(b"more").unwrap();
        assert_data(next(&mut body), &bytes(0, SMALL));
        assert_data(next(&mut body), &bytes(SMALL, SMALL + 1));
        assert!(matches!(next(&mut body), Frame::End));
    }
}
