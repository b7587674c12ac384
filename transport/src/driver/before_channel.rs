//! What a connection has until its channel opens.

use std::borrow::Cow;
use std::sync::Arc;

use httpfsm::channel::Leave;
use httpfsm::handler::{ConnectionInfo, Extensions};
use httpfsm::peer::Peer;
use httpfsm::prologue::Prologue;

use crate::layer::Layer;
use crate::listener::ListenerInfo;
use crate::preface::{Established, Preface};

/// See the module's documentation.
pub(super) struct BeforeChannel {
    pub(super) machine: Prologue,
    pub(super) listener: Arc<ListenerInfo>,
    pub(super) preface: Option<Box<dyn Preface>>,
    /// To be put on the wire.
    pub(super) layer: Option<Box<dyn Layer>>,
    /// What has come and nobody has taken: the preface, and what is behind it.
    pub(super) received: Vec<u8>,
    pub(super) peername: Option<Peer>,
    pub(super) sockname: Option<Peer>,
    pub(super) scheme: Option<Cow<'static, str>>,
    pub(super) extensions: Extensions,
    /// What there is to be said of the end.
    pub(super) text: Option<String>,
    /// What it was told of the server's going out.
    pub(super) leave: Option<Leave>,
}

impl BeforeChannel {
    pub(super) fn new(machine: Prologue, listener: Arc<ListenerInfo>) -> Box<Self> {
        Box::new(Self {
            machine,
            listener,
            preface: None,
            layer: None,
            received: Vec::new(),
            peername: None,
            sockname: None,
            scheme: None,
            extensions: Extensions::default(),
            text: None,
            leave: None,
        })
    }

    /// The facts of the connection, as they are from here on.
    pub(super) fn info(&mut self, accepted: &ConnectionInfo) -> ConnectionInfo {
        let mut info = accepted.clone();
        self.peername.take().into_iter().for_each(|peername| info.peername = peername);
        self.sockname.take().into_iter().for_each(|sockname| info.sockname = sockname);
        self.scheme.take().into_iter().for_each(|scheme| info.scheme = scheme);
        info.extensions.extend(&self.extensions);
        info
    }

    pub(super) fn know(&mut self, established: Established) {
        self.scheme = established.scheme.or(self.scheme.take());
        self.extensions.extend(&established.extensions);
    }
}
