//! Requests, from a grammar: good ones of every framing, and bad ones of many kinds.

use std::fmt;
use std::ops::Deref;

use proptest::prelude::*;

/// ByteString, shown as text.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct ByteString(pub(crate) Vec<u8>);

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl Deref for ByteString {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

/// A request as a peer sends it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) wire: ByteString,
    /// The content of its body, decoded.
    pub(crate) content: ByteString,
    /// The trailer fields that the application may see.
    pub(crate) trailers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Framing {
    None,
    Length(Vec<u8>),
    Chunked { chunks: Vec<Vec<u8>>, extension: bool, trailers: Vec<(String, String)> },
}

/// Bytes that look different wherever one looks, and never like a head.
pub(crate) fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|n| b'a' + ((n * 7 + n / 26 + usize::from(seed)) % 26) as u8).collect()
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![6 => 0usize..40, 2 => 40usize..1500, 1 => 4000usize..5000];
    (len, any::<u8>()).prop_map(|(len, seed)| pattern(len, seed))
}

fn trailers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec!["X-Sum", "Etag-Like", "Note"]);
    let value = prop_oneof![6 => "[a-z]{0,20}", 1 => (2000usize..3000).prop_map(|len| "z".repeat(len))];
    prop::collection::vec((name, value), 0..3)
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn framing() -> impl Strategy<Value = Framing> {
    let chunked = (prop::collection::vec(content(), 0..5), any::<bool>(), trailers()).prop_map(
        |(mut chunks, extension, trailers)| {
            chunks.retain(|chunk| !chunk.is_empty());
            Framing::Chunked { chunks, extension, trailers }
        },
    );
    prop_oneof![3 => Just(Framing::None), 3 => content().prop_map(Framing::Length), 3 => chunked]
}

/// A request of HTTP/1.1 that keeps every rule and the connection, with a body of any framing.
pub(crate) fn upload() -> impl Strategy<Value = Message> {
    (framing(), any::<bool>()).prop_map(|(framing, expect)| {
        let mut wire = b"POST /upload HTTP/1.1\r\nHost: a\r\n".to_vec();
        if expect {
            wire.extend_from_slice(b"Expect: 100-continue\r\n");
        }
        finish(wire, framing)
    })
}

/// A request that keeps every rule of syntax; it may ask for the end of the connection, or for another protocol.
pub(crate) fn good() -> impl Strategy<Value = Message> {
    let method =
        prop::sample::select(vec!["GET", "GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"]);
    let version = prop_oneof![6 => Just("1.1"), 2 => Just("1.0"), 1 => Just("1.5")];
    let connection = prop_oneof![
        6 => Just(""),
        1 => Just("Connection: close\r\n"),
        2 => Just("Connection: keep-alive\r\n"),
        1 => Just("Connection: upgrade\r\nUpgrade: other\r\n"),
    ];
    let empty_lines = prop_oneof![9 => Just(0usize), 1 => 1usize..=4];
    let padding = prop_oneof![8 => Just(0usize), 1 => 1usize..400, 1 => 400usize..2000];
    (method, version, connection, any::<bool>(), empty_lines, padding, framing()).prop_map(
        |(method, version, connection, expect, empty_lines, padding, framing)| {
            let mut wire = b"\r\n".repeat(empty_lines);
            let target = match method {
                "CONNECT" => "a:80",
                _ => "/x?y",
            };
            wire.extend_from_slice(
                format!("{method} {target} HTTP/{version}\r\nHost: a\r\n{connection}").as_bytes(),
            );
            if expect {
                wire.extend_from_slice(b"Expect: 100-continue\r\n");
            }
            if padding > 0 {
                wire.extend_from_slice(b"X-Padding: ");
                wire.extend(pattern(padding, 1));
                wire.extend_from_slice(b"\r\n");
            }
            let framing = match framing {
                // Content of a CONNECT is refused, and chunks in HTTP/1.0: see `bad`.
                _ if method == "CONNECT" => Framing::None,
                Framing::Chunked { chunks, .. } if version == "1.0" => Framing::Length(chunks.concat()),
                framing => framing,
            };
            finish(wire, framing)
        },
    )
}

fn finish(mut wire: Vec<u8>, framing: Framing) -> Message {
    match framing {
        Framing::None => {
            wire.extend_from_slice(b"\r\n");
            Message { wire: ByteString(wire), content: ByteString::default(), trailers: Vec::new() }
        }
        Framing::Length(content) => {
            wire.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
            wire.extend_from_slice(&content);
            Message { wire: ByteString(wire), content: ByteString(content), trailers: Vec::new() }
        }
        Framing::Chunked { chunks, extension, trailers } => {
            wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in &chunks {
                let extension = if extension { " ; a = \"b\\\"c\";d" } else { "" };
                wire.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n");
            for (name, value) in &trailers {
                wire.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            wire.extend_from_slice(b"\r\n");
            Message { wire: ByteString(wire), content: ByteString(chunks.concat()), trailers }
        }
    }
}

/// Requests that are refused, each for a reason of its own.
const BAD: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /# HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n X: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nx",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx",
    b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
];

pub(crate) fn bad() -> impl Strategy<Value = Message> {
    prop::sample::select(BAD).prop_map(|wire| Message {
        wire: ByteString(wire.to_vec()),
        content: ByteString::default(),
        trailers: Vec::new(),
    })
}

/// What a peer sends before it ends its input: some requests, perhaps one byte of it changed, perhaps cut short.
pub(crate) fn traffic() -> impl Strategy<Value = ByteString> {
    let message = prop_oneof![9 => good(), 2 => bad()];
    let changed = prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    let short = prop::option::weighted(0.3, any::<prop::sample::Index>());
    (prop::collection::vec(message, 1..6), changed, short).prop_map(|(messages, changed, short)| {
        let mut wire: Vec<u8> = messages.into_iter().flat_map(|message| message.wire.0).collect();
        if let Some((at, byte)) = changed {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        if let Some(end) = short {
            wire.truncate(end.index(wire.len()) + 1);
        }
        ByteString(wire)
    })
}
