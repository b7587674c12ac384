//! The subscriber of a round's server: it traces every event, and notes what became of each client.

use std::sync::Arc;

use httpfsm::error::{BodyError, CloseReason, RequestError, Rule};
use httpfsm::handler::{ConnectionInfo, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::request::RequestRef;
use httpfsm::server::NotAdmitted;

use crate::listen_queue::client_at;
use crate::trace::SimTrace;
use crate::wire::{Fate, LinkEnds};

pub(crate) struct Observer {
    trace: SimTrace,
    ends: Vec<Arc<LinkEnds>>,
    /// Who is to be told as the peer of each client, and whether its preface breaks a rule.
    clients: Vec<(Peer, bool)>,
}

impl Observer {
    pub(crate) fn new(trace: SimTrace, ends: Vec<Arc<LinkEnds>>, clients: Vec<(Peer, bool)>) -> Self {
        Self { trace, ends, clients }
    }

    /// A connection goes on behind what came before HTTP.
    fn began(&self, connection: &ConnectionInfo, what: &str) {
        self.trace.note(format_args!("{} {what}", connection.channel));
        let Some(number) = client_at(&connection.peername) else { return };
        if let (Some((peer, _)), Some(ends)) = (self.clients.get(number), self.ends.get(number)) {
            if connection.peername != *peer {
                ends.blame("it has another peer than was named before HTTP");
            }
        }
    }

    fn ends_of(&self, peer: &Peer) -> Option<&LinkEnds> {
        self.ends.get(client_at(peer)?).map(|ends| &**ends)
    }

    fn meet(&self, peer: &Peer, fate: Fate) {
        if let Some(ends) = self.ends_of(peer) {
            ends.meet_fate(fate);
        }
    }
}

impl Subscriber for Observer {
    fn opened(&self, connection: &ConnectionInfo) {
        self.began(connection, "opened");
    }

    fn not_opened(&self, connection: &ConnectionInfo, reason: CloseReason, text: Option<&str>) {
        let text = text.unwrap_or_default();
        self.trace.note(format_args!("{} not opened: {reason} {text}", connection.channel));
        if reason == CloseReason::Evicted {
            self.meet(&connection.peername, Fate::Evicted);
        }
    }

    fn handed_over(&self, connection: &ConnectionInfo) {
        self.began(connection, "handed over");
    }

    fn not_admitted(&self, peername: &Peer, _sockname: &Peer, reason: NotAdmitted) {
        self.trace.note(format_args!("{peername} is not served: {reason}"));
        self.meet(peername, Fate::Refused(reason));
    }

    fn request(&self, connection: &ConnectionInfo, request: RequestRef<'_>) {
        if let Some(ends) = self.ends_of(&connection.peername) {
            ends.note_request();
        }
        self.trace.note(format_args!("{} {} {}", connection.channel, request.method(), request.target()));
    }

    fn body_end(&self, connection: &ConnectionInfo) {
        self.trace.note(format_args!("{} body end", connection.channel));
    }

    fn body_failed(&self, connection: &ConnectionInfo, error: &BodyError) {
        self.trace.note(format_args!("{} body failed: {error}", connection.channel));
    }

    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        self.trace.note(format_args!("{} refused: {error}", connection.channel));
        let number = client_at(&connection.peername);
        let is_broken = number.and_then(|number| self.clients.get(number)).is_some_and(|(_, broken)| *broken);
        if let Some(ends) = self.ends_of(&connection.peername).filter(|_| is_broken) {
            if error.rule != Rule::Preface {
                ends.blame("it refused a request behind a preface that breaks a rule");
            }
        }
    }

    fn peer_ended(&self, connection: &ConnectionInfo) {
        self.trace.note(format_args!("{} peer ended", connection.channel));
    }

    fn upgraded(&self, connection: &ConnectionInfo) {
        self.trace.note(format_args!("{} upgraded", connection.channel));
    }

    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        self.trace.note(format_args!("{} closed: {reason}", connection.channel));
        if reason == CloseReason::Evicted {
            self.meet(&connection.peername, Fate::Evicted);
        }
    }
}
