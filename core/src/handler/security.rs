//! What protects a connection.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::host;
use crate::request::RequestRef;

/// What a layer that encrypts, as TLS does, knows of a connection when its handshake is complete. A handler reads it by
/// [`Request::security`](super::Request::security). It has names and bytes, and no type of a TLS library.
///
/// ```
/// use httpfsm::{Request, Response, Status};
///
/// /// Only for clients that have shown a certificate.
/// async fn whoami(request: Request) -> Response {
///     match request.security().map(|security| security.peer_chain.as_slice()) {
///         Some([certificate, ..]) => Response::text(format!("A certificate of {} bytes.\n", certificate.len())),
///         _ => Response::new(Status::FORBIDDEN),
///     }
/// }
/// # let _ = httpfsm::handler::with_state((), |_, request| whoami(request));
/// ```
///
/// `Debug` shows names as text:
///
/// ```
/// let mut security = httpfsm::handler::Security::default();
/// security.alpn = Some(b"http/1.1".to_vec());
/// assert!(format!("{security:?}").contains("alpn: Some(\"http/1.1\")"));
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Security {
    /// The protocol and its version: `TLSv1.3`, say.
    pub protocol: Cow<'static, str>,
    /// The cipher suite, by its name in the registry of IANA: `TLS_AES_128_GCM_SHA256`, say.
    pub cipher: Cow<'static, str>,
    /// What was agreed on by ALPN (RFC 7301): `http/1.1`, say. `None` if the peer has offered nothing.
    pub alpn: Option<Vec<u8>>,
    /// The name of the server that the peer has asked for, by SNI (RFC 6066 section 3), in lower case; `None` if it has
    /// asked for none, as one that connects to an address.
    pub sni: Option<String>,
    /// The certificates of the peer in DER, its own first. Empty if it has shown none. They were verified in the
    /// handshake, or in the one of the session that this connection [resumes](Self::resumed).
    pub peer_chain: Vec<Vec<u8>>,
    /// The connection goes on with a session of an earlier one.
    pub resumed: bool,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, cipher, alpn, sni, peer_chain, resumed } = self;
        f.debug_struct("Security")
            .field("protocol", protocol)
            .field("cipher", cipher)
            .field("alpn", &alpn.as_deref().map(Quoted))
            .field("sni", sni)
            .field("peer_chain", peer_chain)
            .field("resumed", resumed)
            .finish()
    }
}

/// Octets as text between quotes.
struct Quoted<'a>(&'a [u8]);

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

type Serves = dyn Fn(&str) -> bool + Send + Sync;

/// Which hosts a connection serves. A layer puts it among the [extensions](super::OwnEnd::extensions) of a
/// connection whose peer was identified for some of the hosts of a server only, as by a certificate that the
/// configuration of one name demands and that of another does not. A transport responds with 421 to a request for
/// another host (RFC 9110 section 15.5.20), and its handler is not called. The connection goes on. That holds for what
/// a listener's layer says; who uses a connection without a handler (level 1), or a layer in a wire of its own, asks
/// [`serve_request`](Self::serve_request).
///
/// ```
/// use httpfsm::handler::Hosts;
///
/// let hosts = Hosts::new(|host| host == "example.org");
/// assert!(hosts.serve("example.org:8443") && !hosts.serve("example.net"));
/// ```
#[derive(Clone)]
pub struct Hosts(Arc<Serves>);

impl Hosts {
    /// `serves` is given a name, or an address (one of IPv6 in brackets), as the request has it and without the port, and
    /// says whether the connection serves it. It is called for each request, so it must be quick.
    ///
    /// ```
    /// use httpfsm::handler::{Extensions, Hosts};
    ///
    /// // A layer says it of the connection on which it has seen a certificate.
    /// let mut extensions = Extensions::default();
    /// extensions.insert(Hosts::new(|host| matches!(host, "example.org" | "www.example.org")));
    /// assert!(extensions.get::<Hosts>().is_some_and(|hosts| hosts.serve("www.example.org")));
    /// ```
    #[must_use]
    pub fn new(serves: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(serves))
    }

    /// Whether a request for this [authority](super::Request::authority) is served.
    ///
    /// ```
    /// use httpfsm::handler::Hosts;
    ///
    /// let hosts = Hosts::new(|host| host == "[2001:db8::1]");
    /// assert!(hosts.serve("[2001:db8::1]:8443"));
    /// assert!(!hosts.serve("example.org"));
    /// ```
    #[must_use]
    pub fn serve(&self, authority: &str) -> bool {
        let host =
            host::authority(authority.as_bytes()).map_or(authority.len(), |authority| authority.host.len());
        (self.0)(authority.get(..host).unwrap_or(authority))
    }

    /// Whether this request is served. One of HTTP/1.0 may be for no host, which is asked for as the empty name. `CONNECT`
    /// names the host that it is to be connected to, so it is served: who responds to it looks at
    /// [`Security::peer_chain`] by itself.
    ///
    /// ```
    #[doc = include_str!("../examples/received.txt")]
    /// use httpfsm::handler::Hosts;
    ///
    /// let hosts = Hosts::new(|host| host == "example.org");
    /// let elsewhere = received(b"GET / HTTP/1.1\r\nHost: example.net\r\n\r\n");
    /// assert!(!hosts.serve_request(&elsewhere.as_ref()));
    /// // The name in a CONNECT is that of another server.
    /// let tunnel = received(b"CONNECT example.net:443 HTTP/1.1\r\nHost: example.net:443\r\n\r\n");
    /// assert!(hosts.serve_request(&tunnel.as_ref()));
    /// ```
    #[must_use]
    pub fn serve_request(&self, request: &RequestRef<'_>) -> bool {
        request.method() == "CONNECT" || self.serve(request.authority().unwrap_or_default())
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hosts(..)")
    }
}
