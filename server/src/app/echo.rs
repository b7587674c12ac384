//! `--app echo`: each request back, as text, in the form that the conformance rig reads.
//!
//! ```text
//! METHOD TARGET HTTP/x.y
//! name: value                 a line per field, in order, the name in lower case
//!
//! LEN HEX                     the body
//! trailer name: value         a line per trailer field
//! ```
//!
//! Bytes outside 0x20 to 0x7e, HTAB excepted, and the backslash are written `\xHH`. The body is read to its end
//! before the response. The paths under `/_rig/` do what [`respond`] says; the field `x-echo-ext` announces them.

use std::task::Poll;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Body, BodyFailure, Frame, Handler, IoFailure, Request, Response, UpgradeFuture};
use httpfsm::request::Version;
use httpfsm::status::Status;

use super::SpawnFn;

/// The application; `plain` responds with the body alone.
pub(crate) fn echo(plain: bool, spawn: SpawnFn) -> impl Handler {
    move |request| respond(request, plain, spawn)
}

/// Sets each deadline for a silent peer to the rig's one timeout (`RIG_TIMEOUT_MS`): before the first byte, inside a
/// head, inside a body (without a rate, so that each byte restarts it) and between requests.
pub(crate) fn apply_rig_timeout(config: &mut ServerConfig, timeout: Duration) {
    let channel = &mut config.channel;
    channel.first_byte_timeout = Some(timeout);
    channel.head_timeout = Some(timeout);
    channel.inactivity_timeout = Some(timeout);
    channel.body_timeout = Some(timeout);
    channel.min_body_rate = 0;
}

async fn respond(mut request: Request, plain: bool, spawn: SpawnFn) -> Result<Response, BodyFailure> {
    if request.head().is_connect() {
        return Ok(Response::new(Status::METHOD_NOT_ALLOWED));
    }
    if plain {
        return Ok(Response::bytes(read(&mut request).await?));
    }
    match request.path() {
        "/_rig/early" => return Ok(Response::text("early\n")),
        "/_rig/panic" => panic!("/_rig/panic asks for it"),
        _ => {}
    }
    let content = read(&mut request).await?;
    let text = describe(&request, &content);
    Ok(match request.path() {
        "/_rig/stream" => normal(in_two_pieces(text)),
        "/_rig/upgrade" if request.head().upgrade().is_some() => {
            spawn(Box::pin(echo_bytes(request.upgrade())));
            Response::switching_protocols("rig-echo")
        }
        path => match status_asked(path) {
            Some(status) => Response::new(status),
            None => normal(text.into()),
        },
    })
}

fn normal(body: Body) -> Response {
    Response::text(body).with_field("x-echo-ext", "stream,status,early,upgrade")
}

async fn read(request: &mut Request) -> Result<Vec<u8>, BodyFailure> {
    let mut content = Vec::new();
    while let Some(data) = request.body().next_data().await {
        content.extend_from_slice(&data?);
    }
    Ok(content)
}

/// The NNN of `/_rig/status/NNN`, unless it is an interim status.
fn status_asked(path: &str) -> Option<Status> {
    let digits = path.strip_prefix("/_rig/status/")?;
    // `parse` alone would accept a sign and leading zeros.
    let is_code = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let code = is_code.then(|| digits.parse().ok()).flatten()?;
    Status::new(code).filter(|status| !status.is_informational())
}

fn describe(request: &Request, content: &[u8]) -> String {
    let version = match request.version() {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    };
    // The longest form: four characters for each byte of the head, two for each of the body.
    let mut text = String::with_capacity(64 + 4 * request.head().raw().len() + 2 * content.len());
    escape(&mut text, request.method().as_bytes());
    text.push(' ');
    escape(&mut text, request.target().as_bytes());
    text.push(' ');
    text.push_str(version);
    text.push('\n');
    for field in request.fields() {
        line(&mut text, "", field.name, field.value);
    }
    text.push('\n');
    text.push_str(&content.len().to_string());
    text.push(' ');
    for byte in content {
        hex(&mut text, *byte);
    }
    text.push('\n');
    for field in request.trailers().into_iter().flat_map(|trailers| trailers.iter()) {
        line(&mut text, "trailer ", field.name, field.value);
    }
    text
}

fn line(text: &mut String, kind: &str, name: &str, value: &[u8]) {
    text.push_str(kind);
    text.push_str(&name.to_ascii_lowercase());
    text.push_str(": ");
    escape(text, value);
    text.push('\n');
}

fn escape(text: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\x5c"),
            b'\t' | b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                text.push_str("\\x");
                hex(text, byte);
            }
        }
    }
}

fn hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        text.extend(char::from_digit(u32::from(digit), 16));
    }
}

/// The text as a body of unknown length.
fn in_two_pieces(text: String) -> Body {
    let whole = bytes::Bytes::from(text);
    let half = whole.len() / 2;
    let mut pieces = [whole.slice(..half), whole.slice(half..)].into_iter();
    Body::from_fn(move |_| Poll::Ready(pieces.next().map_or(Frame::End, Frame::Data)))
}

/// The protocol `rig-echo`: sends each byte back until the end of input.
async fn echo_bytes(upgrade: UpgradeFuture) {
    if let Ok(mut connection) = upgrade.await {
        let echoing = async {
            let mut buffer = [0; 4096];
            loop {
                let bytes = connection.read(&mut buffer).await?;
                if bytes == 0 {
                    return connection.close().await;
                }
                connection.write_all(buffer.get(..bytes).unwrap_or_default()).await?;
                connection.flush().await?;
            }
        };
        // It also ends when the peer is lost.
        let _: Result<(), IoFailure> = echoing.await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use httpfsm::handler::Frame;
    use httpfsm::status::Status;

    use super::{echo, escape, hex, in_two_pieces, line, status_asked};
    use crate::app::testing::content;

    #[test]
    fn the_text_has_the_request_line_the_fields_the_body_and_the_trailer() {
        let request = "POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-A:\tb\\ \r\n\r\n\
                       2\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n";
        assert_eq!(
            content(echo(false, |_| ()), request),
            "POST /a?b HTTP/1.1\nhost: a\ntransfer-encoding: chunked\nx-a: b\\x5c\n\n3 616263\ntrailer x-t: 1\n"
        );
        assert_eq!(content(echo(true, |_| ()), request), "abc");
    }

    #[test]
    fn what_is_not_printable_is_escaped() {
        let mut text = String::new();
        escape(&mut text, b"a b\t\\~\x7f\x00\r\n\x80\xff");
        assert_eq!(text, "a b\t\\x5c~\\x7f\\x00\\x0d\\x0a\\x80\\xff");
    }

    #[test]
    fn a_byte_is_two_digits() {
        let mut text = String::new();
        for byte in [0x00, 0x0a, 0xf0, 0xff] {
            hex(&mut text, byte);
        }
        assert_eq!(text, "000af0ff");
    }

    #[test]
    fn a_line_has_its_name_in_lower_case() {
        let mut text = String::new();
        line(&mut text, "trailer ", "X-SuM", b"1");
        line(&mut text, "", "Empty", b"");
        assert_eq!(text, "trailer x-sum: 1\nempty: \n");
    }

    #[test]
    fn only_final_statuses_can_be_asked_for() {
        assert_eq!(status_asked("/_rig/status/404"), Some(Status::NOT_FOUND));
        assert_eq!(status_asked("/_rig/status/999").map(Status::code), Some(999));
        for path in [
            "/_rig/status/101",
            "/_rig/status/1000",
            "/_rig/status/0404",
            "/_rig/status/+404",
            "/_rig/status/",
            "/_rig/status/x",
            "/_rig/404",
        ] {
            assert_eq!(status_asked(path), None, "{path}");
        }
    }

    #[test]
    fn a_stream_has_no_length_and_the_whole_text() {
        let mut body = in_two_pieces("hello".into());
        assert_eq!(body.length(), None);
        let mut text = Vec::new();
        while let Poll::Ready(Frame::Data(data)) = body.poll_frame(&mut Context::from_waker(Waker::noop())) {
            text.extend_from_slice(&data);
        }
        assert_eq!(text, b"hello");
    }
}
