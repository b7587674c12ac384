//! TLS, of which a peer may send anything: a client of rustls speaks, and what it sends is cut, changed, doubled, left
//! out, or followed by other bytes, in the handshake and behind it.
//!
//! The first line of an input decides (any bytes up to LF). The rest are what the client writes, and what is sent in
//! between. Whatever comes: nothing panics, nothing but records leaves, no plain byte is read before the handshake is
//! complete, those that are read are what the client has written from its first byte on, the layer takes what it is
//! given or has something to be read, and what it holds has a bound.
//!
//! Seen to fail where `established` speaks before the handshake is complete, and where a plain byte is lost.

use std::io::IoSlice;
use std::sync::{Arc, OnceLock};

use httpfsm_rustls::rustls::ClientConnection;
use httpfsm_rustls::rustls::pki_types::ServerName;
use httpfsm_rustls::{Pem, Tls, TlsLayer};
use httpfsm_testing::{TlsClient, believing};
use httpfsm_transport::Layer;

use crate::decisions::{Decisions, split};

/// Bytes of an input that are sent.
const MOST: usize = 40 << 10;
/// What a layer holds at most: its input, the plain bytes of 16 KiB, and what many small records take beside.
const HELD: usize = 320 << 10;

/// Has a client and a server speak, with what the input says between them.
pub fn check(input: &[u8]) {
    let (decisions, bytes) = split(input);
    let mut decisions = Decisions::new(decisions);
    let mut bytes = bytes.repeat(1 + usize::from(decisions.next()) / 8);
    bytes.truncate(MOST);
    let mut server = Server::new(decisions.next() % 2 == 1);
    let mut client = Client::new();
    let mut rest = &*bytes;
    // Each round passes on what the client has to say, whole or not.
    for round in 0..200 {
        let piece = rest.len().min(1 + usize::from(decisions.next()) * 40);
        let record = IoSlice::new(&rest[..piece]);
        let written = if piece == 0 { 0 } else { client.write(record) };
        server.expected.extend_from_slice(&rest[..written]);
        rest = &rest[written..];
        let mut sent = std::mem::take(&mut client.down);
        if sent.is_empty() && (rest.is_empty() || round > 20) {
            break;
        }
        match decisions.next() {
            // Most of the time it comes as it was sent.
            0..=223 => {}
            choice if sent.is_empty() => sent.push(choice),
            choice => {
                let at = usize::from(decisions.next()) * 7 % sent.len();
                match choice % 5 {
                    0 => sent[at] ^= 1 + decisions.next() % 255,
                    1 => drop(sent.drain(..at)),
                    2 => sent.truncate(at),
                    3 => sent.splice(at..at, bytes.iter().copied().take(64)).for_each(drop),
                    _ => sent.extend_from_within(..at),
                }
            }
        }
        let mut left = &*sent;
        while !left.is_empty() {
            let cut = left.len().min(1 + usize::from(decisions.next()) * 64);
            if !server.receive(&left[..cut]) {
                return;
            }
            left = &left[cut..];
        }
        if server.layer.established().is_some() {
            assert!(client.tls.established().is_some(), "the client has not finished the handshake");
        }
        if !client.receive(&std::mem::take(&mut server.down)) {
            break;
        }
    }
    server.end();
}

fn tls(is_choice: bool) -> &'static Tls {
    static TLS: OnceLock<[Tls; 2]> = OnceLock::new();
    &TLS.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let tls = Tls::from_pem(Pem::bytes(certificate), Pem::bytes(key)).expect("they belong together");
        let choice = Tls::by_name([("localhost", tls.clone())], None).expect("it is a name");
        [tls, choice]
    })[usize::from(is_choice)]
}

struct Server {
    layer: TlsLayer,
    down: Vec<u8>,
    /// What the client has written.
    expected: Vec<u8>,
    /// How much of it was read.
    read: usize,
}

impl Server {
    fn new(is_choice: bool) -> Self {
        let layer = tls(is_choice).layer().expect("the configuration can be used");
        Self { layer, down: Vec::new(), expected: Vec::new(), read: 0 }
    }

    /// `false` where the connection is over.
    fn receive(&mut self, mut below: &[u8]) -> bool {
        loop {
            let mut plain = [0; 3000];
            let is_open = self.layer.established().is_some();
            match self.layer.read(&mut plain) {
                Ok(None) if below.is_empty() => return true,
                Ok(None) => {
                    let taken = match self.layer.received(below, &mut self.down) {
                        Ok(taken) => taken,
                        Err(_) => {
                            self.check();
                            return false;
                        }
                    };
                    self.check();
                    below = &below[taken..];
                    if taken == 0 {
                        let read = self.layer.read(&mut plain);
                        assert!(!matches!(read, Ok(None)), "it took nothing, and has nothing to be read");
                        if !self.take(&plain, read.unwrap_or(Some(0)), self.layer.established().is_some()) {
                            return false;
                        }
                    }
                }
                Ok(read) => {
                    if !self.take(&plain, read, is_open) {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }

    /// Plain bytes that were read. `false`: the peer has ended its output.
    fn take(&mut self, plain: &[u8], read: Option<usize>, is_open: bool) -> bool {
        let read = read.unwrap_or(0);
        if read == 0 {
            return false;
        }
        assert!(is_open, "plain bytes before the handshake is complete");
        let expected = self.expected.get(self.read..self.read + read);
        assert!(expected == plain.get(..read), "other bytes than were written, behind {} of them", self.read);
        self.read += read;
        true
    }

    fn check(&self) {
        assert!(self.layer.held() <= HELD, "{} bytes are held", self.layer.held());
        assert!(self.down.first().is_none_or(|kind| (20..24).contains(kind)), "no record: {:?}", self.down);
    }

    fn end(&mut self) {
        self.layer.below_ended();
        let mut plain = [0; 3000];
        while let Ok(Some(read @ 1..)) = self.layer.read(&mut plain) {
            let is_open = self.layer.established().is_some();
            self.take(&plain, Some(read), is_open);
        }
        self.layer.end(&mut self.down);
        self.check();
    }
}

struct Client {
    tls: TlsClient,
    down: Vec<u8>,
}

impl Client {
    fn new() -> Self {
        let name = ServerName::try_from("localhost").expect("it is a name");
        let connection = ClientConnection::new(Arc::clone(config()), name).expect("it can be used");
        let mut client = Self { tls: TlsClient(connection), down: Vec::new() };
        client.tls.received(&[], &mut client.down).expect("it begins");
        client
    }

    fn write(&mut self, plain: IoSlice<'_>) -> usize {
        self.tls.write(&[plain], &mut self.down).unwrap_or(0)
    }

    /// `false` where it gives up.
    fn receive(&mut self, mut below: &[u8]) -> bool {
        while !below.is_empty() {
            match self.tls.received(below, &mut self.down) {
                Ok(0) | Err(_) => return false,
                Ok(taken) => below = &below[taken..],
            }
        }
        true
    }
}

fn config() -> &'static Arc<httpfsm_rustls::rustls::ClientConfig> {
    static CONFIG: OnceLock<Arc<httpfsm_rustls::rustls::ClientConfig>> = OnceLock::new();
    CONFIG.get_or_init(|| {
        // Each run is to be the same: no session of an earlier one is resumed.
        let mut config = Arc::unwrap_or_clone(believing());
        config.resumption = httpfsm_rustls::rustls::client::Resumption::disabled();
        Arc::new(config)
    })
}
