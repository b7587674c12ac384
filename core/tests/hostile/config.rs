//! The `config` lines of an entry.

use std::time::Duration;

use httpfsm::ChannelConfig;

/// Sets a parameter by its name.
pub(crate) fn set_parameter(config: &mut ChannelConfig, name: &str, value: &str) {
    let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{name}={value}: a number"));
    let small = || number() as u32;
    let time = || (value != "none").then(|| Duration::from_millis(number()));
    match name {
        "identity" => config.identity = value.to_owned().into(),
        "max_request_header_size" => config.max_request_header_size = small(),
        "max_request_fields" => config.max_request_fields = small(),
        "max_request_target_size" => config.max_request_target_size = small(),
        "max_request_body_size" => config.max_request_body_size = number(),
        "max_trailer_size" => config.max_trailer_size = small(),
        "max_trailer_fields" => config.max_trailer_fields = small(),
        "max_chunk_extension_line" => config.max_chunk_extension_line = small(),
        "max_chunk_extension_body" => config.max_chunk_extension_body = small(),
        "maximum_simultaneous_requests" => config.maximum_simultaneous_requests = small(),
        "requests_per_connection" => config.requests_per_connection = number(),
        "discard_bytes" => config.discard_bytes = number(),
        "min_body_rate" => config.min_body_rate = small(),
        "min_write_rate" => config.min_write_rate = small(),
        "head_timeout" => config.head_timeout = time(),
        "body_timeout" => config.body_timeout = time(),
        "write_timeout" => config.write_timeout = time(),
        "inactivity_timeout" => config.inactivity_timeout = time(),
        "first_byte_timeout" => config.first_byte_timeout = time(),
        "responseless_timeout" => config.responseless_timeout = time(),
        "discard_timeout" => config.discard_timeout = time(),
        "linger_timeout" => config.linger_timeout = time(),
        "fin_is_disconnect" => config.fin_is_disconnect = value == "true",
        _ => panic!("no such parameter: {name}"),
    }
}
