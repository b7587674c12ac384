//! How much memory rustls holds for a connection.

/// What it holds at least, beside its size and its input: keys, secrets, queues. It tells nobody, so a test measures it
/// (`tests/serving/memory.rs`).
const BASE: usize = 5 << 10;
/// The buffer of its input at first, and again when that is empty.
const INPUT: usize = 4 << 10;
/// What its input is at most: a handshake message of 64 KiB, and a record.
const MOST: usize = 128 << 10;
/// What a record of plain bytes takes beside its bytes, and for good in the queue.
const CHUNK: usize = 24;
/// Bytes of a record that are no plain ones, at most: its header, a nonce and a tag.
const OVERHEAD: usize = 29;
/// The header of a record (RFC 8446 section 5.1).
const HEADER: usize = 5;

/// An estimate from above, made of what goes in and comes out.
pub(crate) struct Held {
    /// Bytes that went in and of which nothing has come out: a part of a record, or whole records of a message that is not
    /// complete. Records that never make plain bytes, as alerts, are counted here too, until plain bytes come: rustls may
    /// hold less.
    pending: usize,
    /// What of the handshake's messages is kept until it is over, to verify the certificate of a client.
    transcript: usize,
    is_established: bool,
    /// The size to which the buffer of the input has grown.
    input: usize,
    /// Plain bytes of the records that wait to be read, and how many records those are; until none waits.
    unread: usize,
    records: usize,
    /// The places in the queue of such records, which stay.
    places: usize,
    /// Of the record that has not come whole: how much of its header has come, with the bytes of its length, and how many of
    /// its bytes are to come.
    header: usize,
    length: [u8; 2],
    left: usize,
    /// The certificates of the peer.
    chain: usize,
}

impl Held {
    pub(crate) const fn new() -> Self {
        Self {
            pending: 0,
            transcript: 0,
            is_established: false,
            input: INPUT,
            unread: 0,
            records: 0,
            places: 0,
            header: 0,
            length: [0; 2],
            left: 0,
            chain: 0,
        }
    }

    /// These bytes go in.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        self.pending = MOST.min(self.pending + bytes.len());
        if !self.is_established {
            self.transcript = 2 * self.pending;
        }
        if self.pending + INPUT > self.input {
            self.input = MOST.min((self.pending + INPUT).next_power_of_two());
        }
        while let Some((&first, rest)) = bytes.split_first() {
            if self.header < HEADER {
                if self.header >= HEADER - 2 {
                    self.length[self.header + 2 - HEADER] = first;
                }
                self.header += 1;
                bytes = rest;
                self.left = usize::from(u16::from_be_bytes(self.length));
            } else {
                let came = self.left.min(bytes.len());
                self.left -= came;
                bytes = bytes.get(came..).unwrap_or_default();
            }
            if self.header == HEADER && self.left == 0 {
                (self.header, self.length) = (0, [0; 2]);
                self.records += 1;
            }
        }
    }

    /// So many plain bytes wait to be read now.
    pub(crate) fn processed(&mut self, unread: usize) {
        self.places = self.places.max(self.records.next_power_of_two());
        if unread > self.unread {
            self.unread = unread;
            // What the plain bytes do not explain stands behind them.
            self.pending = self.pending.saturating_sub(unread + OVERHEAD * self.records).max(self.partial());
        }
    }

    /// The handshake is over: its messages are, but for what follows them.
    pub(crate) fn established(&mut self, chain: usize) {
        (self.pending, self.transcript, self.is_established, self.chain) = (self.partial(), 0, true, chain);
    }

    /// What has come of a record that has not come whole.
    fn partial(&self) -> usize {
        let length =
            if self.header == HEADER { usize::from(u16::from_be_bytes(self.length)) - self.left } else { 0 };
        self.header + length
    }

    /// No plain bytes wait. `true` where the buffer of the input has grown and nothing is in it, so that it can be
    /// given back.
    pub(crate) fn emptied(&mut self) -> bool {
        (self.unread, self.records) = (0, 0);
        let is_empty = self.pending == 0;
        is_empty && std::mem::replace(&mut self.input, INPUT) > INPUT
    }

    pub(crate) const fn bytes(&self) -> usize {
        BASE + self.input
            + self.transcript
            + self.unread
            + CHUNK * (self.records + self.places)
            + 2 * self.chain
    }
}
