//! The memory of a server: what it holds, and room that is reserved before memory is taken.

use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;

use super::control::Waiter;

/// What a server holds, in bytes. The parameter `max_buffered_bytes` bounds [`total`](Self::total) and
/// [`promised`](Self::promised) together, and `max_spooled_bytes` bounds [`spooled`](Self::spooled). What is granted where
/// there is no room, 4 KiB of input and of output for each connection among it, counts here as well, so `total` may be above
/// the limit: [`max_buffered_bytes`](crate::config::ServerConfig::max_buffered_bytes) says by what.
///
/// ```
/// use httpfsm::handler::MemoryUse;
///
/// /// A gauge of each part, as Prometheus reads it.
/// fn metrics(memory: &MemoryUse) -> String {
///     let MemoryUse { input, output, bodies, pieces, .. } = memory;
///     [("input", input), ("output", output), ("bodies", bodies), ("pieces", pieces)]
///         .map(|(part, bytes)| format!("server_memory_bytes{{part=\"{part}\"}} {bytes}\n"))
///         .concat()
/// }
///
/// assert!(metrics(&MemoryUse::default()).starts_with("server_memory_bytes{part=\"input\"} 0\n"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Buffers of input that connections keep while they wait.
    pub input: u64,
    /// Buffers of output that connections keep while they wait, and what their wires and the layers on these hold.
    pub output: u64,
    /// Request bodies that have been received and not been read.
    pub bodies: u64,
    /// Pieces of responses for which room was reserved, until their last byte has left.
    pub pieces: u64,
    /// Bytes of request bodies that peers have been asked for and that have not come, and room for whoever waited for some
    /// and has not taken it up. Nothing is held for them yet, but room is kept free, so others may find none while
    /// [`total`](Self::total) is far below the limit.
    pub promised: u64,
    /// Bodies in temporary files: of requests, and of responses whose readers are slow. This is no memory, unless the
    /// folder of these files is on a file system in memory.
    pub spooled: u64,
}

impl MemoryUse {
    /// All that is in memory: what is promised is not.
    ///
    /// ```
    /// use httpfsm::handler::MemoryUse;
    ///
    /// let mut memory = MemoryUse::default();
    /// (memory.bodies, memory.pieces) = (64 << 10, 1 << 20);
    /// // No byte of this has come yet, and that is on a disk.
    /// (memory.promised, memory.spooled) = (16 << 10, 1 << 30);
    /// assert_eq!(memory.total(), (64 << 10) + (1 << 20));
    /// ```
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input + self.output + self.bodies + self.pieces
    }
}

/// Keeps the account behind a [`MemoryHandle`]; implemented by transports.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::sync::Arc;
/// use std::task::{Context, Poll};
///
/// use httpfsm::handler::{MemoryHandle, MemoryLedger, NoRoom, Waiter};
///
/// /// Room for so many bytes, for a test of a source. Nobody waits for some: there is room at once, or there is none.
/// struct Room(AtomicUsize);
///
/// impl Room {
///     fn take(&self, bytes: usize) -> bool {
///         self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |room| room.checked_sub(bytes)).is_ok()
///     }
/// }
///
/// impl MemoryLedger for Room {
///     fn poll_reserve(&self, _: &mut Waiter, bytes: usize, _: &mut Context<'_>) -> Poll<Result<usize, NoRoom>> {
///         Poll::Ready(self.take(bytes).then_some(bytes).ok_or(NoRoom))
///     }
///
///     fn room(&self) -> u64 {
///         self.0.load(Ordering::SeqCst) as u64
///     }
///
///     fn try_reserve(&self, bytes: usize) -> bool {
///         self.take(bytes)
///     }
///
///     fn reserve_now(&self, bytes: usize) -> usize {
///         if self.take(bytes) { bytes } else { 0 }
///     }
///
///     fn give_back(&self, bytes: usize) {
///         self.0.fetch_add(bytes, Ordering::SeqCst);
///     }
///
///     fn forget(&self, _: &mut Waiter) {}
/// }
///
/// let memory = MemoryHandle::new(Arc::new(Room(100.into())));
/// assert!(memory.try_reserve(101).is_none());
/// assert_eq!(memory.reserve_now(60).attach([0; 60]).len(), 60);
/// // The bytes are gone, and so is their reservation.
/// assert_eq!(memory.room(), 100);
/// ```
pub trait MemoryLedger: Send + Sync {
    /// Takes room for `bytes` bytes, or for fewer where room is scarce, and returns for how many. Who has to wait is served
    /// in order. `waiter` is the key of whoever waits, which is [forgotten](Self::forget) if this is not polled to its end.
    ///
    /// # Errors
    ///
    /// There was no room within `room_timeout`.
    fn poll_reserve(
        &self,
        waiter: &mut Waiter,
        bytes: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, NoRoom>>;

    /// For how many bytes there is room now; 0 where others wait for some.
    fn room(&self) -> u64;

    /// Takes room for all of `bytes` bytes if there is room now and nobody waits for it.
    fn try_reserve(&self, bytes: usize) -> bool;

    /// Takes room for `bytes` bytes, or for fewer where room is scarce, and returns for how many: at once, also where there
    /// is none or others wait for it. So the limit is exceeded, by 16 KiB at most.
    fn reserve_now(&self, bytes: usize) -> usize;

    /// Gives back room for so many bytes.
    fn give_back(&self, bytes: usize);

    /// Nobody waits under this key any more.
    fn forget(&self, waiter: &mut Waiter);
}

/// Reserves memory of a server for pieces of responses; from [`Request::memory`](super::Request::memory).
///
/// A source that reads a file, or makes its bytes in another way, reserves room for each piece before it allocates it, and
/// has the reservation travel with the bytes. So however many peers read slowly, the pieces that they hold stay within
/// `max_buffered_bytes`. Bytes that are there anyway, as those of a cache, need no reservation: they are the application's.
/// The head of a response leaves before its source is polled. So a handler reserves room for the first piece before it
/// responds: if there is none, the response is a 503 rather than a 200 that is cut.
///
/// ```
/// use httpfsm::handler::{MemoryHandle, NoRoom};
/// use bytes::Bytes;
///
/// async fn piece(memory: &MemoryHandle, left: &[u8]) -> Result<Bytes, NoRoom> {
///     // There may be room for fewer bytes.
///     let reserved = memory.reserve(left.len().min(64 << 10)).await?;
///     let piece = left[..reserved.bytes()].to_vec();
///     Ok(reserved.attach(piece))
/// }
/// ```
///
/// ```
/// use httpfsm::handler::{Body, MemoryHandle, ReservedMemory, Response};
/// use httpfsm::status::Status;
///
/// async fn respond(memory: MemoryHandle, content: impl FnOnce(ReservedMemory) -> Body) -> Response {
///     match memory.reserve(64 << 10).await {
///         // The content begins with the piece for which there is room.
///         Ok(first) => Response::new(Status::OK).with_body(content(first)),
///         Err(none) => Response::text(none.to_string()).with_status(Status::SERVICE_UNAVAILABLE),
///     }
/// }
/// ```
#[derive(Clone, Default)]
pub struct MemoryHandle(Option<Arc<dyn MemoryLedger>>);

impl MemoryHandle {
    /// The handle of a ledger, for transports. The default one has none, and always has room.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use httpfsm::handler::{MemoryHandle, MemoryLedger};
    ///
    /// /// What a transport gives the handlers of a server, whose connections share a ledger.
    /// fn of_server(ledger: &Arc<impl MemoryLedger + 'static>) -> MemoryHandle {
    ///     MemoryHandle::new(ledger.clone())
    /// }
    ///
    /// // Without a ledger there is no limit.
    /// assert_eq!(MemoryHandle::default().room(), u64::MAX);
    /// ```
    #[must_use]
    pub fn new(ledger: Arc<dyn MemoryLedger>) -> Self {
        Self(Some(ledger))
    }

    /// For how many bytes there is room now: `u64::MAX` without a limit, 0 where others wait for room. It may be less a
    /// moment later. A source that does not know whether its peer reads takes a small part of it for its first pieces, so
    /// that many of such peers leave room to others.
    ///
    /// ```
    #[doc = include_str!("../examples/memory.txt")]
    /// // A peer that may read slowly gets a quarter of what is left.
    /// let first = memory.try_reserve(usize::try_from(memory.room() / 4).unwrap_or(usize::MAX));
    /// assert_eq!(first.as_ref().map(ReservedMemory::bytes), Some(25));
    /// assert_eq!(memory.room(), 75);
    /// ```
    #[must_use]
    pub fn room(&self) -> u64 {
        self.0.as_ref().map_or(u64::MAX, |ledger| ledger.room())
    }

    /// Room for `bytes` bytes, as soon as there is; for fewer, but not for none, where room is scarce. Who waits is served
    /// in order.
    ///
    /// ```
    #[doc = include_str!("../examples/memory.txt")]
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let Poll::Ready(Ok(reserved)) = Pin::new(&mut memory.reserve(150)).poll(&mut cx) else { panic!("there is room") };
    /// // It is less than was asked for.
    /// assert_eq!(reserved.bytes(), 100);
    /// let mut next = memory.reserve(1);
    /// assert!(Pin::new(&mut next).poll(&mut cx).is_pending());
    /// drop(reserved);
    /// assert!(Pin::new(&mut next).poll(&mut cx).is_ready());
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if there is none within the parameter `room_timeout`.
    pub fn reserve(&self, bytes: usize) -> ReserveFuture {
        ReserveFuture { ledger: self.0.clone(), bytes, waiter: Waiter::default() }
    }

    /// Room for all of `bytes` bytes, if there is room now.
    ///
    /// ```
    #[doc = include_str!("../examples/memory.txt")]
    /// let reserved = memory.try_reserve(80).expect("there is room");
    /// assert!(memory.try_reserve(80).is_none());
    /// drop(reserved);
    /// assert!(memory.try_reserve(80).is_some());
    /// ```
    #[must_use]
    pub fn try_reserve(&self, bytes: usize) -> Option<ReservedMemory> {
        let has_room = self.0.as_ref().is_none_or(|ledger| ledger.try_reserve(bytes));
        has_room.then(|| ReservedMemory { ledger: self.0.clone(), bytes })
    }

    /// Room for `bytes` bytes, or for fewer where room is scarce; for 16 KiB at most where there is none, above
    /// `max_buffered_bytes`.
    ///
    /// It is for code that runs on a thread which may block and holds one piece at a time, as a function of `sync` does. If
    /// such a thread waited for room, all of them could wait for what is queued behind them. There are few of these threads,
    /// so the limit is exceeded by little: by 16 KiB for each. Code that can wait calls [`reserve`](Self::reserve).
    ///
    /// ```
    /// use httpfsm::handler::MemoryHandle;
    ///
    /// fn copy(memory: &MemoryHandle, mut from: impl std::io::Read, mut to: impl std::io::Write) -> std::io::Result<()> {
    ///     let reserved = memory.reserve_now(256 << 10);
    ///     let mut piece = vec![0; reserved.bytes()];
    ///     loop {
    ///         match from.read(&mut piece)? {
    ///             0 => return Ok(()),
    ///             length => to.write_all(&piece[..length])?,
    ///         }
    ///     }
    /// }
    /// ```
    pub fn reserve_now(&self, bytes: usize) -> ReservedMemory {
        let bytes = self.0.as_ref().map_or(bytes, |ledger| ledger.reserve_now(bytes));
        ReservedMemory { ledger: self.0.clone(), bytes }
    }
}

impl fmt::Debug for MemoryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryHandle(..)")
    }
}

/// Resolves when there is room; from [`MemoryHandle::reserve`]. Dropping it gives up the place in the order.
///
/// ```
#[doc = include_str!("../examples/memory.txt")]
/// use httpfsm::handler::ReserveFuture;
///
/// /// A source waits for room in its `poll_frame`, and keeps its place in the order from one poll to the next.
/// struct Pieces {
///     memory: MemoryHandle,
///     reserving: Option<ReserveFuture>,
/// }
///
/// impl Pieces {
///     fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<ReservedMemory, NoRoom>> {
///         let reserving = self.reserving.get_or_insert_with(|| self.memory.reserve(64));
///         let reserved = Pin::new(reserving).poll(cx);
///         if reserved.is_ready() {
///             self.reserving = None;
///         }
///         reserved
///     }
/// }
///
/// let mut pieces = Pieces { memory, reserving: None };
/// let reserved = pieces.poll_room(&mut Context::from_waker(Waker::noop()));
/// let Poll::Ready(Ok(reserved)) = reserved else { panic!("there is room") };
/// assert_eq!(reserved.bytes(), 64);
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct ReserveFuture {
    ledger: Option<Arc<dyn MemoryLedger>>,
    bytes: usize,
    waiter: Waiter,
}

impl Future for ReserveFuture {
    type Output = Result<ReservedMemory, NoRoom>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let reserved = match &this.ledger {
            None => Poll::Ready(Ok(this.bytes)),
            Some(ledger) => ledger.poll_reserve(&mut this.waiter, this.bytes, cx),
        };
        reserved.map_ok(|bytes| ReservedMemory { ledger: this.ledger.clone(), bytes })
    }
}

impl Drop for ReserveFuture {
    fn drop(&mut self) {
        if let (Some(ledger), Some(_)) = (&self.ledger, self.waiter.0) {
            ledger.forget(&mut self.waiter);
        }
    }
}

impl fmt::Debug for ReserveFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveFuture").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Room that was reserved, until this is dropped.
///
/// ```
#[doc = include_str!("../examples/memory.txt")]
/// let reserved = memory.try_reserve(60).expect("there is room");
/// assert_eq!(memory.room(), 40);
/// drop(reserved);
/// assert_eq!(memory.room(), 100);
/// ```
#[must_use = "the room is given back when this is dropped"]
pub struct ReservedMemory {
    ledger: Option<Arc<dyn MemoryLedger>>,
    bytes: usize,
}

impl ReservedMemory {
    /// For how many bytes there is room.
    ///
    /// ```
    #[doc = include_str!("../examples/memory.txt")]
    /// let reserved = memory.reserve_now(150);
    /// // As much is allocated as was granted, and no more.
    /// let piece = vec![0; reserved.bytes()];
    /// assert_eq!(reserved.attach(piece).len(), 100);
    /// ```
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back what is above `bytes`.
    ///
    /// ```
    #[doc = include_str!("../examples/memory.txt")]
    /// use std::io::Read;
    ///
    /// let mut reserved = memory.try_reserve(60).expect("there is room");
    /// let mut piece = vec![0; reserved.bytes()];
    /// let length = (&b"the end of a file"[..]).read(&mut piece).unwrap_or(0);
    /// // What the file did not fill goes to others.
    /// piece.truncate(length);
    /// piece.shrink_to_fit();
    /// reserved.shrink_to(length);
    /// assert_eq!(memory.room(), 83);
    /// ```
    pub fn shrink_to(&mut self, bytes: usize) {
        let above = self.bytes.saturating_sub(bytes);
        if let (Some(ledger), 1..) = (&self.ledger, above) {
            self.bytes -= above;
            ledger.give_back(above);
        }
    }

    /// The bytes, with the reservation: it is given back when the last part of them is dropped.
    ///
    /// ```
    #[doc = include_str!("../examples/memory.txt")]
    /// let reserved = memory.try_reserve(60).expect("there is room");
    /// let mut bytes = reserved.attach(vec![0; 60]);
    /// let first = bytes.split_to(10);
    /// drop(bytes);
    /// // A part of them is still on its way to the peer.
    /// assert_eq!(memory.room(), 40);
    /// drop(first);
    /// assert_eq!(memory.room(), 100);
    /// ```
    pub fn attach(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        if self.ledger.is_none() || bytes.as_ref().is_empty() {
            return Bytes::from_owner(bytes);
        }
        Bytes::from_owner(Attached { bytes, _reserved: self })
    }
}

impl Drop for ReservedMemory {
    fn drop(&mut self) {
        if let (Some(ledger), 1..) = (&self.ledger, self.bytes) {
            ledger.give_back(self.bytes);
        }
    }
}

impl fmt::Debug for ReservedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReservedMemory").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Bytes and their reservation. The bytes are freed first.
struct Attached<B> {
    bytes: B,
    _reserved: ReservedMemory,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Attached<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// The server holds as many bytes as `max_buffered_bytes` says, or has as many in temporary files as `max_spooled_bytes`
/// says, and no room became free within `room_timeout`. As a response it is `503 Service Unavailable`, so a handler may use
/// `?` on a [`reserve`](MemoryHandle::reserve).
///
/// ```
/// use httpfsm::handler::{IntoResponse, NoRoom, Request, Response};
/// use httpfsm::Status;
///
/// async fn report(request: Request) -> Result<Response, NoRoom> {
///     let reserved = request.memory().reserve(1 << 20).await?;
///     // What is made of the report, in the memory that is reserved for it:
///     let report = vec![b'.'; reserved.bytes()];
///     Ok(Response::bytes(reserved.attach(report)))
/// }
///
/// assert_eq!(NoRoom.into_response().status, Status::SERVICE_UNAVAILABLE);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The server holds as many bytes as it may, and no room became free in time.")
    }
}

impl core::error::Error for NoRoom {}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::Waker;

    use super::*;

    /// Has room for three bytes at a time, and none where somebody asks for none.
    #[derive(Default)]
    struct Three {
        held: AtomicUsize,
        forgotten: AtomicUsize,
    }

    impl MemoryLedger for Three {
        fn poll_reserve(
            &self,
            waiter: &mut Waiter,
            bytes: usize,
            _: &mut Context<'_>,
        ) -> Poll<Result<usize, NoRoom>> {
            if bytes == 0 {
                waiter.0 = Some(7);
                return Poll::Pending;
            }
            self.held.fetch_add(bytes.min(3), Ordering::SeqCst);
            Poll::Ready(Ok(bytes.min(3)))
        }

        fn room(&self) -> u64 {
            3
        }

        fn try_reserve(&self, bytes: usize) -> bool {
            let has_room = bytes <= 3;
            self.held.fetch_add(if has_room { bytes } else { 0 }, Ordering::SeqCst);
            has_room
        }

        fn reserve_now(&self, bytes: usize) -> usize {
            self.held.fetch_add(bytes.min(2), Ordering::SeqCst);
            bytes.min(2)
        }

        fn give_back(&self, bytes: usize) {
            self.held.fetch_sub(bytes, Ordering::SeqCst);
        }

        fn forget(&self, waiter: &mut Waiter) {
            assert_eq!(waiter.0.take(), Some(7));
            self.forgotten.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn reserve(memory: &MemoryHandle, bytes: usize) -> Poll<Result<ReservedMemory, NoRoom>> {
        Pin::new(&mut memory.reserve(bytes)).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_reservation_is_given_back_with_the_last_part_of_its_bytes() {
        let three = Arc::<Three>::default();
        let memory = MemoryHandle::new(three.clone());
        let Poll::Ready(Ok(mut reserved)) = reserve(&memory, 5) else { panic!("there is room") };
        assert_eq!((reserved.bytes(), three.held.load(Ordering::SeqCst)), (3, 3));
        reserved.shrink_to(2);
        assert_eq!((reserved.bytes(), three.held.load(Ordering::SeqCst)), (2, 2));
        let mut bytes = reserved.attach(*b"ab");
        let first = bytes.split_to(1);
        drop(bytes);
        assert_eq!((&first[..], three.held.load(Ordering::SeqCst)), (&b"a"[..], 2));
        drop(first);
        assert_eq!(three.held.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_reservation_without_bytes_is_given_back_where_it_is_dropped_or_attached_to_none() {
        let three = Arc::<Three>::default();
        let memory = MemoryHandle::new(three.clone());
        assert!(memory.try_reserve(4).is_none());
        drop(memory.try_reserve(3));
        let none = memory.try_reserve(3).map(|reserved| reserved.attach([]));
        assert_eq!((none, three.held.load(Ordering::SeqCst)), (Some(Bytes::new()), 0));
    }

    #[test]
    fn what_is_reserved_now_may_be_less_than_was_asked_for_and_is_given_back() {
        let two = Arc::<Three>::default();
        let reserved = MemoryHandle::new(two.clone()).reserve_now(5);
        assert_eq!((reserved.bytes(), two.held.load(Ordering::SeqCst)), (2, 2));
        drop(reserved);
        assert_eq!(two.held.load(Ordering::SeqCst), 0);
        assert_eq!(MemoryHandle::default().reserve_now(5).bytes(), 5);
    }

    #[test]
    fn who_waits_no_longer_is_forgotten() {
        let three = Arc::<Three>::default();
        let memory = MemoryHandle::new(three.clone());
        assert!(reserve(&memory, 0).is_pending());
        assert_eq!(three.forgotten.load(Ordering::SeqCst), 1);
        drop(reserve(&memory, 1));
        assert_eq!(three.forgotten.load(Ordering::SeqCst), 1, "who has not waited has no key");
    }

    #[test]
    fn without_a_ledger_there_is_always_room() {
        let memory = MemoryHandle::default();
        assert_eq!(memory.try_reserve(usize::MAX).map(|reserved| reserved.bytes()), Some(usize::MAX));
        let Poll::Ready(Ok(mut reserved)) = reserve(&memory, 1 << 40) else { panic!("there is room") };
        reserved.shrink_to(1);
        assert_eq!(&reserved.attach(*b"a")[..], b"a");
    }
}
