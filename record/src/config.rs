//! The configuration of a channel in JSON. Durations are milliseconds.

use std::time::Duration;

use httpfsm::config::{Bodies, ChannelConfig};
use serde::{Deserialize, Serialize};

macro_rules! config {
    (durations: $($duration:ident),+; numbers: $($number:ident: $type:ty),+;) => {
        /// A [`ChannelConfig`] but for its error pages, which are a function: what they made stands in the recording.
        #[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Config {
            pub(crate) url_scheme: String,
            pub(crate) identity: String,
            pub(crate) expose_tracebacks: bool,
            pub(crate) fin_is_disconnect: bool,
            pub(crate) whole_bodies: Option<bool>,
            /// Whether there are error pages.
            pub(crate) error_pages: bool,
            $(pub(crate) $duration: Option<u64>,)+
            $(pub(crate) $number: $type,)+
        }

        impl From<&ChannelConfig> for Config {
            fn from(config: &ChannelConfig) -> Self {
                // Without `..`: a parameter that is new must be thought of here.
                let ChannelConfig {
                    url_scheme, identity, expose_tracebacks, fin_is_disconnect, bodies, error_pages,
                    $($duration,)+ $($number,)+
                } = config;
                Self {
                    url_scheme: url_scheme.to_string(),
                    identity: identity.to_string(),
                    expose_tracebacks: *expose_tracebacks,
                    fin_is_disconnect: *fin_is_disconnect,
                    whole_bodies: bodies.map(|bodies| bodies == Bodies::Whole),
                    error_pages: error_pages.is_some(),
                    $($duration: $duration.map(millis),)+
                    $($number: *$number,)+
                }
            }
        }

        impl Config {
            /// The configuration again, without error pages.
            pub(crate) fn restore(&self) -> ChannelConfig {
                ChannelConfig {
                    url_scheme: self.url_scheme.clone().into(),
                    identity: self.identity.clone().into(),
                    expose_tracebacks: self.expose_tracebacks,
                    fin_is_disconnect: self.fin_is_disconnect,
                    bodies: self.whole_bodies.map(|whole| if whole { Bodies::Whole } else { Bodies::Streamed }),
                    error_pages: None,
                    $($duration: self.$duration.map(Duration::from_millis),)+
                    $($number: self.$number,)+
                }
            }
        }
    };
}

config! {
    durations: inactivity_timeout, responseless_timeout, stream_idle_timeout, peer_ended_timeout, first_byte_timeout,
        head_timeout, body_timeout, write_timeout, linger_timeout, discard_timeout, drain_grace, drain_deadline, connection_age;
    numbers: min_body_rate: u32, min_write_rate: u32, linger_bytes: u64, discard_bytes: u64,
        max_request_header_size: u32, max_request_fields: u32, max_request_target_size: u32,
        max_request_body_size: u64, inbuf_overflow: u64, max_trailer_size: u32, max_trailer_fields: u32,
        max_chunk_extension_line: u32, max_chunk_extension_body: u32, output_high_water: u32, input_bound: u32,
        maximum_simultaneous_requests: u32, requests_per_connection: u64;
}

impl Default for Config {
    fn default() -> Self {
        Self::from(&ChannelConfig::default())
    }
}

/// As the machine counts it: a fraction of a millisecond is one, so that it does not become "no deadline".
fn millis(duration: Duration) -> u64 {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if duration.is_zero() { 0 } else { millis.max(1) }
}

#[cfg(test)]
mod tests {
    use httpfsm::config::ServerConfig;

    use super::Config;

    #[test]
    fn a_configuration_comes_back() {
        for config in [ServerConfig::default().channel, ServerConfig::hardened().channel] {
            let text = serde_json::to_string(&Config::from(&config)).unwrap();
            let back: Config = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{:?}", back.restore()), format!("{config:?}"));
        }
    }
}
