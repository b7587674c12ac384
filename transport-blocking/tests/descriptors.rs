//! A server that runs out of file descriptors: in a process of its own, which may have few.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm_blocking::serve;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);

/// What the child runs; by itself it is no test.
#[test]
#[ignore = "runs in the child process of the test below"]
fn serves_until_its_input_ends() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = serve(listener, ServerConfig::default(), |_: Request| async { "fine" }).unwrap();
    println!("\nlistening at {}", server.local_addr().unwrap());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

struct Server(Child, SocketAddr);

impl Server {
    fn start(descriptors: u32) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "serves_until_its_input_ends", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix("listening at ")?.parse().ok());
        Self(child, address.unwrap())
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.0.id())).unwrap().count()
    }

    /// Clock ticks that the process has run for, itself and for it in the kernel.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(mut client: &TcpStream) -> String {
    client.set_read_timeout(Some(HANG)).unwrap();
    client.write_all(GET).unwrap();
    let mut answer = [0; 1000];
    let octets = client.read(&mut answer).expect("the server answers");
    String::from_utf8_lossy(&answer[..octets]).into_owned()
}

#[test]
fn an_acceptor_out_of_descriptors_waits_serves_on_and_recovers() {
    let server = Server::start(40);
    let clients: Vec<_> = (0..80).map(|_| TcpStream::connect(server.1).unwrap()).collect();
    let began = Instant::now();
    while server.descriptors() < 40 {
        assert!(began.elapsed() < HANG, "the server takes all the connections that it can");
        sleep(Duration::from_millis(5));
    }
    // A loop that spins takes all of the pause, which is 100 ticks of most systems; a wake-up of a thread is none.
    let before = server.ticks();
    sleep(Duration::from_secs(1));
    let ran = server.ticks() - before;
    assert!(ran <= 10, "{ran} ticks in a second of waiting");
    assert!(get(&clients[0]).ends_with("fine"), "who was accepted is served");
    drop(clients);
    assert!(get(&TcpStream::connect(server.1).unwrap()).ends_with("fine"));
}
