//! The WebSocket, against tungstenite's client, and against frames that no good client sends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use crate::{ServerProcess, TRANSPORTS, on_each_transport, split, wait_for};

/// The first bytes of frames (RFC 6455 section 5.2): the last of a message, or one with more to come.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;
const TEXT_BEGINS: u8 = 0x01;
const BINARY_BEGINS: u8 = 0x02;
const CONTINUES: u8 = 0x00;
const CONTINUED: u8 = 0x80;

fn open(server: &ServerProcess) -> WebSocket<TcpStream> {
    let url = format!("ws://{}/echo", server.address);
    tungstenite::client(url, server.connect()).unwrap_or_else(|error| panic!("{error}")).0
}

#[test]
fn messages_come_back() {
    on_each_transport(|server| {
        let mut socket = open(server);
        for message in [
            Message::text(""),
            Message::text("Grüße"),
            Message::binary(vec![0, 255]),
            Message::text("x".repeat(64 << 10)),
        ] {
            socket.send(message.clone()).expect("sent");
            assert_eq!(socket.read().expect("a message"), message);
        }
        socket.close(None).expect("sent");
        assert!(matches!(socket.read(), Ok(Message::Close(_))));
        assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    });
}

#[test]
fn messages_that_are_sent_in_a_row_come_back_in_order() {
    on_each_transport(|server| {
        let mut socket = open(server);
        for number in 0..500 {
            socket.write(Message::text(number.to_string())).expect("queued");
        }
        socket.flush().expect("sent");
        for number in 0..500 {
            assert_eq!(socket.read().expect("a message"), Message::text(number.to_string()));
        }
    });
}

#[test]
fn a_ping_gets_a_pong() {
    on_each_transport(|server| {
        let mut socket = open(server);
        socket.send(Message::Ping("there?".into())).expect("sent");
        assert_eq!(socket.read().expect("a message"), Message::Pong("there?".into()));
    });
}

#[test]
fn many_at_once_hold_up_nothing() {
    on_each_transport(|server| {
        let mut sockets: Vec<_> = (0..100).map(|_| open(server)).collect();
        assert_eq!(server.post("/words", "one").text(), "1 words\n");
        for socket in &mut sockets {
            socket.send(Message::text("still there?")).expect("sent");
            assert_eq!(socket.read().expect("a message"), Message::text("still there?"));
        }
    });
}

#[test]
fn without_a_handshake_there_is_no_websocket() {
    on_each_transport(|server| {
        let response = server.get("/echo");
        assert_eq!((response.status(), response.field("Upgrade")), (426, Some("websocket")));
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for (fields, missing) in [
            (format!("Sec-WebSocket-Version: 8\r\n{key}"), "the version"),
            ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YQ==\r\n".to_owned(), "bytes of the key"),
            ("Sec-WebSocket-Version: 13\r\n".to_owned(), "the key"),
        ] {
            let fields = format!("Connection: upgrade\r\nUpgrade: websocket\r\n{fields}");
            let response = server.exchange("GET /echo", &fields, "");
            assert_eq!(
                (response.status(), response.field("Sec-WebSocket-Version")),
                (400, Some("13")),
                "{missing}"
            );
        }
    });
}

#[test]
fn a_handshake_with_a_body_is_refused() {
    on_each_transport(|server| {
        let handshake = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for (fields, content) in [
            ("Content-Length: 4\r\n", "body"),
            ("Transfer-Encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"),
            ("Content-Length: 4\r\nExpect: 100-continue\r\n", ""),
        ] {
            let response = server.exchange("GET /echo", &format!("{handshake}{fields}"), content);
            assert_eq!(
                (response.status(), &*response.text()),
                (400, "A WebSocket handshake has no body.\n"),
                "{fields}"
            );
        }
    });
}

// --- Frames that no good client sends ----------------------------------------------------------------------------------

/// Sends frames right behind the handshake, and reads the frames that come back up to the end of the connection, which
/// is no reset.
fn frames(server: &ServerProcess, frames: &[u8]) -> Vec<u8> {
    let mut stream = handshake(server, frames);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a response and the end of the connection");
    let (head, rest) = split(&bytes);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    rest.to_vec()
}

fn handshake(server: &ServerProcess, ahead: &[u8]) -> TcpStream {
    let mut stream = server.connect();
    let head = "GET /echo HTTP/1.1\r\nHost: example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(&[head.as_bytes(), ahead].concat()).expect("sent");
    stream
}

/// A frame as a client sends it: masked.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let payload: Vec<_> = mask.into_iter().chain(payload).collect();
    frame(first, 0x80, payload.len() - 4, &payload)
}

/// A frame as a server sends it.
fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, 0, payload.len(), payload)
}

fn frame(first: u8, mask: u8, length: usize, rest: &[u8]) -> Vec<u8> {
    let length = match u16::try_from(length) {
        Ok(short @ 0..=125) => vec![mask | short as u8],
        Ok(middle) => [&[mask | 126], &middle.to_be_bytes()[..]].concat(),
        Err(_) => [&[mask | 127], &(length as u64).to_be_bytes()[..]].concat(),
    };
    [&[first], &length[..], rest].concat()
}

/// The payload of a Close frame: its code, and its reason.
fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

/// What the server sends before it ends the connection by itself.
fn closed_with(code: u16) -> Vec<u8> {
    unmasked(CLOSE, &close(code, b""))
}

#[test]
fn what_breaks_the_protocol_is_closed_with_1002() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("the first reserved bit", masked(TEXT | 0x40, b"a")),
        ("the second reserved bit", masked(BINARY | 0x20, b"a")),
        ("the third reserved bit", masked(PING | 0x10, b"a")),
        ("a reserved data frame", masked(0x83, b"a")),
        ("another reserved data frame", masked(0x87, b"")),
        ("a reserved control frame", masked(0x8B, b"a")),
        ("another reserved control frame", masked(0x8F, b"")),
        ("no mask", unmasked(TEXT, b"a")),
        ("no mask on nothing", unmasked(TEXT, b"")),
        ("no mask on a Close", unmasked(CLOSE, &close(1000, b""))),
        ("a Ping in two fragments", masked(PING & 0x0F, b"a")),
        ("a Pong in two fragments", masked(PONG & 0x0F, b"a")),
        ("a Close in two fragments", masked(CLOSE & 0x0F, &close(1000, b""))),
        ("a Ping of 126 bytes", masked(PING, &[b'a'; 126])),
        ("a Pong of 126 bytes", masked(PONG, &[b'a'; 126])),
        ("a Close of 126 bytes", masked(CLOSE, &close(1000, &[b'a'; 124]))),
        ("a continuation of nothing", masked(CONTINUED, b"a")),
        ("a continuation of nothing, to be continued", masked(CONTINUES, b"a")),
        (
            "a continuation of what is complete",
            [masked(TEXT_BEGINS, b"a"), masked(CONTINUED, b"b"), masked(CONTINUED, b"c")].concat(),
        ),
        ("a message inside another", [masked(TEXT_BEGINS, b"a"), masked(TEXT, b"b")].concat()),
        (
            "the beginning of a message inside another",
            [masked(BINARY_BEGINS, b"a"), masked(TEXT_BEGINS, b"b")].concat(),
        ),
        ("a Close with half a code", masked(CLOSE, &[3])),
    ];
    on_each_transport(|server| {
        for (name, bytes) in &cases {
            let received = frames(server, bytes);
            // Complete messages come back before the Close frame.
            let end = received.len().saturating_sub(4);
            assert_eq!(received[end..], closed_with(1002), "{name}: {received:02x?}");
        }
    });
}

#[test]
fn a_code_that_nobody_may_send_gets_1002() {
    on_each_transport(|server| {
        for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX] {
            let received = frames(server, &masked(CLOSE, &close(code, b"")));
            assert!(received.starts_with(&[CLOSE]), "{code}: {received:02x?}");
            assert_eq!(received.get(2..4), Some(&1002_u16.to_be_bytes()[..]), "{code}: {received:02x?}");
        }
    });
}

#[test]
fn a_close_comes_back_with_its_code() {
    on_each_transport(|server| {
        assert_eq!(frames(server, &masked(CLOSE, b"")), unmasked(CLOSE, b""));
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999]
        {
            let received = frames(server, &masked(CLOSE, &close(code, b"")));
            assert_eq!(received, closed_with(code), "{code}");
        }
        let longest = close(1000, "ü".repeat(61).as_bytes());
        assert_eq!(frames(server, &masked(CLOSE, &longest)), unmasked(CLOSE, &longest));
    });
}

#[test]
fn nothing_is_sent_behind_a_close() {
    on_each_transport(|server| {
        let behind = [masked(CLOSE, &close(1000, b"")), masked(PING, b"there?"), masked(TEXT, b"a")].concat();
        assert_eq!(frames(server, &behind), closed_with(1000));
        // The same after a Close frame of the server.
        let behind = [masked(CONTINUED, b"a"), masked(PING, b"there?"), masked(TEXT, b"a")].concat();
        assert_eq!(frames(server, &behind), closed_with(1002));
    });
}

#[test]
fn text_that_is_no_utf_8_is_closed_with_1007() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a byte that no text has", masked(TEXT, b"a\xFFb")),
        ("a character that is cut off", masked(TEXT, b"a\xC3")),
        ("half of a pair of surrogates", masked(TEXT, b"\xED\xA0\x80")),
        ("a character in more bytes than it needs", masked(TEXT, b"\xC0\xAF")),
        ("a character above the last", masked(TEXT, b"\xF4\x90\x80\x80")),
        ("a first fragment, though more is to come", masked(TEXT_BEGINS, b"\xFF")),
        ("a later fragment", [masked(TEXT_BEGINS, b"a\xC3"), masked(CONTINUES, b"a")].concat()),
        ("a character that the last fragment cuts off", {
            [masked(TEXT_BEGINS, b"a"), masked(CONTINUED, b"\xC3")].concat()
        }),
        ("the reason of a Close", masked(CLOSE, &close(1000, b"\xFF"))),
        ("the reason of a Close, cut off", masked(CLOSE, &close(1000, b"a\xE2\x82"))),
    ];
    on_each_transport(|server| {
        for (name, bytes) in &cases {
            assert_eq!(frames(server, bytes), closed_with(1007), "{name}");
        }
    });
}

#[test]
fn what_is_too_large_is_closed_with_1009() {
    let most = vec![b'a'; 64 << 10];
    let larger = [&most[..], b"a"].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a text", masked(TEXT, &larger)),
        ("a binary message", masked(BINARY, &larger)),
        ("one whose bytes come for long", masked(TEXT, &[b'a'; 1 << 20])),
        ("one that says that it is", masked(BINARY, &larger)[..14].to_vec()),
        ("fragments", [masked(TEXT_BEGINS, &most), masked(CONTINUES, b"a")].concat()),
        ("no bytes, and the largest length", [&[BINARY, 0xFF][..], &[0xFF; 12]].concat()),
    ];
    on_each_transport(|server| {
        for (name, bytes) in &cases {
            assert_eq!(frames(server, bytes), closed_with(1009), "{name}");
        }
    });
}

#[test]
fn fragments_come_back_as_one_message_and_control_frames_between_them_get_responses() {
    on_each_transport(|server| {
        let (first, second) = "Grüße".as_bytes().split_at(3);
        let bytes = [
            masked(TEXT_BEGINS, first),
            masked(PING, &[b'p'; 125]),
            masked(CONTINUES, b""),
            masked(PONG, b"nobody asked"),
            masked(CONTINUED, second),
            masked(CLOSE, b""),
        ];
        let expected =
            [unmasked(PONG, &[b'p'; 125]), unmasked(TEXT, "Grüße".as_bytes()), unmasked(CLOSE, b"")];
        assert_eq!(frames(server, &bytes.concat()), expected.concat());
    });
}

#[test]
fn frames_may_come_byte_by_byte() {
    on_each_transport(|server| {
        let mut stream = handshake(server, b"");
        stream.set_nodelay(true).expect("a socket");
        let bytes = [masked(TEXT, "ü".as_bytes()), masked(PING, b"p"), masked(TEXT, b"\xFF")].concat();
        for byte in bytes {
            stream.write_all(&[byte]).expect("sent");
        }
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("a response and the end of the connection");
        let expected = [unmasked(TEXT, "ü".as_bytes()), unmasked(PONG, b"p"), closed_with(1007)].concat();
        assert_eq!(split(&received).1, expected);
    });
}

#[test]
fn a_connection_that_ends_without_a_close_gets_none_and_is_closed() {
    on_each_transport(|server| {
        let idle = server.sockets();
        for cut in [&b""[..], &masked(TEXT, b"a")[..3]] {
            let mut stream = handshake(server, cut);
            stream.shutdown(Shutdown::Write).expect("a socket");
            let mut received = Vec::new();
            stream.read_to_end(&mut received).expect("the end of the connection");
            assert_eq!(split(&received).1, b"");
        }
        wait_for("the end of the connections", || (server.sockets() == idle).then_some(()));
    });
}

#[test]
fn a_peer_that_neither_reads_nor_closes_is_cut() {
    on_each_transport(|server| {
        let idle = server.sockets();
        let _never_closed = handshake(server, &masked(CONTINUED, b"a"));
        let _never_read = handshake(server, &masked(TEXT, b"\xFF"));
        wait_for("the end of the connections", || (server.sockets() == idle).then_some(()));
    });
}

#[test]
fn pings_whose_pongs_nobody_reads_are_not_kept() {
    const LENGTH: usize = 16 << 20;
    on_each_transport(|server| {
        let before = server.peak_memory();
        let mut stream = handshake(server, b"");
        let ping = masked(PING, &[b'p'; 125]);
        let pings = LENGTH / ping.len();
        let sent = Arc::new(AtomicUsize::new(0));
        let writer = {
            let (mut stream, sent) = (stream.try_clone().expect("a socket"), Arc::clone(&sent));
            thread::spawn(move || {
                for _ in 0..pings {
                    stream.write_all(&ping).expect("sent");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                stream.write_all(&masked(CLOSE, b"")).expect("sent");
            })
        };
        // Waits until the server takes no more of them, or has taken them all.
        let mut last = usize::MAX;
        while last != sent.load(Ordering::Relaxed) && !writer.is_finished() {
            last = sent.load(Ordering::Relaxed);
            thread::sleep(Duration::from_millis(500));
        }
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("frames and the end of the connection");
        writer.join().expect("all are sent");
        assert_eq!(split(&received).1.len(), pings * 127 + 2);
        let grown = server.peak_memory() - before;
        assert!(grown < (LENGTH as u64 >> 10) / 4, "{grown} KiB");
    });
}

/// RFC 6455 section 7.4.1: the endpoint goes away.
#[test]
fn a_drain_closes_with_1001() {
    for transport in TRANSPORTS {
        let mut server = ServerProcess::start(transport, &[]);
        let mut socket = open(&server);
        socket.send(Message::text("one")).expect("sent");
        assert_eq!(socket.read().expect("a message"), Message::text("one"), "{transport}");
        server.signal(Signal::TERM);
        let close = socket.read().expect("a frame");
        let Message::Close(Some(close)) = close else { panic!("{close:?} on {transport}") };
        assert_eq!(close.code, CloseCode::Away, "{transport}");
        assert!(matches!(socket.read(), Err(Error::ConnectionClosed)), "{transport}");
        wait_for("the end of the program", || server.child.try_wait().expect("a child"));
        server.end();
    }
}
