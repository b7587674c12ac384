//! Clients that ask for anything, and now and then go away.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::application::LARGE;
use crate::client::{Client, Received};

/// Kinds whose response is the number, and how many of each are asked for.
const KINDS: &[(&str, u32)] = &[
    ("now", 6),
    ("thread", 4),
    ("task", 4),
    ("block", 1),
    ("mutual", 1),
    ("f-quick", 6),
    ("f-sleep", 3),
    ("f-hints", 2),
];

pub(crate) struct Clients {
    pub is_over: Arc<AtomicBool>,
    watches: Arc<[Watch]>,
    wrong: Arc<Mutex<Option<String>>>,
    threads: Vec<JoinHandle<()>>,
}

/// What one client waits for.
#[derive(Default)]
struct Watch {
    waits: Mutex<Option<(Instant, String)>>,
    responses: AtomicU64,
    refused: AtomicU64,
    left: AtomicU64,
}

struct Asking {
    random: Random,
    address: SocketAddr,
    client: Option<Client>,
    number: usize,
    watches: Arc<[Watch]>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clients {
    pub(crate) fn start(clients: usize, address: SocketAddr, seed: u64) -> io::Result<Self> {
        let (is_over, wrong) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Option<String>>>::default());
        let watches: Arc<[Watch]> = (0..clients).map(|_| Watch::default()).collect();
        let mut threads = Vec::new();
        for number in 0..clients {
            let random = Random(seed.wrapping_mul(1_000_003).wrapping_add(number as u64 + 1));
            let mut asking = Asking { random, address, client: None, number, watches: Arc::clone(&watches) };
            let (is_over, wrong) = (Arc::clone(&is_over), Arc::clone(&wrong));
            let thread = thread::Builder::new().name("soak-client".to_owned()).stack_size(256 << 10);
            threads.push(thread.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    if let Err(error) = asking.ask() {
                        let what = lock(&asking.watch().waits).take().map(|(_, what)| what);
                        lock(&wrong).get_or_insert(format!("client {number}, {what:?}: {error}"));
                        return;
                    }
                }
            })?);
        }
        Ok(Self { is_over, watches, wrong, threads })
    }

    /// What is wrong, or who waits for too long.
    pub(crate) fn complaint(&self, patience: Duration) -> Option<String> {
        let waits_long =
            |watch: &Watch| lock(&watch.waits).as_ref().is_some_and(|(since, _)| since.elapsed() > patience);
        let wrong = lock(&self.wrong).clone();
        wrong
            .or_else(|| self.watches.iter().any(waits_long).then(|| "somebody waits for too long".to_owned()))
    }

    pub(crate) fn tell_who_waits(&self) {
        let mut text = String::new();
        for (number, watch) in self.watches.iter().enumerate() {
            if let Some((since, what)) = &*lock(&watch.waits) {
                let _ = writeln!(
                    text,
                    "client {number} waits for {what}, {:.1} s",
                    since.elapsed().as_secs_f32()
                );
            }
        }
        print!("{text}");
    }

    pub(crate) fn have_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    pub(crate) fn tally(&self) -> String {
        let sum = |count: fn(&Watch) -> &AtomicU64| {
            self.watches.iter().map(|watch| count(watch).load(Ordering::Relaxed)).sum::<u64>()
        };
        let (responses, refused) = (sum(|watch| &watch.responses), sum(|watch| &watch.refused));
        format!("{responses} responses, {refused} of them 503, {} times left", sum(|watch| &watch.left))
    }
}

impl Asking {
    fn watch(&self) -> &Watch {
        &self.watches[self.number]
    }

    fn ask(&mut self) -> io::Result<()> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => {
                self.waits("a connection".to_owned());
                Client::connect(self.address)?
            }
        };
        let number = self.random.below(100);
        let stays = match self.random.below(100) {
            0..40 => self.plain(&mut client, 1)?,
            40..55 => {
                let requests = 2 + self.random.below(7);
                self.plain(&mut client, requests)?
            }
            55..65 => self.upload(&mut client, false)?,
            65..70 => self.upload(&mut client, true)?,
            70..76 => self.stream(&mut client, number)?,
            76..80 => self.fails(&mut client)?,
            80..87 => return self.upgraded(client),
            87 => self.reads_late(&mut client)?,
            _ => return self.leaves(client, number),
        };
        *lock(&self.watch().waits) = None;
        self.client = stays.then_some(client);
        Ok(())
    }

    /// Requests one behind the other. Each response has its number.
    fn plain(&mut self, client: &mut Client, requests: u64) -> io::Result<bool> {
        let (mut asked, mut bytes) = (Vec::new(), String::new());
        for _ in 0..requests {
            let (kind, number) = (self.kind(), self.random.below(1_000_000));
            let _ = write!(bytes, "GET /{kind}/{number} HTTP/1.1\r\nHost: a\r\n\r\n");
            asked.push((kind, number));
        }
        self.waits(format!("{asked:?}"));
        client.send(bytes.as_bytes())?;
        for (kind, number) in asked {
            let received = client.response()?;
            self.count(&received, &number.to_string(), kind)?;
            if received.closes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn upload(&mut self, client: &mut Client, expects: bool) -> io::Result<bool> {
        // Without a body nobody is asked to go on.
        let (length, chunked) = (1 + self.random.below(200_000) as usize, self.random.below(2) == 0);
        self.waits(format!("an upload of {length} bytes, expects: {expects}, chunked: {chunked}"));
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {length}")
        };
        let expect = if expects { "Expect: 100-continue\r\n" } else { "" };
        client.send(format!("POST /f-count HTTP/1.1\r\nHost: a\r\n{framing}\r\n{expect}\r\n").as_bytes())?;
        if expects {
            let (status, lines) = client.head()?.ok_or(io::ErrorKind::ConnectionAborted)?;
            if status != 100 {
                let received = client.body(status, &lines)?;
                self.count(&received, "", "f-count")?;
                return Ok(false);
            }
        }
        let mut body = Vec::new();
        let mut left = length;
        while left > 0 {
            let piece = left.min(1 + self.random.below(60_000) as usize);
            left -= piece;
            if chunked {
                body.extend(format!("{piece:x}\r\n").into_bytes());
            }
            body.resize(body.len() + piece, b'b');
            if chunked {
                body.extend(b"\r\n");
            }
        }
        if chunked {
            body.extend(b"0\r\n\r\n");
        }
        let middle = self.random.below(body.len() as u64 + 1) as usize;
        // It may be refused meanwhile, with a close.
        let sent = client.send(&body[..middle]).and_then(|()| {
            thread::sleep(Duration::from_millis(self.random.below(5)));
            client.send(&body[middle..])
        });
        let received = match client.response() {
            Err(_) if sent.is_err() => return Ok(false),
            received => received?,
        };
        self.count(&received, &length.to_string(), "f-count")?;
        Ok(sent.is_ok() && !received.closes)
    }

    fn stream(&mut self, client: &mut Client, number: u64) -> io::Result<bool> {
        let kind = ["slow", "written", "f-written"][self.random.below(3) as usize];
        self.waits(format!("{kind}/{number}"));
        client.send(format!("GET /{kind}/{number} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())?;
        let received = client.response()?;
        self.count(&received, &number.to_string().repeat(5), kind)?;
        Ok(!received.closes)
    }

    /// What its function has written long before. Some functions are to wait, with others in their places.
    fn reads_late(&mut self, client: &mut Client) -> io::Result<bool> {
        self.waits("f-large".to_owned());
        client.send(b"GET /f-large/0 HTTP/1.1\r\nHost: a\r\n\r\n")?;
        thread::sleep(Duration::from_millis(self.random.below(300)));
        let received = client.response()?;
        self.count(&received, &"l".repeat(LARGE), "f-large")?;
        Ok(!received.closes)
    }

    /// What is no 200.
    fn fails(&mut self, client: &mut Client) -> io::Result<bool> {
        // A late one holds its worker for two seconds.
        let kind = if self.random.below(16) == 0 {
            "f-late"
        } else {
            ["panic", "f-panic"][self.random.below(2) as usize]
        };
        self.waits(kind.to_owned());
        client.send(format!("GET /{kind}/0 HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())?;
        let received = client.response()?;
        let is_so = received.status == 503 || received.status == 500 && kind != "f-late";
        self.watch().responses.fetch_add(1, Ordering::Relaxed);
        if is_so { Ok(!received.closes) } else { Err(io::Error::other(format!("a {}", received.status))) }
    }

    fn upgraded(&mut self, mut client: Client) -> io::Result<()> {
        let kind = if self.random.below(2) == 0 { "echo" } else { "tunnel" };
        self.waits(kind.to_owned());
        let upgrade = "Connection: upgrade\r\nUpgrade: echo";
        client.send(format!("GET /{kind}/0 HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n\r\n").as_bytes())?;
        let (status, lines) = client.head()?.ok_or(io::ErrorKind::ConnectionAborted)?;
        if status != 101 {
            let received = client.body(status, &lines)?;
            return self.count(&received, "", kind);
        }
        for round in 0..self.random.below(20) {
            self.waits(format!("{kind}, round {round}"));
            let sent = vec![b'u'; 1 + self.random.below(5000) as usize];
            client.send(&sent)?;
            if client.bytes(sent.len())? != sent {
                return Err(io::Error::other("another echo"));
            }
        }
        self.waits(format!("the end of {kind}"));
        if self.random.below(2) == 0 {
            client.end_output()?;
            client.rest();
        } else {
            client.leave(self.random.below(2) == 0);
        }
        *lock(&self.watch().waits) = None;
        Ok(())
    }

    /// Goes away somewhere.
    fn leaves(&mut self, mut client: Client, number: u64) -> io::Result<()> {
        let kind = match self.random.below(9) {
            0 => "endless",
            1 => "slow",
            2 => "f-count",
            3 => "written",
            4 => "f-large",
            _ => self.kind(),
        };
        self.waits(format!("nothing of {kind}"));
        let body = if kind == "f-count" { "Content-Length: 100000\r\n" } else { "" };
        let mut bytes = format!("GET /{kind}/{number} HTTP/1.1\r\nHost: a\r\n{body}\r\n").into_bytes();
        if kind == "f-count" {
            bytes.resize(bytes.len() + 1000, b'b');
        }
        if self.random.below(3) == 0 {
            bytes.truncate(self.random.below(bytes.len() as u64) as usize);
            client.send(&bytes)?;
        } else {
            client.send(&bytes)?;
            thread::sleep(Duration::from_millis(self.random.below(4)));
            if kind == "endless" {
                client.bytes(self.random.below(2_000_000) as usize)?;
            }
        }
        self.watch().left.fetch_add(1, Ordering::Relaxed);
        client.leave(self.random.below(2) == 0);
        *lock(&self.watch().waits) = None;
        Ok(())
    }

    fn count(&self, received: &Received, expected: &str, kind: &str) -> io::Result<()> {
        self.watch().responses.fetch_add(1, Ordering::Relaxed);
        if received.status == 503 {
            self.watch().refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if received.status == 200 && received.body == expected.as_bytes() {
            return Ok(());
        }
        let body = received.body.escape_ascii();
        Err(io::Error::other(format!("{kind}: {} with {body} instead of {expected}", received.status)))
    }

    fn waits(&self, what: String) {
        *lock(&self.watch().waits) = Some((Instant::now(), what));
    }

    fn kind(&mut self) -> &'static str {
        let mut place = self.random.below(KINDS.iter().map(|&(_, weight)| u64::from(weight)).sum()) as u32;
        for &(kind, weight) in KINDS {
            if place < weight {
                return kind;
            }
            place -= weight;
        }
        "now"
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit.max(1)
    }
}
