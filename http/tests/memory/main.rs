//! Services as handlers, on the transport in memory: what they see of a request, and what becomes of their responses.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex, MutexGuard};

use httpfsm::handler::{ConnectionInfo, Failure, Handler, Subscriber};
use httpfsm::{CloseReason, InvalidField, RequestError, ServerConfig};
use httpfsm_transport::memory::{MemoryClient, MemoryServer};

mod bodies;
mod failures;
mod lock_file;
mod requests;
mod responses;
mod upgrades;

/// What a server tells, in words.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines())
    }
}

impl Subscriber for Told {
    fn failed(&self, _: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        self.lines().push(format!("{failure}: {text}"));
    }

    fn invalid_field(&self, _: &ConnectionInfo, fault: &InvalidField) {
        self.lines().push(format!("field: {fault}"));
    }

    fn refused(&self, _: &ConnectionInfo, error: &RequestError) {
        self.lines().push(format!("refused: {:?}", error.rule));
    }

    fn excess(&self, _: &ConnectionInfo, bytes: u64) {
        self.lines().push(format!("excess: {bytes}"));
    }

    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        self.lines().push(format!("closed: {reason:?}"));
    }
}

/// A server in memory, one client of it, and what it tells.
struct Case<H: Handler> {
    server: MemoryServer<H>,
    client: MemoryClient,
    told: Told,
}

impl<H: Handler> Case<H> {
    fn new(handler: H) -> Self {
        Self::with_capacity(64 << 10, handler)
    }

    fn with_capacity(capacity: usize, handler: H) -> Self {
        Self::under(ServerConfig::default(), capacity, handler)
    }

    fn under(config: ServerConfig, capacity: usize, handler: H) -> Self {
        let told = Told::default();
        let subscriber: Arc<dyn Subscriber> = Arc::new(told.clone());
        let mut server = MemoryServer::with(config, capacity, Some(subscriber), handler);
        let client = server.connect().unwrap();
        Self { server, client, told }
    }

    /// Sends bytes; what comes back.
    fn send(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.client.send(bytes);
        self.server.run();
        self.client.take_text()
    }

    /// A request without a body, and the response without `Server` and `Date`.
    fn ask(&mut self, method: &str, target: &str) -> String {
        plain(&self.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n")))
    }
}

/// A response without the fields that are in all of them.
fn plain(response: &str) -> String {
    let is_common = |line: &&str| line.starts_with("Server: ") || line.starts_with("Date: ");
    response.split_inclusive("\r\n").filter(|line| !is_common(line)).collect()
}
