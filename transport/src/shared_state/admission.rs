//! Who is served: the machine's verdicts about the peers that connect, and about those that are named before HTTP.

use httpfsm::peer::Peer;
use httpfsm::server::{ChannelId, NotAdmitted, Server, ServerInput, ServerOutput};

use super::SharedState;
use crate::lock::lock;

/// A connection that was accepted.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) peername: &'a Peer,
    pub(crate) sockname: &'a Peer,
    /// It is a proxy's, and what comes before HTTP names its peer.
    pub(crate) names_peer: bool,
}

impl Arrival<'_> {
    /// Why the machine would turn it away now.
    pub(super) fn would_turn_away(self, machine: &Server) -> Option<NotAdmitted> {
        match self.names_peer {
            false => machine.would_turn_away(self.peername),
            true => machine.would_turn_away_proxy(self.peername),
        }
    }
}

impl SharedState {
    /// Asks the machine whether the connection is served; its number and name if so.
    pub(crate) fn admit(&self, arrival: Arrival<'_>) -> Result<(ChannelId, String), NotAdmitted> {
        self.admit_to(&mut lock(&self.machine), arrival)
    }

    /// The same, unless the server is too full for a connection from this peer, and would serve it otherwise.
    /// `reserved`: a place is [reserved](Self::reserve) to it.
    pub(crate) fn admit_unless_full(
        &self,
        arrival: Arrival<'_>,
        reserved: bool,
    ) -> Option<Result<(ChannelId, String), NotAdmitted>> {
        let mut machine = lock(&self.machine);
        let is_full = self.is_full_for(&machine, arrival, reserved);
        (!is_full).then(|| self.admit_to(&mut machine, arrival))
    }

    fn admit_to(
        &self,
        machine: &mut Server,
        arrival: Arrival<'_>,
    ) -> Result<(ChannelId, String), NotAdmitted> {
        let (peername, sockname) = (arrival.peername.clone(), arrival.sockname.clone());
        let _ = machine.handle(
            self.moment(),
            match arrival.names_peer {
                false => ServerInput::Connected { peername, sockname },
                true => ServerInput::ProxyConnected { peername, sockname },
            },
        );
        let mut verdict = Err(NotAdmitted::Draining);
        while let Some(output) = machine.next_output() {
            match output {
                ServerOutput::HttpChannel { id, name, .. } => verdict = Ok((id, name)),
                ServerOutput::NotAdmitted { reason, .. } => verdict = Err(reason),
                ServerOutput::PeerAdmitted { .. }
                | ServerOutput::GoOut
                | ServerOutput::DropChannels
                | ServerOutput::Gone => {}
            }
        }
        verdict
    }

    /// What came before HTTP names another peer than the socket does: whether that is served, too.
    pub(crate) fn peer_named(&self, channel: ChannelId, peername: &Peer) -> Result<(), NotAdmitted> {
        let mut machine = lock(&self.machine);
        let peername = peername.clone();
        let _ = machine.handle(self.moment(), ServerInput::PeerNamed { channel, peername });
        let mut verdict = Err(NotAdmitted::Draining);
        while let Some(output) = machine.next_output() {
            match output {
                ServerOutput::PeerAdmitted { .. } => verdict = Ok(()),
                ServerOutput::NotAdmitted { reason, .. } => verdict = Err(reason),
                ServerOutput::HttpChannel { .. }
                | ServerOutput::GoOut
                | ServerOutput::DropChannels
                | ServerOutput::Gone => {}
            }
        }
        verdict
    }
}
