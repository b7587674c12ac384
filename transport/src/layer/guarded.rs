//! A listener's layer, which is the application's code: if it panics, its connection ends, and its task goes on.

use std::cell::OnceCell;
use std::io::{IoSlice, Write};
use std::sync::Arc;

use httpfsm::handler::{ConnectionInfo, Failure};

use super::{Layer, LayerError};
use crate::panics;
use crate::preface::Established;
use crate::shared_state::SharedState;

/// A layer that is called no more when it has panicked, and fails instead.
pub(crate) struct Guarded {
    /// `None` when it is being dropped.
    layer: Option<Box<dyn Layer>>,
    panic: OnceCell<String>,
    shared: Arc<SharedState>,
    info: Arc<ConnectionInfo>,
}

impl Guarded {
    /// The subscriber hears what its panic says, and on which connection.
    pub(crate) fn new(layer: Box<dyn Layer>, shared: Arc<SharedState>, info: Arc<ConnectionInfo>) -> Self {
        Self { layer: Some(layer), panic: OnceCell::new(), shared, info }
    }

    /// More is known of the connection now.
    pub(crate) fn know(&mut self, info: Arc<ConnectionInfo>) {
        self.info = info;
    }

    /// What its panic said.
    pub(crate) fn panic(&self) -> Option<&str> {
        self.panic.get().map(String::as_str)
    }

    fn note(&self, text: &str) {
        let text = format!("A layer panicked: {text}");
        self.shared.report_failure(Some(&self.info), Failure::Layer, &text);
        let _ = self.panic.set(text);
    }

    /// `None` if it panics, or has done so.
    fn ask<T>(&self, call: impl FnOnce(&dyn Layer) -> T) -> Option<T> {
        let layer = self.layer.as_deref().filter(|_| self.panic().is_none())?;
        panics::attempt(|| call(layer)).inspect_err(|text| self.note(text)).ok()
    }

    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut dyn Layer) -> Result<T, LayerError>,
    ) -> Result<T, LayerError> {
        if let (Some(layer), None) = (self.layer.as_deref_mut(), self.panic.get()) {
            match panics::attempt(|| call(layer)) {
                Ok(outcome) => return outcome,
                Err(text) => self.note(&text),
            }
        }
        Err(LayerError::own(self.panic().unwrap_or_default()))
    }

    /// What a call that panics has appended to `down` may be half made, plain bytes among it, and is not sent.
    fn append<T>(
        &mut self,
        down: &mut Vec<u8>,
        call: impl FnOnce(&mut dyn Layer, &mut Vec<u8>) -> Result<T, LayerError>,
    ) -> Result<T, LayerError> {
        let before = down.len();
        let outcome = self.call(|layer| call(layer, down));
        if self.panic().is_some() {
            down.truncate(before);
        }
        outcome
    }
}

impl Layer for Guarded {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.append(down, |layer, down| layer.received(below, down))
    }

    fn below_ended(&mut self) {
        // A panic shows in the read that follows.
        let _ = self.call(|layer| {
            layer.below_ended();
            Ok(())
        });
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        self.call(|layer| layer.read(plain))
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.append(down, |layer, down| layer.write(plain, down))
    }

    fn write_through(
        &mut self,
        plain: &[IoSlice<'_>],
        below: &mut dyn Write,
        down: &mut Vec<u8>,
    ) -> Result<usize, LayerError> {
        self.append(down, |layer, down| layer.write_through(plain, below, down))
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        let _ = self.append(down, |layer, down| {
            layer.end(down);
            Ok(())
        });
    }

    fn established(&self) -> Option<Established> {
        self.ask(|layer| layer.established()).flatten()
    }

    fn held(&self) -> usize {
        self.ask(|layer| layer.held()).unwrap_or(0)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let layer = self.layer.take();
        if let Err(text) = panics::attempt(|| drop(layer)) {
            self.note(&text);
        }
    }
}
