//! Whole request bodies: in memory up to `inbuf_overflow`, above it in a temporary file without a name.
//!
//! All file work is a [`Job`], also the end of the file, so that no async worker waits for a disk; while one runs, no
//! further bytes are asked for. Who reads the body on a thread that may block reads the file there.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, BodyFailure, Frame, MemoryHandle, ReservedMemory, Source};
use httpfsm::trailers::Trailers;

use crate::append::append_all;
use crate::job::{Job, Spawner};
use crate::ledger::{BodyCharge, Charge, GRANTED, Ledger, attach};
use crate::may_block::may_block;
use crate::panics;
use crate::permits::{Permit, Permits};
use crate::pipe::{PartialBody, WINDOW, own_trailers, window};
use crate::spooled::Spooled;

/// Bytes written to or read from the file at once, at most.
const PIECE: usize = 256 << 10;

/// Bytes that a peer may owe: few, as what comes is taken at once, and a peer that stands still keeps all that was promised.
const OWED: u64 = 16 << 10;

/// Where memory is scarce, a body goes to the disk of which fewer bytes have come in [`STILL`].
const MOVES: u64 = 8 << 10;

/// Milliseconds.
const STILL: u64 = 100;

/// A body that is being gathered.
pub(crate) struct Spool {
    memory: Vec<u8>,
    file: Storage,
    overflow: u64,
    received: u64,
    /// Bytes asked for that have not come.
    credit: u64,
    /// Of `memory` and `credit`.
    charge: BodyCharge,
    ledger: Arc<Ledger>,
    /// The body is whole; with its trailer fields.
    end: Option<Option<Fields>>,
    /// Of those that a long body may be read under as it comes.
    permits: Option<Arc<Permits>>,
    /// Memory is scarce: when to look whether the body moves, on the server's clock, and what had come before.
    look: Option<(u64, u64)>,
}

enum Storage {
    Memory,
    File(Spooled),
    /// The file is with the job, and bytes that go into it.
    Writing(Job<io::Result<Spooled>>),
}

/// What a poll of the spool found.
pub(crate) enum Gathered {
    /// Credit for so many more bytes is to be given.
    Demand(u64),
    /// The body is whole.
    Whole(Body),
    /// The body is long, and may be read as it comes, after [`Spool::into_partial`].
    Permitted(Permit),
    /// The file failed.
    Failed(io::Error),
}

impl Spool {
    pub(crate) fn new(overflow: u64, ledger: &Arc<Ledger>) -> Self {
        let overflow = if overflow == 0 { u64::MAX } else { overflow };
        Self {
            memory: Vec::new(),
            file: Storage::Memory,
            overflow,
            received: 0,
            credit: 0,
            charge: BodyCharge::default(),
            ledger: Arc::clone(ledger),
            end: None,
            permits: None,
            look: None,
        }
    }

    /// The same for a body of which something has come.
    pub(crate) fn resume(overflow: u64, ledger: &Arc<Ledger>, came: PartialBody) -> Self {
        let PartialBody { bytes, credit, charge, .. } = came;
        let received = bytes.len() as u64;
        Self { memory: bytes, received, credit, charge, ..Self::new(overflow, ledger) }
    }

    /// The body may be read as it comes, once it is long, if there is a permit.
    pub(crate) fn permitted(self, permits: &Arc<Permits>) -> Self {
        Self { permits: Some(Arc::clone(permits)), ..self }
    }

    /// What has come, all of it in memory.
    pub(crate) fn into_partial(self) -> PartialBody {
        let Self { memory, credit, charge, end, .. } = self;
        PartialBody { bytes: memory, credit, charge, end }
    }

    pub(crate) fn data(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        self.credit = self.credit.saturating_sub(bytes.len() as u64);
        self.charge.arrive(bytes.len() as u64);
        append_all(&mut self.memory, bytes);
    }

    pub(crate) fn end(&mut self, trailers: Trailers<'_>) {
        self.end = Some(own_trailers(trailers));
        drop(self.charge.forgo());
    }

    /// How many of `demand` bytes need room.
    pub(crate) fn wants(&self, length: Option<u64>, demand: u64) -> u64 {
        self.charge.wants(length, demand)
    }

    /// There is room for so many bytes, of `wanted`; what the channel may be asked for.
    pub(crate) fn promise(&mut self, room: Charge, wanted: u64, demand: u64) -> u64 {
        let granted = if room.bytes() < wanted { room.bytes() } else { demand };
        self.charge.promise(room);
        self.credit = self.credit.saturating_sub(demand - granted);
        granted
    }

    /// Whether a job writes to the file.
    pub(crate) fn is_writing(&self) -> bool {
        matches!(self.file, Storage::Writing(_))
    }

    /// There is no room for `demand` bytes. What is in memory goes to the file, if the body may go there, unless that is
    /// little and more of it may come. `false` if there is nothing that could go, and nothing is on its way: then it waits
    /// for room.
    pub(crate) fn decline(&mut self, demand: u64, spawner: &Arc<dyn Spawner>) -> bool {
        let waits = if self.stays_in_memory() { self.credit <= demand } else { self.charge.is_empty() };
        if waits {
            return false;
        }
        self.credit = self.credit.saturating_sub(demand);
        let is_little = self.credit > 0 && self.memory.len() < GRANTED as usize;
        if !self.memory.is_empty() && !is_little && !self.stays_in_memory() {
            self.write(spawner);
        }
        true
    }

    /// Whether it leaves memory to those who cannot do with the disk: pieces of responses, and bodies that are streamed.
    pub(crate) fn spares_memory(&self) -> bool {
        !self.stays_in_memory() && self.ledger.is_half_full()
    }

    /// When it is to be polled although nothing has come, on the server's clock.
    pub(crate) fn looks_at(&self) -> Option<u64> {
        self.look.map(|(at, _)| at)
    }

    /// Whether memory is scarce, and the body stands still with more than may always be held. One that moves is over soon,
    /// and would wait behind those that stand still if it went to the disk as they do.
    fn is_still(&mut self) -> bool {
        let look = self.look.take();
        if self.end.is_some() || self.memory.len() < GRANTED as usize || !self.spares_memory() {
            return false;
        }
        let now = self.ledger.now();
        self.look = match look {
            Some((at, _)) if now < at => look,
            Some((_, came)) if self.received - came < MOVES => return true,
            _ => Some((now.saturating_add(STILL), self.received)),
        };
        false
    }

    /// Whether the body may not go to the disk.
    pub(crate) fn stays_in_memory(&self) -> bool {
        self.overflow == u64::MAX
    }

    /// To be polled after data and the end.
    pub(crate) fn poll(&mut self, spawner: &Arc<dyn Spawner>, cx: &mut Context<'_>) -> Poll<Gathered> {
        if let Storage::Writing(job) = &mut self.file {
            match ready!(Pin::new(job).poll(cx)) {
                Ok(file) => self.file = Storage::File(file),
                Err(error) => return Poll::Ready(Gathered::Failed(error)),
            }
        }
        let in_memory = matches!(self.file, Storage::Memory);
        // Not by every few bytes, and not by so many that the file spares no memory.
        let piece = self.overflow.clamp(WINDOW / 2, PIECE as u64);
        let bound = if in_memory { self.overflow } else { piece };
        let held = self.memory.len() as u64;
        if in_memory && held > bound {
            if let Some(permit) = self.permits.as_ref().and_then(Permits::try_take) {
                return Poll::Ready(Gathered::Permitted(permit));
            }
        }
        // Who comes later finds room, whoever stands still with a part of a body.
        if held > bound || self.is_still() || (self.end.is_some() && !in_memory && held > 0) {
            self.write(spawner);
            return self.poll(spawner, cx);
        }
        if let Some(trailers) = self.end.take() {
            return Poll::Ready(Gathered::Whole(self.finish(trailers, spawner)));
        }
        // What one that stands still keeps is no more than is granted anyway, and as much in memory.
        let window = if self.spares_memory() { GRANTED.into() } else { window(self.received, OWED) };
        if self.credit >= window / 2 {
            return Poll::Pending;
        }
        let demand = window - self.credit;
        self.credit += demand;
        Poll::Ready(Gathered::Demand(demand))
    }

    /// Gives the memory to a job that appends it to the file, which it makes if there is none.
    fn write(&mut self, spawner: &Arc<dyn Spawner>) {
        self.look = None;
        let memory = std::mem::take(&mut self.memory);
        let file = match std::mem::replace(&mut self.file, Storage::Memory) {
            Storage::File(file) => Some(file),
            Storage::Memory | Storage::Writing(_) => None,
        };
        let charge = self.charge.release(memory.len() as u64);
        let (ledger, own) = (Arc::clone(&self.ledger), Arc::clone(spawner));
        // The memory goes with the job: a body that stands still behind it is to hold none.
        let work = move || {
            let mut file = file.map_or_else(|| Spooled::create(&ledger, own), Ok)?;
            file.append(&memory)?;
            drop((memory, charge));
            Ok(file)
        };
        // A spawner may panic, as that of a runtime that shuts down.
        let written = panics::attempt(|| Job::spawn_own(&**spawner, work).map_err(io::Error::from));
        let written = written.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        self.file = Storage::Writing(written.unwrap_or_else(|error| Job::done(Err(error))));
    }

    fn finish(&mut self, trailers: Option<Fields>, spawner: &Arc<dyn Spawner>) -> Body {
        match std::mem::replace(&mut self.file, Storage::Memory) {
            Storage::File(file) => Body::stream(FileSource {
                memory: MemoryHandle::new(Arc::<Ledger>::clone(&self.ledger)),
                job: None,
                file: Some((file, true)),
                left: self.received,
                trailers,
                spawner: Arc::clone(spawner),
            }),
            Storage::Memory | Storage::Writing(_) => {
                let charge = self.charge.release(u64::MAX);
                let bytes = attach(std::mem::take(&mut self.memory).into(), charge);
                match trailers {
                    None if bytes.is_empty() => Body::Empty,
                    None => Body::Full(bytes),
                    Some(trailers) => Body::stream(MemorySource { bytes, trailers: Some(trailers) }),
                }
            }
        }
    }
}

/// A body in memory that trailers follow.
struct MemorySource {
    bytes: Bytes,
    trailers: Option<Fields>,
}

impl Source for MemorySource {
    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
        if !self.bytes.is_empty() {
            return Poll::Ready(Frame::Data(std::mem::take(&mut self.bytes)));
        }
        Poll::Ready(self.trailers.take().map_or(Frame::End, Frame::Trailers))
    }

    fn length(&self) -> Option<u64> {
        Some(self.bytes.len() as u64)
    }
}

/// The file, and what was read of it.
type ReadPiece = io::Result<(Spooled, Bytes)>;

/// A body in a file, read piece by piece.
struct FileSource {
    memory: MemoryHandle,
    job: Option<Job<ReadPiece>>,
    /// The file, and whether it stands at its end and is to be wound back.
    file: Option<(Spooled, bool)>,
    left: u64,
    trailers: Option<Fields>,
    spawner: Arc<dyn Spawner>,
}

impl Source for FileSource {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(this.trailers.take().map_or(Frame::End, Frame::Trailers));
        }
        let may_block = may_block();
        if this.file.is_some() {
            let length = usize::try_from(this.left).unwrap_or(PIECE).min(PIECE);
            // Nobody waits for room here: the file holds what gives room to others when it has been read. Where there is
            // none, a thread that may block holds a larger piece than a connection, since there are fewer of them.
            let room = usize::try_from(this.memory.room()).unwrap_or(PIECE);
            let most = if may_block { PIECE } else { room.max(GRANTED as usize) };
            let reserved = this.memory.reserve_now(length.min(most));
            if may_block {
                let Some((file, rewind)) = this.file.take() else { return Poll::Ready(Frame::End) };
                return Poll::Ready(this.take(read(file, rewind, reserved)));
            }
            if let Some((file, rewind)) = this.file.take() {
                let piece = Job::spawn_own(&*this.spawner, move || read(file, rewind, reserved));
                this.job = Some(piece.unwrap_or_else(|none| Job::done(Err(none.into()))));
            }
        }
        let Some(job) = &mut this.job else { return Poll::Ready(Frame::End) };
        if may_block {
            job.run_here();
        }
        let piece = ready!(Pin::new(job).poll(cx));
        this.job = None;
        Poll::Ready(this.take(piece))
    }

    fn length(&self) -> Option<u64> {
        Some(self.left)
    }
}

impl FileSource {
    fn take(&mut self, piece: ReadPiece) -> Frame {
        match piece {
            Ok((file, bytes)) => {
                self.file = Some((file, false));
                self.left -= bytes.len() as u64;
                Frame::Data(bytes)
            }
            Err(error) => Frame::Error(BodyFailure::source(error)),
        }
    }
}

fn read(mut file: Spooled, rewind: bool, reserved: ReservedMemory) -> ReadPiece {
    if rewind {
        file.rewind()?;
    }
    let bytes = file.read(reserved.bytes())?;
    Ok((file, reserved.attach(bytes)))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use httpfsm::config::ServerConfig;

    use super::*;
    use crate::clock::Clock;
    use crate::job::NoThread;
    use crate::job::tests::{ManualSpawner, spawn};
    use crate::ledger::Row;
    use crate::may_block::BlockingScope;
    use crate::spooled::tests::{ledger, watched};

    /// Drops what holds the file on a thread that may not block, and on one that may.
    fn is_closed_where_it_may_be_waited_for<T>(holder: impl Fn(Spooled, &Arc<dyn Spawner>) -> T) {
        let manual = Arc::<ManualSpawner>::default();
        let spawner: Arc<dyn Spawner> = Arc::clone(&manual) as _;
        let (file, is_closed) = watched(Arc::clone(&spawner));
        drop(holder(file, &spawner));
        assert!(!is_closed(), "no driver waits for it");
        manual.run();
        assert!(is_closed());
        let (file, is_closed) = watched(Arc::clone(&spawner));
        let held = holder(file, &spawner);
        let blocking = BlockingScope::begin();
        drop(held);
        assert!(is_closed(), "no other thread is needed");
        drop(blocking);
    }

    /// A ledger without any room.
    fn full() -> Arc<Ledger> {
        let config = ServerConfig { max_buffered_bytes: 1, room_timeout: None, ..ServerConfig::default() };
        let ledger = Ledger::new(&config, Arc::default(), Clock::manual(), None);
        std::mem::forget(MemoryHandle::new(Arc::<Ledger>::clone(&ledger)).reserve_now(1));
        ledger
    }

    fn spool(file: Storage) -> Spool {
        Spool { file, ..Spool::new(1, &ledger(0)) }
    }

    struct Panics;

    impl Spawner for Panics {
        fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
            panic!("there is no runtime")
        }
    }

    #[test]
    fn a_spawner_that_panics_is_a_failure_of_the_file_wherever_it_is_called() {
        let spawner: Arc<dyn Spawner> = Arc::new(Panics);
        for has_room in [false, true] {
            let mut spool = with_bytes(1, 9);
            if !has_room {
                assert!(spool.decline(1, &spawner));
            }
            let polled = spool.poll(&spawner, &mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Gathered::Failed(error)) = polled else { panic!("it has not failed") };
            assert!(error.to_string().contains("there is no runtime"), "{error}");
        }
    }

    /// It holds so many bytes for which there was room.
    fn with_bytes(overflow: u64, bytes: usize) -> Spool {
        let mut spool = Spool::new(overflow, &ledger(0));
        let Some(room) = spool.ledger.take(Row::Promised, bytes as u64) else { panic!("there is room") };
        let _ = spool.promise(room, bytes as u64, bytes as u64);
        spool.data(&vec![b'x'; bytes]);
        spool
    }

    #[test]
    fn what_is_declined_goes_to_the_file_unless_it_is_little_and_more_may_come() {
        let manual = Arc::<ManualSpawner>::default();
        let spawner: Arc<dyn Spawner> = Arc::clone(&manual) as _;
        let enough = GRANTED as usize;
        for (bytes, credit, goes) in [(1, 9, false), (enough - 1, 9, false), (enough, 9, true), (1, 0, true)]
        {
            let mut spool = with_bytes(1 << 20, bytes);
            spool.credit = credit + 7;
            assert!(spool.decline(7, &spawner), "it waits for no room");
            assert_eq!((spool.is_writing(), spool.credit), (goes, credit), "{bytes} {credit}");
            manual.run();
        }
    }

    fn source(
        file: Option<(Spooled, bool)>,
        job: Option<Job<ReadPiece>>,
        spawner: &Arc<dyn Spawner>,
    ) -> FileSource {
        let memory = MemoryHandle::new(full());
        let spawner = Arc::clone(spawner);
        FileSource { memory, file, job, left: 9, trailers: None, spawner }
    }

    #[test]
    fn a_file_is_closed_where_a_disk_may_be_waited_for_whatever_holds_it() {
        is_closed_where_it_may_be_waited_for(|file, _| spool(Storage::File(file)));
        is_closed_where_it_may_be_waited_for(|file, spawner| source(Some((file, true)), None, spawner));
        // Work that has not begun, and a result that nobody has taken.
        is_closed_where_it_may_be_waited_for(|file, spawner| {
            spool(Storage::Writing(spawn(&**spawner, || Ok(file))))
        });
        is_closed_where_it_may_be_waited_for(|file, spawner| {
            source(None, Some(Job::done(Ok((file, Bytes::new())))), spawner)
        });
    }

    #[test]
    fn a_piece_is_read_where_there_is_no_room() {
        let manual = Arc::<ManualSpawner>::default();
        let spawner: Arc<dyn Spawner> = Arc::clone(&manual) as _;
        let mut file =
            Spooled::create(&ledger(0), Arc::clone(&spawner)).unwrap_or_else(|error| panic!("{error}"));
        assert!(file.append(b"some bytes").is_ok());
        let mut source = source(Some((file, true)), None, &spawner);
        let mut poll = || Pin::new(&mut source).poll_frame(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending(), "a job reads it");
        manual.run();
        assert!(matches!(poll(), Poll::Ready(Frame::Data(bytes)) if bytes == b"some byte"[..]));
        assert!(matches!(poll(), Poll::Ready(Frame::End)));
    }

    #[test]
    fn a_piece_for_which_no_thread_has_been_found_is_read_by_whoever_waits_for_it() {
        let manual = Arc::<ManualSpawner>::default();
        let spawner: Arc<dyn Spawner> = Arc::clone(&manual) as _;
        let mut file =
            Spooled::create(&ledger(0), Arc::clone(&spawner)).unwrap_or_else(|error| panic!("{error}"));
        assert!(file.append(b"some bytes").is_ok());
        let mut source =
            FileSource { memory: MemoryHandle::default(), ..source(Some((file, true)), None, &spawner) };
        let mut poll = || Pin::new(&mut source).poll_frame(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        let _blocking = BlockingScope::begin();
        assert!(matches!(poll(), Poll::Ready(Frame::Data(bytes)) if bytes == b"some byte"[..]));
        assert!(matches!(poll(), Poll::Ready(Frame::End)));
    }
}
