//! The differences that are allowed, each with its reason.

use httpfsm::request::RequestRef;
use httpfsm::{Rule, Version};

use super::{Point, SessionEnd};
use crate::text::trim;

/// A difference that is allowed.
pub struct Difference {
    /// What it is called.
    pub name: &'static str,
    /// Why it may be.
    pub reason: &'static str,
    /// Whether it is the one at this point.
    pub(super) holds: fn(&Point<'_>) -> bool,
}

/// What is allowed, for each of those that we are compared with.
pub const TABLES: [(&str, &[&[Difference]]); 2] = [("hyper", HYPER), ("llhttp", LLHTTP)];

/// Requests that we refuse by a rule, and they do not.
macro_rules! we_refuse {
    ($($rule:ident: $reason:literal,)*) => {
        &[$(Difference {
            name: concat!("we refuse ", stringify!($rule)),
            reason: $reason,
            holds: |point| matches!(point.ours, Err(SessionEnd::Refused(Rule::$rule))),
        },)*]
    };
}

/// Requests that they refuse with an error that says this, and we do not, where the request is one of those that the
/// reason is about.
macro_rules! they_refuse {
    ($($error:literal if $request:expr, $reason:literal;)*) => {
        &[$(Difference {
            name: concat!("they refuse ", $error),
            reason: $reason,
            holds: |point| {
                let request: fn(RequestRef<'_>, &[u8]) -> bool = $request;
                point.ours.is_ok()
                    && matches!(point.theirs, Err(SessionEnd::Error(error)) if error.contains($error))
                    && point.current.is_some_and(|current| request(current, point.bytes))
            },
        },)*]
    };
}

/// Between hyper and us.
const HYPER: &[&[Difference]] = &[
    we_refuse! {
        BareLf: "RFC 9112 section 2.2 lets a recipient take LF for a line end; those who do not see another message",
        EmptyLines: "RFC 9112 section 2.2 asks for one empty line to be skipped; a fifth is a flood",
        ContentLength: "RFC 9112 section 6.3: an invalid value cannot be recovered; hyper looks at none behind a coding",
        LengthAndCoding: "RFC 9112 section 6.1 lets a server reject it; it is how requests are smuggled",
        ContentLengthRepeated: "RFC 9112 section 6.3 lets a recipient reject equal values, too",
        ChunkSizeTooLong: "RFC 9112 section 7.1 asks for a bound; zeros in front are no reason for more digits",
        Expectation: "RFC 9110 section 10.1.1 lets a server respond with 417; an expectation ignored is not met",
        Target: "RFC 9112 section 3.2 has no fragment, and no form but its four; hyper cuts a fragment off",
        HostMissing: "RFC 9112 section 3.2: a server MUST respond with 400; hyper leaves it to the application",
        HostRepeated: "RFC 9112 section 3.2: a server MUST respond with 400; hyper leaves it to the application",
        HostInvalid: "RFC 9112 section 3.2: a server MUST respond with 400; hyper leaves it to the application",
        MethodTooLong: "RFC 9112 section 3 has a server respond with 501 to what is longer than any method it knows",
        UnknownCoding: "RFC 9112 section 6.1: a server SHOULD respond with 501 to a coding that it does not understand",
        TrailerTooLarge: "RFC 9112 section 7.1.2 sets no bound, and a peer has no claim to more than ours",
        TooManyTrailers: "RFC 9112 section 7.1.2 sets no bound, and a peer has no claim to more than ours",
        ConnectTarget: "RFC 9110 section 9.3.6: a server MUST reject an empty or invalid port; hyper has it pass",
        ConnectBody: "RFC 9110 section 9.3.6: content of CONNECT has no defined meaning; hyper reads it",
        ChunkExtension: "RFC 9112 section 7.1.1 has a grammar; hyper skips to the end of the line",
        ChunkExtensionTooLarge: "RFC 9112 section 7.1.1: a recipient ought to limit their total",
        ChunkSize: "RFC 9112 section 7.1 has no blanks behind a size; hyper skips them",
        TransferCoding: "RFC 9112 section 6.3 and 7.1: chunked is last and once; hyper looks at the end only",
    },
    they_refuse! {
        "Parse(Version)" if |request, _| has_later_minor(request),
            "RFC 9110 section 2.5: a higher minor version is served as the one that is known";
        "Parse(Uri)" if |request, _| has_other_characters(request),
            "browsers send these characters, and they frame nothing (RFC 9112 section 3.2)";
        "Parse(VersionH2)" if |request, _| has_other_characters(request),
            "the same, where the preface of HTTP/2 stands behind the request; hyper tells of that instead";
    },
    &[
        Difference {
            name: "close behind obs-text",
            reason: "RFC 9112 section 9.6: close counts wherever it stands; hyper skips a line with bytes above ASCII",
            holds: |point| {
                point.ours == Err(&SessionEnd::Ordered)
                    && point.previous.is_some_and(|p| !p.keep_alive() && obs_text_in_connection(p))
            },
        },
        Difference {
            name: "keep-alive behind obs-text",
            reason: "RFC 9112 section 9.3: so does keep-alive in HTTP/1.0; hyper skips that line and closes",
            holds: |point| {
                let asks = |p: RequestRef<'_>| p.version() == Version::Http10 && p.keep_alive();
                point.theirs == Err(&SessionEnd::Ordered)
                    && point.previous.is_some_and(|p| asks(p) && obs_text_in_connection(p))
            },
        },
    ],
    &[Difference {
        name: "the absolute-form is normalised",
        reason: "RFC 3986 section 6.2 allows both; ours is handed on as it came",
        holds: |point| match (point.ours, point.theirs) {
            (Ok(ours), Ok(theirs)) => {
                ours.method == theirs.method
                    && ours.body == theirs.body
                    && normalised(&ours.target).as_ref() == Some(&theirs.target)
            }
            _ => false,
        },
    }],
];

/// Between llhttp and us.
const LLHTTP: &[&[Difference]] = &[
    we_refuse! {
        RequestLine: "RFC 9112 section 3 has single spaces; other separators are a MAY",
        EmptyLines: "RFC 9112 section 2.2 asks for one empty line to be skipped; a fifth is a flood",
        Target: "RFC 9112 section 3.2 has no fragment, and no form but its four",
        HostMissing: "RFC 9112 section 3.2: a server MUST respond with 400; llhttp leaves it to Node.js",
        HostRepeated: "RFC 9112 section 3.2: a server MUST respond with 400; llhttp leaves it to Node.js",
        HostInvalid: "RFC 9112 section 3.2: a server MUST respond with 400; llhttp leaves it to Node.js",
        Expectation: "RFC 9110 section 10.1.1 lets a server respond with 417; llhttp leaves it to Node.js",
        CodingInHttp10: "RFC 9112 section 6.1: such a message has to be treated as if its framing is faulty",
        UnknownCoding: "RFC 9112 section 6.1: a server SHOULD respond with 501; llhttp leaves it to Node.js",
        ChunkSizeTooLong: "RFC 9112 section 7.1 asks for a bound; zeros in front are no reason for more digits",
        ChunkExtension: "RFC 9112 section 7.1.1 has a grammar; llhttp has a name be empty",
        ChunkExtensionTooLarge: "RFC 9112 section 7.1.1: a recipient ought to limit their total",
        TrailerTooLarge: "RFC 9112 section 7.1.2 sets no bound; llhttp leaves it to Node.js",
        TooManyTrailers: "RFC 9112 section 7.1.2 sets no bound; llhttp leaves it to Node.js",
        ConnectTarget: "RFC 9110 section 9.3.6: a server MUST reject an empty or invalid port; llhttp does not look",
        ConnectBody: "RFC 9110 section 9.3.6: content of CONNECT has no defined meaning; llhttp tunnels it",
        TooManyFields: "RFC 9110 section 5.4: a server refuses more than it wishes to process; llhttp leaves it to Node.js",
        TransferCoding: "RFC 9112 section 6.3: chunked is last and once; llhttp hands an upgrade over before it looks",
        Version: "RFC 9110 section 2.5: only 1.x is spoken; llhttp has 0.9 and 2.0 pass",
        BareLf: "RFC 9112 section 2.2 lets a recipient take LF for a line end; llhttp does before a message",
        BareCr: "RFC 9112 section 2.2: a bare CR is invalid wherever it stands; llhttp skips it before a message",
    },
    they_refuse! {
        "HPE_INVALID_TRANSFER_ENCODING" if |request, _| is_plainly_chunked(request),
            "llhttp parses trailers as if they stood in the head; ours are kept apart";
        "HPE_INVALID_VERSION" if |request, _| has_later_minor(request),
            "RFC 9110 section 2.5: a higher minor version is served as the one that is known";
        "HPE_INVALID_CONTENT_LENGTH" if |request, _| is_plainly_chunked(request),
            "llhttp parses trailers as if they stood in the head; ours are kept apart";
        "HPE_INVALID_METHOD" if |request, _| !METHODS.contains(&request.method()),
            "RFC 9110 section 9.1: any token is a method; llhttp knows a list";
        "HPE_STRICT" if |request, bytes| is_plainly_chunked(request) && has_blank_at_a_mark(bytes),
            "RFC 9112 section 7.1.1: blanks in a chunk extension MUST be read; llhttp refuses them";
        "HPE_INVALID_CHUNK_SIZE" if |request, bytes| is_plainly_chunked(request) && has_blank_at_a_mark(bytes),
            "RFC 9112 section 7.1.1: blanks before a semicolon MUST be read; llhttp has them in the size";
    },
    &[
        Difference {
            name: "close in a trailer section",
            reason: "RFC 9110 section 6.5.1: no field of the connection may stand there; llhttp obeys it all the same",
            holds: |point| {
                point.theirs == Err(&SessionEnd::Ordered)
                    && point.previous.is_some_and(|p| p.keep_alive() && is_plainly_chunked(p))
            },
        },
        Difference {
            name: "close and keep-alive in HTTP/1.0",
            reason: "RFC 9112 section 9.3: close decides, wherever it stands; llhttp takes the last",
            holds: |point| {
                let lists = |p: RequestRef<'_>, option: &[u8]| {
                    let mut options = p.field_all("connection").flat_map(|v| v.split(|byte| *byte == b','));
                    options.any(|member| trim(member).eq_ignore_ascii_case(option))
                };
                let both = |p| lists(p, b"close") && lists(p, b"keep-alive");
                point.ours == Err(&SessionEnd::Ordered)
                    && point.previous.is_some_and(|p| p.version() == Version::Http10 && both(p))
            },
        },
        Difference {
            name: "an upgrade to nothing",
            reason: "RFC 9110 section 7.8: a list without an element names no protocol; llhttp looks at the name alone",
            holds: |point| {
                let names = |p: RequestRef<'_>| {
                    let mut members = p.field_all("upgrade").flat_map(|v| v.split(|byte| *byte == b','));
                    members.any(|member| !trim(member).is_empty())
                };
                point.theirs == Err(&SessionEnd::HandedOver)
                    && point.previous.is_some_and(|p| p.field("upgrade").is_some() && !names(p))
            },
        },
        Difference {
            name: "an upgrade in HTTP/1.0",
            reason: "RFC 9110 section 7.8: a server MUST ignore Upgrade in HTTP/1.0",
            holds: |point| {
                let asks = |p: RequestRef<'_>| p.version() == Version::Http10 && p.field("upgrade").is_some();
                point.theirs == Err(&SessionEnd::HandedOver) && point.previous.is_some_and(asks)
            },
        },
    ],
];

fn obs_text_in_connection(request: RequestRef<'_>) -> bool {
    request.field_all("connection").any(|value| !value.is_ascii())
}

/// Those of RFC 9110 section 9.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

fn has_later_minor(request: RequestRef<'_>) -> bool {
    let line = request.raw().split(|byte| *byte == b'\r').find(|line| !trim(line).is_empty());
    line.is_some_and(|line| matches!(line, [.., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9']))
}

/// Characters that RFC 3986 has in no path and no query; of authorities hyper takes fewer.
fn has_other_characters(request: RequestRef<'_>) -> bool {
    let common = |o: u8| o.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&o);
    !request.target().starts_with('/') || !request.target().bytes().all(common)
}

/// Nothing in the head can be what is wrong with the framing: `Transfer-Encoding: chunked`, and no length.
fn is_plainly_chunked(request: RequestRef<'_>) -> bool {
    let mut codings = request.field_all("transfer-encoding");
    codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none()
        && request.field("content-length").is_none()
}

/// A blank beside `;` or `=`.
fn has_blank_at_a_mark(bytes: &[u8]) -> bool {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t');
    let mark = |byte: u8| matches!(byte, b';' | b'=');
    bytes.windows(2).any(|two| (blank(two[0]) && mark(two[1])) || (mark(two[0]) && blank(two[1])))
}

/// An absolute-form as hyper spells it: the scheme in lower case, and a path.
fn normalised(target: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(target).ok()?;
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let slash = if rest.starts_with('/') { "" } else { "/" };
    Some(format!("{}://{authority}{slash}{rest}", scheme.to_ascii_lowercase()).into())
}
