//! How a connection starts: with its channel, or with what comes before HTTP.

use std::sync::Arc;

use httpfsm::channel::Facts;
use httpfsm::handler::{ConnectionInfo, Handler};

use super::{Driver, WireEnd};
use crate::channel_slot::ChannelSlot;
use crate::ledger::Kept;
use crate::listener::ListenerInfo;
use crate::panics;
use crate::service::Service;
use crate::stack::Stack;
use crate::tape::{Opened, Taped};
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    pub(crate) fn new(
        service: Arc<Service<H>>,
        wire: W,
        info: Arc<ConnectionInfo>,
        slot: ChannelSlot,
        facts: Facts,
    ) -> Self {
        Self::with(channel(&service, &info, facts), service, wire, info, slot)
    }

    /// A driver of a connection whose channel opens later.
    #[cold]
    pub(crate) fn unopened(
        service: Arc<Service<H>>,
        wire: W,
        info: Arc<ConnectionInfo>,
        slot: ChannelSlot,
        listener: Arc<ListenerInfo>,
    ) -> Self {
        let channel = Taped::new(Arc::clone(&service.compiled), Facts::default(), None);
        let mut driver = Self::with(channel, service, wire, info, slot);
        driver.begin_before_http(listener);
        driver
    }

    fn with(
        channel: Taped,
        service: Arc<Service<H>>,
        wire: W,
        info: Arc<ConnectionInfo>,
        slot: ChannelSlot,
    ) -> Self {
        Self {
            channel,
            wire: Some(Stack::Plain(wire)),
            opened: service.shared.clock.now(),
            service,
            info,
            slot,
            exchange: None,
            before: None,
            kept: Kept::default(),
            told_to_go: false,
            wire_end: WireEnd::Nothing,
            unflushed: false,
        }
    }
}

/// The channel of a connection, on its tape, if it is recorded.
pub(super) fn channel<H: Handler>(service: &Service<H>, info: &ConnectionInfo, facts: Facts) -> Taped {
    let opened = Opened { info, compiled: &service.compiled, facts };
    let tape = service.shared.recorder.as_ref();
    // A recorder that fails records nothing; that is no failure of the connection.
    let tape = tape.and_then(|recorder| panics::catch(|| recorder.open(&opened)).ok().flatten());
    Taped::new(Arc::clone(&service.compiled), facts, tape)
}
