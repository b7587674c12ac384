//! A round: a few connections of one server, their clients and tasks, on one thread and in virtual time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm::server::Refusal;
use httpfsm_transport::{Driver, Held, Inline, ServerHandle, Service, catch_panic};

use crate::client::Client;
use crate::dice::Dice;
use crate::door::Door;
use crate::observer::Observer;
use crate::plan::Plan;
use crate::trace::Trace;
use crate::watch::{Entry, Ledger, Watched};
use crate::wire::{Ends, Fate, SimWire};
use crate::world::{Task, World, guard};

/// Steps at one moment, and in all, above which a round does not end.
const MOMENT: u64 = 100_000;
const STEPS: u64 = 2_000_000;

/// The accept loop among the tasks.
const KEEPER: usize = 0;

/// Milliseconds in which a full server may not have looked who is idle, or waits for whom it has told to close.
const SEARCHED: u64 = 200;

/// A contract that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Breach {
    pub(crate) contract: Contract,
    pub(crate) text: String,
}

/// What is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Contract {
    /// Nothing panics but handlers, whose panics are caught.
    NoPanic,
    /// Who waits is woken, everything that has begun ends, and nothing spins.
    Progress,
    /// Answers are those of their requests, in order, whole unless visibly cut, and nothing comes behind the last.
    Answers,
    /// The handler is given what was sent, once.
    Requests,
    /// The socket is used as a socket may be.
    Wire,
    /// What is pending can be asked for again and again.
    Pending,
    /// Memory stays below its bound.
    Bounded,
    /// What was taken is given back.
    GivenBack,
}

/// What came of a round.
pub(crate) struct Report {
    pub(crate) hash: u64,
    pub(crate) steps: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) breach: Option<Breach>,
}

/// Runs the plan.
pub(crate) fn run<H: Handler>(
    config: &ServerConfig,
    make: &dyn Fn(&World) -> H,
    plan: &Plan,
    keeps_lines: bool,
) -> Report {
    let trace = Trace::new(keeps_lines);
    let mut steps = 0;
    let outcome = catch_panic(|| Round::new(config, make, plan, &trace).run(&mut steps));
    let breach = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(breach)) => Some(breach),
        Err(text) => Some(Breach { contract: Contract::NoPanic, text }),
    };
    if let Some(breach) = &breach {
        trace.note(format_args!("{breach}"));
    }
    Report { hash: trace.hash(), steps, lines: trace.take_lines(), breach }
}

struct Round<'a, H: Handler> {
    plan: &'a Plan,
    world: World,
    trace: &'a Trace,
    service: Arc<Service<Watched<H>>>,
    handle: ServerHandle,
    ledger: Arc<Ledger>,
    dice: Dice,
    clients: Vec<Client<'a>>,
    door: Door<Watched<H>>,
    /// How many connections may be open; 0: any number.
    places: u64,
    tasks: Vec<Running<H>>,
    /// Futures and bodies of the application that live, and since when there are so many.
    live: usize,
    live_since: u64,
    /// Clients that found no place.
    turned_away: Vec<usize>,
    /// Whose turn it may be: tasks, then clients.
    ready: Vec<usize>,
    /// Clients that are still to connect.
    to_open: Vec<usize>,
    jumps: Vec<(u64, u64)>,
    drain_at: Option<u64>,
    gone: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// No connection may wait for ever.
    has_deadlines: bool,
}

/// A task and whether it is to be polled.
struct Running<H: Handler> {
    what: Polled<H>,
    woken: Arc<Woken>,
    waker: Waker,
}

enum Polled<H: Handler> {
    Driver(usize, Box<Driver<Watched<H>, SimWire>>),
    Application(Task),
    /// The accept loop.
    Keeper(Task),
    Over,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<H: Handler> Running<H> {
    fn new(what: Polled<H>) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self { what, waker: Waker::from(Arc::clone(&woken)), woken }
    }

    fn is_over(&self) -> bool {
        matches!(self.what, Polled::Over)
    }

    fn poll(&mut self) {
        self.woken.0.store(false, Ordering::Relaxed);
        let mut cx = Context::from_waker(&self.waker);
        let polled = match &mut self.what {
            Polled::Driver(_, driver) => Pin::new(&mut **driver).poll(&mut cx),
            Polled::Application(task) | Polled::Keeper(task) => task.as_mut().poll(&mut cx),
            Polled::Over => Poll::Pending,
        };
        if polled.is_ready() {
            self.what = Polled::Over;
        }
    }
}

impl<'a, H: Handler> Round<'a, H> {
    fn new(config: &ServerConfig, make: &dyn Fn(&World) -> H, plan: &'a Plan, trace: &'a Trace) -> Self {
        let (world, ledger) = (World::new(), Arc::new(Ledger::default()));
        enter(plan, &ledger);
        let handler = Watched { handler: make(&world), ledger: Arc::clone(&ledger), world: world.clone() };
        let mut config = config.clone();
        // Its jitter is the one thing of a server that no seed rules.
        config.channel.connection_age = None;
        let has_deadlines = has_deadlines(&config);
        let places = u64::from(config.max_connections);
        let crowded = places != 0 && places < plan.clients.len() as u64;
        let ends = plan.clients.iter();
        let ends = ends.map(|plan| Arc::new(Ends::new(plan.capacity, plan.step, plan.mishaps.clone())));
        let ends: Vec<Arc<Ends>> = ends.collect();
        let observer = Arc::new(Observer::new(trace.clone(), ends.clone()));
        let service = Service::new(config, world.clock().clone(), Arc::new(Inline), Some(observer), handler);
        let (handle, door) = (service.handle(Vec::new()), Door::new(plan.accept_failures.clone()));
        let keeper = Running::new(Polled::Keeper(door.keeper(&service, &handle)));
        let clients = plan
            .clients
            .iter()
            .zip(ends)
            .enumerate()
            .map(|(number, (plan, ends))| Client::new(number, plan, ends, crowded, trace));
        Self {
            clients: clients.collect(),
            to_open: (0..plan.clients.len()).collect(),
            handle,
            door,
            places,
            jumps: plan.jumps.clone(),
            drain_at: plan.drain_at,
            dice: Dice::new(plan.order),
            tasks: vec![keeper],
            ready: Vec::new(),
            turned_away: Vec::new(),
            live: 0,
            live_since: 0,
            gone: None,
            plan,
            world,
            trace,
            service,
            ledger,
            has_deadlines,
        }
    }

    fn run(mut self, steps: &mut u64) -> Result<(), Breach> {
        let mut since = 0;
        loop {
            self.open();
            let spawned = self.world.take_spawned();
            self.tasks.extend(spawned.into_iter().map(|task| Running::new(Polled::Application(task))));
            let admitted = self.door.take_admitted();
            self.tasks
                .extend(admitted.into_iter().map(|(n, driver)| Running::new(Polled::Driver(n, driver))));
            if self.step()? {
                *steps += 1;
                since += 1;
                if since > MOMENT || *steps > STEPS {
                    return Err(self.breach(Contract::Progress, "it goes on and on without an end"));
                }
                continue;
            }
            since = 0;
            self.look_for_lost_wake_ups()?;
            if self.is_woken() || self.pass_time() {
                continue;
            }
            // Nothing will ever happen by itself.
            if self.gone.is_some() {
                break;
            }
            self.look_for_hangs()?;
            self.drain();
        }
        self.look_back()
    }

    /// One step of whoever can do one; `false`: nobody can.
    fn step(&mut self) -> Result<bool, Breach> {
        let now = self.world.millis();
        let tasks = self.tasks.iter().enumerate();
        let ready = tasks.filter(|(_, task)| task.woken.0.load(Ordering::Relaxed) && !task.is_over());
        self.ready.clear();
        self.ready.extend(ready.map(|(n, _)| n));
        let first_client = self.ready.len();
        let clients = self.clients.iter().enumerate();
        self.ready.extend(clients.filter(|(_, client)| client.is_runnable(now)).map(|(n, _)| n));
        let count = u32::try_from(self.ready.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return Ok(false);
        }
        let which = self.dice.below(count) as usize;
        let ready = self.ready[which];
        if which < first_client {
            self.tasks[ready].poll();
            let live = self.ledger.live.load(Ordering::Relaxed);
            if live != self.live {
                (self.live, self.live_since) = (live, now);
            }
            self.check_server()?;
            if ready == KEEPER {
                self.check_refusals(now)?;
            }
        } else if let Some(client) = self.clients.get_mut(ready) {
            let number = client.number;
            if let Err(text) = client.step(now) {
                return Err(self.breach(Contract::Answers, &format!("client {number}: {text}")));
            }
        }
        Ok(true)
    }

    /// What must hold after every step of the server.
    fn check_server(&self) -> Result<(), Breach> {
        if let Some(text) = self.ledger.violation.get() {
            return Err(self.breach(Contract::Requests, text));
        }
        for client in &self.clients {
            if let Some(text) = client.ends.violation() {
                return Err(
                    self.breach(Contract::Wire, &format!("the server at client {}: {text}", client.number))
                );
            }
        }
        Ok(())
    }

    /// Nobody is turned away for want of a place that is free, or that an idle connection could have left.
    fn check_refusals(&mut self, now: u64) -> Result<(), Breach> {
        for n in 0..self.clients.len() {
            if self.clients[n].ends.fate() != Some(Fate::Refused(Refusal::Full))
                || self.turned_away.contains(&n)
            {
                continue;
            }
            self.turned_away.push(n);
            let open = self.handle.stats().n_channels;
            if open < self.places {
                let text = format!("client {n} was refused, and {open} of {} places are taken", self.places);
                return Err(self.breach(Contract::Bounded, &text));
            }
            // A body may end long after its last byte, and until then its connection is not idle.
            let at_rest = self.live == 0 && now - self.live_since > SEARCHED;
            let idle = self.clients.iter().find(|client| at_rest && client.idle_for(now) > SEARCHED);
            if let Some(idle) = idle {
                let text = format!("client {n} was refused, though client {} was idle", idle.number);
                return Err(self.breach(Contract::Progress, &text));
            }
        }
        Ok(())
    }

    /// Connects the clients whose time has come.
    fn open(&mut self) {
        let now = self.world.millis();
        let Self { to_open, plan, .. } = self;
        let due: Vec<usize> = to_open.extract_due(|&n| plan.clients[n].opens_at <= now);
        for n in due {
            let client = &mut self.clients[n];
            let wire = SimWire { ends: Arc::clone(&client.ends), world: self.world.clone(), reset: false };
            client.wake_at = Some(now);
            self.door.knock(n, wire);
        }
    }

    fn is_woken(&self) -> bool {
        self.tasks.iter().any(|task| task.woken.0.load(Ordering::Relaxed) && !task.is_over())
    }

    /// A driver that nobody woke has nothing to do: whatever it does now, it was not woken for.
    fn look_for_lost_wake_ups(&mut self) -> Result<(), Breach> {
        if !self.dice.one_in(2) {
            return Ok(());
        }
        for task in &mut self.tasks {
            let Polled::Driver(n, _) = &task.what else { continue };
            let client = &self.clients[*n];
            let before = client.ends.link().moved;
            task.poll();
            if client.ends.link().moved != before {
                let text =
                    format!("the server at client {} was not woken for what it could do", client.number);
                return Err(Breach { contract: Contract::Progress, text });
            }
        }
        if let Some(keeper) = self.tasks.get_mut(KEEPER).filter(|keeper| !keeper.is_over()) {
            let before = self.door.calls();
            keeper.poll();
            if self.door.calls() != before {
                return Err(self.breach(Contract::Progress, "the accept loop was not woken for a connection"));
            }
        }
        self.check_server()
    }

    /// Moves time to whatever comes next; `false`: nothing does.
    fn pass_time(&mut self) -> bool {
        let now = self.world.millis();
        let next = [
            self.service.sweep(&mut Context::from_waker(Waker::noop())),
            self.world.next_timer(),
            self.clients.iter().filter_map(|client| client.wake_at).min(),
            self.to_open.iter().map(|&n| self.plan.clients[n].opens_at).min(),
            self.drain_at,
            self.jumps.first().map(|(at, _)| *at),
        ];
        let Some(next) = next.into_iter().flatten().min() else { return false };
        self.world.clock().advance(Duration::from_millis(next.saturating_sub(now)));
        if let Some((_, length)) = self.jumps.first().copied().filter(|(at, _)| *at <= next) {
            self.jumps.remove(0);
            self.world.clock().advance(Duration::from_millis(length));
            self.excuse();
        }
        self.trace.time(self.world.millis());
        if self.drain_at.take_if(|at| *at <= next).is_some() {
            self.drain();
        }
        self.world.fire();
        self.service.sweep(&mut Context::from_waker(Waker::noop()));
        true
    }

    fn drain(&mut self) {
        self.trace.note(format_args!("the server goes out"));
        self.excuse();
        self.gone = Some(Box::pin(self.handle.begin_drain(None).gone()));
    }

    fn excuse(&mut self) {
        self.clients.iter_mut().for_each(|client| client.excused = true);
    }

    /// Nothing is going on, and nothing is due: who still waits would wait for ever.
    fn look_for_hangs(&self) -> Result<(), Breach> {
        for client in &self.clients {
            if let Some(owed) = client.is_owed() {
                let driver = self.driver(client.number);
                let text =
                    format!("client {} waits for ever for {owed}; its driver: {driver}", client.number);
                return Err(self.breach(Contract::Progress, &text));
            }
        }
        let mut drivers = self.tasks.iter().filter_map(|task| match &task.what {
            Polled::Driver(n, driver) => Some((n, driver)),
            _ => None,
        });
        match drivers.next() {
            Some((n, driver)) if self.has_deadlines => {
                let text = format!("the server at client {n} waits without a deadline: {driver:?}");
                Err(self.breach(Contract::Progress, &text))
            }
            _ => Ok(()),
        }
    }

    fn driver(&self, number: usize) -> String {
        let mut drivers = self.tasks.iter().filter_map(|task| match &task.what {
            Polled::Driver(n, driver) if *n == number => Some(format!("{driver:?}")),
            _ => None,
        });
        drivers.next().unwrap_or_else(|| "is gone".to_owned())
    }

    /// Everything is over, and everything was given back.
    fn look_back(mut self) -> Result<(), Breach> {
        if let Some(left) = self.tasks.iter().find(|task| !task.is_over()) {
            let left = match &left.what {
                Polled::Driver(n, driver) => {
                    format!("the server at client {n} outlives the drain: {driver:?}")
                }
                Polled::Keeper(_) => "the accept loop outlives the drain".to_owned(),
                _ => "a task of the application outlives the drain".to_owned(),
            };
            return Err(self.breach(Contract::Progress, &left));
        }
        let gone =
            self.gone.take().map(|mut gone| gone.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        if gone.is_some_and(|gone| gone.is_pending()) {
            return Err(self.breach(Contract::Progress, "the drain does not end"));
        }
        let stats = self.handle.stats();
        if stats.n_channels != 0 || stats.opened != stats.closed {
            return Err(self.breach(Contract::GivenBack, &format!("channels are left open: {stats:?}")));
        }
        if self.places != 0 && stats.most_channels > self.places {
            let text = format!("{} connections may be open: {stats:?}", self.places);
            return Err(self.breach(Contract::Bounded, &text));
        }
        let open = self.clients.iter().find(|client| !client.ends.is_closed());
        if let Some(client) = open {
            let text = format!("the socket of client {} is left open", client.number);
            return Err(self.breach(Contract::GivenBack, &text));
        }
        let live = self.ledger.live.load(Ordering::Relaxed);
        if live != 0 {
            return Err(self.breach(Contract::GivenBack, &format!("{live} handlers or bodies are left")));
        }
        self.tasks.clear();
        let held = self.service.held();
        if held != Held::default() {
            let text = format!("channels, requests, bytes, alarms, listeners are left: {held:?}");
            return Err(self.breach(Contract::GivenBack, &text));
        }
        if Arc::strong_count(&self.service) != 1 {
            return Err(self.breach(Contract::GivenBack, "somebody still holds the service"));
        }
        if self.world.next_timer().is_some() {
            return Err(self.breach(Contract::GivenBack, "a timer is left"));
        }
        Ok(())
    }

    fn breach(&self, contract: Contract, text: &str) -> Breach {
        Breach { contract, text: text.to_owned() }
    }
}

/// Writes down what will be sent.
fn enter(plan: &Plan, ledger: &Ledger) {
    let mut entries = guard(&ledger.entries);
    for sent in plan.clients.iter().flat_map(|client| &client.sends) {
        while entries.len() <= sent.number {
            let (method, target) = (String::new(), String::new());
            entries.push(Entry { method, target, ordeal: None, served: false });
        }
        if sent.hostile.is_none() {
            let (method, target) = (sent.ask.method.clone(), sent.ask.target.clone());
            entries[sent.number] = Entry { method, target, ordeal: sent.ordeal, served: false };
        }
    }
}

fn has_deadlines(config: &ServerConfig) -> bool {
    let channel = &config.channel;
    let deadlines = [
        channel.first_byte_timeout,
        channel.head_timeout,
        channel.body_timeout,
        channel.responseless_timeout,
        channel.stream_idle_timeout,
        channel.write_timeout,
        channel.inactivity_timeout,
    ];
    deadlines.into_iter().all(|deadline| deadline.is_some_and(|length| !length.is_zero()))
}

/// `Vec::extract_if` is younger than the oldest compiler we promise.
trait ExtractDue<T> {
    fn extract_due(&mut self, is_due: impl Fn(&T) -> bool) -> Vec<T>;
}

impl<T: Copy> ExtractDue<T> for Vec<T> {
    fn extract_due(&mut self, is_due: impl Fn(&T) -> bool) -> Vec<T> {
        let due = self.iter().copied().filter(|thing| is_due(thing)).collect();
        self.retain(|thing| !is_due(thing));
        due
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.contract, self.text)
    }
}
