//! What comes before HTTP on a connection: what its client sends, and what its listener makes of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use httpfsm::handler::Upgraded;
use httpfsm::peer::Peer;
use httpfsm_transport::{HandedOver, ListenerInfo};
use httpfsm_transport_kit::{ToyLayer, ToyPreface};

use crate::listen_queue::port_of;
use crate::world::World;

/// What a client sends before HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BeforeHttp {
    /// Its preface names another address than that of its socket.
    pub(crate) names: bool,
    pub(crate) next: Next,
    pub(crate) dribble: Option<Dribble>,
    /// It falls silent behind so many bytes of that.
    pub(crate) silent_behind: Option<usize>,
}

/// What comes behind the line that may name an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// HTTP.
    Http,
    /// A layer, which the preface chooses.
    Layer,
    /// The layer of a listener without a preface.
    LayerOfListener,
    /// Another protocol, as the preface says.
    Other,
    /// Another protocol, as the handshake of the layer says.
    OtherInLayer,
    /// The preface breaks a rule.
    Refused,
    /// HTTP, where the listener expects the handshake of its layer.
    NoHello,
}

/// How a preface arrives byte by byte, or nearly so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dribble {
    pub(crate) piece: usize,
    /// Milliseconds between two pieces.
    pub(crate) every: u64,
}

impl BeforeHttp {
    /// Whether a server has to get over it.
    pub(crate) fn is_calm(&self) -> bool {
        let is_slow = self.dribble.is_some_and(|dribble| dribble.every > Dribble::CALM);
        self.silent_behind.is_none() && !is_slow && !self.is_refused()
    }

    /// Whether no request of it may reach the handler.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.next, Next::Refused | Next::NoHello)
    }

    pub(crate) fn is_layered(&self) -> bool {
        matches!(self.next, Next::Layer | Next::LayerOfListener | Next::OtherInLayer)
    }

    pub(crate) fn is_other(&self) -> bool {
        matches!(self.next, Next::Other | Next::OtherInLayer)
    }

    /// The bytes of the preface of a client.
    pub(crate) fn preface(&self, number: usize) -> Vec<u8> {
        let mut bytes = if self.names { ToyPreface::line(&named(number)) } else { Vec::new() };
        match self.next {
            Next::Other => bytes.extend_from_slice(b"OTHER\r\n"),
            Next::Refused => bytes = b"FROM nobody\r\n".to_vec(),
            _ => {}
        }
        bytes
    }

    /// Its end of a layer.
    pub(crate) fn toy(&self) -> ToyLayer {
        if self.next == Next::OtherInLayer {
            ToyLayer::client_of_another_protocol()
        } else {
            ToyLayer::client()
        }
    }
}

impl Dribble {
    /// The most milliseconds between two bytes of a preface that is complete in time.
    pub(crate) const CALM: u64 = 100;
}

/// The address that the preface of a client names; its port tells who it is.
pub(crate) fn named(number: usize) -> Peer {
    SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port_of(number))).into()
}

/// The listeners of a server: a plain one, one with a preface and one with a layer.
#[derive(Clone)]
pub(crate) struct Listeners {
    plain: Arc<ListenerInfo>,
    preface: Arc<ListenerInfo>,
    layer: Arc<ListenerInfo>,
}

impl Listeners {
    pub(crate) fn new(world: &World) -> Self {
        let hands_over = || {
            let world = world.clone();
            move |HandedOver { connection, .. }: HandedOver| world.spawn(echo(connection))
        };
        let preface = ListenerInfo::default().preface(|_| ToyPreface::default()).hand_over(hands_over());
        let layer = ListenerInfo::default().layer(|_| Ok(ToyLayer::server())).hand_over(hands_over());
        Self { plain: Arc::default(), preface: Arc::new(preface), layer: Arc::new(layer) }
    }

    /// The one that a client connects to.
    pub(crate) fn of(&self, before: Option<&BeforeHttp>) -> Arc<ListenerInfo> {
        let listener = match before.map(|before| before.next) {
            None => &self.plain,
            Some(Next::LayerOfListener | Next::OtherInLayer | Next::NoHello) => &self.layer,
            Some(Next::Http | Next::Layer | Next::Other | Next::Refused) => &self.preface,
        };
        Arc::clone(listener)
    }
}

/// Another protocol than HTTP.
pub(crate) async fn echo(mut connection: Upgraded) {
    let mut buffer = [0; 512];
    while let Ok(bytes @ 1..) = connection.read(&mut buffer).await {
        if connection.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
    let _ = connection.close().await;
}
