//! What comes before HTTP on the connections of a listener: a preface, a layer, and who takes those of other protocols.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use httpfsm::error::Rule;
use httpfsm::handler::{ConnectionInfo, Extensions, Upgraded};
use httpfsm::origins::Origin;
use httpfsm::peer::Peer;

use crate::layer::{Layer, LayerError};

/// Reads what comes before everything else on a connection: the header of a proxy, or the first byte, which tells TLS from
/// plain text. Like a [`Layer`] it is bytes and no I/O. A listener [makes](crate::Listener::preface) one for each of its
/// connections.
///
/// It is shown no more than `max_preface_bytes`, and has `preface_timeout` in all. A preface that needs more than those
/// is responded to with 400, one that takes longer is closed. So is one that has come to hold more than a few kilobytes
/// while the server has no room under `max_buffered_bytes`, as a connection that is evicted.
///
/// `origins` and `max_connections_per_peer` judge the address of the socket first, and then the peer that the preface names,
/// if it names one; the connection counts for that from then on. On a listener
/// [behind proxies](crate::Listener::behind_proxies) it counts for nobody before its preface is complete, so a proxy has as
/// many connections as its clients have. Either way `origins` has to have the proxy among them. A listener that knows its
/// [proxies](crate::Listener::trusted_proxies) believes nobody else. The address of the socket is in what
/// [`Listener::preface`](crate::Listener::preface) gives to whoever makes the preface; handlers see it only if the preface
/// puts it among its [extensions](PrefaceRead::extension).
///
/// A line that names the peer, before HTTP, from a proxy on this machine and from nobody else:
///
/// ```
/// use httpfsm::error::Rule;
/// use httpfsm::peer::Peer;
/// use httpfsm_transport::{Listener, Preface, PrefaceRead, PrefaceVerdict, SocketOptions};
///
/// struct From {
///     is_proxy: bool,
/// }
///
/// impl Preface for From {
///     fn received(&mut self, bytes: &[u8]) -> PrefaceVerdict {
///         if !self.is_proxy {
///             return PrefaceVerdict::Refused(Rule::Preface);
///         }
///         let Some(end) = bytes.windows(2).position(|end| end == b"\r\n") else { return PrefaceVerdict::NeedsMore };
///         let line = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
///         match line.strip_prefix("FROM ").map(str::parse) {
///             Some(Ok(address)) => PrefaceVerdict::Read(PrefaceRead::new(end + 2).peername(Peer::Ip(address))),
///             _ => PrefaceVerdict::Refused(Rule::Preface),
///         }
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let address = "127.0.0.1:0".parse().expect("this is an address");
/// let listener = Listener::tcp(address, &SocketOptions::default())?
///     // Who has connected; `peername` of the preface comes in its place later.
///     .preface(|info| From { is_proxy: matches!(info.peername, Peer::Ip(address) if address.ip().is_loopback()) })
///     .behind_proxies();
/// // `Server::new(config).listener(listener)`
/// # drop(listener);
/// # Ok(())
/// # }
/// ```
///
/// The first byte tells TLS from plain text on one port. Nothing is taken of what has come, so the layer, or HTTP, begins
/// with that byte:
///
/// ```
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_transport::memory::MemoryServer;
/// use httpfsm_transport::{ListenerInfo, Preface, PrefaceRead, PrefaceVerdict};
/// # use std::io::{IoSlice, Read};
/// # use httpfsm_transport::{Established, Layer, LayerError};
/// # /// In place of TLS: one byte, and then plain ones.
/// # #[derive(Default)]
/// # struct Tls { has_begun: bool, plain: std::collections::VecDeque<u8>, ended: bool }
/// # impl Layer for Tls {
/// #     fn received(&mut self, below: &[u8], _: &mut Vec<u8>) -> Result<usize, LayerError> {
/// #         for byte in below {
/// #             if self.has_begun { self.plain.push_back(*byte) } else { assert_eq!(*byte, HANDSHAKE) }
/// #             self.has_begun = true;
/// #         }
/// #         Ok(below.len())
/// #     }
/// #     fn below_ended(&mut self) { self.ended = true }
/// #     fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
/// #         match self.plain.read(plain).unwrap_or_default() { 0 if !self.ended => Ok(None), read => Ok(Some(read)) }
/// #     }
/// #     fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
/// #         down.extend_from_slice(&plain[0]);
/// #         Ok(plain[0].len())
/// #     }
/// #     fn end(&mut self, _: &mut Vec<u8>) {}
/// #     fn established(&self) -> Option<Established> {
/// #         let mut established = Established::default();
/// #         established.scheme = Some("https".into());
/// #         self.has_begun.then_some(established)
/// #     }
/// # }
///
/// /// The first byte of TLS: a record of a handshake. No method of HTTP begins with it.
/// const HANDSHAKE: u8 = 0x16;
///
/// struct FirstByte;
///
/// impl Preface for FirstByte {
///     fn received(&mut self, bytes: &[u8]) -> PrefaceVerdict {
///         match bytes.first() {
///             None => PrefaceVerdict::NeedsMore,
///             // The listener's layer comes next.
///             Some(&HANDSHAKE) => PrefaceVerdict::Read(PrefaceRead::new(0)),
///             Some(_) => PrefaceVerdict::Read(PrefaceRead::new(0).plain()),
///         }
///     }
/// }
///
/// # fn main() -> Result<(), httpfsm::server::NotAdmitted> {
/// // `Listener::tcp(address, &options)?` has the same two calls.
/// let listener = ListenerInfo::default().preface(|_| FirstByte).layer(|_| Ok(Tls::default()));
/// let handler = |request: Request| async move { request.scheme().to_owned() };
/// let mut server = MemoryServer::new(ServerConfig::default(), handler);
/// server.set_listener(listener);
/// for (first, scheme) in [(&b""[..], "\r\n\r\nhttp"), (&[HANDSHAKE], "\r\n\r\nhttps")] {
///     let client = server.connect()?;
///     client.send([first, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat());
///     server.run();
///     assert!(client.take_text().ends_with(scheme));
/// }
/// # Ok(())
/// # }
/// ```
pub trait Preface: Send + 'static {
    /// Looks at all bytes that have come, from the first on. Called again with more of them as long as it
    /// [needs more](PrefaceVerdict::NeedsMore). The verdict depends on the bytes alone, not on how they were cut: it needs
    /// more of each shorter piece of a preface.
    fn received(&mut self, bytes: &[u8]) -> PrefaceVerdict;
}

/// What a [`Preface`] has found.
#[derive(Debug)]
pub enum PrefaceVerdict {
    /// It is not complete.
    NeedsMore,
    /// It is complete.
    Read(PrefaceRead),
    /// It breaks a rule: [`Rule::Preface`], if no other fits. The connection gets the response of that rule, and is closed.
    Refused(Rule),
}

/// A preface that is complete: what it says of the connection, and what comes next.
#[derive(Debug)]
pub struct PrefaceRead {
    pub(crate) length: usize,
    pub(crate) peername: Option<Peer>,
    pub(crate) sockname: Option<Peer>,
    pub(crate) extensions: Extensions,
    pub(crate) next: AfterPreface,
}

/// What comes behind a preface.
pub(crate) enum AfterPreface {
    /// The listener's layer, or HTTP where it has none.
    AsListener,
    Http,
    Layer(Box<dyn Layer>),
    Other,
}

impl fmt::Debug for AfterPreface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsListener => "AsListener",
            Self::Http => "Http",
            Self::Layer(_) => "Layer(..)",
            Self::Other => "Other",
        })
    }
}

impl PrefaceRead {
    /// The first `length` bytes are the preface's; 0 for one that only looks. Those behind it go to what comes next: the
    /// [layer](crate::Listener::layer) of the listener, if it has one, and else HTTP. More bytes than have come are a
    /// failure of the application ([`Failure::Prologue`](httpfsm::handler::Failure::Prologue)), and the connection is
    /// closed.
    #[must_use]
    pub fn new(length: usize) -> Self {
        let (peername, sockname, extensions) = (None, None, Extensions::default());
        Self { length, peername, sockname, extensions, next: AfterPreface::AsListener }
    }

    /// The connection is of this peer, whom `origins` and `max_connections_per_peer` judge as they judge one that connects.
    /// Where the server does not serve it, the connection is closed. It is ignored on a connection of somebody who is none
    /// of the listener's [trusted proxies](crate::Listener::trusted_proxies), if it has such.
    #[must_use]
    pub fn peername(mut self, peername: Peer) -> Self {
        self.peername = Some(peername);
        self
    }

    /// The peer has connected to this address. It is ignored where the peer is.
    #[must_use]
    pub fn sockname(mut self, sockname: Peer) -> Self {
        self.sockname = Some(sockname);
        self
    }

    /// Handlers find this value in [`ConnectionInfo::extensions`](httpfsm::handler::OwnEnd::extensions).
    #[must_use]
    pub fn extension<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.extensions.insert(value);
        self
    }

    /// HTTP comes next, also where the listener has a layer.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.next = AfterPreface::Http;
        self
    }

    /// This layer comes next, in place of the listener's.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.next = AfterPreface::Layer(Box::new(layer));
        self
    }

    /// Another protocol than HTTP/1.x comes next: the connection is [handed over](crate::Listener::hand_over). A listener
    /// that hands nothing over refuses it by [`Rule::Preface`].
    #[must_use]
    pub fn other_protocol(mut self) -> Self {
        self.next = AfterPreface::Other;
        self
    }
}

/// What a [`Layer`] knows when its handshake is complete.
///
/// What a layer says whose peer has chosen a protocol by ALPN:
///
/// ```
/// use httpfsm_transport::Established;
///
/// fn established(alpn: Option<&[u8]>) -> Established {
///     let mut established = Established::default();
///     established.scheme = Some("https".into());
///     established.other_protocol = alpn.is_some_and(|name| name != b"http/1.1");
///     established
/// }
///
/// assert!(established(Some(b"h2")).other_protocol);
/// assert!(!established(None).other_protocol);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Established {
    /// The scheme that requests report from here on; `None`: as without the layer.
    pub scheme: Option<Cow<'static, str>>,
    /// What handlers may read in [`ConnectionInfo::extensions`](httpfsm::handler::OwnEnd::extensions): the certificate
    /// of the peer, say.
    pub extensions: Extensions,
    /// The peer has chosen another protocol than HTTP/1.x, as by ALPN: the connection is
    /// [handed over](crate::Listener::hand_over). A listener that hands nothing over closes it.
    pub other_protocol: bool,
}

/// A connection of another protocol, as the function of [`Listener::hand_over`](crate::Listener::hand_over) gets it. It
/// counts among those of the server until `connection` is dropped or the drain deadline comes, as an upgraded one does.
#[derive(Debug)]
#[non_exhaustive]
pub struct HandedOver {
    /// What is known of it.
    pub info: Arc<ConnectionInfo>,
    /// Its bytes; behind a layer those that the layer passes on.
    pub connection: Upgraded,
}

type MakesPreface = dyn Fn(&ConnectionInfo) -> Box<dyn Preface> + Send + Sync;
type MakesLayer = dyn Fn(&ConnectionInfo) -> Result<Box<dyn Layer>, LayerError> + Send + Sync;
type TakesConnections = dyn Fn(HandedOver) + Send + Sync;

/// What comes before HTTP on the connections of a listener.
#[derive(Clone, Default)]
pub(crate) struct BeforeHttp {
    pub(crate) preface: Option<Arc<MakesPreface>>,
    pub(crate) layer: Option<Arc<MakesLayer>>,
    pub(crate) hand_over: Option<Arc<TakesConnections>>,
    pub(crate) proxies: Proxies,
}

/// Whose prefaces name the peers.
#[derive(Clone, Debug, Default)]
pub(crate) enum Proxies {
    /// Nobody has said so: a peer that is named counts, and the socket's before.
    #[default]
    Unknown,
    /// All who connect are proxies.
    All,
    /// These are, and nobody else is believed.
    These(Arc<[Origin]>),
}

impl BeforeHttp {
    /// Whether there is anything.
    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.preface.is_some() || self.layer.is_some()
    }

    /// Whether a connection of this address is a proxy's, and its preface is to say who the peer is.
    #[inline]
    pub(crate) fn names_peer(&self, accepted: &Peer) -> bool {
        !matches!(self.proxies, Proxies::Unknown) && self.preface.is_some() && self.believes(accepted)
    }

    /// Whether a peer counts that is named on a connection of this address.
    pub(crate) fn believes(&self, accepted: &Peer) -> bool {
        match &self.proxies {
            Proxies::Unknown | Proxies::All => true,
            Proxies::These(proxies) => proxies.iter().any(|proxy| proxy.covers(accepted)),
        }
    }
}

impl fmt::Debug for BeforeHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BeforeHttp")
            .field("preface", &self.preface.is_some())
            .field("layer", &self.layer.is_some())
            .field("hand_over", &self.hand_over.is_some())
            .field("proxies", &self.proxies)
            .finish()
    }
}
