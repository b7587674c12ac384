//! A layer to test with: records, a handshake, replies, and an end of its own.

use std::collections::VecDeque;
use std::io::{IoSlice, Read, Write};

use httpfsm_transport::{Established, Layer, LayerError};

/// Plain bytes in a record, at most.
const RECORD: usize = 1000;
/// Bytes that one call takes from below, and plain bytes above which it takes none: those of rustls 0.23.
const AT_ONCE: usize = 4096;
const UNREAD: usize = 16 << 10;
/// Records of data between two that ask for a reply.
const BETWEEN: u64 = 16;
/// Kind, sum and length.
const HEADER: usize = 4;

/// A [`Layer`] that shows what gets lost, and protects nothing.
///
/// Plain bytes travel in records of at most 1,000 bytes. Each byte is masked by its place in the stream, and each record
/// has a sum, so bytes that are lost, doubled or out of order are an error. As in TLS, the client begins with a hello, is
/// sent one, and confirms it: the client's plain bytes come behind that, and the server has sent none before. A record can
/// ask for a reply, which leaves though nothing is written; the end of output is a record; and a record that is wrong gets
/// an alert. Each record of data is written straight to the wire below, as far as that takes it. It takes no more from below
/// while 16 KiB of plain bytes wait to be read.
///
/// ```
/// use httpfsm_transport::Layered;
/// use httpfsm_transport::memory::pair;
/// use httpfsm_transport_kit::ToyLayer;
///
/// let (near, far) = pair(1000);
/// let client = Layered::new(near, ToyLayer::client());
/// let server = Layered::new(far, ToyLayer::server());
/// # drop((client, server));
/// ```
#[derive(Debug)]
pub struct ToyLayer {
    is_client: bool,
    /// What the hello says.
    hello: &'static [u8],
    is_other: bool,
    greeted: bool,
    established: bool,
    /// A record that has not come whole.
    input: Vec<u8>,
    plain: VecDeque<u8>,
    /// Bytes of all records, sent and received.
    sent: u64,
    came: u64,
    records: u64,
    updates: u64,
    peer_ended: bool,
    below_ended: bool,
}

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum RecordKind {
    Hello = 1,
    Data,
    End,
    /// Asks for an `Updated`.
    Update,
    Updated,
    Alert,
    /// The client's, behind the server's hello: the handshake is complete.
    Finished,
}

impl ToyLayer {
    /// Whether the handshake is complete: the client has the server's hello, or the server has the client's confirmation
    /// of its own.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.established
    }

    /// What a client sends first.
    pub const FIRST_BYTE: u8 = RecordKind::Hello as u8;

    /// The side that begins.
    #[must_use]
    pub fn client() -> Self {
        Self::new(true)
    }

    /// The same, whose hello says that another protocol than HTTP comes behind it.
    ///
    /// A handshake, and data that is replied to, without a wire:
    ///
    /// ```
    /// use std::io::IoSlice;
    ///
    /// use httpfsm_transport::{Layer, LayerError};
    /// use httpfsm_transport_kit::ToyLayer;
    ///
    /// fn pass(mut below: &[u8], to: &mut ToyLayer) -> Result<Vec<u8>, LayerError> {
    ///     let mut down = Vec::new();
    ///     while !below.is_empty() {
    ///         below = &below[to.received(below, &mut down)?..];
    ///     }
    ///     Ok(down)
    /// }
    ///
    /// # fn main() -> Result<(), LayerError> {
    /// let (mut client, mut server) = (ToyLayer::client_of_another_protocol(), ToyLayer::server());
    /// let mut up = Vec::new();
    /// client.received(b"", &mut up)?;
    /// let hello = pass(&up, &mut server)?;
    /// pass(&pass(&hello, &mut client)?, &mut server)?;
    /// assert!(server.established().is_some_and(|established| established.other_protocol));
    ///
    /// let mut up = Vec::new();
    /// client.write(&[IoSlice::new(&[0; 16_000])], &mut up)?;
    /// pass(&pass(&up, &mut server)?, &mut client)?;
    /// assert_eq!(client.replies(), 1, "for sixteen records");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client_of_another_protocol() -> Self {
        Self { hello: b"other", ..Self::new(true) }
    }

    /// The other side.
    #[must_use]
    pub fn server() -> Self {
        Self::new(false)
    }

    fn new(is_client: bool) -> Self {
        Self {
            is_client,
            hello: b"hello",
            is_other: false,
            greeted: false,
            established: false,
            input: Vec::new(),
            plain: VecDeque::new(),
            sent: 0,
            came: 0,
            records: 0,
            updates: 0,
            peer_ended: false,
            below_ended: false,
        }
    }

    /// How many replies have come: one for each 16 records of data that were sent.
    ///
    /// [`client_of_another_protocol`](Self::client_of_another_protocol) shows it.
    #[must_use]
    pub fn replies(&self) -> u64 {
        self.updates
    }

    fn send(&mut self, kind: RecordKind, plain: &[u8], down: &mut Vec<u8>) {
        let length = u16::try_from(plain.len()).unwrap_or(u16::MAX).to_be_bytes();
        down.extend_from_slice(&[kind as u8, sum(kind as u8, self.sent, plain), length[0], length[1]]);
        down.extend((self.sent..).zip(plain).map(|(place, byte)| byte ^ mask(place)));
        self.sent += plain.len() as u64;
    }

    fn greet(&mut self, down: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.greeted, true) {
            self.send(RecordKind::Hello, self.hello, down);
        }
    }

    /// Makes records of the plain bytes, each of which leaves by itself; says how many bytes it has taken.
    fn write_records(
        &mut self,
        plain: &[IoSlice<'_>],
        down: &mut Vec<u8>,
        mut leave: impl FnMut(&mut Vec<u8>),
    ) -> usize {
        if !self.established {
            return 0;
        }
        let mut taken = 0;
        for record in plain.iter().flat_map(|slice| slice.chunks(RECORD)) {
            self.send(RecordKind::Data, record, down);
            taken += record.len();
            self.records += 1;
            if self.records % BETWEEN == 0 {
                self.send(RecordKind::Update, b"", down);
            }
            leave(down);
        }
        taken
    }

    /// A record that has come whole.
    fn record(&mut self, down: &mut Vec<u8>) -> Result<(), String> {
        let (header, masked) = self.input.split_at_mut(HEADER);
        for (place, byte) in (self.came..).zip(masked.iter_mut()) {
            *byte ^= mask(place);
        }
        let plain = &*masked;
        if header[1] != sum(header[0], self.came, plain) {
            return Err("The sum of a record is wrong.".to_owned());
        }
        self.came += plain.len() as u64;
        let kind = header[0];
        let is = |known: RecordKind| kind == known as u8;
        if is(RecordKind::Alert) {
            return Err("It sent an alert.".to_owned());
        }
        // As in TLS, who gives up within the handshake says so, too.
        let is_due = if self.established {
            !is(RecordKind::Hello) && !is(RecordKind::Finished)
        } else if self.is_client || !self.greeted {
            is(RecordKind::Hello) || is(RecordKind::End)
        } else {
            is(RecordKind::Finished) || is(RecordKind::End)
        };
        if self.peer_ended || !is_due {
            return Err(format!("A record of kind {kind} came out of order."));
        }
        if is(RecordKind::Data) {
            self.plain.extend(plain);
        } else if is(RecordKind::Hello) {
            self.is_other = plain == b"other";
            if self.is_client {
                self.send(RecordKind::Finished, b"", down);
                self.established = true;
            } else {
                self.greet(down);
            }
        } else if is(RecordKind::Finished) {
            self.established = true;
        } else if is(RecordKind::End) {
            self.peer_ended = true;
        } else if is(RecordKind::Update) {
            self.send(RecordKind::Updated, b"", down);
        } else if is(RecordKind::Updated) {
            self.updates += 1;
        } else {
            return Err(format!("A record is of kind {kind}."));
        }
        self.input.clear();
        Ok(())
    }

    /// How many bytes are missing of the record that comes.
    fn missing(&self) -> Result<usize, String> {
        let Some(length) = self.input.get(2..HEADER) else { return Ok(HEADER - self.input.len()) };
        let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        if length > RECORD {
            return Err(format!("A record has {length} bytes, and {RECORD} are allowed."));
        }
        Ok(HEADER + length - self.input.len())
    }

    fn take(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, String> {
        let mut left = below.get(..AT_ONCE).unwrap_or(below);
        let all = left.len();
        while !left.is_empty() && self.plain.len() < UNREAD {
            let missing = self.missing()?;
            let (taken, rest) = left.split_at(missing.min(left.len()));
            self.input.extend_from_slice(taken);
            left = rest;
            if self.input.len() >= HEADER && self.missing()? == 0 {
                self.record(down)?;
            }
        }
        Ok(all - left.len())
    }
}

impl Layer for ToyLayer {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        if self.is_client {
            self.greet(down);
        }
        let taken = self.take(below, down);
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        taken.map_err(|text| {
            self.send(RecordKind::Alert, b"", down);
            LayerError::peer(text)
        })
    }

    fn below_ended(&mut self) {
        self.below_ended = true;
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        let read = self.plain.read(plain).unwrap_or_default();
        if self.plain.is_empty() {
            self.plain = VecDeque::new();
        }
        match read {
            // Before the handshake nothing can be cut.
            0 if self.peer_ended || (self.below_ended && !self.established) => Ok(Some(0)),
            0 if self.below_ended => Err(LayerError::Truncated),
            0 => Ok(None),
            read => Ok(Some(read)),
        }
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        Ok(self.write_records(plain, down, |_| ()))
    }

    fn write_through(
        &mut self,
        plain: &[IoSlice<'_>],
        below: &mut dyn Write,
        down: &mut Vec<u8>,
    ) -> Result<usize, LayerError> {
        // What comes behind bytes that were not taken comes behind them.
        let mut made = Vec::new();
        let taken = self.write_records(plain, &mut made, |made| {
            let left = if down.is_empty() { below.write(made).unwrap_or(0) } else { 0 };
            down.extend(made.drain(..).skip(left));
        });
        Ok(taken)
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        self.send(RecordKind::End, b"", down);
    }

    fn established(&self) -> Option<Established> {
        let mut established = Established::default();
        established.scheme = Some("toys".into());
        established.other_protocol = self.is_other;
        self.established.then_some(established)
    }

    fn held(&self) -> usize {
        self.input.capacity() + self.plain.capacity()
    }
}

/// What the byte at a place is masked with.
fn mask(place: u64) -> u8 {
    (place.wrapping_mul(167) >> 3) as u8 | 1
}

fn sum(kind: u8, place: u64, plain: &[u8]) -> u8 {
    plain.iter().fold(kind.wrapping_add(place as u8), |sum, &byte| sum.rotate_left(1).wrapping_add(byte))
}
