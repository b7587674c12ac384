//! A server with the toy preface, its clients, and what its subscriber hears.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Failure, Request, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::server::NotAdmitted;
use httpfsm_transport::memory::{MemoryClient, MemoryServer};
use httpfsm_transport::{Held, Layer, ListenerInfo};
use httpfsm_transport_kit::{ToyLayer, ToyPreface};

pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// What the subscriber of a server hears of its connections, each as a word or a sentence.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>, Arc<Mutex<Option<String>>>, Arc<Mutex<Option<Peer>>>);

impl Heard {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    /// What was said last of a connection that was not opened.
    pub(crate) fn text(&self) -> Option<String> {
        self.1.lock().unwrap().clone()
    }

    /// Whose connection has failed last.
    pub(crate) fn failed_on(&self) -> Option<Peer> {
        self.2.lock().unwrap().clone()
    }

    /// Since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Heard {
    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        *self.2.lock().unwrap() = connection.map(|connection| connection.peername.clone());
        assert!(connection.is_some(), "{text}");
        self.push(format!("{failure} failed: {text}"));
    }

    fn not_admitted(&self, peername: &Peer, _sockname: &Peer, reason: NotAdmitted) {
        self.push(format!("{peername} not admitted: {reason:?}"));
    }

    fn not_opened(&self, _: &ConnectionInfo, reason: CloseReason, text: Option<&str>) {
        *self.1.lock().unwrap() = text.map(str::to_owned);
        self.push(format!("not opened: {reason:?}"));
    }

    fn handed_over(&self, connection: &ConnectionInfo) {
        self.push(format!("handed over: {}", connection.peername));
    }

    fn opened(&self, connection: &ConnectionInfo) {
        self.push(format!("opened: {}", connection.peername));
    }

    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        match reason {
            CloseReason::Refused(error) => self.push(format!("refused: {:?}", error.rule)),
            reason => self.push(format!("closed: {reason:?}")),
        }
    }
}

pub(crate) async fn tell(request: Request) -> String {
    format!("{} of {}", request.scheme(), request.connection().peername)
}

type Handler = fn(Request) -> std::pin::Pin<Box<dyn Future<Output = String> + Send>>;

/// A server in memory, and its subscriber.
pub(crate) struct Toys {
    pub(crate) server: MemoryServer<Handler>,
    pub(crate) heard: Heard,
}

impl Toys {
    /// One whose listener has the toy preface.
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self::with(config, ListenerInfo::default().preface(|_| ToyPreface::default()))
    }

    pub(crate) fn with(config: ServerConfig, listener: ListenerInfo) -> Self {
        let heard = Heard::default();
        let subscriber: Arc<dyn Subscriber> = Arc::new(heard.clone());
        let handler: Handler = |request| Box::pin(tell(request));
        let mut server = MemoryServer::with(config, 64 << 10, Some(subscriber), handler);
        server.set_listener(listener);
        Self { server, heard }
    }

    pub(crate) fn connect(&mut self) -> MemoryClient {
        let client = self.server.connect().unwrap();
        self.server.run();
        client
    }

    /// Has the server run on these bytes.
    pub(crate) fn send(&mut self, client: &MemoryClient, bytes: impl AsRef<[u8]>) {
        client.send(bytes);
        self.server.run();
    }

    pub(crate) fn advance(&mut self, millis: u64) {
        self.server.advance(Duration::from_millis(millis));
    }

    /// Nothing is left of any connection.
    #[track_caller]
    pub(crate) fn is_empty(&self) {
        assert_eq!((self.server.held(), self.server.connections()), (Held::default(), 0));
    }
}

pub(crate) fn peer(n: u8) -> Peer {
    Peer::Ip(SocketAddr::from(([192, 0, 2, n], 5000)))
}

/// What came, its `Date` aside: the status line and the content.
pub(crate) fn response(bytes: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let status = text.lines().next().unwrap_or_default().to_owned();
    let content = text.split_once("\r\n\r\n").map_or(String::new(), |(_, content)| content.to_owned());
    (status, content)
}

/// A client that speaks through the toy layer.
pub(crate) struct ToyClient {
    pub(crate) layer: ToyLayer,
    /// What it has to say to what has come.
    replies: Vec<u8>,
}

impl ToyClient {
    pub(crate) fn new(layer: ToyLayer) -> Self {
        Self { layer, replies: Vec::new() }
    }

    /// What it begins with.
    pub(crate) fn hello(&mut self) -> Vec<u8> {
        let mut down = Vec::new();
        self.layer.received(&[], &mut down).unwrap();
        down
    }

    /// Its replies to what has come.
    pub(crate) fn replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.replies)
    }

    /// Plain bytes, as they leave, behind the replies.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut down = self.replies();
        assert_eq!(self.layer.write(&[IoSlice::new(plain)], &mut down).unwrap(), plain.len());
        down
    }

    /// The plain bytes in what came.
    pub(crate) fn open(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let (mut plain, mut buffer) = (Vec::new(), [0; 500]);
        while !bytes.is_empty() {
            let taken = self.layer.received(bytes, &mut self.replies).unwrap();
            bytes = &bytes[taken..];
            while let Ok(Some(read @ 1..)) = self.layer.read(&mut buffer) {
                plain.extend_from_slice(&buffer[..read]);
            }
        }
        plain
    }
}
