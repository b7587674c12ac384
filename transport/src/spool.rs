//! Whole request bodies: in memory up to `inbuf_overflow`, above it in a temporary file without a name.
//!
//! All file work is a [`Job`], so that no async worker waits for a disk; while one runs, no further octets are asked
//! for.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, BodyFailure, Frame, Source};
use httpfsm::trailers::Trailers;

use crate::job::{Job, Spawner};
use crate::pipe::{WINDOW, own_trailers};

/// Octets written to or read from the file at once, at most.
const PIECE: usize = 256 << 10;

/// A body that is being gathered.
pub(crate) struct Spool {
    memory: BytesMut,
    file: Place,
    overflow: u64,
    received: u64,
    /// Octets asked for that have not come.
    credit: u64,
    /// The body is whole; with its trailer fields.
    end: Option<Option<Fields>>,
}

enum Place {
    Memory,
    File(File),
    /// The file and so many octets are with the job.
    Writing(Job<io::Result<File>>, usize),
}

/// What a poll of the spool found.
pub(crate) enum Gathered {
    /// Credit for so many more octets is to be given.
    Demand(u64),
    /// The body is whole.
    Whole(Body),
    /// The file failed.
    Failed(io::Error),
}

impl Spool {
    pub(crate) fn new(overflow: u64) -> Self {
        let overflow = if overflow == 0 { u64::MAX } else { overflow };
        Self { memory: BytesMut::new(), file: Place::Memory, overflow, received: 0, credit: 0, end: None }
    }

    pub(crate) fn data(&mut self, octets: &[u8]) {
        self.received += octets.len() as u64;
        self.credit = self.credit.saturating_sub(octets.len() as u64);
        self.memory.extend_from_slice(octets);
    }

    /// Octets in memory.
    pub(crate) fn held(&self) -> usize {
        let writing = if let Place::Writing(_, length) = self.file { length } else { 0 };
        self.memory.len() + writing
    }

    pub(crate) fn end(&mut self, trailers: Trailers<'_>) {
        self.end = Some(own_trailers(trailers));
    }

    /// To be polled after data and the end.
    pub(crate) fn poll(&mut self, spawner: &Arc<dyn Spawner>, cx: &mut Context<'_>) -> Poll<Gathered> {
        if let Place::Writing(job, _) = &mut self.file {
            match ready!(Pin::new(job).poll(cx)) {
                Ok(file) => self.file = Place::File(file),
                Err(error) => return Poll::Ready(Gathered::Failed(error)),
            }
        }
        let in_memory = matches!(self.file, Place::Memory);
        // Not by every few octets, and not by so many that the file spares no memory.
        let piece = self.overflow.clamp(WINDOW / 2, PIECE as u64);
        let bound = if in_memory { self.overflow } else { piece };
        let held = self.memory.len() as u64;
        if held > bound || (self.end.is_some() && !in_memory && held > 0) {
            self.write(&**spawner);
            return self.poll(spawner, cx);
        }
        if let Some(trailers) = self.end.take() {
            return Poll::Ready(Gathered::Whole(self.finish(trailers, spawner)));
        }
        if self.credit >= WINDOW / 2 {
            return Poll::Pending;
        }
        let demand = WINDOW - self.credit;
        self.credit += demand;
        Poll::Ready(Gathered::Demand(demand))
    }

    /// Gives the memory to a job that appends it to the file, which it makes if there is none.
    fn write(&mut self, spawner: &dyn Spawner) {
        let memory = std::mem::take(&mut self.memory);
        let file = match std::mem::replace(&mut self.file, Place::Memory) {
            Place::File(file) => Some(file),
            Place::Memory | Place::Writing(..) => None,
        };
        let length = memory.len();
        // The memory goes with the job: a body that stands still behind it is to hold none.
        let job = Job::spawn(spawner, move || {
            let mut file = file.map_or_else(tempfile::tempfile, Ok)?;
            file.write_all(&memory)?;
            Ok(file)
        });
        self.file = Place::Writing(job, length);
    }

    fn finish(&mut self, trailers: Option<Fields>, spawner: &Arc<dyn Spawner>) -> Body {
        match std::mem::replace(&mut self.file, Place::Memory) {
            Place::File(file) => Body::stream(FileSource {
                job: None,
                file: Some((file, true)),
                left: self.received,
                trailers,
                spawner: Arc::clone(spawner),
            }),
            Place::Memory | Place::Writing(..) => {
                let octets = std::mem::take(&mut self.memory).freeze();
                match trailers {
                    None if octets.is_empty() => Body::Empty,
                    None => Body::Full(octets),
                    Some(trailers) => Body::stream(MemorySource { octets, trailers: Some(trailers) }),
                }
            }
        }
    }
}

/// A body in memory that trailers follow.
struct MemorySource {
    octets: Bytes,
    trailers: Option<Fields>,
}

impl Source for MemorySource {
    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
        if !self.octets.is_empty() {
            return Poll::Ready(Frame::Data(std::mem::take(&mut self.octets)));
        }
        Poll::Ready(self.trailers.take().map_or(Frame::End, Frame::Trailers))
    }

    fn length(&self) -> Option<u64> {
        Some(self.octets.len() as u64)
    }
}

/// A body in a file, read piece by piece.
struct FileSource {
    job: Option<Job<io::Result<(File, Bytes)>>>,
    /// The file, and whether it stands at its end and is to be wound back.
    file: Option<(File, bool)>,
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
        let length = usize::try_from(this.left).unwrap_or(PIECE).min(PIECE);
        if let Some((file, rewind)) = this.file.take() {
            this.job = Some(Job::spawn(&*this.spawner, move || read(file, rewind, length)));
        }
        let Some(job) = &mut this.job else { return Poll::Ready(Frame::End) };
        let done = ready!(Pin::new(job).poll(cx));
        this.job = None;
        Poll::Ready(match done {
            Ok((file, octets)) => {
                this.file = Some((file, false));
                this.left -= octets.len() as u64;
                Frame::Data(octets)
            }
            Err(error) => Frame::Error(BodyFailure::source(error)),
        })
    }

    fn length(&self) -> Option<u64> {
        Some(self.left)
    }
}

fn read(mut file: File, rewind: bool, length: usize) -> io::Result<(File, Bytes)> {
    if rewind {
        file.seek(SeekFrom::Start(0))?;
    }
    let mut octets = vec![0; length];
    file.read_exact(&mut octets)?;
    Ok((file, octets.into()))
}
