//! How much output waits for the peer, and how much input for the application.

use bytes::Bytes;
use httpfsm::channel::{Data, Input, State};
use httpfsm::response::BodyRef;
use httpfsm::{Fields, Status};

use crate::rig::{GET, POST_CHUNKED, Rig, Seen, post};

#[test]
fn an_application_has_room_up_to_the_high_water_mark() {
    let mut rig = Rig::with(|config| config.output_high_water = 2_000);
    rig.rx(GET).stream(Some(1 << 20)).send_all();
    assert_eq!(rig.channel.room(), 2_000);
    let over = "x".repeat(2_001);
    assert!(rig.try_input(Input::Write(Data::Slice(over.as_bytes()))).is_err());
    assert_eq!(rig.channel.unsent_len(), 0);
    rig.write(&"x".repeat(1_999));
    assert_eq!((rig.channel.room(), rig.channel.room_for_bytes()), (1, true));
    assert!(rig.try_input(Input::Write(Data::Slice(b"xx"))).is_err());
    rig.write("x");
    assert_eq!((rig.channel.room(), rig.channel.room_for_bytes()), (0, false));
    assert!(rig.try_input(Input::Write(Data::Bytes(Bytes::from_static(b"x")))).is_err());
    assert_eq!(rig.channel.unsent_len(), 2_000);
}

#[test]
fn one_large_content_by_reference_is_taken_whole_and_no_second() {
    let mut rig = Rig::with(|config| config.output_high_water = 2_000);
    rig.rx(GET).stream(Some(1 << 30)).send_all();
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    rig.input(Input::Write(Data::Bytes(large.clone())));
    assert_eq!((rig.channel.room(), rig.channel.room_for_bytes()), (0, false));
    rig.send((1 << 20) - 100);
    // There is room again, but not for a second reference.
    assert_eq!((rig.channel.room(), rig.channel.room_for_bytes()), (1_900, false));
    assert!(rig.try_input(Input::Write(Data::Bytes(large.clone()))).is_err());
    rig.input(Input::Write(Data::Bytes(large.slice(..1_900))));
    rig.send_all();
    assert!(rig.channel.room_for_bytes());
}

#[test]
fn a_whole_response_by_copy_is_at_most_the_high_water_mark() {
    for (length, accepted) in [(1_999, true), (2_000, true), (2_001, false)] {
        let mut rig = Rig::with(|config| config.output_high_water = 2_000);
        rig.rx(GET);
        let content = "x".repeat(length);
        let result = rig.try_respond(Status::OK, &Fields::new(), BodyRef::Slice(content.as_bytes()));
        assert_eq!(result.is_ok(), accepted, "{length}");
        if !accepted {
            assert_eq!(rig.state(), State::WaitResponse);
            rig.respond(Status::OK, &Fields::new(), BodyRef::Bytes(&Bytes::from(content)));
        }
        assert_eq!(rig.wire().matches('x').count(), length);
    }
}

#[test]
fn requests_wait_while_responses_are_not_read() {
    let mut rig = Rig::with(|config| config.output_high_water = 2_000);
    rig.rx(GET.repeat(20));
    let mut served = 1;
    while rig.state() == State::WaitResponse {
        rig.ok(&"x".repeat(900));
        served += 1;
        assert!(served < 10, "responses pile up");
    }
    assert_eq!(rig.state(), State::Flushing);
    assert!(rig.channel.unsent_len() < 2_000 + 1_100, "{}", rig.channel.unsent_len());
    rig.seen();
    rig.send(1_100);
    assert_eq!(rig.seen(), [Seen::Request("GET /".into())]);
}

#[test]
fn a_high_water_mark_too_low_to_work_is_raised() {
    let mut rig = Rig::with(|config| config.output_high_water = 0);
    rig.rx(GET).stream(None).send_all();
    assert_eq!(rig.channel.room(), 1_024);
}

#[test]
fn input_that_nobody_takes_is_read_up_to_the_bound() {
    let mut rig = Rig::with(|config| config.input_bound = 5_000);
    rig.rx(GET);
    let room = rig.channel.input_room();
    assert_eq!(room, 5_000 - GET.len());
    assert!(rig.try_input(Input::RxData(&vec![b'x'; room + 1])).is_err());
    rig.rx("x".repeat(room - 1));
    assert_eq!(rig.channel.input_room(), 1);
    rig.rx("x");
    assert_eq!((rig.channel.input_room(), rig.channel.spare().len()), (0, 0));
    assert!(!rig.channel.waits_for().input());
    assert!(rig.try_input(Input::RxData(b"x")).is_err());
}

#[test]
fn reading_goes_on_when_half_of_the_bound_is_free() {
    let mut rig = Rig::with(|config| config.input_bound = 5_000);
    let head = post(100_000);
    rig.rx(&head);
    rig.rx("x".repeat(5_000 - head.len()));
    assert_eq!(rig.channel.input_room(), 0);
    // The head's bytes go with the first demand.
    rig.demand(2_499 - head.len() as u64);
    assert_eq!(rig.channel.input_room(), 0);
    rig.demand(1);
    assert_eq!(rig.channel.input_room(), 2_500);
}

#[test]
fn a_bound_too_low_to_work_is_raised() {
    let mut rig = Rig::with(|config| config.input_bound = 0);
    rig.rx(GET);
    assert_eq!(rig.channel.input_room(), 4_096 - GET.len());
}

#[test]
fn a_body_comes_no_further_than_it_was_demanded() {
    for request in [post(10) + "0123456789", format!("{POST_CHUNKED}5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n")] {
        let mut rig = Rig::new();
        rig.rx(&request);
        assert_eq!(rig.seen(), [Seen::Request("POST /".into())]);
        rig.demand(4);
        assert_eq!(rig.seen(), [Seen::Data("0123".into())]);
        rig.demand(3);
        let data: String = rig
            .seen()
            .iter()
            .map(|seen| match seen {
                Seen::Data(data) => data.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(data, "456");
        rig.demand(100);
        assert_eq!(rig.seen(), [Seen::Data("789".into()), Seen::BodyEnd(String::new())]);
    }
}
