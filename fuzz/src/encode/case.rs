//! What an application does, drawn from the bytes of an input.

use arbitrary::Arbitrary;

/// Names and values, before anybody looked at them.
pub(super) type Lines = Vec<(Vec<u8>, Vec<u8>)>;

/// Exchanges on one connection.
#[derive(Arbitrary, Debug)]
pub(super) struct Case {
    pub(super) anonymous: bool,
    pub(super) send_at_most: u8,
    pub(super) exchanges: Vec<Exchange>,
}

/// A request and its response.
#[derive(Arbitrary, Debug)]
pub(super) struct Exchange {
    pub(super) request: Request,
    pub(super) goes_out: bool,
    pub(super) status: u16,
    pub(super) content: Content,
    pub(super) interims: Vec<(u16, Lines)>,
    pub(super) fields: Lines,
    pub(super) trailers: Lines,
}

#[derive(Arbitrary, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    Get,
    GetClose,
    Head,
    Connect,
    Upgrade,
    Post,
    Http10,
    Http10KeepAlive,
    Http10Head,
}

impl Request {
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Get => b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            Self::GetClose => b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            Self::Head => b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
            Self::Connect => b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
            Self::Upgrade => b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
            Self::Post => b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            Self::Http10 => b"GET /a HTTP/1.0\r\n\r\n",
            Self::Http10KeepAlive => b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            Self::Http10Head => b"HEAD /a HTTP/1.0\r\n\r\n",
        }
    }

    pub(super) fn is_1_1(self) -> bool {
        !matches!(self, Self::Http10 | Self::Http10KeepAlive | Self::Http10Head)
    }

    pub(super) fn is_head(self) -> bool {
        matches!(self, Self::Head | Self::Http10Head)
    }
}

/// How the content is given.
#[derive(Arbitrary, Debug)]
pub(super) enum Content {
    Empty,
    Slice(Piece),
    Bytes(Piece),
    Stream { length: Option<u16>, pieces: Vec<Piece> },
}

impl Content {
    /// All of it, unless it is streamed.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Slice(piece) | Self::Bytes(piece) => piece.bytes(),
            Self::Empty | Self::Stream { .. } => Vec::new(),
        }
    }
}

/// Bytes: some, again and again.
#[derive(Arbitrary, Debug)]
pub(super) struct Piece {
    text: Vec<u8>,
    times: u8,
    pub(super) shared: bool,
    pub(super) flush: bool,
}

impl Piece {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.text.repeat(1 + usize::from(self.times))
    }
}
