//! What `Debug` shows is written to logs: no byte of what a peer or a handler has sent, where it may be a secret.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use httpfsm::channel::{CompiledConfig, Data, Facts, Input, Output, WorkerBuffers};
use httpfsm::config::ErrorPage;
use httpfsm::handler::{Frame, Security};
use httpfsm::request::RequestHead;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, FieldRef, Fields, Response, Status};

const SECRET: &str = "Open-Sesame";
const NOW: Now<'_> = Now::new(Moment::START, &Date::EPOCH);

/// Neither as text nor as the numbers of its bytes, on one line or on many.
#[track_caller]
fn assert_hidden(value: &dyn Debug) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        let numbers: String = shown.chars().filter(|c| c.is_ascii_digit() || *c == ',').collect();
        let is_shown = shown.contains("Sesame") || numbers.contains("83,101,115,97,109,101");
        assert!(!is_shown, "{shown:.2000}");
    }
}

#[track_caller]
fn assert_shows(value: &dyn Debug, expected: &str) {
    assert_eq!(format!("{value:?}"), expected);
}

fn channel() -> Channel {
    let mut channel =
        Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
    assert!(matches!(channel.next_output(), Some(Output::HttpChannelOpened)));
    channel
}

fn receive(channel: &mut Channel, bytes: &str) {
    channel.handle(&NOW, Input::RxData(bytes.as_bytes())).unwrap();
}

/// A head with a secret in each field, whatever its name.
fn post(rest: &str) -> String {
    let names = ["Authorization", "cookie", "X-Api-Key"];
    let secrets: String = names.map(|name| format!("{name}: {SECRET}\r\n")).concat();
    format!("POST /a HTTP/1.1\r\nHost: a\r\n{secrets}{rest}")
}

#[test]
fn a_channel_shows_no_byte_that_it_holds() {
    let mut channel = channel();
    let mut buffers = WorkerBuffers::new();
    channel.lend(&mut buffers);
    let request = post("Transfer-Encoding: chunked\r\n\r\n");
    let (part, rest) = request.split_at(request.len() - 10);
    // Inside of the head, read to the lent buffer.
    channel.spare()[..part.len()].copy_from_slice(part.as_bytes());
    assert_hidden(&channel);
    channel.handle(&NOW, Input::RxRead(part.len())).unwrap();
    assert_hidden(&channel);
    // With a request, its body and its trailers, and behind it the next.
    receive(&mut channel, rest);
    receive(&mut channel, &format!("b\r\n{SECRET}\r\n0\r\nX-Key: {SECRET}\r\n\r\n{}\r\n", post("")));
    assert_hidden(&channel);
    assert_hidden(&channel.next_output());
    channel.handle(&NOW, Input::BodyDemand(100)).unwrap();
    assert_hidden(&channel);
    assert_shows(&channel.next_output(), "Some(BodyData(11 bytes))");
    assert_shows(&channel.next_output(), r#"Some(BodyEnd({"X-Key": 11 bytes}))"#);
    // With a response, small or large.
    for content in [Bytes::from(SECRET), Bytes::from(SECRET.repeat(1000))] {
        let fields =
            Fields::new().with("Set-Cookie", SECRET).and_then(|fields| fields.with("X-Key", SECRET)).unwrap();
        let body = BodyRef::Bytes(&content);
        channel
            .handle(&NOW, Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }))
            .unwrap();
        assert_hidden(&channel);
        while channel.next_output().is_some() {}
    }
    // What has been sent and received stays in the buffers, in which others will read.
    channel.handle(&NOW, Input::Sent(channel.unsent_len())).unwrap();
    channel.take_back(&mut buffers);
    assert_hidden(&channel);
    assert_hidden(&buffers);
    let held = format!("{buffers:?}");
    assert!(held.starts_with("WorkerBuffers { input: 65536 bytes, output: "), "{held}");
}

#[test]
fn what_goes_into_a_channel_shows_its_length() {
    let content = Bytes::from(SECRET);
    let fields = Fields::new().with("set-cookie", SECRET).unwrap();
    let response = |body| Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body });
    for (input, shown) in [
        (Input::RxData(SECRET.as_bytes()), "RxData(11 bytes)"),
        (Input::RxRead(7), "RxRead(7)"),
        (Input::Tick, "Tick"),
        (Input::Write(Data::Slice(SECRET.as_bytes())), "Write(Slice(11 bytes))"),
        (Input::Write(Data::Bytes(content.clone())), "Write(Bytes(11 bytes))"),
        (Input::Abort(Some(SECRET)), "Abort(11 bytes)"),
        (Input::Abort(None), "Abort"),
        (Input::Finish(Some(&fields)), r#"Finish(Some({"set-cookie": 11 bytes}))"#),
        (
            Input::Informational(Status::EARLY_HINTS, &fields),
            r#"Informational(Status(103), {"set-cookie": 11 bytes})"#,
        ),
        (
            response(BodyRef::Slice(SECRET.as_bytes())),
            r#"HttpResponse(ResponseRef { status: Status(200), fields: {"set-cookie": 11 bytes}, body: Slice(11 bytes) })"#,
        ),
        (
            response(BodyRef::Bytes(&content)),
            r#"HttpResponse(ResponseRef { status: Status(200), fields: {"set-cookie": 11 bytes}, body: Bytes(11 bytes) })"#,
        ),
        (
            response(BodyRef::Stream { length: Some(3) }),
            r#"HttpResponse(ResponseRef { status: Status(200), fields: {"set-cookie": 11 bytes}, body: Stream { length: Some(3) } })"#,
        ),
    ] {
        assert_shows(&input, shown);
    }
}

#[test]
fn what_comes_out_of_a_channel_shows_its_length() {
    let mut channel = channel();
    receive(&mut channel, &format!("{}{SECRET}", post("Connection: upgrade\r\nUpgrade: x\r\n\r\n")));
    assert_shows(&channel.next_output(), "Some(HttpRequest)");
    let fields = Fields::new().with("Upgrade", "x").unwrap();
    let response = ResponseRef { status: Status::SWITCHING_PROTOCOLS, fields: &fields, body: BodyRef::Empty };
    channel.handle(&NOW, Input::HttpResponse(response)).unwrap();
    channel.handle(&NOW, Input::Sent(channel.unsent_len())).unwrap();
    assert_shows(&channel.next_output(), "Some(Upgraded(11 bytes))");
}

#[test]
fn a_head_shows_which_fields_it_has() {
    let mut channel = channel();
    receive(&mut channel, &post("\r\n"));
    let _ = channel.next_output();
    let request = channel.request().unwrap();
    let fields = r#"{"Host": 1 bytes, "Authorization": 11 bytes, "cookie": 11 bytes, "X-Api-Key": 11 bytes}"#;
    let shown = format!(
        "RequestRef {{ method: \"POST\", target: \"/a\", version: Http11, body_length: None, fields: {fields} }}"
    );
    assert_shows(&request, &shown);
    assert_shows(&request.fields(), fields);
    assert_shows(&RequestHead::from(request), &format!("RequestHead({shown})"));
    assert_hidden(&format_args!("{request:#?}"));
}

#[test]
fn a_field_of_a_response_shows_its_value_unless_it_is_known_to_be_a_secret() {
    for name in httpfsm::fields::SECRETS {
        for name in [name.to_owned(), name.to_ascii_lowercase()] {
            let fields =
                Fields::new().with(&name, SECRET).and_then(|fields| fields.with("X-A", "\"b")).unwrap();
            let shown = format!(r#"{{"{name}": 11 bytes, "X-A": "\"b"}}"#);
            assert_shows(&fields, &shown);
            assert_shows(&fields.iter(), &shown);
            let mut response = Response::text(SECRET);
            response.fields = fields;
            assert_hidden(&response);
        }
    }
    assert_shows(&Fields::new().with("X-A", b"\xff").unwrap(), r#"{"X-A": "\xff"}"#);
}

/// It may be one of a request, which anybody may have sent.
#[test]
fn a_single_field_shows_how_long_its_value_is() {
    let field = FieldRef { name: "X-Api-Key", value: SECRET.as_bytes() };
    assert_shows(&field, r#"FieldRef { name: "X-Api-Key", value: 11 bytes }"#);
}

#[test]
fn content_shows_its_length() {
    assert_shows(&Frame::Data(Bytes::from(SECRET)), "Data(11 bytes)");
    let page = ErrorPage { content_type: "text/plain".into(), body: Bytes::from(SECRET) };
    assert_shows(&page, r#"ErrorPage { content_type: "text/plain", body: 11 bytes }"#);
}

#[test]
fn the_protocol_of_a_layer_is_shown_as_text_that_is_escaped_once() {
    let mut security = Security::default();
    security.alpn = Some(b"a\xff\"".to_vec());
    let shown = format!("{security:?}");
    assert!(shown.contains(r#"alpn: Some("a\xff\""),"#), "{shown}");
}
