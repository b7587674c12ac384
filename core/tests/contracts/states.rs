//! A way into each state.

use std::sync::Arc;

use httpfsm::channel::{CompiledConfig, Facts, Input, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status};

/// A channel in one of its states, at the moment 0. Where output can be pending, it is.
pub(crate) fn reach(state: State, config: &ChannelConfig) -> Channel {
    let mut channel = Channel::new(Arc::new(CompiledConfig::new(config)), Facts::default());
    let now = Now::new(Moment::START, &Date::EPOCH);
    let fields = Fields::new();
    let get = Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let post = Input::RxData(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    let expect =
        Input::RxData(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    let upgrade =
        Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\nleftover");
    let whole = Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello"));
    let stream = Input::HttpResponse(ResponseRef {
        status: Status::OK,
        fields: &fields,
        body: BodyRef::Stream { length: None },
    });
    let protocol = Fields::new().with("Upgrade", "b").expect("a field");
    let switch = Input::HttpResponse(ResponseRef::new(Status::SWITCHING_PROTOCOLS, &protocol, b""));
    let hint = Input::Informational(Status::EARLY_HINTS, &fields);
    let bad = Input::RxData(b"bad\r\n\r\n");
    let part = Input::RxData(b"GET /");
    // None: everything that is unsent is sent.
    let script = match state {
        State::Fresh => vec![],
        State::Head => vec![Some(get), Some(whole), Some(part)],
        State::Idle => vec![Some(get), Some(whole), None],
        State::WaitResponse => vec![Some(post), Some(hint)],
        State::HeadHeld => vec![Some(expect), Some(hint), Some(stream)],
        State::Responding => vec![Some(post), Some(stream)],
        State::Discard => vec![Some(post), Some(whole)],
        State::Flushing => vec![Some(get), Some(whole)],
        State::Closing => vec![Some(bad)],
        State::Lingering => vec![Some(bad), None],
        State::Handover => vec![Some(upgrade), Some(switch)],
        State::Upgraded => vec![Some(upgrade), Some(switch), None],
        State::Closed => vec![Some(Input::RxEnd)],
        other => panic!("how does a channel come to {other}?"),
    };
    for input in script {
        let input = input.unwrap_or(Input::Sent(channel.unsent_len()));
        channel.handle(&now, input).expect("the script fits");
        while channel.next_output().is_some() {}
    }
    assert_eq!(channel.state(), state);
    channel
}
