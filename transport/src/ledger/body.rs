//! The charge of a request body: what was promised to its peer, and what has come and nobody has read.

use std::sync::Arc;

use bytes::Bytes;

use super::{Charge, Ledger, Row};

/// See the module's documentation. It is changed under the lock of a body's reader; what is to be given back comes out as a
/// [`Charge`], to be dropped outside of it.
#[derive(Default)]
pub(crate) struct BodyCharge {
    /// `None` as long as nothing was promised.
    ledger: Option<Arc<Ledger>>,
    promised: u64,
    held: u64,
    /// Bytes that have come, in all.
    arrived: u64,
}

impl BodyCharge {
    /// How many of the bytes that are to be asked for need room: of a body of a known length those that are still to come
    /// and were not promised.
    pub(crate) fn wants(&self, length: Option<u64>, demand: u64) -> u64 {
        let left = length.map_or(u64::MAX, |length| length.saturating_sub(self.arrived + self.promised));
        demand.min(left)
    }

    /// How many bytes have come.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Whether nothing is on its way and nothing is held: whoever waits for the body waits for room.
    pub(crate) fn is_empty(&self) -> bool {
        self.promised == 0 && self.held == 0
    }

    /// So many bytes may come.
    pub(crate) fn promise(&mut self, room: Charge) {
        let ledger = Arc::clone(&room.ledger);
        self.promised += room.into_bytes();
        self.ledger = Some(ledger);
    }

    /// Bytes have come. Those that were not promised are charged as well.
    pub(crate) fn arrive(&mut self, bytes: u64) {
        self.arrived += bytes;
        let Some(ledger) = &self.ledger else { return };
        let promised = bytes.min(self.promised);
        self.promised -= promised;
        self.held += bytes;
        ledger.shift(Row::Promised, Row::Bodies, promised);
        if bytes > promised {
            ledger.add(Row::Bodies, bytes - promised);
        }
    }

    /// So many bytes are not held here any more: their charge.
    #[must_use]
    pub(crate) fn release(&mut self, bytes: u64) -> Option<Charge> {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.charge(Row::Bodies, bytes)
    }

    /// What was promised will not come.
    #[must_use]
    pub(crate) fn forgo(&mut self) -> Option<Charge> {
        let promised = std::mem::take(&mut self.promised);
        self.charge(Row::Promised, promised)
    }

    fn charge(&self, row: Row, bytes: u64) -> Option<Charge> {
        let ledger = self.ledger.as_ref().filter(|_| bytes > 0)?;
        Some(Charge { ledger: Arc::clone(ledger), row, bytes })
    }
}

impl Drop for BodyCharge {
    fn drop(&mut self) {
        drop((self.forgo(), self.release(u64::MAX)));
    }
}

/// Bytes with their charge, which is given back with the last part of them.
pub(crate) fn attach(bytes: Bytes, charge: Option<Charge>) -> Bytes {
    match charge {
        Some(charge) if !bytes.is_empty() => Bytes::from_owner(Attached { bytes, _charge: charge }),
        _ => bytes,
    }
}

/// The bytes are freed first.
struct Attached {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for Attached {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
