//! A body that is gathered although its handler has been called: the handler has asked for that, and waits.

use std::mem;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use httpfsm::fields::Fields;
use httpfsm::handler::{Body, GatherUntil};

use super::{Pipe, PipeState, TOUCHED};
use crate::ledger::BodyCharge;
use crate::lock::lock;
use crate::may_block::may_block;
use crate::{panics, sync, waiting};

/// How far the gathering of a body is.
#[derive(Default)]
pub(super) enum PipeGathering {
    /// Nobody has asked for it, or the body comes as it is sent after all.
    #[default]
    None,
    Asked(GatherUntil),
    /// The driver gathers it.
    Begun,
    /// Nobody has taken it yet.
    Whole(Body),
    /// It is long, or was asked for at its head: its reader, who asked for this, may wait for the rest.
    Streamed(GatherUntil),
}

/// What has come of a body and was not read, on its way between the pipe and the driver.
#[derive(Default)]
pub(crate) struct PartialBody {
    pub(crate) bytes: Vec<u8>,
    /// Bytes that the channel was asked for and that have not come.
    pub(crate) credit: u64,
    pub(crate) charge: BodyCharge,
    /// That is all of it; with its trailer fields.
    pub(crate) end: Option<Option<Fields>>,
}

/// The driver's side.
impl Pipe {
    /// Whether all of the body has come, or nothing more of it does.
    pub(crate) fn is_body_in(&self) -> bool {
        self.is_touched() && lock(&self.state).end.is_some()
    }

    /// Whether whoever has the body gathered waits for it on a thread.
    pub(crate) fn is_asked_by_thread(&self) -> bool {
        lock(&self.state).is_thread
    }

    /// Gathering begins, and takes what has come. `unasked`: bytes of the credit that the channel was not asked for. `None`
    /// where nothing more comes: the body may be read as it is.
    pub(crate) fn begin_gathering(&self, unasked: u64) -> Option<PartialBody> {
        let (unread, credit, charge) = self.set(|state| {
            if state.end.is_some() || state.over || state.body_dropped {
                return None;
            }
            let credit = mem::take(&mut state.credit).saturating_sub(unasked);
            Some((mem::take(&mut state.unread), credit, mem::take(&mut state.charge)))
        })?;
        Some(PartialBody { bytes: unread.into_vec(), credit, charge, end: None })
    }

    /// The body is whole: the handler gets it. `true` if the handler runs in the driver's own task, which has to be polled
    /// again.
    pub(crate) fn hand_gathered(&self, body: Body, driver: &Waker) -> bool {
        self.end_gathering(driver, PipeGathering::Whole(body), None)
    }

    /// The handler reads the body from here on as it comes: first what was gathered, if anything was. Returns as
    /// [`hand_gathered`](Self::hand_gathered).
    pub(crate) fn stream_on(
        &self,
        asked: GatherUntil,
        gathered: Option<PartialBody>,
        driver: &Waker,
    ) -> bool {
        self.end_gathering(driver, PipeGathering::Streamed(asked), gathered)
    }

    fn end_gathering(&self, driver: &Waker, gathering: PipeGathering, front: Option<PartialBody>) -> bool {
        // Dropped outside of the lock.
        let mut unused = (front, Some(gathering), None);
        let mut state = lock(&self.state);
        self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
        if !state.body_dropped {
            if let Some(PartialBody { bytes, credit, charge, end }) = unused.0.take() {
                state.unread = bytes.into();
                state.credit = credit;
                state.charge = charge;
                // Under one lock with the bytes: who reads meanwhile must not find an end without them.
                if let Some(trailers) = end {
                    state.end = Some(Ok(trailers));
                    unused.2 = state.charge.forgo();
                }
            }
            unused.1 = unused.1.take().map(|gathering| mem::replace(&mut state.gathering, gathering));
        }
        let reader = state.reader.take();
        drop(state);
        drop(unused);
        match reader {
            Some(reader) if !reader.will_wake(driver) => {
                panics::wake(reader);
                false
            }
            own => own.is_some(),
        }
    }
}

/// The handler's side.
impl Pipe {
    pub(super) fn poll_gathered(&self, until: GatherUntil, cx: &Context<'_>) -> Poll<Option<Body>> {
        let (mut driver, is_thread) = (None, may_block());
        let gathered = waiting::poll(&self.state, cx, |state| {
            state.is_thread = is_thread;
            // A thread that waits for itself is told so when it reads.
            if state.is_as_whole_as_can_be() || sync::is_stuck() {
                return Ok(None);
            }
            match mem::take(&mut state.gathering) {
                PipeGathering::Whole(body) => {
                    state.body_read = true;
                    return Ok(Some(body));
                }
                PipeGathering::Streamed(asked) if asked == until => {
                    state.gathering = PipeGathering::Streamed(asked);
                    return Ok(None);
                }
                PipeGathering::None | PipeGathering::Streamed(_) => {
                    state.gathering = PipeGathering::Asked(until);
                    driver = self.call(state).or(driver.take());
                }
                waits => {
                    state.gathering = waits;
                    self.flags.fetch_or(TOUCHED, Ordering::AcqRel);
                }
            }
            Err(&mut state.reader)
        });
        if let Some(driver) = driver {
            panics::wake(driver);
        }
        gathered
    }
}

impl PipeState {
    /// What was asked for, if the driver does not know yet.
    pub(super) fn take_asked(&mut self) -> Option<GatherUntil> {
        match self.gathering {
            PipeGathering::Asked(until) => {
                self.gathering = PipeGathering::Begun;
                Some(until)
            }
            _ => None,
        }
    }

    /// What was gathered, and nobody has taken.
    pub(super) fn take_gathered(&mut self) -> Option<Body> {
        match mem::take(&mut self.gathering) {
            PipeGathering::Whole(body) => Some(body),
            other => {
                self.gathering = other;
                None
            }
        }
    }

    /// Whether who reads has to wait until the body is whole.
    pub(super) fn is_gathered(&self) -> bool {
        matches!(self.gathering, PipeGathering::Asked(_) | PipeGathering::Begun)
    }

    /// Whether the end of the body is there, or nothing more of it will be given to the handler.
    fn is_as_whole_as_can_be(&self) -> bool {
        let gathered = matches!(self.gathering, PipeGathering::Whole(_));
        !gathered && (self.end.is_some() || self.expect_refused || self.over || self.disconnected)
    }
}
