//! The values of the limits when nothing is set, and when `hardened` is asked for.

use std::time::Duration;

use httpfsm::{ChannelConfig, ServerConfig};

use crate::rig::Rig;

#[test]
fn the_defaults_are_those_of_the_specification_and_of_a_public_server() {
    let config = ChannelConfig::default();
    assert_eq!(config.max_request_header_size, 262_144);
    assert_eq!(config.max_request_body_size, 1_073_741_824);
    assert_eq!(config.inbuf_overflow, 524_288);
    assert_eq!(config.maximum_simultaneous_requests, 0);
    assert_eq!((config.max_request_fields, config.max_request_target_size), (128, 8_192));
    assert_eq!((config.max_trailer_size, config.max_trailer_fields), (8_192, 32));
    assert_eq!((config.max_chunk_extension_line, config.max_chunk_extension_body), (256, 16_384));
    assert_eq!((config.output_high_water, config.input_bound), (65_536, 65_536));
    assert_eq!((config.url_scheme.as_ref(), config.identity.as_ref()), ("http", "httpfsm"));
    assert!(!config.expose_tracebacks && !config.fin_is_disconnect);
    let server = ServerConfig::default();
    assert_eq!((server.max_buffered_bytes, server.max_spooled_bytes), (512 << 20, 4 << 30));
    assert_eq!(server.room_timeout, Some(Duration::from_secs(10)));
}

#[test]
fn the_hardened_values_are_tighter() {
    let server = ServerConfig::hardened();
    assert_eq!(server.maximum_simultaneous_requests, 1024);
    assert_eq!((server.max_connections, server.max_connections_per_peer), (10_000, 256));
    assert_eq!((server.max_buffered_bytes, server.max_spooled_bytes), (128 << 20, 1 << 30));
    assert_eq!(server.room_timeout, Some(Duration::from_secs(5)));
    assert_eq!(server.channel.input_bound, ChannelConfig::hardened().input_bound);
    assert_eq!(server.channel.head_timeout, ChannelConfig::hardened().head_timeout);
    let config = ChannelConfig::hardened();
    assert_eq!((config.linger_bytes, config.discard_bytes), (64 << 10, 64 << 10));
    assert_eq!((config.max_request_header_size, config.max_request_fields), (16_384, 100));
    assert_eq!((config.max_request_body_size, config.inbuf_overflow), (16 << 20, 65_536));
    assert_eq!(config.maximum_simultaneous_requests, 16);
}

#[test]
fn a_channel_tells_what_it_obeys() {
    let rig = Rig::with(|config| config.max_request_fields = 7);
    assert_eq!(rig.channel.compiled_config().config().max_request_fields, 7);
}
