//! Requests, fields and checks that several of these files use.

use bytes::Bytes;
use httpfsm::channel::{Input, State};
use httpfsm::response::BodyRef;
use httpfsm::{Fields, Status};

use crate::rig::Rig;
use Content::{ByBytes, Declared, DeclaredStream, Empty, Known, Slice, Unknown};

/// What the channel puts before `Connection` and the framing.
pub(crate) const ORIGIN: &str = "Server: httpfsm\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n";

pub(crate) const GET_10: &str = "GET / HTTP/1.0\r\n\r\n";
pub(crate) const GET_10_KEEP: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
pub(crate) const GET_CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
pub(crate) const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(crate) const CONNECT: &str = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
pub(crate) const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

/// These field lines: name and value.
pub(crate) fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.push(name, value).expect("a valid field");
    }
    fields
}

/// The input is not accepted, and changes neither the state nor what is to be sent.
#[track_caller]
pub(crate) fn refuses(rig: &mut Rig, input: Input<'_>) {
    let event = input.event();
    let state = rig.state();
    let unsent = rig.channel.unsent_len();
    let error = rig.try_input(input).expect_err("accepted");
    assert_eq!((error.state, error.event), (state, event));
    assert_eq!((rig.state(), rig.channel.unsent_len()), (state, unsent));
}

/// How the application gives its five bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    /// There are none.
    Empty,
    /// At once, by copy.
    Slice,
    /// The same, with a Content-Length of the application's own.
    Declared,
    /// At once, by reference.
    ByBytes,
    /// In pieces, of a known length.
    Known,
    /// In pieces, with a Content-Length of the application's own.
    DeclaredStream,
    /// In pieces, of an unknown length.
    Unknown,
}

/// What the peer reads in response to `request`, and the state of the channel then.
#[track_caller]
pub(crate) fn response_to(request: &str, status: u16, content: Content) -> (String, State) {
    let status = Status::new(status).expect("a status");
    let five = Bytes::from_static(b"hello");
    let declared = fields(&[("Content-Length", "5")]);
    let plain = Fields::new();
    let (fields, body) = match content {
        Empty => (&plain, BodyRef::Empty),
        Slice => (&plain, BodyRef::Slice(b"hello")),
        Declared => (&declared, BodyRef::Slice(b"hello")),
        ByBytes => (&plain, BodyRef::Bytes(&five)),
        Known => (&plain, BodyRef::Stream { length: Some(5) }),
        DeclaredStream => (&declared, BodyRef::Stream { length: None }),
        Unknown => (&plain, BodyRef::Stream { length: None }),
    };
    let mut rig = Rig::new();
    rig.rx(request).respond(status, fields, body);
    if rig.channel.owes_body() {
        rig.write("hel").write("lo").finish();
    }
    (rig.wire(), rig.state())
}
