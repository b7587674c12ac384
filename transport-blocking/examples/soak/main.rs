//! Serves everything that the blocking transport has to random clients, and looks for who waits for ever, and for what is
//! left behind.
//!
//! ```sh
//! cargo run --release -p httpfsm-blocking --example soak -- --seconds 3600 --seed 7 --workers 8
//! ```
//!
//! Each request has half a minute. Then, or where a response is wrong, this prints who waits and what the threads do, and
//! ends with 1. The seed makes what clients ask for, not how the threads meet.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its result")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm_blocking::{Blocking, Server, ServerHandle, block_on};

use application::Application;
use client::Client;
use clients::Clients;

mod application;
mod client;
mod clients;
mod timer;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Clients, each with one connection at a time.
const CLIENTS: usize = 200;
/// Requests that may be with the application.
const PLACES: u32 = 400;

fn main() -> ExitCode {
    // Handlers that panic are told to.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref() != Some(&application::PANIC) {
            usual(info);
        }
    }));
    soak().unwrap_or_else(|error| {
        eprintln!("soak: {error}");
        ExitCode::FAILURE
    })
}

fn soak() -> io::Result<ExitCode> {
    let (seconds, seed, workers) = (option("--seconds", 60)?, option("--seed", 1)?, option("--workers", 8)?);
    let workers = usize::try_from(workers).map_err(io::Error::other)?;
    let application = Application::start();
    let before = Resources::now();
    let mut config = ServerConfig { maximum_simultaneous_requests: PLACES, ..ServerConfig::default() };
    // Less than some functions take.
    config.channel.responseless_timeout = Some(Duration::from_millis(1500));
    config.channel.inbuf_overflow = 64 << 10;
    // So little that functions with slow readers have to give their places up.
    config.max_spooled_bytes = 4 << 20;
    let transport = Blocking::default().workers(workers).tunnels(8).stand_ins(PLACES as usize);
    let server = Server::on(transport, config)
        .listen_tcp("127.0.0.1:0".parse().map_err(io::Error::other)?)
        .serve(application.handler())?;
    let address = server.local_addr().ok_or(io::ErrorKind::AddrNotAvailable)?;

    let clients = Clients::start(CLIENTS, address, seed)?;
    let (began, mut told) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        thread::sleep(Duration::from_millis(200));
        if let Some(complaint) = clients.complaint(PATIENCE) {
            return Ok(fail(&complaint, &clients, &server));
        }
        if began.elapsed().as_secs() / 60 > told {
            told += 1;
            println!("{told} min: {}, {:?}", clients.tally(), Resources::now());
        }
    }
    clients.is_over.store(true, Ordering::SeqCst);
    let stopped = Instant::now();
    while !clients.have_ended() {
        thread::sleep(Duration::from_millis(20));
        if let Some(complaint) = clients.complaint(PATIENCE) {
            return Ok(fail(&complaint, &clients, &server));
        }
        if stopped.elapsed() > 2 * PATIENCE {
            return Ok(fail("a client does not end", &clients, &server));
        }
    }
    println!("{}", clients.tally());

    // Functions that clients have left run to their ends, and keep their places until then.
    if let Err(complaint) =
        eventually(|| (server.stats().n_channels == 0).then_some(()).ok_or("a channel is left"))
    {
        return Ok(fail(complaint, &clients, &server));
    }
    thread::sleep(application::LONGEST);
    if let Err(complaint) = all_places_are_free(&application, address) {
        return Ok(fail(&complaint, &clients, &server));
    }
    server.begin_drain(Some(Duration::from_secs(5)));
    let own = server.clone();
    let gone = thread::spawn(move || block_on(own.gone()));
    let is_gone = || gone.is_finished().then_some(()).ok_or("the server does not go");
    if let Err(complaint) = eventually(is_gone) {
        return Ok(fail(complaint, &clients, &server));
    }
    drop(gone.join());
    let nothing_left = || {
        let (memory, now) = (server.memory(), Resources::now());
        if memory != Default::default() {
            return Err(format!("memory is left: {memory:?}"));
        }
        if now != before { Err(format!("{before:?} before, {now:?} left")) } else { Ok(()) }
    };
    if let Err(complaint) = eventually(nothing_left) {
        return Ok(fail(&complaint, &clients, &server));
    }
    println!("nothing is left after {seconds} s with {workers} workers and seed {seed}");
    Ok(ExitCode::SUCCESS)
}

/// Has as many requests with the application as there are places.
fn all_places_are_free(application: &Arc<Application>, address: std::net::SocketAddr) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut waiting = Vec::new();
    for _ in 0..PLACES {
        let mut client = Client::connect(address).map_err(text)?;
        client.send(b"GET /gate HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").map_err(text)?;
        waiting.push(client);
    }
    let expected = PLACES as usize;
    let arrived = eventually(|| {
        let arrived = application.gate.arrived();
        if arrived == expected { Ok(()) } else { Err(format!("of {expected} places {arrived} are free")) }
    });
    application.gate.open();
    arrived?;
    waiting.into_iter().try_for_each(|mut client| client.response().map(drop).map_err(text))
}

/// Until it is so, or for half a minute.
fn eventually<E>(mut is_so: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    let began = Instant::now();
    loop {
        let outcome = is_so();
        if outcome.is_ok() || began.elapsed() > PATIENCE {
            return outcome;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn fail(complaint: &str, clients: &Clients, server: &ServerHandle) -> ExitCode {
    println!("FAILED: {complaint}");
    clients.tell_who_waits();
    println!("{}, {:?}\n{:?}\n{:?}", clients.tally(), Resources::now(), server.stats(), server.memory());
    let mut threads = BTreeMap::<_, usize>::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default().trim().to_owned();
        let state = read("stat").rsplit(") ").next().map(|rest| rest.chars().take(1).collect::<String>());
        *threads.entry((read("comm"), state, read("wchan"))).or_default() += 1;
    }
    threads.iter().for_each(|(thread, count)| println!("{count} threads: {thread:?}"));
    ExitCode::FAILURE
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Resources {
    threads: usize,
    descriptors: usize,
}

impl Resources {
    fn now() -> Self {
        let count = |folder| fs::read_dir(folder).map_or(0, Iterator::count);
        Self { threads: count("/proc/self/task"), descriptors: count("/proc/self/fd") }
    }
}

/// The number behind `name`.
fn option(name: &str, default: u64) -> io::Result<u64> {
    let value = std::env::args().skip_while(|argument| argument != name).nth(1);
    value.map_or(Ok(default), |value| {
        value.parse().map_err(|error| io::Error::other(format!("{name}: {error}")))
    })
}

/// Reads to the end, whatever comes.
fn swallow(mut from: impl Read) {
    let _ = io::copy(&mut from, &mut io::sink());
}
