//! The values of the deadlines and rates when nothing is set, and when `hardened` is asked for.

use httpfsm::ChannelConfig;

use crate::rig::seconds;

#[test]
fn the_defaults_are_those_of_the_specification_and_values_a_public_server_can_live_with() {
    let config = ChannelConfig::default();
    for hours_5 in [config.inactivity_timeout, config.responseless_timeout, config.stream_idle_timeout] {
        assert_eq!(hours_5, seconds(18_000));
    }
    assert_eq!((config.first_byte_timeout, config.head_timeout), (seconds(30), seconds(30)));
    assert_eq!((config.body_timeout, config.min_body_rate), (seconds(60), 512));
    assert_eq!((config.write_timeout, config.min_write_rate), (seconds(60), 512));
    assert_eq!((config.linger_timeout, config.linger_bytes), (seconds(2), 65_536));
    assert_eq!((config.discard_timeout, config.discard_bytes), (seconds(5), 262_144));
    assert_eq!((config.drain_grace, config.drain_deadline), (seconds(1), seconds(30)));
    assert_eq!((config.connection_age, config.requests_per_connection), (None, 0));
}

#[test]
fn the_hardened_values_are_tighter() {
    let config = ChannelConfig::hardened();
    assert_eq!(config.inactivity_timeout, seconds(75));
    assert_eq!(config.responseless_timeout, seconds(60));
    assert_eq!(config.stream_idle_timeout, seconds(300));
    assert_eq!((config.first_byte_timeout, config.head_timeout), (seconds(10), seconds(10)));
    assert_eq!((config.body_timeout, config.min_body_rate), (seconds(20), 1024));
    assert_eq!((config.write_timeout, config.min_write_rate), (seconds(20), 1024));
    assert_eq!((config.linger_timeout, config.linger_bytes), (seconds(1), 65_536));
    assert_eq!((config.discard_timeout, config.discard_bytes), (seconds(1), 65_536));
    assert_eq!((config.drain_grace, config.drain_deadline), (seconds(1), seconds(30)));
    assert_eq!((config.connection_age, config.requests_per_connection), (seconds(3600), 10_000));
}
