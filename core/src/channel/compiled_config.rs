//! A configuration made ready for the machine, and the facts of one connection.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use super::State;
use crate::chunked::ChunkLimits;
use crate::config::ChannelConfig;
use crate::error::Rule;
use crate::fsm::Label;
use crate::head::HeadLimits;
use crate::time::Moment;

crate::labelled! {
    /// A parameter that is a length of time.
    ///
    /// ```
    /// use httpfsm::channel::{DEADLINES, RunsWhile, State, Timeout};
    /// use httpfsm::fsm::Label;
    ///
    /// // Which parameter says how long a channel may be idle?
    /// let idle = DEADLINES.iter().find(|line| line.runs == RunsWhile::In(State::Idle));
    /// assert_eq!(idle.map(|line| line.timeout), Some(Timeout::Inactivity));
    /// assert_eq!(Timeout::Inactivity.meaning(), "inactivity_timeout");
    /// ```
    #[non_exhaustive]
    pub enum Timeout {
        /// first_byte_timeout
        FirstByte,
        /// head_timeout
        Head,
        /// inactivity_timeout
        Inactivity,
        /// responseless_timeout
        Responseless,
        /// stream_idle_timeout
        StreamIdle,
        /// peer_ended_timeout
        PeerEnded,
        /// discard_timeout
        Discard,
        /// linger_timeout
        Linger,
        /// body_timeout
        Body,
        /// write_timeout
        Write,
        /// drain_grace
        DrainGrace,
        /// drain_deadline
        DrainDeadline,
    }
}

/// No deadline, in milliseconds.
pub(super) const NEVER: u64 = Moment::NEVER.as_millis();

/// [`Leave::LEAST_GRACE`] in milliseconds.
pub(super) const LEAST_GRACE: u64 = Leave::LEAST_GRACE.as_millis() as u64;

/// A [`ChannelConfig`] made ready: one for all channels of a server, shared by an `Arc`.
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm::{Channel, ChannelConfig};
///
/// let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
/// let channels: Vec<_> = (0..3).map(|_| Channel::new(Arc::clone(&compiled), Facts::default())).collect();
/// assert_eq!(Arc::strong_count(&compiled), 1 + channels.len());
/// ```
#[derive(Clone, Debug)]
pub struct CompiledConfig {
    pub(crate) config: ChannelConfig,
    /// The identity without bytes that have no place in a field value.
    pub(crate) identity: Box<str>,
    pub(crate) head: HeadLimits,
    /// Whether it is kept where the fields of a head stand.
    pub(crate) keeps_places: bool,
    pub(crate) chunks: ChunkLimits,
    pub(crate) trailer_size: u32,
    pub(crate) trailer_fields: usize,
    pub(crate) high_water: usize,
    pub(crate) input_bound: usize,
    timeouts: [u64; Timeout::ALL.len()],
}

fn timeouts(config: &ChannelConfig) -> [u64; Timeout::ALL.len()] {
    let mut timeouts = [NEVER; Timeout::ALL.len()];
    for &timeout in Timeout::ALL {
        timeouts[timeout.index()] = match timeout {
            Timeout::FirstByte => millis(config.first_byte_timeout),
            Timeout::Head => millis(config.head_timeout),
            Timeout::Inactivity => millis(config.inactivity_timeout),
            Timeout::Responseless => millis(config.responseless_timeout),
            Timeout::StreamIdle => millis(config.stream_idle_timeout),
            Timeout::PeerEnded => millis(config.peer_ended_timeout),
            Timeout::Discard => millis_if(config.discard_bytes > 0, config.discard_timeout),
            Timeout::Linger => millis_if(config.linger_bytes > 0, config.linger_timeout),
            Timeout::Body => millis(config.body_timeout),
            Timeout::Write => millis(config.write_timeout),
            Timeout::DrainGrace => config.drain_grace.map_or(NEVER, whole_millis),
            Timeout::DrainDeadline => millis(config.drain_deadline),
        };
    }
    timeouts
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER).min(NEVER - 1)
}

/// For linger and discard, zero and `None` mean that none is done.
fn millis_if(done: bool, duration: Option<Duration>) -> u64 {
    duration.filter(|time| done && !time.is_zero()).map_or(0, |time| millis(Some(time)))
}

/// A zero is no deadline, as `None` is.
fn millis(duration: Option<Duration>) -> u64 {
    duration.filter(|d| !d.is_zero()).map_or(NEVER, |d| whole_millis(d).max(1))
}

fn limit32(value: u32) -> u32 {
    if value == 0 { u32::MAX } else { value }
}

/// The same for what is buffered whole: positions in a buffer have 32 bits, and a read must fit behind.
fn buffered32(value: u32) -> u32 {
    limit32(value).min(i32::MAX as u32)
}

fn limit64(value: u64) -> u64 {
    if value == 0 { u64::MAX } else { value }
}

impl CompiledConfig {
    /// Makes a configuration ready.
    ///
    /// ```
    /// use httpfsm::ChannelConfig;
    /// use httpfsm::channel::CompiledConfig;
    ///
    /// let mut config = ChannelConfig::default();
    /// config.max_request_body_size = 10 << 20;
    /// let compiled = CompiledConfig::new(&config);
    /// assert_eq!(compiled.config().max_request_body_size, 10 << 20);
    /// ```
    #[must_use]
    pub fn new(config: &ChannelConfig) -> Self {
        let body_size = limit64(config.max_request_body_size);
        Self {
            identity: config
                .identity
                .chars()
                .filter(|c| matches!(c, ' '..='~'))
                .collect::<String>()
                .trim()
                .into(),
            head: HeadLimits {
                size: buffered32(config.max_request_header_size),
                fields: limit32(config.max_request_fields) as usize,
                target: limit32(config.max_request_target_size) as usize,
                body: body_size,
            },
            keeps_places: false,
            chunks: ChunkLimits {
                extension_line: limit32(config.max_chunk_extension_line),
                extension_body: limit32(config.max_chunk_extension_body),
                body: body_size,
            },
            trailer_size: buffered32(config.max_trailer_size),
            trailer_fields: limit32(config.max_trailer_fields) as usize,
            high_water: config.output_high_water.clamp(1 << 10, 1 << 30) as usize,
            input_bound: config.input_bound.clamp(4 << 10, 1 << 30) as usize,
            timeouts: timeouts(config),
            config: config.clone(),
        }
    }

    /// The same for a handler that [takes all fields](crate::Handler::takes_all_fields) of each request, or does not.
    ///
    /// ```
    /// use httpfsm::channel::CompiledConfig;
    /// use httpfsm::{ChannelConfig, Handler};
    ///
    /// /// What a transport makes ready for the handler that it serves.
    /// fn compiled(config: &ChannelConfig, handler: &impl Handler) -> CompiledConfig {
    ///     CompiledConfig::new(config).taking_all_fields(handler.takes_all_fields())
    /// }
    /// ```
    #[must_use]
    pub fn taking_all_fields(self, all: bool) -> Self {
        Self { keeps_places: all, ..self }
    }

    /// How long a deadline runs, in milliseconds; `NEVER`: it does not. Linger and discard: 0 if none is done.
    #[inline]
    pub(super) fn timeout(&self, timeout: Timeout) -> u64 {
        self.timeouts[timeout.index()]
    }

    /// The times of a server that goes out at `at`, by `drain_grace` and `drain_deadline`. A connection that has not
    /// made a request yet has a second at least.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use httpfsm::ChannelConfig;
    /// use httpfsm::channel::CompiledConfig;
    /// use httpfsm::time::Moment;
    ///
    /// let mut config = ChannelConfig::default();
    /// config.drain_grace = Some(Duration::ZERO);
    /// let leave = CompiledConfig::new(&config).leave(Moment::from_millis(5_000));
    /// // An idle connection closes at once. One that is new may still make its first request.
    /// assert_eq!(leave.idle_until, Moment::from_millis(5_000));
    /// assert_eq!(leave.fresh_until, Moment::from_millis(6_000));
    /// ```
    #[must_use]
    pub fn leave(&self, at: Moment) -> Leave {
        let grace = self.timeout(Timeout::DrainGrace);
        Leave {
            idle_until: at.saturating_add_millis(grace),
            fresh_until: at.saturating_add_millis(grace.max(LEAST_GRACE)),
            cut_at: at.saturating_add_millis(self.timeout(Timeout::DrainDeadline)),
        }
    }

    /// When a connection of these facts is old.
    pub(super) fn age(&self, facts: &Facts) -> u64 {
        match millis(self.config.connection_age) {
            NEVER => NEVER,
            age => age.saturating_add(u64::try_from(facts.age_jitter.as_millis()).unwrap_or(NEVER)),
        }
    }

    /// The configuration it was made from.
    ///
    /// ```
    /// use httpfsm::ChannelConfig;
    /// use httpfsm::channel::CompiledConfig;
    ///
    /// let compiled = CompiledConfig::new(&ChannelConfig::default());
    /// // As it was given: what the machine makes of it, of a zero that is no limit, say, is not in there.
    /// assert_eq!(compiled.config().identity, ChannelConfig::default().identity);
    /// ```
    #[must_use]
    pub fn config(&self) -> &ChannelConfig {
        &self.config
    }
}

/// The times of a server that goes out, for one channel: moments since it opened. [`Moment::NEVER`] for a time that does
/// not come.
///
/// ```
#[doc = include_str!("../examples/fresh_channel.txt")]
/// use httpfsm::channel::Leave;
///
/// // A server that has nobody wait: whoever is idle goes, and what runs has ten seconds.
/// let leave = Leave { idle_until: now.at, fresh_until: now.at, cut_at: Moment::from_millis(10_000) };
/// channel.handle(&now, Input::GoOut(leave))?;
/// assert_eq!(channel.close_reason(), Some(CloseReason::Drained));
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leave {
    /// Until when an idle channel stays, for a request that may be on its way.
    pub idle_until: Moment,
    /// Until when a channel that has had no request yet may still make one.
    pub fresh_until: Moment,
    /// When the channel is cut: a request without a response gets a 503, a response that runs ends without its end. What
    /// is complete and leaves has `drain_grace`, and a second at least, from when it began to leave.
    pub cut_at: Moment,
}

impl Leave {
    /// What is given at least when the server goes out, whatever `drain_grace` is: to a connection that has not made a
    /// request yet, as its first one may be on its way; and to a response that was made at the last moment.
    pub const LEAST_GRACE: Duration = Duration::from_secs(1);

    /// Until when a channel stays that is in `state`; `NEVER`: the state has no such time.
    pub(super) fn until(&self, state: State) -> Moment {
        match state {
            State::Fresh => self.fresh_until,
            State::Idle => self.idle_until,
            State::Head
            | State::WaitResponse
            | State::HeadHeld
            | State::Responding
            | State::Discard
            | State::Flushing
            | State::Closing
            | State::Lingering
            | State::Handover
            | State::Upgraded
            | State::Closed => Moment::NEVER,
        }
    }
}

/// What a channel is told about its connection when it opens. [`Facts::default`] fits most.
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm::channel::Facts;
///
/// let facts = Facts::default().with_age_jitter(Duration::from_secs(7));
/// assert_eq!(facts.age_jitter, Duration::from_secs(7));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Facts {
    /// Added to `connection_age`, so that connections that opened together do not close together. The machine has
    /// no randomness; whoever opens the channel draws it.
    pub age_jitter: Duration,
    /// The rule that what came before HTTP broke ([`prologue`](crate::prologue)). The channel then responds by it with its
    /// first input of whatever kind, reads no request, and closes as after any head that is refused. Its
    /// [deadline](crate::Channel::deadline) is [`Moment::START`], so a [`Tick`](crate::channel::Input::Tick) does.
    pub refusal: Option<Rule>,
}

impl Facts {
    /// The same with this `age_jitter`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use httpfsm::channel::Facts;
    ///
    /// // `random` is a number from 0 to 1 of the transport's.
    /// let random = 0.25;
    /// let facts = Facts::default().with_age_jitter(Duration::from_secs(60).mul_f64(random));
    /// assert_eq!(facts.age_jitter, Duration::from_secs(15));
    /// ```
    #[must_use]
    pub const fn with_age_jitter(mut self, age_jitter: Duration) -> Self {
        self.age_jitter = age_jitter;
        self
    }

    /// The same with this `refusal`.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use httpfsm::channel::{CompiledConfig, Facts, Input};
    /// use httpfsm::time::{Date, Moment, Now};
    /// use httpfsm::{Channel, ChannelConfig, Rule};
    ///
    /// let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    /// let mut channel = Channel::new(compiled, Facts::default().with_refusal(Some(Rule::NotTls)));
    /// channel.handle(&Now::new(Moment::START, &Date::EPOCH), Input::Tick)?;
    /// assert!(channel.unsent().starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub const fn with_refusal(mut self, refusal: Option<Rule>) -> Self {
        self.refusal = refusal;
        self
    }
}
