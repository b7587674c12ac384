//! A round: a few connections of one server, their clients and tasks, on one thread and in virtual time.

mod checks;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_transport::{Inline, Recorder, ServerHandle, Service, catch_panic};

use crate::before::{self, Listeners, Next};
use crate::client::Client;
use crate::contract::{Breach, Contract};
use crate::dice::Dice;
use crate::layer::ServerEnd;
use crate::listen_queue::{ListenQueue, peer_of};
use crate::observer::Observer;
use crate::plan::RoundPlan;
use crate::running::{RunningTask, TaskKind};
use crate::trace::SimTrace;
use crate::watch::{Ledger, SentRequest, WatchedHandler};
use crate::wire::{LinkEnds, SimWire};
use crate::world::{World, guard};

/// Steps at one moment, and in all, above which a round does not end.
const MOMENT: u64 = 100_000;
const STEPS: u64 = 2_000_000;

/// The accept loop among the tasks.
const ACCEPT_LOOP: usize = 0;

/// What came of a round.
pub(crate) struct RoundReport {
    pub(crate) hash: u64,
    pub(crate) steps: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) breach: Option<Breach>,
}

/// Runs the plan.
pub(crate) fn run<H: Handler>(
    config: &ServerConfig,
    make: &dyn Fn(&World) -> H,
    recorder: Option<&Arc<dyn Recorder>>,
    plan: &RoundPlan,
    keeps_lines: bool,
) -> RoundReport {
    let trace = SimTrace::new(keeps_lines);
    let mut steps = 0;
    let outcome = catch_panic(|| Round::new(config, make, recorder, plan, &trace).run(&mut steps));
    let breach = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(breach)) => Some(breach),
        Err(text) => Some(Breach { contract: Contract::NoPanic, text }),
    };
    if let Some(breach) = &breach {
        trace.note(format_args!("{breach}"));
    }
    RoundReport { hash: trace.hash(), steps, lines: trace.take_lines(), breach }
}

struct Round<'a, H: Handler> {
    plan: &'a RoundPlan,
    world: World,
    trace: &'a SimTrace,
    service: Arc<Service<WatchedHandler<H>>>,
    handle: ServerHandle,
    ledger: Arc<Ledger>,
    dice: Dice,
    clients: Vec<Client<'a>>,
    listen_queue: ListenQueue<WatchedHandler<H>>,
    listeners: Listeners,
    /// How many connections may be open; 0: any number.
    places: u64,
    tasks: Vec<RunningTask<H>>,
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

impl<'a, H: Handler> Round<'a, H> {
    fn new(
        config: &ServerConfig,
        make: &dyn Fn(&World) -> H,
        recorder: Option<&Arc<dyn Recorder>>,
        plan: &'a RoundPlan,
        trace: &'a SimTrace,
    ) -> Self {
        let (world, ledger) = (World::new(), Arc::new(Ledger::default()));
        enter(plan, &ledger);
        let handler =
            WatchedHandler { handler: make(&world), ledger: Arc::clone(&ledger), world: world.clone() };
        let mut config = config.clone();
        // Off, because its jitter is the one random thing of a server that no seed decides.
        config.channel.connection_age = None;
        let has_deadlines = has_deadlines(&config);
        let places = u64::from(config.max_connections);
        let places_are_few = places != 0 && places < plan.clients.len() as u64;
        let ends = plan.clients.iter();
        let ends = ends.map(|plan| Arc::new(LinkEnds::new(plan.capacity, plan.step, plan.mishaps.clone())));
        let ends: Vec<Arc<LinkEnds>> = ends.collect();
        let told = plan.clients.iter().enumerate().map(|(n, plan)| {
            let names = plan.before.is_some_and(|before| before.names);
            let is_broken = plan.before.is_some_and(|before| before.next == Next::Refused);
            (if names { before::named(n) } else { peer_of(n) }, is_broken)
        });
        let observer = Arc::new(Observer::new(trace.clone(), ends.clone(), told.collect()));
        let (clock, recorder) = (world.clock().clone(), recorder.cloned());
        let service = Service::recorded(config, clock, Arc::new(Inline), Some(observer), recorder, handler);
        let (handle, listen_queue) =
            (service.handle(Vec::new()), ListenQueue::new(plan.accept_failures.clone()));
        let accept_loop = RunningTask::new(TaskKind::AcceptLoop(listen_queue.accept_loop(&service, &handle)));
        let clients = plan
            .clients
            .iter()
            .zip(ends)
            .enumerate()
            .map(|(number, (plan, ends))| Client::new(number, plan, ends, places_are_few, trace));
        Self {
            clients: clients.collect(),
            to_open: (0..plan.clients.len()).collect(),
            handle,
            listen_queue,
            listeners: Listeners::new(&world),
            places,
            jumps: plan.jumps.clone(),
            drain_at: plan.drain_at,
            dice: Dice::new(plan.order),
            tasks: vec![accept_loop],
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
            self.tasks.extend(spawned.into_iter().map(|task| RunningTask::new(TaskKind::Application(task))));
            let admitted = self.listen_queue.take_admitted();
            self.tasks.extend(
                admitted.into_iter().map(|(n, driver)| RunningTask::new(TaskKind::Driver(n, driver))),
            );
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
        let ready = tasks.filter(|(_, task)| task.is_runnable());
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
            if ready == ACCEPT_LOOP {
                self.check_refusals(now)?;
            }
        } else if let Some(client) = self.clients.get_mut(ready) {
            let number = client.number;
            if let Err(text) = client.step(now) {
                return Err(self.breach(Contract::Responses, &format!("client {number}: {text}")));
            }
        }
        Ok(true)
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
            let before = client.plan.before.as_ref();
            let is_layered = client.plan.layered && before.is_none();
            let listener = self.listeners.of(before);
            self.listen_queue.connect(n, ServerEnd::new(wire, is_layered), listener);
        }
    }

    fn is_woken(&self) -> bool {
        self.tasks.iter().any(|task| task.is_runnable())
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

    fn breach(&self, contract: Contract, text: &str) -> Breach {
        Breach { contract, text: text.to_owned() }
    }
}

/// Writes down what will be sent.
fn enter(plan: &RoundPlan, ledger: &Ledger) {
    let mut entries = guard(&ledger.entries);
    for sent in plan.clients.iter().flat_map(|client| &client.sends) {
        while entries.len() <= sent.number {
            let (method, target) = (String::new(), String::new());
            entries.push(SentRequest { method, target, handler_fault: None, served: false });
        }
        if sent.hostile.is_none() {
            let (method, target) = (sent.ask.method.clone(), sent.ask.target.clone());
            entries[sent.number] =
                SentRequest { method, target, handler_fault: sent.handler_fault, served: false };
        }
    }
}

fn has_deadlines(config: &ServerConfig) -> bool {
    let channel = &config.channel;
    let deadlines = [
        config.preface_timeout,
        config.handshake_timeout,
        channel.first_byte_timeout,
        channel.head_timeout,
        channel.body_timeout,
        channel.responseless_timeout,
        channel.stream_idle_timeout,
        channel.peer_ended_timeout,
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
