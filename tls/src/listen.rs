//! TLS on the listeners of a server.

use std::net::SocketAddr;

use httpfsm_transport::{Listener, ListenerInfo, Server, Transport};

use crate::tls::Tls;

/// A server that listens for connections over TLS, beside those without.
pub trait ListenTls: Sized {
    /// Adds a TCP address whose connections speak TLS; with port 0 the system chooses one. It is as
    /// [`Server::listen_tcp`] but for that, and its requests report the scheme `https`.
    #[must_use]
    fn listen_tls(self, address: SocketAddr, tls: &Tls) -> Self;
}

impl<T: Transport> ListenTls for Server<T> {
    fn listen_tls(self, address: SocketAddr, tls: &Tls) -> Self {
        let tls = tls.clone();
        self.listen_tcp_with(address, move |listener| listener.tls(&tls))
    }
}

/// A listener whose connections speak TLS; also one of a [server in memory](httpfsm_transport::memory::MemoryServer).
pub trait TlsListener {
    /// Its connections speak TLS, behind the [preface](Listener::preface), if there is one. A client has
    /// `handshake_timeout` for the handshake. What speaks plain HTTP gets a 400 in plain HTTP that says so. A connection of
    /// another protocol than `http/1.1` by ALPN goes to [`hand_over`](Listener::hand_over).
    #[must_use]
    fn tls(self, tls: &Tls) -> Self;
}

impl TlsListener for Listener {
    fn tls(self, tls: &Tls) -> Self {
        let tls = tls.clone();
        self.layer(move |_| tls.layer())
    }
}

impl TlsListener for ListenerInfo {
    fn tls(self, tls: &Tls) -> Self {
        let tls = tls.clone();
        self.layer(move |_| tls.layer())
    }
}
