//! What a client says first.

use rustls::server::ClientHello;

/// What a client has said of itself before anything is chosen for it.
///
/// A request for a host other than the one that its client has asked for by SNI is asked about, too, since its host may
/// be one of another configuration. Of such a hello only the [`server_name`](Self::server_name) differs, and what was
/// not kept is missing: all but that and the [`alpn`](Self::alpn) that was agreed on.
///
/// Clients that prove by ALPN that they hold a name get a configuration of their own (RFC 8737):
///
/// ```
/// use httpfsm_rustls::Tls;
///
/// fn by_protocol(challenge: Tls, others: Tls) -> Tls {
///     Tls::choose(move |hello| {
///         let is_challenge = hello.alpn().any(|protocol| protocol == b"acme-tls/1");
///         Some(if is_challenge { challenge.clone() } else { others.clone() })
///     })
/// }
/// ```
#[derive(Debug)]
pub struct Hello<'a> {
    pub(crate) server_name: Option<&'a str>,
    pub(crate) from: HelloFrom<'a>,
}

pub(crate) enum HelloFrom<'a> {
    Client(&'a ClientHello<'a>),
    /// The protocol that was agreed on.
    Request(Option<&'a [u8]>),
}

impl std::fmt::Debug for HelloFrom<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Client(_) => "Client(..)",
            Self::Request(_) => "Request(..)",
        })
    }
}

impl Hello<'_> {
    /// The name of the server that is asked for by SNI (RFC 6066 section 3), in lower case and without a dot at its
    /// end; `None` if none is, as by a client that connects to an address.
    ///
    /// ```
    /// use httpfsm_rustls::Tls;
    ///
    /// /// Clients that ask for a name of the staff get a configuration that wants their certificates.
    /// fn by_name(staff: Tls, others: Tls) -> Tls {
    ///     Tls::choose(move |hello| {
    ///         let is_staff = hello.server_name().is_some_and(|name| name.ends_with(".staff.example.org"));
    ///         Some(if is_staff { staff.clone() } else { others.clone() })
    ///     })
    /// }
    /// # let _ = by_name;
    /// ```
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name
    }

    /// The protocols that are offered by ALPN (RFC 7301), by the client's preference; none if it offers nothing.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        let (offered, agreed) = match self.from {
            HelloFrom::Client(hello) => (hello.alpn(), None),
            HelloFrom::Request(agreed) => (None, agreed),
        };
        offered.into_iter().flatten().chain(agreed)
    }

    /// All that the library knows of the client's message; `None` when it is a [request](Self) that is asked about.
    ///
    /// ```
    /// use httpfsm_rustls::Tls;
    ///
    /// /// Says what each client offers in its handshake.
    /// fn logged(tls: Tls) -> Tls {
    ///     Tls::choose(move |hello| {
    ///         if let Some(client) = hello.client_hello() {
    ///             eprintln!("{:?} offers {:?}", client.server_name(), client.cipher_suites());
    ///         }
    ///         Some(tls.clone())
    ///     })
    /// }
    /// # let _ = logged;
    /// ```
    #[must_use]
    pub fn client_hello(&self) -> Option<&ClientHello<'_>> {
        match self.from {
            HelloFrom::Client(hello) => Some(hello),
            HelloFrom::Request(_) => None,
        }
    }
}

/// A name as it is compared: in lower case and without a dot at its end; `None` for an address, which is no name (RFC 6066
/// section 3).
pub(crate) fn comparable(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_address = name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
    (!is_address && !name.is_empty()).then_some(name)
}
