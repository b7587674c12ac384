//! The connection behind a request: what it is.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::ops::{Deref, DerefMut};

use super::channel_name::ChannelName;
use super::extensions::Extensions;
use crate::peer::Peer;

/// The facts about a connection, shared by all its requests. Those of [`OwnEnd`] are fields of it as well.
///
/// ```
/// use httpfsm::Request;
///
/// async fn whoami(request: Request) -> String {
///     let connection = request.connection();
///     format!("{} by {} on {}\n", connection.peername, connection.scheme, connection.channel)
/// }
/// # let _ = httpfsm::handler::with_state((), |_, request| whoami(request));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The other end.
    pub peername: Peer,
    /// The channel's name (`server.clisrv_17`), never used twice by one server.
    pub channel: ChannelName,
    /// What this connection may have in common with others of its listener. A change leaves that of others as it is.
    pub own_end: Arc<OwnEnd>,
}

/// Our end of a connection: the fields of a [`ConnectionInfo`] that connections of one listener have in common, as a
/// rule, and in one memory.
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::Peer;
/// use httpfsm::handler::ConnectionInfo;
///
/// let connect = |name: &str| ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", name.into());
/// let [first, mut second] = ["server.clisrv_1", "server.clisrv_2"].map(connect);
/// // A transport does so, since it has many that wait.
/// if second.own_end == first.own_end {
///     second.own_end = Arc::clone(&first.own_end);
/// }
/// second.scheme = "https".into();
/// assert_eq!((&*first.scheme, &*second.scheme), ("http", "https"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OwnEnd {
    /// This end.
    pub sockname: Peer,
    /// `http`, or `https` behind TLS: the layer's, the listener's, or the parameter `url_scheme`.
    pub scheme: Cow<'static, str>,
    /// What the listener, the wire, a preface and a layer know beside.
    pub extensions: Extensions,
}

impl ConnectionInfo {
    /// The facts about a connection, for transports.
    ///
    /// ```
    /// use httpfsm::Peer;
    /// use httpfsm::handler::ConnectionInfo;
    ///
    /// # let address = "192.0.2.1:5000".parse().unwrap();
    /// // As a transport does when it has accepted a connection from `address`.
    /// let sockname = Peer::Unix(Some("/run/web.sock".into()));
    /// let connection = ConnectionInfo::new(Peer::Ip(address), sockname, "http", "server.clisrv_17".into());
    /// assert_eq!(connection.sockname.to_string(), "unix:/run/web.sock");
    /// ```
    #[must_use]
    pub fn new(
        peername: Peer,
        sockname: Peer,
        scheme: impl Into<Cow<'static, str>>,
        channel: ChannelName,
    ) -> Self {
        let own_end = OwnEnd { sockname, scheme: scheme.into(), extensions: Extensions::default() };
        Self { peername, channel, own_end: Arc::new(own_end) }
    }

    /// The same with these extensions.
    ///
    /// ```
    /// use httpfsm::Peer;
    /// use httpfsm::handler::{ConnectionInfo, Extensions, Security};
    ///
    /// let mut extensions = Extensions::default();
    /// extensions.insert(Security::default());
    /// let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
    /// let connection = ConnectionInfo::new(peername, sockname, "https", "server.clisrv_17".into());
    /// let connection = connection.with_extensions(extensions);
    /// assert!(connection.extensions.get::<Security>().is_some());
    /// ```
    #[must_use]
    pub fn with_extensions(mut self, extensions: Extensions) -> Self {
        self.extensions = extensions;
        self
    }
}

impl Deref for ConnectionInfo {
    type Target = OwnEnd;

    fn deref(&self) -> &OwnEnd {
        &self.own_end
    }
}

impl DerefMut for ConnectionInfo {
    fn deref_mut(&mut self) -> &mut OwnEnd {
        Arc::make_mut(&mut self.own_end)
    }
}
