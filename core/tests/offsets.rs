//! At which byte a request is refused: the same however its bytes were cut, and of what does not come, how much came.

#[path = "support/rig.rs"]
mod rig;

use httpfsm::channel::{Input, State};
use httpfsm::{ChannelConfig, CloseReason, RequestError, Rule};
use rig::{GET, POST_CHUNKED, Rig, Seen, post};

const CHUNKS: &str = "5;e=1\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n";

/// Ends the connection; why it did.
#[track_caller]
fn refusal(rig: &mut Rig) -> RequestError {
    rig.send_all();
    if rig.state() == State::Lingering {
        rig.input(Input::RxEnd);
    }
    match rig.seen().pop() {
        Some(Seen::Closed(CloseReason::Refused(error))) => error,
        other => panic!("not refused: {other:?} in {:?}", rig.state()),
    }
}

/// A channel that has received `head` and `body`, cut there, all of which the application asks for. Behind another
/// request, so that bytes of the connection are none of the request.
fn received(head: &str, body: &[u8], cut: usize, change: impl FnOnce(&mut ChannelConfig)) -> Rig {
    let mut rig = Rig::with(change);
    rig.rx(GET).ok("").send_all();
    rig.rx([head.as_bytes(), &body[..cut]].concat()).demand(u64::MAX);
    if cut < body.len() {
        rig.rx(&body[cut..]);
    }
    rig
}

#[test]
fn a_body_that_does_not_come_is_refused_behind_the_bytes_that_came() {
    for (head, body) in [(post(13), "thirteen octs"), (POST_CHUNKED.to_owned(), CHUNKS)] {
        for arrived in 0..body.len() {
            for cut in 0..=arrived {
                let bytes = &body.as_bytes()[..arrived];
                let mut rig = received(&head, bytes, cut, |_| ());
                let deadline =
                    rig.deadline().unwrap_or_else(|| panic!("{arrived} of {body:?} and no deadline"));
                rig.tick(deadline);
                let expected = RequestError::new(Rule::BodyTimeout, arrived as u64);
                assert_eq!(refusal(&mut rig), expected, "{arrived} of {body:?}, cut at {cut}");

                let mut rig = received(&head, bytes, cut, |_| ());
                rig.input(Input::RxEnd);
                let expected = RequestError::new(Rule::BodyTruncated, arrived as u64);
                assert_eq!(refusal(&mut rig), expected, "{arrived} of {body:?}, cut at {cut}");
            }
        }
    }
}

#[test]
fn bytes_that_the_application_has_not_asked_for_have_come_all_the_same() {
    for asked in 1..=6 {
        let mut rig = Rig::new();
        rig.rx(post(10)).demand(asked).rx("six in").input(Input::RxEnd);
        if asked < 7 {
            rig.demand(10);
        }
        assert_eq!(refusal(&mut rig), RequestError::new(Rule::BodyTruncated, 6), "{asked} asked for");
    }
}

#[test]
fn a_body_that_breaks_a_rule_is_refused_at_its_byte_wherever_it_is_cut() {
    type Change = fn(&mut ChannelConfig);
    let plain: Change = |_| ();
    let cases: [(&str, Change, Rule, u64); 13] = [
        ("x\r\n", plain, Rule::ChunkSize, 0),
        ("5x\r\n", plain, Rule::ChunkSize, 1),
        ("5\nhello", plain, Rule::BareLf, 1),
        ("5\rhello", plain, Rule::BareCr, 1),
        ("5\r\nhelloworld", plain, Rule::ChunkEnd, 8),
        ("5\r\nhello\r\n11111111111111111", plain, Rule::ChunkSizeTooLong, 26),
        ("5;=\r\nhello", plain, Rule::ChunkExtension, 2),
        (
            "1\r\na\r\n1;abc\r\n",
            |config| config.max_chunk_extension_line = 3,
            Rule::ChunkExtensionTooLarge,
            10,
        ),
        // Where the size line ends that asks for too much.
        ("3\r\nabc\r\n1\r\nd", |config| config.max_request_body_size = 3, Rule::BodyTooLarge, 10),
        ("4\r\nabcd", |config| config.max_request_body_size = 3, Rule::BodyTooLarge, 2),
        ("0\r\nX y\r\n\r\n", plain, Rule::TrailerField, 4),
        ("0\r\nX: yyyy\r\n\r\n", |config| config.max_trailer_size = 9, Rule::TrailerTooLarge, 12),
        ("0\r\nX: y\r\nX: y\r\n\r\n", |config| config.max_trailer_fields = 1, Rule::TooManyTrailers, 9),
    ];
    for (body, change, rule, offset) in cases {
        // The rest that nobody looks at has its own cut.
        let decisive = &body.as_bytes()[..body.len().min(offset as usize + 2)];
        for cut in 0..=decisive.len() {
            let mut rig = Rig::with(change);
            rig.rx(GET).ok("").send_all();
            rig.rx([POST_CHUNKED.as_bytes(), &decisive[..cut]].concat()).demand(u64::MAX);
            if rig.state() == State::WaitResponse {
                rig.rx(&decisive[cut..]);
            }
            assert_eq!(refusal(&mut rig), RequestError::new(rule, offset), "{body:?}, cut at {cut}");
        }
    }
}

#[test]
fn a_length_that_is_too_large_is_refused_at_its_value_in_the_head() {
    let head = post(5);
    let expected = head.find('5').map_or(0, |at| at as u64);
    for cut in 1..head.len() {
        let mut rig = Rig::with(|config| config.max_request_body_size = 4);
        rig.rx(&head[..cut]).rx(&head[cut..]);
        assert_eq!(refusal(&mut rig), RequestError::new(Rule::BodyTooLarge, expected), "cut at {cut}");
    }
}

#[test]
fn a_head_that_does_not_come_is_refused_behind_the_bytes_that_came_and_a_full_server_blames_none() {
    for arrived in 1..GET.len() {
        let begun = || {
            let mut rig = Rig::new();
            rig.rx(&GET[..arrived]);
            rig
        };
        let mut rig = begun();
        let deadline = rig.deadline().unwrap_or_else(|| panic!("{arrived} and no deadline"));
        rig.tick(deadline);
        assert_eq!(refusal(&mut rig), RequestError::new(Rule::HeadTimeout, arrived as u64));
        let mut rig = begun();
        rig.input(Input::RxEnd);
        assert_eq!(refusal(&mut rig), RequestError::new(Rule::HeadTruncated, arrived as u64));
        let mut rig = begun();
        rig.input(Input::Busy);
        assert_eq!(refusal(&mut rig), RequestError::new(Rule::Busy, 0));
    }
}
