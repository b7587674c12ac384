//! Few threads, a function that reads its body on one of them, and peers that send what they like.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::memory::{MemoryClient, MemoryServer};
use httpfsm_transport::{BodyReader, Held, block_on, sync};

use crate::few::{self, Few};

/// How many calls of the function have begun, and how many have ended.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<(AtomicUsize, AtomicUsize)>);

/// Those that ask for `/held` end when this is dropped.
pub(crate) struct Holds(#[expect(dead_code, reason = "it is to be dropped")] mpsc::Sender<()>);

impl Calls {
    pub(crate) fn begun(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(crate) fn running(&self) -> usize {
        self.begun() - self.0.1.load(Ordering::SeqCst)
    }
}

/// Reads the body, of which only bytes are counted that are as they are to be.
fn read(mut request: Request) -> io::Result<Response> {
    if request.path() == "/refuse" {
        return Ok(Response::new(Status::CONTENT_TOO_LARGE));
    }
    let is_for_whole = request.path() == "/whole";
    let mut body = request.take_body();
    if is_for_whole {
        block_on(body.gathered());
    }
    let mut reader = BodyReader::new(body);
    let (mut piece, mut at) = (vec![0; 3000], 0);
    loop {
        let length = reader.read(&mut piece)?;
        if length == 0 {
            let trailer = reader.trailers().and_then(|trailers| trailers.get("X-Sum")).map(<[u8]>::to_vec);
            let trailer = String::from_utf8_lossy(&trailer.unwrap_or_default()).into_owned();
            return Ok(Response::text(format!("{at} bytes{trailer}")));
        }
        let wrong = piece[..length].iter().zip(at..).find(|(byte, at)| **byte != byte_at(*at));
        assert!(wrong.is_none(), "{wrong:?}");
        at += length;
    }
}

/// The byte of each body at this place.
pub(crate) fn byte_at(at: usize) -> u8 {
    (at * 7 + at / 251 % 5) as u8
}

pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(byte_at).collect()
}

pub(crate) struct Stand<H: Handler> {
    pub(crate) holds: Option<Holds>,
    pub(crate) server: MemoryServer<H>,
    pub(crate) calls: Calls,
}

/// A server whose function runs on so many threads, of which so many may wait.
pub(crate) fn stand(config: ServerConfig, threads: usize, permits: usize) -> Stand<impl Handler> {
    let calls = Calls::default();
    let count = calls.clone();
    let (hold, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let function = move |request: Request| {
        let is_held = request.path() == "/held";
        count.0.0.fetch_add(1, Ordering::SeqCst);
        let response = read(request);
        if is_held {
            let _ = held.lock().map(|held| held.recv());
        }
        count.0.1.fetch_add(1, Ordering::SeqCst);
        response
    };
    let server = MemoryServer::with(config, 1 << 22, None, sync(Few::start(threads), function));
    server.permit_waiting(permits);
    Stand { holds: Some(Holds(hold)), server, calls }
}

impl<H: Handler> Stand<H> {
    pub(crate) fn connect(&mut self) -> MemoryClient {
        self.server.connect().unwrap()
    }

    /// Sends, and lets the server run.
    pub(crate) fn send(&mut self, client: &MemoryClient, bytes: impl AsRef<[u8]>) {
        client.send(bytes);
        self.server.run();
    }

    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        few::until(what, || {
            self.server.run();
            if is_so(self) { Ok(()) } else { Err(self.server.held()) }
        });
    }

    /// The response, when it is whole.
    pub(crate) fn response(&mut self, client: &MemoryClient) -> String {
        let mut response = String::new();
        self.until("there is a response", |_| {
            response += &client.take_text();
            let rest = response.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&response);
            let head = rest.split_once("\r\n\r\n");
            head.is_some_and(|(head, content)| {
                let length = head.split_once("Content-Length: ").map_or("0", |(_, length)| length);
                content.len() == length.lines().next().unwrap().parse::<usize>().unwrap()
            })
        });
        response
    }

    /// Nothing is held any more, and no permit above all.
    pub(crate) fn ends(&mut self) {
        self.until("all is given back", |stand| {
            stand.server.held() == Held::default() && stand.calls.running() == 0
        });
    }

    pub(crate) fn permits(&self) -> u64 {
        self.server.held().permits
    }
}

pub(crate) fn head(length: usize, more: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{more}\r\n")
}
