//! The simulator on the model application, and on handlers that are wrong.
//!
//! That it can fail was tried on the server, one line at a time. It found each of these among the first 3,000
//! connections:
//!
//! | broken | found as |
//! |---|---|
//! | `Flushed` does not reach the body's source | the response broke off |
//! | slices are written in reverse order | no response begins like this |
//! | a request at work is not counted out when its connection is lost | a request is left |
//! | the end of its connection does not end the handler | the driver outlives its connection |
//! | the peer's FIN is not passed on | it was not woken for what it could do |
//! | the machine forgets the FIN between two requests | it did not close at the FIN |
//! | the alarm of a head is not set | it waits without a deadline |
//! | the machine has no deadline for a head, for lingering, for pending output | it waits without a deadline |
//! | `TransmitReady` does not ask the application | it was not woken for what it could do |
//! | no second turn after a write | it was not woken for what it could do |
//! | a demand for the body is lost | the machine responded with 503 |
//! | nobody is evicted, or nobody waits until the place is free | refused, though another client was idle |
//! | one connection more than `max_connections` is let in | 2 connections may be open |
//! | a connection that is at work is evicted | it was not idle when it was evicted |
//! | the close of a channel does not wake the accept loop | it waits for ever for the response |
//! | the accept loop sets no alarm for its pause | the accept loop was not woken |
//! | the accept loop ends at a failure | the connection ended before the response |
//! | what follows a refused CONNECT is parsed | a request that nobody sent |
//! | 2xx to CONNECT has a length | 200 hands over and frames content |
//! | bytes that came with an upgrade are lost | the connection that was handed over returned something else |
//! | no 100 is sent | the machine responded with 408 |
//! | empty lines and then nothing get a 408 | a response to nothing |
//! | an unknown version is taken for a malformed line | the machine responded with 400 |
//! | an evicted connection waits for the end of its layer to leave | refused, though another client was idle (at 200,000) |
//! | bytes that came with a preface do not reach the layer | the connection ended before the response |
//! | those do not reach the channel whole | another request than was sent |
//! | those do not reach the protocol that is handed over to | it waits for ever for bytes of a tunnel |
//! | the alarm of a prologue is not set | it waits without a deadline |
//! | a connection in its prologue is not evicted | refused, though another client was idle |
//! | the peer that a preface names is forgotten | another peer than was named |
//! | the channel behind a preface that is refused does not know of it | a request behind it was refused |
//!
//! And bare channels, when input is waited for behind its end, when there is no deadline for pending output or for what is
//! discarded, when an idle channel keeps its buffers, and when time that goes back is believed.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_sim::{
    Ask, BrokenContract, Contract, Fault, Outcome, Simulation, World, application, channels, vary,
};

fn model(seed: u64, connections: u64, threads: usize) -> Result<Outcome, Box<BrokenContract>> {
    Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()))
        .vary(vary)
        .seed(seed)
        .connections(connections)
        .threads(threads)
        .run()
}

#[test]
fn twenty_thousand_connections_keep_every_contract() {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let outcome = model(1, 20_000, threads).unwrap();
    assert_eq!(outcome.connections, 20_000);
}

#[test]
fn connections_through_a_layer_keep_every_contract() {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let simulation = |layered: u32, connections: u64| {
        Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()))
            .vary(vary)
            .layered(layered)
            .connections(connections)
            .threads(threads)
            .run()
            .unwrap()
    };
    assert_eq!(simulation(1, 8000).connections, 8000);
    // The plans are the same, what happens on the connections is not.
    let hash = |layered| simulation(layered, 400).trace_hash;
    assert!(hash(0) != hash(1) && hash(0) != hash(4) && hash(4) != hash(1));
}

#[test]
fn connections_with_a_prologue_keep_every_contract() {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let simulation = |prologues: u32, connections: u64| {
        Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()))
            .vary(vary)
            .prologues(prologues)
            .connections(connections)
            .threads(threads)
    };
    assert_eq!(simulation(1, 8000).run().unwrap().connections, 8000);
    simulation(1, 400).faults([]).run().unwrap();
    let hash = |prologues| simulation(prologues, 400).run().unwrap().trace_hash;
    assert!(hash(0) != hash(1) && hash(0) != hash(4) && hash(4) != hash(1));
}

/// A connection that is handed over, and one whose preface never ends, take a place as any other.
#[test]
fn prologues_at_a_server_with_few_places_keep_every_contract() {
    let config = ServerConfig { max_connections: 1, ..ServerConfig::default() };
    Simulation::new(config, |world: &World| application(world.clone()))
        .prologues(1)
        .connections(2000)
        .run()
        .unwrap();
}

/// In the first round of this seed the end of a layer cannot leave when another client needs the place.
#[test]
fn a_connection_that_is_evicted_keeps_nobody_waiting_for_the_end_of_its_layer() {
    Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()))
        .vary(vary)
        .layered(1)
        .prologues(0)
        .seed(50_001)
        .connections(4)
        .run()
        .unwrap();
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let once = model(77, 1000, 1).unwrap();
    assert_eq!(model(77, 1000, 3).unwrap(), once);
    assert_ne!(model(78, 1000, 1).unwrap().trace_hash, once.trace_hash);
}

#[test]
fn bare_channels_keep_what_the_machine_promises() {
    assert_eq!(channels(1, 3000).unwrap().connections, 3000);
    assert_eq!(channels(7, 100).unwrap(), channels(7, 100).unwrap());
}

#[test]
fn without_faults_every_request_gets_its_response() {
    Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()))
        .vary(vary)
        .faults([])
        .connections(400)
        .run()
        .unwrap();
}

#[test]
fn accepts_that_fail_keep_nobody_from_a_response() {
    Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()))
        .faults([Fault::AcceptFailure])
        .connections(400)
        .run()
        .unwrap();
}

/// How many of 400 connections' requests reach the handler of a server with so many places.
fn served(max_connections: u32) -> usize {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let make = move |world: &World| {
        let (calls, application) = (Arc::clone(&calls), application(world.clone()));
        move |request: Request| {
            calls.fetch_add(1, Ordering::Relaxed);
            application(request)
        }
    };
    let config = ServerConfig { max_connections, ..ServerConfig::default() };
    let simulation = Simulation::new(config, make).faults([Fault::Delay]).connections(400);
    simulation.run().expect("who is turned away is owed nothing");
    counted.load(Ordering::Relaxed)
}

#[test]
fn a_server_without_a_place_turns_clients_away() {
    let (one, four) = (served(1), served(4));
    assert!(one >= 100 && one < four, "{one} requests were served at one place, {four} at four");
    assert_eq!(four, served(0));
}

/// A proxy, so to say, that is asked for the bytes of `returns`.
fn tunnels(returns: &'static str) -> Result<Outcome, Box<BrokenContract>> {
    let shouts = |world: &World| {
        let world = world.clone();
        move |request: Request| {
            let upgrade = request.upgrade();
            world.spawn(async move {
                let Ok(mut connection) = upgrade.await else { return };
                let mut buffer = [0; 100];
                while let Ok(bytes @ 1..) = connection.read(&mut buffer).await {
                    if connection.write_all(&buffer[..bytes].to_ascii_uppercase()).await.is_err() {
                        return;
                    }
                }
                // Through a layer the last bytes may still wait: who drops the connection waits for nothing.
                let _ = connection.close().await;
            });
            async { Response::new(Status::OK) }
        }
    };
    let traffic = move |_: &mut httpfsm_sim::Dice| Ask::connect("a.example:7").hands_over("hello", returns);
    Simulation::new(ServerConfig::default(), shouts).traffic(traffic).connections(400).run()
}

#[test]
fn what_comes_through_a_tunnel_is_what_was_expected() {
    tunnels("HELLO").unwrap();
    let failure = tunnels("HELLo").unwrap_err();
    assert_eq!(failure.contract, Contract::Responses);
    assert!(failure.text.contains("returned something else"), "{failure}");
    let failure = tunnels("HELLO!").unwrap_err();
    assert_eq!(failure.contract, Contract::Progress, "the byte that never comes is waited for: {failure}");
}

/// Responds to every third request with the bytes of another one.
fn crossed(_: &World) -> impl httpfsm::handler::Handler + use<> {
    let calls = AtomicUsize::new(0);
    move |mut request: Request| {
        let wrong = calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        async move {
            let content = request.body().collect(1 << 20).await.unwrap_or_default();
            if wrong { Response::text("of another one") } else { Response::bytes(content) }
        }
    }
}

fn echo_is_checked(dice: &mut httpfsm_sim::Dice) -> Ask {
    let content = vec![b'x'; 1 + dice.length(500) as usize];
    Ask::post("/", content.clone()).check(move |response| {
        match response.body == content || response.body.is_empty() {
            true => Ok(()),
            false => Err("not what was sent".to_owned()),
        }
    })
}

#[test]
fn a_failure_is_made_small_and_tells_how_to_repeat_it() {
    let run = |seed| {
        Simulation::new(ServerConfig::default(), crossed)
            .traffic(echo_is_checked)
            .seed(seed)
            .connections(400)
            .run()
    };
    let failure = run(5).unwrap_err();
    assert_eq!(failure.contract, Contract::Responses);
    assert!(failure.text.contains("not what was sent"), "{failure}");
    // Three requests are needed, and nothing else.
    assert_eq!(failure.plan.matches("Sent {").count(), 3, "{failure}");
    assert!(failure.plan.contains("jumps: []") && failure.plan.contains("drain_at: None"), "{failure}");
    assert!(failure.steps.iter().any(|step| step.contains("of another one")), "{failure}");
    let command = format!(
        "HTTPFSM_SIM_SEED={} HTTPFSM_SIM_CONNECTIONS=1 cargo test -p httpfsm-sim \
         a_failure_is_made_small_and_tells_how_to_repeat_it",
        failure.seed
    );
    assert!(failure.to_string().ends_with(&command), "{failure}");
    assert_eq!(run(failure.seed).unwrap_err().steps, failure.steps);
}

#[test]
fn a_handler_that_never_responds_is_a_hang() {
    let mut config = ServerConfig::default();
    config.channel.responseless_timeout = None;
    config.channel.peer_ended_timeout = None;
    let failure = Simulation::new(config, |_: &World| |_: Request| pending::<Response>())
        .traffic(|_| Ask::get("/"))
        .run()
        .unwrap_err();
    assert_eq!(failure.contract, Contract::Progress, "{failure}");
    assert!(failure.text.contains("waits for ever for the response to request 0"), "{failure}");
}

#[test]
fn a_task_that_does_not_end_is_found() {
    let failure = Simulation::new(ServerConfig::default(), |world: &World| {
        let world = world.clone();
        move |_: Request| {
            world.spawn(pending());
            async { "fine" }
        }
    })
    .traffic(|_| Ask::get("/"))
    .run()
    .unwrap_err();
    assert_eq!(failure.contract, Contract::Progress, "{failure}");
    assert!(failure.text.contains("a task of the application"), "{failure}");
}

#[test]
fn an_hour_of_a_handler_takes_no_time() {
    let hour = Duration::from_secs(3600);
    Simulation::new(ServerConfig::default(), move |world: &World| {
        let world = world.clone();
        move |_: Request| {
            let world = world.clone();
            async move {
                let began = world.now();
                world.sleep(hour).await;
                assert!(world.now() >= began + hour);
                "at last"
            }
        }
    })
    .traffic(|_| Ask::get("/"))
    .faults([Fault::Split, Fault::ShortWrite])
    .connections(100)
    .run()
    .unwrap();
}

#[test]
fn a_simulation_of_nothing_simulates_something_and_an_environment_that_is_no_number_is_told() {
    assert!(model(1, 0, 1).unwrap().connections > 0);
    let program = || std::process::Command::new(env!("CARGO_BIN_EXE_httpfsm-sim"));
    for (name, value) in
        [("HTTPFSM_SIM_SEED", "0x7"), ("HTTPFSM_SIM_CONNECTIONS", ""), ("HTTPFSM_SIM_CONNECTIONS", "0")]
    {
        let output = program().args(["--connections", "4"]).env(name, value).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(name), "{name}={value}: {text}");
    }
    assert_eq!(program().args(["--connections", "0"]).output().unwrap().status.code(), Some(2));
    assert!(program().args(["--connections", "4"]).output().unwrap().status.success());
}
