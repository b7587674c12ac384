//! The body of a request, read from its first byte each time that something comes: slow, and easy to follow.

use httpfsm::Rule;

use super::clock::limits;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyFraming {
    Length(usize),
    Chunked,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stands {
    /// Something of it is still to come, or was not asked for.
    Open,
    Whole,
    /// It broke off.
    Broken,
}

/// The body of the request that is with the application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    pub(crate) framing: BodyFraming,
    pub(crate) stands: Stands,
    /// How many bytes of content the application has asked for, in all.
    pub(crate) asked: u64,
    /// How many of them it was given.
    pub(crate) given: usize,
}

impl Body {
    pub(crate) fn new(framing: BodyFraming) -> Self {
        let stands = if framing == BodyFraming::Length(0) { Stands::Whole } else { Stands::Open };
        Self { framing, stands, asked: 0, given: 0 }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stands == Stands::Open
    }

    /// The application has asked for more than it was given, and it may still come.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_open() && self.asked > self.given as u64
    }

    /// Reads as much as was asked for.
    pub(crate) fn read(&self, bytes: &[u8]) -> BodyRead {
        let most = usize::try_from(self.asked).unwrap_or(usize::MAX);
        match self.framing {
            BodyFraming::Length(length) => {
                let content = bytes[..most.min(length).min(bytes.len())].to_vec();
                let end = if content.len() == length {
                    End::Whole { len: length, trailers: 0 }
                } else {
                    End::NotYet
                };
                BodyRead { content, end }
            }
            BodyFraming::Chunked => read_chunks(bytes, most),
        }
    }
}

/// What was read of a body.
#[derive(Debug)]
pub(crate) struct BodyRead {
    pub(crate) content: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Debug)]
pub(crate) enum End {
    NotYet,
    /// The body is so many bytes long, chunk sizes and all, and has so many trailer fields.
    Whole {
        len: usize,
        trailers: usize,
    },
    Bad(Rule),
}

/// Reads chunks, up to `most` bytes of content and no further.
fn read_chunks(bytes: &[u8], most: usize) -> BodyRead {
    let mut content = Vec::new();
    let mut at = 0;
    let end = loop {
        if content.len() == most {
            break End::NotYet;
        }
        let size = match read_size(&bytes[at..]) {
            SizeLine::NotYet => break End::NotYet,
            SizeLine::Bad(rule) => break End::Bad(rule),
            SizeLine::Read { len, size } => {
                at += len;
                size
            }
        };
        if size == 0 {
            break match read_trailers(&bytes[at..]) {
                End::Whole { len, trailers } => End::Whole { len: at + len, trailers },
                other => other,
            };
        }
        if content.len() + size > limits::BODY {
            break End::Bad(Rule::BodyTooLarge);
        }
        let here = size.min(most - content.len()).min(bytes.len() - at);
        content.extend_from_slice(&bytes[at..at + here]);
        at += here;
        if here < size || content.len() == most {
            break End::NotYet;
        }
        match &bytes[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => break End::NotYet,
            _ => break End::Bad(Rule::ChunkEnd),
        }
    };
    BodyRead { content, end }
}

enum SizeLine {
    NotYet,
    Read { len: usize, size: usize },
    Bad(Rule),
}

/// Reads a line of a size, and perhaps an extension, which is well-formed in all scripts.
fn read_size(bytes: &[u8]) -> SizeLine {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let extension = bytes[digits..].iter().take_while(|byte| **byte != b'\r').count();
    if bytes.is_empty() {
        return SizeLine::NotYet;
    }
    if digits == 0 || (extension > 0 && bytes[digits] != b';') {
        return SizeLine::Bad(Rule::ChunkSize);
    }
    if extension > limits::EXTENSION {
        return SizeLine::Bad(Rule::ChunkExtensionTooLarge);
    }
    let len = digits + extension + 2;
    if bytes.len() < len {
        return SizeLine::NotYet;
    }
    let size = std::str::from_utf8(&bytes[..digits]).expect("digits are text");
    SizeLine::Read { len, size: usize::from_str_radix(size, 16).expect("a short number") }
}

/// Reads the lines behind the last chunk, up to the empty one. What is wrong is found at once.
fn read_trailers(bytes: &[u8]) -> End {
    let (mut at, mut trailers) = (0, 0);
    loop {
        let line = &bytes[at..];
        let len = line.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        if line.starts_with(b"\r") {
            return match len {
                Some(len) if at + len <= limits::TRAILER_SECTION => End::Whole { len: at + len, trailers },
                _ => too_long_or_not_yet(bytes),
            };
        }
        if line.is_empty() || at >= limits::TRAILER_SECTION {
            return too_long_or_not_yet(bytes);
        }
        if line[0] == b':' {
            return End::Bad(Rule::TrailerField);
        }
        trailers += 1;
        if trailers > limits::TRAILERS {
            return End::Bad(Rule::TooManyTrailers);
        }
        match len {
            Some(len) => at += len,
            None => return too_long_or_not_yet(bytes),
        }
    }
}

fn too_long_or_not_yet(bytes: &[u8]) -> End {
    if bytes.len() >= limits::TRAILER_SECTION { End::Bad(Rule::TrailerTooLarge) } else { End::NotYet }
}
