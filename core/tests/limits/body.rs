//! The size of a request body, of its trailer section and of chunk extensions.

use httpfsm::{BodyError, ChannelConfig, RequestError, Rule};

use crate::rig::{POST_CHUNKED, Rig, Seen, post};
use crate::support::{inclusive, refused_by};

#[test]
fn the_announced_length_of_a_body_is_limited() {
    inclusive(
        10,
        |n| post(n) + &"x".repeat(n as usize),
        Rule::BodyTooLarge,
        |config, limit| config.max_request_body_size = limit,
    );
}

#[test]
fn the_sum_of_the_chunks_of_a_body_is_limited() {
    let set = |config: &mut ChannelConfig, limit| config.max_request_body_size = limit;
    inclusive(
        10,
        |n| format!("{POST_CHUNKED}{n:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(n as usize)),
        Rule::BodyTooLarge,
        set,
    );
    inclusive(
        10,
        |n| format!("{POST_CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(n as usize)),
        Rule::BodyTooLarge,
        set,
    );
}

#[test]
fn a_length_above_the_limit_is_refused_before_any_of_the_body_came() {
    let mut rig = Rig::new();
    rig.rx(post(1_073_741_825));
    assert_eq!(rig.seen(), [Seen::Refused(Rule::BodyTooLarge)]);
    let mut rig = Rig::new();
    rig.rx(post(1_073_741_824));
    assert_eq!(rig.seen(), [Seen::Request("POST /".into())]);
}

#[test]
fn a_length_that_no_number_holds_is_too_large_even_without_a_limit() {
    for length in ["18446744073709551616", "99999999999999999999999999999999"] {
        let bytes = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(refused_by(&bytes, |config| config.max_request_body_size = 0), Some(Rule::BodyTooLarge));
    }
}

#[test]
fn the_application_is_told_why_its_body_ended() {
    let mut rig = Rig::with(|config| config.max_request_body_size = 3);
    rig.rx(POST_CHUNKED).demand(100).rx("3\r\nabc\r\n1\r\n");
    let seen = rig.seen();
    assert_eq!(seen[1], Seen::Data("abc".into()));
    // At byte 10 of the body ends the size line of the chunk that is too much.
    let error = RequestError::new(Rule::BodyTooLarge, 10);
    assert_eq!(seen[2], Seen::BodyFailed(BodyError::Malformed(error)));
    assert_eq!(seen[3], Seen::Refused(Rule::BodyTooLarge));
}

#[test]
fn the_size_of_a_trailer_section_is_limited() {
    inclusive(
        50,
        |n| format!("{POST_CHUNKED}0\r\nX: {}\r\n\r\n", "x".repeat(n as usize - 7)),
        Rule::TrailerTooLarge,
        |config, limit| config.max_trailer_size = limit as u32,
    );
}

#[test]
fn the_fields_of_a_trailer_section_are_counted() {
    inclusive(
        5,
        |n| format!("{POST_CHUNKED}0\r\n{}\r\n", "X: y\r\n".repeat(n as usize)),
        Rule::TooManyTrailers,
        |config, limit| config.max_trailer_fields = limit as u32,
    );
}

#[test]
fn the_extensions_of_a_chunk_line_are_limited() {
    inclusive(
        20,
        // The semicolon counts.
        |n| format!("{POST_CHUNKED}1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(n as usize - 1)),
        Rule::ChunkExtensionTooLarge,
        |config, limit| config.max_chunk_extension_line = limit as u32,
    );
    // On the last chunk too.
    inclusive(
        20,
        |n| format!("{POST_CHUNKED}0;{}\r\n\r\n", "e".repeat(n as usize - 1)),
        Rule::ChunkExtensionTooLarge,
        |config, limit| config.max_chunk_extension_line = limit as u32,
    );
}

#[test]
fn the_extensions_of_a_body_are_limited_together() {
    inclusive(
        30,
        |n| {
            let lines = "1;e\r\nx\r\n".repeat(n as usize / 2);
            let odd = if n % 2 == 1 { "1;e=\"\"\r\nx\r\n" } else { "" };
            // Two bytes a line, five in the odd one: make up for it with one line less and a longer one.
            let lines = if n % 2 == 1 { "1;e\r\nx\r\n".repeat((n as usize - 5) / 2) } else { lines };
            format!("{POST_CHUNKED}{lines}{odd}0\r\n\r\n")
        },
        Rule::ChunkExtensionTooLarge,
        |config, limit| config.max_chunk_extension_body = limit as u32,
    );
}
