//! The applications that `serve` offers. None of them knows which transport runs it.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use clap::ValueEnum;
use httpfsm::server::ServerStats;

pub(crate) mod bench;
pub(crate) mod echo;
pub(crate) mod files;
pub(crate) mod hello;
pub(crate) mod unread;

/// What to serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum App {
    /// The files of a folder, for reading: those of DIR
    #[default]
    Files,
    /// A page that says what runs here
    Hello,
    /// Each request back, as text, in the form that the conformance rig reads; a tool for tests: it holds whole bodies in
    /// memory, which no limit counts
    Echo,
    /// What the benchmarks ask for: /plaintext, /upload, /bytes/N, /echo
    Bench,
    /// /plaintext and /upload of these, by a function that blocks
    BenchFunction,
}

/// Runs a future in the background of the transport's runtime.
pub(crate) type SpawnFn = fn(Pin<Box<dyn Future<Output = ()> + Send>>);

/// Reads the statistics of a server that starts after its application does.
#[derive(Clone, Default)]
pub(crate) struct Stats(Arc<OnceLock<Box<dyn Fn() -> ServerStats + Send + Sync>>>);

impl Stats {
    /// Sets the function that reads the statistics, once the server runs. Only the first call counts.
    pub(crate) fn connect(&self, read: impl Fn() -> ServerStats + Send + Sync + 'static) {
        // A second call changes nothing.
        let _ = self.0.set(Box::new(read));
    }

    /// The counts so far; zeros before the server runs.
    fn read(&self) -> ServerStats {
        self.0.get().map(|read| read()).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Arc;

    use httpfsm::channel::Input;
    use httpfsm::channel::{Channel, CompiledConfig, Facts, Output};
    use httpfsm::config::{ChannelConfig, ServerConfig};
    use httpfsm::handler::{Body, ConnectionInfo, Handler, Request};
    use httpfsm::peer::Peer;
    use httpfsm::time::{Date, Moment, Now};
    use httpfsm_transport::memory::MemoryServer;

    /// What a handler responds with to these bytes, from the status line to the end.
    pub(crate) fn exchange(handler: impl Handler, bytes: &str) -> String {
        let mut server = MemoryServer::new(ServerConfig::default(), handler);
        let client = server.connect().unwrap_or_else(|refusal| panic!("{refusal:?}"));
        client.send(bytes);
        let mut response = Vec::new();
        // The connection holds 64 KiB: a longer response comes in several pieces.
        loop {
            server.run();
            let piece = client.take();
            if piece.is_empty() {
                return String::from_utf8_lossy(&response).into_owned();
            }
            response.extend(piece);
        }
    }

    /// The content of that response.
    pub(super) fn content(handler: impl Handler, bytes: &str) -> String {
        let response = exchange(handler, bytes);
        let (_, content) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {response}"));
        content.to_owned()
    }

    /// A request without a body, as a handler gets it.
    pub(super) fn request(bytes: &str) -> Request {
        let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
        let mut channel = Channel::new(compiled, Facts::default());
        let now = Now::new(Moment::START, &Date::EPOCH);
        channel.handle(&now, Input::RxData(bytes.as_bytes())).unwrap_or_else(|error| panic!("{error}"));
        // The request is shown once it was delivered.
        while channel.next_output().is_some_and(|output| !matches!(output, Output::HttpRequest)) {}
        let head = channel.request().unwrap_or_else(|| panic!("no request: {bytes}")).into();
        let sockname = Peer::Unix(Some("/run/<web>.sock".into()));
        let connection = ConnectionInfo::new(Peer::Unix(None), sockname, "http", "server.clisrv_1".into());
        Request::new(Arc::new(head), Body::Empty, Arc::new(connection), Arc::new(()))
    }
}
