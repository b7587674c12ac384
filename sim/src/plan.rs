//! What happens in a round, as data: drawn from a seed, and made smaller when it fails.

mod draw;
mod render;
mod smaller;

use std::fmt;

use crate::ask::{Ask, Expected};
use crate::before::BeforeHttp;
use crate::hostile::Hostile;
use crate::watch::HandlerFault;
use crate::wire::{Mishap, What};

/// Connections of a round.
pub(crate) const CLIENTS: usize = 4;

/// A calm pause, in milliseconds, and the others.
const SHORT: u32 = 900;

/// As many empty lines as a server skips.
pub(crate) const LINES: &[u8] = b"\r\n\r\n\r\n\r\n";

/// Longer than any round.
pub(crate) const NEVER: u64 = u64::MAX / 4;

/// A round.
#[derive(Clone, Debug)]
pub(crate) struct RoundPlan {
    pub(crate) clients: Vec<ClientPlan>,
    /// The seed of the order in which things run.
    pub(crate) order: u64,
    /// When time makes a leap, and how far.
    pub(crate) jumps: Vec<(u64, u64)>,
    pub(crate) drain_at: Option<u64>,
    /// Which accepts fail.
    pub(crate) accept_failures: Vec<u32>,
}

/// A client.
#[derive(Clone)]
pub(crate) struct ClientPlan {
    pub(crate) opens_at: u64,
    pub(crate) sends: Vec<Sent>,
    /// Bytes of empty lines that it sends behind its requests, of which the last may be half of one.
    pub(crate) tail: usize,
    pub(crate) pipelined: bool,
    /// Milliseconds between a response and the next request.
    pub(crate) thinks: u64,
    /// Bytes that it sends, and takes, at a time.
    pub(crate) piece: usize,
    pub(crate) take: usize,
    /// As in the link.
    pub(crate) capacity: usize,
    pub(crate) step: usize,
    pub(crate) mishaps: Vec<Mishap>,
    pub(crate) disturbances: Vec<Disturbance>,
    pub(crate) end: ClientEnd,
    /// Its bytes go through a layer.
    pub(crate) layered: bool,
    pub(crate) before: Option<BeforeHttp>,
}

impl ClientPlan {
    /// Whether nothing happens to the connection that a server must not get over.
    pub(crate) fn is_calm(&self) -> bool {
        let harmless = |disturbance: &Disturbance| match disturbance {
            Disturbance::Pause { length, .. } => *length < u64::from(SHORT),
            Disturbance::SlowTake { .. } => true,
            _ => false,
        };
        let passes = |mishap: &Mishap| matches!(mishap.what, What::Short(_) | What::Block(_));
        let before = self.before.is_none_or(|before| before.is_calm());
        before && self.disturbances.iter().all(harmless) && self.mishaps.iter().all(passes)
    }

    /// How many requests have to get a response if the connection is calm.
    pub(crate) fn owed(&self) -> usize {
        let owed = self.sends.iter().take_while(|sent| sent.is_owed()).count();
        // What is cut with a reset also loses what the client has not taken yet.
        if self.pipelined && owed < self.sends.len() { 0 } else { owed }
    }
}

/// A request on its way.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) number: usize,
    pub(crate) ask: Ask,
    pub(crate) handler_fault: Option<HandlerFault>,
    /// Bytes in a chunk; `None`: with a length.
    pub(crate) chunk: Option<usize>,
    pub(crate) trailers: bool,
    pub(crate) close: bool,
    /// HTTP/1.0.
    pub(crate) old: bool,
    pub(crate) expect: bool,
    /// Without a 100 it never sends the body.
    pub(crate) patient: bool,
    /// Empty lines before the request line.
    pub(crate) empty_lines: usize,
    pub(crate) hostile: Option<Hostile>,
}

impl Sent {
    /// Nothing is to be sent behind it.
    pub(super) fn ends_connection(&self) -> bool {
        let expected = &self.ask.expected;
        let ends = matches!(expected, Expected::Tunnel { .. } | Expected::Cut | Expected::Refused(_));
        ends || self.ask.is_connect() || self.close || self.old
    }

    /// Whether a calm connection gets its response, and stays.
    fn is_owed(&self) -> bool {
        let usual = matches!(self.handler_fault, None | Some(HandlerFault::Delay(_)));
        let reads = self.ask.reads_body || self.ask.body.is_empty();
        usual && reads && !matches!(self.ask.expected, Expected::Cut)
    }

    /// Whether the response has no content whatever its fields say.
    pub(crate) fn is_headless(&self) -> bool {
        self.ask.method == "HEAD"
    }
}

/// What else a client does. Positions are thousandths of what it sends, so that they hold in a smaller plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disturbance {
    Pause { at: u32, length: u64 },
    Fin { at: u32 },
    Reset { at: u32 },
    Silence { at: u32 },
    ResetAfter { received: u64 },
    StopTaking { after: u64, length: u64 },
    SlowTake { every: u64 },
}

/// What a client does when it has sent everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientEnd {
    /// It ends its output at once.
    Fin,
    /// It ends its output when it has its responses.
    Close,
    /// It waits for the server to close.
    Silent,
}

/// Leaves out what is as usual, so that a failure shows only what it needs.
impl fmt::Debug for ClientPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClientPlan");
        let Self { opens_at, sends, pipelined, thinks, piece, take, capacity, step, mishaps, .. } = self;
        shown.field("opens_at", opens_at).field("sends", sends).field("pipelined", pipelined);
        if *thinks > 0 {
            shown.field("thinks", thinks);
        }
        for (name, bytes) in [("piece", piece), ("take", take), ("step", step)] {
            if *bytes != usize::MAX {
                shown.field(name, bytes);
            }
        }
        if self.tail > 0 {
            shown.field("tail", &self.tail);
        }
        shown.field("capacity", capacity);
        if self.layered {
            shown.field("layered", &true);
        }
        if let Some(before) = &self.before {
            shown.field("before", before);
        }
        if !mishaps.is_empty() {
            shown.field("mishaps", mishaps);
        }
        if !self.disturbances.is_empty() {
            shown.field("disturbances", &self.disturbances);
        }
        shown.field("end", &self.end).finish()
    }
}

/// Likewise.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Sent");
        shown.field("number", &self.number).field("ask", &self.ask);
        if let Some(handler_fault) = &self.handler_fault {
            shown.field("handler_fault", handler_fault);
        }
        if let Some(chunk) = &self.chunk {
            shown.field("chunk", chunk);
        }
        let flags = [
            ("trailers", self.trailers),
            ("close", self.close),
            ("old", self.old),
            ("expect", self.expect),
            ("patient", self.patient),
        ];
        for (name, set) in flags {
            if set {
                shown.field(name, &set);
            }
        }
        if let Some((message, _)) = &self.hostile {
            shown.field("hostile", message);
        }
        shown.finish()
    }
}
