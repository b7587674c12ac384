//! The wire of a connection, with or without the layer that its listener puts on it.

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use httpfsm::handler::{ConnectionInfo, Extensions};

use crate::layer::Guarded;
use crate::layered::Layered;
use crate::wire::Wire;

/// What a driver reads from and writes to.
pub(crate) enum Stack<W> {
    Plain(W),
    Layered(Box<Layered<W, Guarded>>),
}

impl<W: Wire> Stack<W> {
    /// Whether it has a layer that has panicked.
    #[inline(always)]
    pub(crate) fn has_panicked(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Layered(wire) => wire.layer().panic().is_some(),
        }
    }

    #[inline(always)]
    pub(crate) fn is_layered(&self) -> bool {
        matches!(self, Self::Layered(_))
    }

    /// What the panic of its layer said, if that has panicked.
    pub(crate) fn panic(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Layered(wire) => wire.layer().panic(),
        }
    }

    /// More is known of the connection now.
    pub(crate) fn know(&mut self, info: &Arc<ConnectionInfo>) {
        if let Self::Layered(wire) = self {
            wire.layer_mut().know(Arc::clone(info));
        }
    }
}

/// Has each call made on whichever there is.
macro_rules! either {
    ($stack:expr, $wire:ident => $call:expr) => {
        match $stack {
            Stack::Plain($wire) => $call,
            Stack::Layered($wire) => $call,
        }
    };
}

impl<W: Wire> Wire for Stack<W> {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        either!(self, wire => wire.poll_read(cx, buffer))
    }

    #[inline]
    fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        either!(self, wire => wire.poll_read_ready(cx))
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, wire => wire.poll_write(cx, bytes))
    }

    #[inline]
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, wire => wire.poll_write_vectored(cx, slices))
    }

    fn poll_write_more(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, wire => wire.poll_write_more(cx, bytes))
    }

    #[inline]
    fn sends_files(&self) -> bool {
        either!(self, wire => wire.sends_files())
    }

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        at: u64,
        length: u64,
    ) -> Poll<io::Result<usize>> {
        either!(self, wire => wire.poll_send_file(cx, file, at, length))
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, wire => wire.poll_flush(cx))
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, wire => wire.poll_close_write(cx))
    }

    fn owes_end(&self) -> bool {
        either!(self, wire => wire.owes_end())
    }

    #[inline]
    fn held(&self) -> usize {
        either!(self, wire => wire.held())
    }

    fn is_lost(&mut self) -> bool {
        either!(self, wire => wire.is_lost())
    }

    fn extend(&self, extensions: &mut Extensions) {
        either!(self, wire => wire.extend(extensions));
    }

    fn reset(&mut self) {
        either!(self, wire => wire.reset());
    }
}
