//! A configuration made ready for the machine, and the facts of one connection.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use crate::chunked::ChunkLimits;
use crate::config::ChannelConfig;
use crate::head::HeadLimits;
use crate::time::Moment;

/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

/// The last moment there is: a later one counts as it.
pub(crate) const LAST: Moment = Moment::from_millis(NEVER - 1);

/// A [`ChannelConfig`] made ready: one for all channels of a server, shared by an `Arc`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) config: ChannelConfig,
    /// The identity without octets that have no place in a field value.
    pub(crate) identity: Box<str>,
    pub(crate) head: HeadLimits,
    pub(crate) chunks: ChunkLimits,
    pub(crate) trailer_size: u32,
    pub(crate) trailer_fields: usize,
    pub(crate) high_water: usize,
    pub(crate) input_bound: usize,
    pub(crate) first_byte: u64,
    pub(crate) head_time: u64,
    pub(crate) inactivity: u64,
    pub(crate) responseless: u64,
    pub(crate) stream_idle: u64,
    pub(crate) body: u64,
    pub(crate) write: u64,
    pub(crate) linger: u64,
    pub(crate) discard: u64,
    pub(crate) grace: u64,
    pub(crate) drain: u64,
    pub(crate) age: u64,
}

/// A zero is no deadline, as `None` is.
fn millis(duration: Option<Duration>) -> u64 {
    duration
        .filter(|d| !d.is_zero())
        .map_or(NEVER, |d| u64::try_from(d.as_millis()).unwrap_or(NEVER - 1).max(1))
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

impl Settings {
    /// Makes a configuration ready.
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
            chunks: ChunkLimits {
                extension_line: limit32(config.max_chunk_extension_line),
                extension_body: limit32(config.max_chunk_extension_body),
                body: body_size,
            },
            trailer_size: buffered32(config.max_trailer_size),
            trailer_fields: limit32(config.max_trailer_fields) as usize,
            high_water: config.output_high_water.max(1 << 10) as usize,
            input_bound: config.input_bound.clamp(4 << 10, 1 << 30) as usize,
            first_byte: millis(config.first_byte_timeout),
            head_time: millis(config.head_timeout),
            inactivity: millis(config.inactivity_timeout),
            responseless: millis(config.responseless_timeout),
            stream_idle: millis(config.stream_idle_timeout),
            body: millis(config.body_timeout),
            write: millis(config.write_timeout),
            linger: if config.linger_octets == 0 {
                0
            } else {
                config.linger_timeout.filter(|time| !time.is_zero()).map_or(0, |time| millis(Some(time)))
            },
            discard: if config.discard_octets == 0 {
                0
            } else {
                config.discard_timeout.filter(|time| !time.is_zero()).map_or(0, |time| millis(Some(time)))
            },
            grace: millis(config.drain_grace),
            drain: millis(config.drain_deadline),
            age: millis(config.connection_age),
            config: config.clone(),
        }
    }

    /// The configuration it was made from.
    #[must_use]
    pub fn config(&self) -> &ChannelConfig {
        &self.config
    }
}

/// What a channel is told about its connection when it opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Added to `connection_age`, so that connections that opened together do not close together. The machine has
    /// no randomness; whoever opens the channel draws it.
    pub age_jitter: Duration,
}
