//! The ledger: one account of the memory of a server, charged where memory is taken and given back where it is let go.
//!
//! Charges live in guards, so that nothing is given back too late or never: [`Charge`], [`BodyCharge`], [`WireCharge`], the
//! [`ReservedMemory`](httpfsm::handler::ReservedMemory) of a response's source, and [`Kept`], which the driver has for what
//! its connection keeps past a wake-up. What is promised to a peer and has not come yet counts towards the limit as well, in
//! a row of its own: nothing is held for it.
//!
//! Who needs room asks for it ([`Ledger::take`]), or waits ([`Room`]): in one queue for all of a server, and under one
//! deadline. Connections do not wait for what they keep: it was received already, and is judged instead.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::handler::{MemoryUse, NoRoom, Subscriber};

use crate::alarms::{Alarms, NEVER};
use crate::clock::Clock;
use crate::panics;

pub(crate) use body::{BodyCharge, attach};
use queue::Queue;
pub(crate) use queue::Room;

mod body;
mod queue;

/// Input, and as much output, that a connection may always keep: half a head, and a 503. A request body that is no longer
/// needs no room either: it is in such input, as a rule.
pub(crate) const GRANTED: u32 = 4 << 10;

/// Fewer bytes are not given to whoever asks for more: who asks waits instead.
const LEAST: u64 = 16 << 10;

/// The part of the limit that bodies and pieces may take whatever connections keep: who waits would otherwise wait for
/// what is always granted.
const RESERVED: u64 = 4;

/// The part of the free room that one producer gets at most, so that the last ones are not left without any.
const SHARE: u64 = 64;

/// The part of all files that responses may take, so that slow readers leave some for requests.
const WRITTEN: u64 = 2;

/// The longest file of a response whose function is to wait before it is further ahead of its reader: the part of all
/// files, and the bounds of that. Those of all who wait are to be far less than responses may take, since whoever finds no
/// place to wait takes more.
const FILE_SHARE: u64 = 512;
const FILE_LEAST: u64 = 64 << 10;
const FILE_MOST: u64 = 8 << 20;

/// What memory is taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Row {
    /// Input that connections keep.
    Input,
    /// Output that connections keep.
    Output,
    /// Request bodies that nobody has read.
    Bodies,
    /// Pieces of responses.
    Pieces,
    /// Bytes of bodies that have been asked for and have not come.
    Promised,
    /// Bodies in files.
    Spooled,
    /// Those of responses among them.
    Written,
}

impl Row {
    /// Whether its bytes are in no memory.
    fn is_of_files(self) -> bool {
        matches!(self, Self::Spooled | Self::Written)
    }
}

/// See the module's documentation.
pub(crate) struct Ledger {
    rows: [AtomicU64; 7],
    /// Bytes in memory, and promised ones: the sum of all rows but those of files.
    taken: AtomicU64,
    max_taken: u64,
    max_spooled: u64,
    /// Where files of bodies are made; `None`: where the system has its temporary files.
    spool_dir: Option<PathBuf>,
    timeout: u64,
    /// How many wait for room.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
    alarms: Arc<Alarms>,
    clock: Clock,
    subscriber: Option<Arc<dyn Subscriber>>,
}

/// What a connection keeps past a wake-up, charged by its driver, which gives it back when it is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kept {
    pub(crate) input: u32,
    pub(crate) output: u32,
}

impl Ledger {
    pub(crate) fn new(
        config: &ServerConfig,
        alarms: Arc<Alarms>,
        clock: Clock,
        subscriber: Option<Arc<dyn Subscriber>>,
    ) -> Arc<Self> {
        // 0 means no limit, and no deadline.
        let limit = |bytes: u64| if bytes == 0 { u64::MAX } else { bytes };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(NEVER);
        Arc::new(Self {
            rows: Default::default(),
            taken: AtomicU64::new(0),
            max_taken: limit(config.max_buffered_bytes),
            max_spooled: limit(config.max_spooled_bytes),
            spool_dir: Some(PathBuf::from(&*config.spool_dir)).filter(|dir| !dir.as_os_str().is_empty()),
            timeout: config.room_timeout.filter(|time| !time.is_zero()).map_or(NEVER, millis),
            waiting: AtomicUsize::new(0),
            queue: Mutex::default(),
            alarms,
            clock,
            subscriber,
        })
    }

    /// What is held.
    pub(crate) fn memory(&self) -> MemoryUse {
        let mut memory = MemoryUse::default();
        memory.input = self.row(Row::Input);
        memory.output = self.row(Row::Output);
        memory.bodies = self.row(Row::Bodies);
        memory.pieces = self.row(Row::Pieces);
        memory.promised = self.row(Row::Promised);
        memory.spooled = self.row(Row::Spooled);
        memory
    }

    fn row(&self, row: Row) -> u64 {
        self.rows[row as usize].load(Ordering::SeqCst)
    }

    /// Whether nothing is left.
    pub(crate) fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.max_taken
    }

    /// Whether who can do with less memory is to.
    pub(crate) fn is_half_full(&self) -> bool {
        self.max_taken != u64::MAX && self.taken.load(Ordering::Relaxed) >= self.max_taken / 2
    }

    /// Charges a connection for what it keeps now, where it kept `kept`. `false` if its input has grown beyond what is
    /// always granted, and there is no room for that.
    #[inline]
    pub(crate) fn keep(&self, kept: &mut Kept, now: Kept) -> bool {
        *kept == now || self.keep_other(kept, now)
    }

    #[cold]
    fn keep_other(&self, kept: &mut Kept, now: Kept) -> bool {
        let before = std::mem::replace(kept, now);
        self.change(Row::Input, before.input.into(), now.input.into());
        self.change(Row::Output, before.output.into(), now.output.into());
        // Output is held up before it grows.
        let has_grown = now.input > before.input.max(GRANTED);
        !has_grown || self.taken.load(Ordering::SeqCst) <= self.max_taken
    }

    fn change(&self, row: Row, before: u64, after: u64) {
        if after > before {
            self.add(row, after - before);
        } else {
            self.give_back(row, before - after);
        }
    }

    /// Charges what is held already, whether or not there is room.
    fn add(&self, row: Row, bytes: u64) {
        self.rows[row as usize].fetch_add(bytes, Ordering::SeqCst);
        if !row.is_of_files() {
            self.taken.fetch_add(bytes, Ordering::SeqCst);
        }
    }

    /// Moves a charge between two rows in memory.
    fn shift(&self, from: Row, to: Row, bytes: u64) {
        self.rows[to as usize].fetch_add(bytes, Ordering::SeqCst);
        self.rows[from as usize].fetch_sub(bytes, Ordering::SeqCst);
    }

    /// Gives back, and gives what is free to those who wait. Called without any lock, as it wakes them.
    fn give_back(&self, row: Row, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.rows[row as usize].fetch_sub(bytes, Ordering::SeqCst);
        match row {
            Row::Spooled => {}
            Row::Written => self.give_back(Row::Spooled, bytes),
            _ => self.release(bytes),
        }
    }

    fn release(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.serve();
        }
    }

    /// Room for `most` bytes, or for fewer where room is scarce; `None` if there is none, or if others wait.
    pub(crate) fn take(self: &Arc<Self>, row: Row, most: u64) -> Option<Charge> {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            return None;
        }
        let bytes = self.take_share(most)?;
        Some(self.taken(row, bytes))
    }

    /// What a peer may always be asked for, whether or not there is room and whoever waits.
    pub(crate) fn grant(self: &Arc<Self>, bytes: u64) -> Charge {
        self.charge(Row::Promised, bytes)
    }

    /// Input of a connection that the application takes over, charged until it has read it.
    pub(crate) fn leftover(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let charge = self.charge(Row::Input, bytes.len() as u64);
        attach(bytes, Some(charge))
    }

    /// Charges whether or not there is room.
    fn charge(self: &Arc<Self>, row: Row, bytes: u64) -> Charge {
        self.add(row, bytes);
        Charge { ledger: Arc::clone(self), row, bytes }
    }

    /// Room for all of `bytes` bytes; `None` if there is none, or if others wait.
    fn take_all(&self, row: Row, bytes: u64) -> bool {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|_| bytes <= self.free(taken));
        if bytes == 0 {
            return true;
        }
        let is_free = self.waiting.load(Ordering::SeqCst) == 0
            && self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok();
        if is_free {
            self.rows[row as usize].fetch_add(bytes, Ordering::SeqCst);
        }
        is_free
    }

    /// What bodies and pieces may take.
    fn free(&self, taken: u64) -> u64 {
        let kept = self.row(Row::Input) + self.row(Row::Output);
        self.max_taken.max(kept.saturating_add(self.max_taken / RESERVED)).saturating_sub(taken)
    }

    /// Takes a share of what is free.
    fn take_share(&self, most: u64) -> Option<u64> {
        let mut share = 0;
        let take = |taken: u64| {
            let free = self.free(taken);
            // A small limit is shared as well.
            let least = LEAST.min(self.max_taken / 16).max(1);
            share = most.min(least.max(free / SHARE));
            (share <= free).then(|| taken.saturating_add(share))
        };
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).ok()?;
        Some(share)
    }

    /// The charge of what was taken.
    fn taken(self: &Arc<Self>, row: Row, bytes: u64) -> Charge {
        self.rows[row as usize].fetch_add(bytes, Ordering::SeqCst);
        Charge { ledger: Arc::clone(self), row, bytes }
    }

    /// The charge of a request's file, which is empty.
    pub(crate) fn file(self: &Arc<Self>) -> Charge {
        Charge { ledger: Arc::clone(self), row: Row::Spooled, bytes: 0 }
    }

    /// The same for a response.
    pub(crate) fn written_file(self: &Arc<Self>) -> Charge {
        Charge { ledger: Arc::clone(self), row: Row::Written, bytes: 0 }
    }

    /// Whether there may be so many bytes more in files of responses.
    pub(crate) fn has_written_room(&self, bytes: u64) -> Result<(), NoRoom> {
        let fits = |row, most: u64| self.row(row).saturating_add(bytes) <= most;
        let has_room = fits(Row::Written, self.max_spooled / WRITTEN) && fits(Row::Spooled, self.max_spooled);
        if has_room { Ok(()) } else { Err(NoRoom) }
    }

    /// How long the file of a response becomes whose function may wait.
    pub(crate) fn file_share(&self) -> u64 {
        (self.max_spooled / FILE_SHARE).clamp(FILE_LEAST, FILE_MOST)
    }

    /// Milliseconds on the server's clock.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Where files of bodies are made; `None`: where the system has its temporary files.
    pub(crate) fn spool_dir(&self) -> Option<&Path> {
        self.spool_dir.as_deref()
    }

    /// Adds to a row of files, of which there are to be `most` bytes.
    fn lengthen(&self, row: Row, bytes: u64, most: u64) -> Result<(), NoRoom> {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|&taken| taken <= most);
        let row = &self.rows[row as usize];
        row.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).map(drop).map_err(|_| NoRoom)
    }

    fn tell_no_room(&self) {
        if let Some(subscriber) = &self.subscriber {
            let memory = self.memory();
            let _ = panics::catch(|| subscriber.no_room(None, &memory));
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.memory().fmt(f)
    }
}

/// What the wire of an upgraded connection keeps, charged until this is dropped. Not to be dropped under a lock.
pub(crate) struct WireCharge {
    ledger: Arc<Ledger>,
    kept: Kept,
}

impl WireCharge {
    /// Of nothing yet.
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Self {
        Self { ledger: Arc::clone(ledger), kept: Kept::default() }
    }

    /// It keeps so many bytes now.
    pub(crate) fn set(&mut self, bytes: usize) {
        let output = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.ledger.keep(&mut self.kept, Kept { input: 0, output });
    }
}

impl Drop for WireCharge {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Bytes that are charged until this is dropped. Not to be dropped under a lock: it wakes those who wait for room.
#[must_use = "the bytes are given back when this is dropped"]
pub(crate) struct Charge {
    ledger: Arc<Ledger>,
    row: Row,
    bytes: u64,
}

impl Charge {
    /// How many.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A file is to become so much longer.
    pub(crate) fn spool(&mut self, bytes: u64) -> Result<(), NoRoom> {
        if self.row == Row::Written {
            self.ledger.lengthen(Row::Written, bytes, self.ledger.max_spooled / WRITTEN)?;
        }
        let spooled = self.ledger.lengthen(Row::Spooled, bytes, self.ledger.max_spooled);
        if spooled.is_err() && self.row == Row::Written {
            self.ledger.rows[Row::Written as usize].fetch_sub(bytes, Ordering::SeqCst);
        }
        spooled?;
        self.bytes += bytes;
        Ok(())
    }

    /// It has not become so much longer.
    pub(crate) fn unspool(&mut self, bytes: u64) {
        self.bytes -= bytes;
        self.ledger.give_back(self.row, bytes);
    }

    /// Passes the bytes on to whoever accounts for them from here on.
    fn into_bytes(mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.give_back(self.row, self.bytes);
    }
}

#[cfg(test)]
mod tests;
