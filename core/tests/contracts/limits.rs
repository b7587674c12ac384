//! Configurations that the properties draw from.

use httpfsm::ChannelConfig;
use proptest::prelude::*;

/// Configurations by name, so that a failure prints no page of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limits {
    Usual,
    /// Limits that the traffic reaches.
    Tight,
    /// Small buffers, large trailer sections.
    Cramped,
}

impl Limits {
    pub(crate) fn config(self) -> ChannelConfig {
        match self {
            Self::Usual => ChannelConfig::default(),
            Self::Tight => ChannelConfig {
                max_request_header_size: 600,
                max_request_target_size: 64,
                max_request_body_size: 4000,
                max_trailer_size: 64,
                discard_bytes: 200,
                linger_bytes: 300,
                output_high_water: 1 << 10,
                input_bound: 4 << 10,
                requests_per_connection: 3,
                ..ChannelConfig::default()
            },
            Self::Cramped => ChannelConfig {
                output_high_water: 4 << 10,
                input_bound: 4 << 10,
                max_trailer_size: 32 << 10,
                max_request_target_size: 0,
                linger_bytes: 0,
                ..ChannelConfig::default()
            },
        }
    }
}

pub(crate) fn limits() -> impl Strategy<Value = Limits> {
    prop_oneof![4 => Just(Limits::Usual), 3 => Just(Limits::Tight), 2 => Just(Limits::Cramped)]
}
