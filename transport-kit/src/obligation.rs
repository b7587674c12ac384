//! What a transport owes.

use std::fmt;

use crate::bench::Bench;
use crate::checks;
use crate::script::Script;
use crate::scripts;

/// One thing that a transport owes to whoever uses it.
///
/// ```
/// use httpfsm_transport_kit::OBLIGATIONS;
///
/// for obligation in OBLIGATIONS {
///     println!("{}: {} Otherwise: {}", obligation.name, obligation.sentence, obligation.otherwise);
/// }
/// let input = OBLIGATIONS.iter().find(|obligation| obligation.name == "input").expect("it is owed");
/// assert!(input.scripts().len() > 10);
/// ```
#[derive(Clone, Copy)]
pub struct Obligation {
    /// Its name, for [`Kit::only`](crate::Kit::only).
    pub name: &'static str,
    /// What is owed.
    pub sentence: &'static str,
    /// What users see where it is not kept.
    pub otherwise: &'static str,
    proof: Proof,
}

/// How it is seen that an obligation is kept.
#[derive(Clone, Copy)]
pub(crate) enum Proof {
    /// The trace of each script is that of the in-memory transport.
    Scripts(fn() -> Vec<Script>),
    /// The same, of scripts that prove something only where the subject runs blocking work as its `sync` handlers.
    Blocking(fn() -> Vec<Script>),
    /// A check of its own, which says what is wrong.
    Check(fn(&Bench<'_>) -> Result<(), String>),
    /// The same, of what the process holds or takes, as `/proc` tells.
    Process(fn(&Bench<'_>) -> Result<(), String>),
}

impl Obligation {
    /// The scripts whose traces prove it; none where it has a check of its own.
    #[must_use]
    pub fn scripts(&self) -> Vec<Script> {
        match self.proof {
            Proof::Scripts(scripts) | Proof::Blocking(scripts) => scripts(),
            Proof::Check(_) | Proof::Process(_) => Vec::new(),
        }
    }

    pub(crate) fn proof(&self) -> Proof {
        self.proof
    }
}

impl fmt::Debug for Obligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Obligation")
            .field("name", &self.name)
            .field("sentence", &self.sentence)
            .finish_non_exhaustive()
    }
}

const fn owes(
    name: &'static str,
    sentence: &'static str,
    otherwise: &'static str,
    proof: Proof,
) -> Obligation {
    Obligation { name, sentence, otherwise, proof }
}

/// What every transport owes, and what [`check`](crate::check()) looks at.
pub const OBLIGATIONS: &[Obligation] = &[
    owes(
        "input",
        "Every byte reaches the machine once and in order, however the reads cut them.",
        "Requests vanish, or stand half read until the peer sends more.",
        Proof::Scripts(scripts::bytes::scripts),
    ),
    owes(
        "output",
        "Every byte of the machine reaches the peer once and in order, however little the socket takes.",
        "Responses are torn, and clients decode the rest of one as the next.",
        Proof::Scripts(scripts::responses::scripts),
    ),
    owes(
        "uploads",
        "Request bodies reach the handler as they come and as it asks for them, with their trailers.",
        "Uploads hang at a window, or their last bytes are lost.",
        Proof::Scripts(scripts::bodies::uploads),
    ),
    owes(
        "echoed bodies",
        "A request body that is sent back arrives whole and in order, streamed as it comes or whole.",
        "Both sides wait for each other to read, or bytes change places.",
        Proof::Check(checks::echo::echo),
    ),
    owes(
        "unread bodies",
        "A response leaves also where the handler does not read the body.",
        "Clients that send all before they read never see the response.",
        Proof::Scripts(scripts::bodies::unread),
    ),
    owes(
        "whole bodies",
        "Under `Bodies::Whole` the handler is called when the body is in, from memory or from a file.",
        "Large uploads take memory, or come back changed.",
        Proof::Scripts(scripts::bodies::whole),
    ),
    owes(
        "blocking handlers",
        "A blocking handler runs, reads its body and responds without holding up its own connection.",
        "`sync` handlers deadlock with the connection that feeds them.",
        Proof::Blocking(scripts::bodies::blocking),
    ),
    owes(
        "interim responses",
        "100, 102 and 103 leave when they are asked for, before the final response.",
        "Clients wait for a 100 that stands in a buffer.",
        Proof::Scripts(scripts::interim::scripts),
    ),
    owes(
        "upgrades",
        "After a 101, or a 2xx to CONNECT, the bytes are the application's, from the first that came ahead to the last.",
        "WebSockets lose their first frame, or never end.",
        Proof::Scripts(scripts::upgrades::scripts),
    ),
    owes(
        "half-close",
        "The peer's FIN is an input behind the bytes before it, and the response still leaves.",
        "Clients that shut down their side get no response; handlers wait for ever for a body that is cut.",
        Proof::Scripts(scripts::endings::half_closes),
    ),
    owes(
        "disconnects",
        "A lost connection is told while the handler runs, and ends it.",
        "Work goes on for nobody, and holds memory.",
        Proof::Scripts(scripts::endings::disconnects),
    ),
    owes(
        "cancellation",
        "Wherever a handler waits, it is dropped when its connection is lost, and its place is free.",
        "Handlers that nobody polls hold what they have taken; a server fills up with them.",
        Proof::Scripts(scripts::endings::cancellations),
    ),
    owes(
        "several connections",
        "Connections do not wait for each other, and those that are too many are turned away.",
        "One slow client stops the others; limits do not limit.",
        Proof::Scripts(scripts::endings::several),
    ),
    owes(
        "eviction",
        "Of the idle connections of a full server, the one that is idle for the longest makes room.",
        "Clients that are at work are cut, and those that sleep are kept.",
        Proof::Check(checks::crowds::eviction),
    ),
    owes(
        "refusals",
        "What the machine refuses gets a response, and the connection ends so that the response arrives.",
        "A reset overtakes the 400, or what is smuggled behind it is served.",
        Proof::Scripts(scripts::refusals::scripts),
    ),
    owes(
        "limits",
        "Limits hold at the byte, however it arrives.",
        "A request passes or fails by the luck of its packets.",
        Proof::Scripts(scripts::limits::scripts),
    ),
    owes(
        "failing applications",
        "A panic or a failed source ends its own response, visibly, and nothing else.",
        "Half a response passes for a whole one, or a panic takes a worker with it.",
        Proof::Scripts(scripts::applications::scripts),
    ),
    owes(
        "deadlines",
        "A deadline ends what it is about without any I/O.",
        "Silent peers hold their connections for ever.",
        Proof::Scripts(scripts::deadlines::scripts),
    ),
    owes(
        "drain",
        "A drain finishes what runs, ends what is idle, cuts what is late, and `gone` resolves.",
        "Deploys drop requests, or never end.",
        Proof::Scripts(scripts::drains::scripts),
    ),
    owes(
        "unix sockets",
        "On a Unix socket connections end, handlers are dropped and drains finish as over TCP.",
        "What works over TCP hangs behind the proxy of the same machine.",
        Proof::Scripts(scripts::endings::on_unix),
    ),
    owes(
        "date",
        "`Date` is the time of the response, and goes on.",
        "Caches keep responses too long, or not at all.",
        Proof::Check(checks::date::goes_on),
    ),
    owes(
        "names",
        "`peername` and `sockname` are the two ends of the very connection, over IPv4, IPv6 and Unix sockets.",
        "Logs and access rules are about somebody else.",
        Proof::Check(checks::listening::names),
    ),
    owes(
        "listeners",
        "All listeners are served, IPv4, IPv6 and Unix, and all are closed when the server is gone.",
        "An address is dead, or taken when the next server starts.",
        Proof::Check(checks::listening::listeners),
    ),
    owes(
        "origins",
        "A connection that is not admitted is closed, and the subscriber is told.",
        "Strangers hold sockets.",
        Proof::Check(checks::listening::origins),
    ),
    owes(
        "output backpressure",
        "A peer that does not read stops the source of its response, and starts it again.",
        "One slow reader takes all memory.",
        Proof::Check(checks::pressure::output),
    ),
    owes(
        "input backpressure",
        "A handler that does not read stops its peer, and starts it again.",
        "One fast sender takes all memory.",
        Proof::Check(checks::pressure::input),
    ),
    owes(
        "lost unread",
        "A connection whose input waits and that is lost ends its handler, within seconds.",
        "Work goes on for hours for peers that are gone.",
        Proof::Check(checks::pressure::lost_unread),
    ),
    owes(
        "slow readers",
        "A peer that does not read at all is cut at `write_timeout`.",
        "Connections pile up behind dead peers.",
        Proof::Check(checks::pressure::slow_reader),
    ),
    owes(
        "partial writes",
        "A large response of many slices arrives whole where the socket takes a few bytes at a time.",
        "Bytes are repeated or skipped at the seams.",
        Proof::Check(checks::pressure::partial_writes),
    ),
    owes(
        "many deadlines",
        "The deadlines of 200 connections at once all come.",
        "Slow-loris peers win by their number.",
        Proof::Check(checks::crowds::half_heads),
    ),
    owes(
        "many connections",
        "Many peers at once, with many requests each, all get their own responses.",
        "Responses go to the wrong peer, or a wake-up is lost under load.",
        Proof::Check(checks::crowds::many),
    ),
    owes(
        "isolation",
        "Fifty panics leave the other connections alone.",
        "One bad request stops a worker and all who wait for it.",
        Proof::Check(checks::crowds::panics),
    ),
    owes(
        "drained to the end",
        "Connections in every state are gone soon after the drain deadline, and nobody connects any more.",
        "A process must be killed.",
        Proof::Check(checks::crowds::drain),
    ),
    owes(
        "nothing left",
        "A server that is gone leaves no descriptor and no thread behind, whatever its connections were doing.",
        "Programs that start servers often run out of both.",
        Proof::Process(checks::resources::nothing_left),
    ),
    owes(
        "rest",
        "A server with idle connections takes no processor time.",
        "Batteries and bills.",
        Proof::Process(checks::resources::rest),
    ),
];
