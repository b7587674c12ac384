//! A relay in front of the server that records the bytes, for a client that does not report its responses.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// It relays until the process ends.
pub(crate) struct Relay {
    address: SocketAddr,
    requests: RelayedBytes,
    responses: RelayedBytes,
}

/// The bytes of each connection.
type RelayedBytes = Arc<Mutex<Vec<Vec<u8>>>>;

impl Relay {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let relay = Self { address, requests: RelayedBytes::default(), responses: RelayedBytes::default() };
        let (requests, responses) = (Arc::clone(&relay.requests), Arc::clone(&relay.responses));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { return };
                let ends = (client.try_clone(), server.try_clone());
                let (Ok(client_end), Ok(server_end)) = ends else { return };
                pass_on(client, server_end, &requests);
                pass_on(server, client_end, &responses);
            }
        });
        relay
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// The lines of requests that begin so and have come so far.
    pub(crate) fn requests(&self, prefix: &str) -> Vec<String> {
        lines(&self.requests, prefix)
    }

    pub(crate) fn responses(&self, prefix: &str) -> Vec<String> {
        lines(&self.responses, prefix)
    }

    /// Waits for a line of a request that begins so.
    #[track_caller]
    pub(crate) fn wait_for(&self, prefix: &str, patience: Duration) -> String {
        let started = Instant::now();
        loop {
            if let Some(line) = self.requests(prefix).pop() {
                return line;
            }
            assert!(
                started.elapsed() < patience,
                "no {prefix} among the requests:\n{}",
                String::from_utf8_lossy(&self.requests.lock().expect("no panic").concat()),
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn lines(kept: &RelayedBytes, prefix: &str) -> Vec<String> {
    let kept = kept.lock().expect("no panic");
    let lines = kept.iter().flat_map(|bytes| bytes.split(|&byte| byte == b'\n'));
    let lines = lines.filter(|line| line.starts_with(prefix.as_bytes()));
    lines.map(|line| String::from_utf8_lossy(line).trim_end().to_owned()).collect()
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, kept: &RelayedBytes) {
    let kept = Arc::clone(kept);
    let connection = {
        let mut kept = kept.lock().expect("no panic");
        kept.push(Vec::new());
        kept.len() - 1
    };
    thread::spawn(move || {
        let mut piece = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut piece) {
            kept.lock().expect("no panic")[connection].extend_from_slice(&piece[..n]);
            if to.write_all(&piece[..n]).is_err() {
                break;
            }
        }
        // The end of one side ends the other.
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    });
}
