//! A layer that compresses keeps what every layer owes: what peers are sent in the checks of backpressure cannot be made so
//! small that all of it fits into the sockets.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::io::{IoSlice, Read, Write};

use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use httpfsm_tokio::{BlockingPool, Tokio};
use httpfsm_transport::{Layer, LayerError};
use httpfsm_transport_kit::{Application, Plan, Served, check};
use tokio::runtime::Builder;

/// Plain bytes in a frame, at most.
const FRAME: usize = 32 << 10;

/// Frames of a length, in four bytes, and deflated bytes. A frame of the length 0 is the end.
#[derive(Default)]
struct Deflate {
    /// What has come of a frame that is not complete.
    partial: Vec<u8>,
    plain: VecDeque<u8>,
    ended: bool,
    below_ended: bool,
}

impl Deflate {
    /// Takes the frame that is complete, if one is.
    fn inflate(&mut self) -> Result<bool, LayerError> {
        let Some((length, rest)) = self.partial.split_first_chunk() else { return Ok(false) };
        let length = u32::from_be_bytes(*length) as usize;
        if self.ended || length > 2 * FRAME {
            return Err(LayerError::peer("A frame is too long, or comes behind the end."));
        }
        let Some(frame) = rest.get(..length) else { return Ok(false) };
        self.ended = length == 0;
        if !self.ended {
            let mut plain = Vec::new();
            // A few bytes could be made to many.
            DeflateDecoder::new(frame)
                .take(FRAME as u64)
                .read_to_end(&mut plain)
                .map_err(LayerError::peer)?;
            self.plain.extend(plain);
        }
        self.partial.drain(..4 + length);
        Ok(true)
    }
}

impl Layer for Deflate {
    fn received(&mut self, below: &[u8], _down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.partial.extend_from_slice(below);
        while self.inflate()? {}
        Ok(below.len())
    }

    fn below_ended(&mut self) {
        self.below_ended = true;
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        match self.plain.read(plain).unwrap_or_default() {
            0 if self.ended => Ok(Some(0)),
            0 if self.below_ended => Err(LayerError::Truncated),
            0 => Ok(None),
            bytes => Ok(Some(bytes)),
        }
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        let (mut encoder, mut taken) = (DeflateEncoder::new(Vec::new(), Compression::fast()), 0);
        for slice in plain {
            let bytes = slice.len().min(FRAME - taken);
            encoder.write_all(&slice[..bytes]).map_err(LayerError::own)?;
            taken += bytes;
        }
        let frame = encoder.finish().map_err(LayerError::own)?;
        down.extend((frame.len() as u32).to_be_bytes());
        down.extend(frame);
        Ok(taken)
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        down.extend([0; 4]);
    }

    fn held(&self) -> usize {
        self.partial.capacity() + self.plain.capacity()
    }
}

#[test]
fn a_layer_that_compresses_keeps_what_is_owed() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let report = check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        let layered =
            plan.on_listeners(Tokio::default(), |listener| listener.layer(|_| Ok(Deflate::default())))?;
        let server = layered.serve(application.blocking(BlockingPool))?;
        Ok(Served::through(server, Deflate::default))
    });
    report.assert();
    let mut not_run: Vec<_> = report.not_run().into_iter().map(|(name, _)| name).collect();
    not_run.sort_unstable();
    // What needs resets, and what needs to connect to the sockets themselves.
    assert_eq!(not_run, ["disconnects", "listeners", "lost unread", "names", "unix sockets"], "{report}");
}
