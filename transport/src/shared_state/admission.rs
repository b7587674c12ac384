//! Who is served: the machine's verdicts about the peers that connect, and about those that are named before HTTP.

use httpfsm::peer::Peer;
use httpfsm::server::{ChannelId, NotAdmitted, Server, ServerInput, ServerOutput};

use super::SharedState;
use crate::lock::lock;

impl SharedState {
    /// Asks the machine whether the connection is served; its number and name if so.
    pub(crate) fn admit(&self, peername: &Peer, sockname: &Peer) -> Result<(ChannelId, String), NotAdmitted> {
        self.admit_to(&mut lock(&self.machine), peername, sockname)
    }

    /// The same, unless the server is too full for a connection from this peer, and would serve it otherwise.
    /// `reserved`: a place is [reserved](Self::reserve) to it.
    pub(crate) fn admit_unless_full(
        &self,
        peername: &Peer,
        sockname: &Peer,
        reserved: bool,
    ) -> Option<Result<(ChannelId, String), NotAdmitted>> {
        let mut machine = lock(&self.machine);
        let is_full = self.is_full_for(&machine, peername, reserved);
        (!is_full).then(|| self.admit_to(&mut machine, peername, sockname))
    }

    fn admit_to(
        &self,
        machine: &mut Server,
        peername: &Peer,
        sockname: &Peer,
    ) -> Result<(ChannelId, String), NotAdmitted> {
        let (peername, sockname) = (peername.clone(), sockname.clone());
        let _ = machine.handle(self.moment(), ServerInput::Connected { peername, sockname });
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
