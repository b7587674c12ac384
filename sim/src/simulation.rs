//! Runs rounds, counts them, and makes the plan of a failure small.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_transport::Recorder;

use crate::ask::Ask;
use crate::broken_contract::BrokenContract;
use crate::contract::{Breach, Contract};
use crate::dice::{Dice, mix};
use crate::fault::Fault;
use crate::model;
use crate::plan::{CLIENTS, RoundPlan};
use crate::round::{self, RoundReport};
use crate::world::World;

/// Rounds that a thread takes at a time.
const PORTION: u64 = 64;

/// The variables of the environment that override what the program says.
pub(crate) const SEED: &str = "HTTPFSM_SIM_SEED";
pub(crate) const CONNECTIONS: &str = "HTTPFSM_SIM_CONNECTIONS";

/// Smaller plans that are tried.
const TRIES: usize = 3000;

type Traffic = Arc<dyn Fn(&mut Dice) -> Ask + Send + Sync>;
type Vary = Arc<dyn Fn(&mut Dice, &mut ServerConfig) + Send + Sync>;

/// A simulation: a server with a handler, and a number of connections to it.
///
/// They come in rounds of four, which share a server; each round is drawn from a seed of its own, so that one that
/// fails is repeated alone.
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_sim::{Ask, Fault, Simulation, World};
///
/// // Requests in pieces, and sockets that take little: the responses are the same.
/// let handler = |request: Request| async move { request.path().to_owned() };
/// let outcome = Simulation::new(ServerConfig::default(), |_: &World| handler)
///     .traffic(|_| {
///         Ask::get("/a").check(|response| match &*response.body {
///             b"/a" => Ok(()),
///             other => Err(other.escape_ascii().to_string()),
///         })
///     })
///     .faults([Fault::Split, Fault::ShortWrite])
///     .connections(40)
///     .seed(2026)
///     .run()?;
/// assert_eq!(outcome.connections, 40);
/// # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
/// ```
#[must_use = "a simulation does nothing until it is run"]
pub struct Simulation<F> {
    config: ServerConfig,
    make: F,
    seed: u64,
    connections: u64,
    faults: Vec<Fault>,
    traffic: Traffic,
    vary: Option<Vary>,
    threads: usize,
    layered: u32,
    prologues: u32,
    recorder: Option<Arc<dyn Recorder>>,
    command: Option<String>,
}

/// A simulation in which nothing was broken.
///
/// ```
/// use httpfsm::ServerConfig;
/// use httpfsm_sim::{Outcome, Simulation, World, application};
///
/// let run = |threads| {
///     let simulation = Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()));
///     simulation.connections(40).threads(threads).run()
/// };
/// let alone: Outcome = run(1)?;
/// assert_eq!(run(2)?, alone, "to the last step");
/// # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Connections that were simulated.
    pub connections: u64,
    /// Steps of clients and of the server.
    pub steps: u64,
    /// What was observed, in 64 bits: the same seed and number of connections give the same, on every platform and
    /// with any number of threads.
    pub trace_hash: u64,
}

impl<F, H> Simulation<F>
where
    F: Fn(&World) -> H + Sync,
    H: Handler,
{
    /// A simulation of the handler that `make` makes, anew for each round: whatever a round leaves in a handler would
    /// keep the next one from being repeated alone. 1,000 connections, seed 1, all faults, and requests for
    /// [`application`](crate::application), until told otherwise.
    ///
    /// `config.channel.connection_age` is not simulated, since its jitter is no matter of the seed.
    pub fn new(config: ServerConfig, make: F) -> Self {
        Self {
            config,
            make,
            seed: 1,
            connections: 1000,
            faults: Fault::ALL.to_vec(),
            traffic: Arc::new(model::ask),
            vary: None,
            threads: 1,
            layered: 4,
            prologues: 4,
            recorder: None,
            command: None,
        }
    }

    /// The seed of the first round; each further round has the next one.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many connections there are; a multiple of four, and four at least.
    pub fn connections(mut self, connections: u64) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// What may go wrong. Without any, every request gets a complete response.
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults = faults.into_iter().collect();
        self
    }

    /// The requests that clients send.
    pub fn traffic(mut self, traffic: impl Fn(&mut Dice) -> Ask + Send + Sync + 'static) -> Self {
        self.traffic = Arc::new(traffic);
        self
    }

    /// Changes the configuration from round to round.
    pub fn vary(mut self, vary: impl Fn(&mut Dice, &mut ServerConfig) + Send + Sync + 'static) -> Self {
        self.vary = Some(Arc::new(vary));
        self
    }

    /// How many threads run the rounds. Each round runs on one.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// One connection in so many goes through a layer, which has a handshake, records and an end of its own as TLS has;
    /// 0: none does, 1: all do. 4 until told otherwise.
    ///
    /// ```
    /// use httpfsm::ServerConfig;
    /// use httpfsm_sim::{Simulation, World, application};
    ///
    /// // All connections go through a layer, and nothing comes before it.
    /// let simulation = Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()));
    /// let outcome = simulation.layered(1).prologues(0).connections(40).run()?;
    /// assert_eq!(outcome.connections, 40);
    /// # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
    /// ```
    pub fn layered(mut self, one_in: u32) -> Self {
        self.layered = one_in;
        self
    }

    /// On one connection in so many something comes before HTTP: a preface, which may name another peer, the handshake of a
    /// layer, or both, and behind some of them another protocol. 0: on none, 1: on all. 4 until told otherwise.
    ///
    /// [`layered`](Self::layered) shows both.
    pub fn prologues(mut self, one_in: u32) -> Self {
        self.prologues = one_in;
        self
    }

    /// Has channels recorded: those for which `recorder` opens a tape. Rounds that make a failure small are recorded, too.
    pub fn recorder(mut self, recorder: impl Recorder) -> Self {
        self.recorder = Some(Arc::new(recorder));
        self
    }

    /// The command that repeats a failure, to which `--seed N --connections 1` is added: for programs. Otherwise it is the
    /// test that runs.
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// Runs it. The environment's `HTTPFSM_SIM_SEED` and `HTTPFSM_SIM_CONNECTIONS` go before what was said here.
    ///
    /// # Errors
    ///
    /// A contract was broken: the failure, made as small as it gets.
    ///
    /// # Panics
    ///
    /// One of the two is set, and is no number, or asks for no connection: what was to be repeated would not be.
    pub fn run(mut self) -> Result<Outcome, Box<BrokenContract>> {
        self.seed = from_environment(SEED).unwrap_or(self.seed);
        self.connections = from_environment(CONNECTIONS).unwrap_or(self.connections);
        let rounds = self.connections.div_ceil(CLIENTS as u64);
        let (next, hash, steps) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (failed, first) = (AtomicBool::new(false), AtomicU64::new(u64::MAX));
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let from = next.fetch_add(PORTION, Ordering::Relaxed);
                if from >= rounds {
                    return;
                }
                for round in from..rounds.min(from + PORTION) {
                    let seed = self.seed.wrapping_add(round);
                    let report = self.round(seed, &self.plan(seed), false);
                    // A sum, so that the order in which threads come does not count.
                    hash.fetch_add(mix(report.hash ^ mix(seed)), Ordering::Relaxed);
                    steps.fetch_add(report.steps, Ordering::Relaxed);
                    if report.breach.is_some() {
                        first.fetch_min(round, Ordering::Relaxed);
                        failed.store(true, Ordering::Relaxed);
                        return;
                    }
                }
            }
        };
        if self.threads == 1 {
            work();
        } else {
            thread::scope(|scope| (0..self.threads).for_each(|_| drop(scope.spawn(work))));
        }
        if failed.into_inner() {
            let seed = self.seed.wrapping_add(first.into_inner());
            return Err(Box::new(self.fail(seed)));
        }
        let (trace_hash, steps) = (hash.into_inner(), steps.into_inner());
        Ok(Outcome { connections: rounds * CLIENTS as u64, steps, trace_hash })
    }

    fn plan(&self, seed: u64) -> RoundPlan {
        RoundPlan::draw(seed, &self.faults, [self.layered, self.prologues], &*self.traffic)
    }

    fn round(&self, seed: u64, plan: &RoundPlan, keeps_lines: bool) -> RoundReport {
        let mut config = self.config.clone();
        if let Some(vary) = &self.vary {
            vary(&mut Dice::new(!seed), &mut config);
        }
        round::run(&config, &self.make, self.recorder.as_ref(), plan, keeps_lines)
    }

    /// Takes away from the plan what it does not need to fail in the same way.
    fn fail(&self, seed: u64) -> BrokenContract {
        let mut plan = self.plan(seed);
        let contract = |breach: &Option<Breach>| breach.as_ref().map(|breach| breach.contract);
        let broken = contract(&self.round(seed, &plan, false).breach);
        let mut tries = 0;
        while let Some(smaller) = plan.smaller().into_iter().find(|smaller| {
            tries += 1;
            tries < TRIES && contract(&self.round(seed, smaller, false).breach) == broken
        }) {
            plan = smaller;
        }
        let report = self.round(seed, &plan, true);
        let breach = report.breach.unwrap_or(Breach {
            contract: Contract::Progress,
            text: "the same seed has not failed again: the handler is not deterministic".to_owned(),
        });
        BrokenContract {
            seed,
            contract: breach.contract,
            text: breach.text,
            plan: format!("{plan:#?}"),
            steps: report.lines,
            command: self.repeat(seed),
        }
    }

    fn repeat(&self, seed: u64) -> String {
        if let Some(command) = &self.command {
            return format!("{command} --seed {seed} --connections 1");
        }
        repeat(seed)
    }
}

/// The command that repeats the test that runs.
pub(crate) fn repeat(seed: u64) -> String {
    let package = env::var("CARGO_PKG_NAME").map(|name| format!(" -p {name}")).unwrap_or_default();
    let current = thread::current();
    let test = current.name().filter(|name| *name != "main").map(|name| format!(" {name}"));
    let test = test.unwrap_or_default();
    format!("{SEED}={seed} {CONNECTIONS}=1 cargo test{package}{test}")
}

/// What the environment says in place of the program: how a failure is repeated.
pub(crate) fn from_environment(name: &str) -> Option<u64> {
    let value = env::var_os(name)?;
    let number = value.to_str().and_then(|value| value.replace('_', "").parse().ok());
    let number = number.filter(|number| *number > 0 || name != CONNECTIONS);
    Some(number.unwrap_or_else(|| panic!("{name} is {value:?}, which is no number to simulate with.")))
}

impl<F> fmt::Debug for Simulation<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Simulation");
        shown.field("seed", &self.seed).field("connections", &self.connections).field("faults", &self.faults);
        shown.finish_non_exhaustive()
    }
}
