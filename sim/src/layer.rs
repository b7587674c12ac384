//! The layer of a connection, at both of its ends: the toy layer of the kit, whose records the simulated network cuts,
//! merges and delays as any bytes.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use httpfsm::handler::Extensions;
use httpfsm_transport::{Layer, LayerError, Layered, Wire};
use httpfsm_transport_kit::ToyLayer;

use crate::wire::{SimLink, SimWire};

/// The driver's end of a connection.
pub(crate) enum ServerEnd {
    Plain(SimWire),
    Layered(Box<Layered<SimWire, ToyLayer>>),
}

impl ServerEnd {
    pub(crate) fn new(wire: SimWire, layered: bool) -> Self {
        match layered {
            false => Self::Plain(wire),
            true => Self::Layered(Box::new(Layered::new(wire, ToyLayer::server()))),
        }
    }

    fn wire(&mut self) -> &mut dyn Wire {
        match self {
            Self::Plain(wire) => wire,
            Self::Layered(wire) => &mut **wire,
        }
    }
}

impl Wire for ServerEnd {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.wire().poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wire().poll_write_vectored(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire().poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire().poll_close_write(cx)
    }

    fn owes_end(&self) -> bool {
        match self {
            Self::Plain(wire) => wire.owes_end(),
            Self::Layered(wire) => wire.owes_end(),
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Plain(wire) => wire.held(),
            Self::Layered(wire) => wire.held(),
        }
    }

    fn is_lost(&mut self) -> bool {
        self.wire().is_lost()
    }

    fn extend(&self, extensions: &mut Extensions) {
        match self {
            Self::Plain(wire) => wire.extend(extensions),
            Self::Layered(wire) => wire.extend(extensions),
        }
    }

    fn reset(&mut self) {
        self.wire().reset();
    }
}

/// The client's end, between its bytes and the link.
pub(crate) struct ClientLayer {
    toy: ToyLayer,
    /// What it is to send.
    down: Vec<u8>,
    /// Bytes of it that come before the layer.
    before: usize,
    is_cut: bool,
    ended: bool,
    below_ended: bool,
}

impl ClientLayer {
    /// A layer that begins behind these bytes.
    pub(crate) fn new(toy: ToyLayer, before: Vec<u8>) -> Self {
        let mut layer =
            Self { toy, before: before.len(), down: before, is_cut: false, ended: false, below_ended: false };
        // It begins; without bytes nothing can be wrong with them.
        let _ = layer.toy.received(&[], &mut layer.down);
        layer
    }

    /// How many bytes have still to leave that come before it.
    pub(crate) fn before(&self) -> usize {
        self.before
    }

    /// Of what it has begun with, only so many bytes leave.
    pub(crate) fn cut(&mut self, bytes: usize) {
        self.down.truncate(bytes);
        self.before = self.before.min(bytes);
        self.is_cut = true;
    }

    /// Whether requests can be sent: all that came before has left, and the other side has said hello.
    pub(crate) fn is_ready(&self) -> bool {
        self.down.is_empty() && self.toy.is_established()
    }

    /// Whether nothing of it is on its way.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.down.is_empty()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        // It takes all once it is established.
        let _ = self.toy.write(&[IoSlice::new(bytes)], &mut self.down);
    }

    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) && !self.is_cut {
            self.toy.end(&mut self.down);
        }
    }

    /// Sends a piece of what it is to send; says whether there was one.
    pub(crate) fn send(&mut self, link: &mut SimLink, piece: usize) -> bool {
        let room = link.capacity.saturating_sub(link.to_server.len());
        let bytes = self.down.len().min(room).min(piece);
        if bytes > 0 {
            link.send(&self.down[..bytes]);
            self.down.drain(..bytes);
            self.before = self.before.saturating_sub(bytes);
        }
        if self.ended && self.down.is_empty() && !link.client_ended {
            link.end();
        }
        bytes > 0
    }

    /// Takes bytes from the link, and adds plain ones to `plain`; says how many.
    pub(crate) fn take(
        &mut self,
        link: &mut SimLink,
        most: usize,
        plain: &mut Vec<u8>,
    ) -> Result<usize, LayerError> {
        let mut bytes = Vec::new();
        link.take(most, &mut bytes);
        let (before, mut taken) = (plain.len(), 0);
        while taken < bytes.len() {
            let said = self.down.len();
            taken += self.toy.received(&bytes[taken..], &mut self.down)?;
            if self.ended {
                self.down.truncate(said);
            }
            let mut buffer = [0; 4096];
            while let Some(read @ 1..) = self.toy.read(&mut buffer)? {
                plain.extend_from_slice(&buffer[..read]);
            }
        }
        Ok(plain.len() - before)
    }

    /// The link has ended. An error: the layer had not, so the last bytes may be lost.
    pub(crate) fn below_ended(&mut self) -> Result<(), LayerError> {
        if !std::mem::replace(&mut self.below_ended, true) {
            self.toy.below_ended();
        }
        self.toy.read(&mut [0]).map(|_| ())
    }
}
