//! An application, and servers that serve it under a recorder.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, Frame, Handler, Request, Response};
use httpfsm::status::Status;
use httpfsm_record::{FileRecorder, Options, Which};
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::written;

use crate::hidden::SECRET;

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A content that is these frames.
fn frames(frames: impl IntoIterator<Item = Frame> + Send + 'static) -> Body {
    let mut frames: Vec<_> = frames.into_iter().collect();
    frames.reverse();
    Body::from_fn(move |_| Poll::Ready(frames.pop().unwrap_or(Frame::End)))
}

/// The fields of a request, as lines.
fn lines(request: &Request) -> String {
    request.fields().map(|field| format!("{}: {}\n", field.name, field.value.escape_ascii())).collect()
}

/// The same in pieces.
fn pieces(request: &Request, size: usize) -> Vec<Frame> {
    let lines = Bytes::from(lines(request));
    lines.chunks(size).map(|piece| Frame::Data(lines.slice_ref(piece))).collect()
}

/// Responds in every way that there is.
pub(crate) async fn application(mut request: Request) -> Response {
    let response = Response::text("Hello, world!");
    match request.path() {
        "/echo" => match request.body().collect(1 << 20).await {
            Ok(body) => Response::bytes(body),
            Err(error) => Response::text(error.to_string()),
        },
        "/pipe" => Response::bytes(request.take_body()),
        "/headers" => Response::text(lines(&request)),
        "/pieces" => Response::bytes(frames(pieces(&request, 9))),
        "/hints-and-pieces" => {
            request.early_hints(Fields::new().with("Link", "</a>").unwrap());
            Response::bytes(frames(pieces(&request, 16)))
        }
        "/late-hints" => {
            // It asks for an interim response between two pieces, which is refused.
            let (mut frames, mut is_asked) = (pieces(&request, 16), false);
            frames.reverse();
            Response::bytes(Body::from_fn(move |_| {
                is_asked = !is_asked;
                if is_asked {
                    request.early_hints(Fields::new());
                    return Poll::Ready(Frame::Flush);
                }
                Poll::Ready(frames.pop().unwrap_or(Frame::End))
            }))
        }
        "/cut" => Response::bytes(frames(pieces(&request, 9))).with_field("Content-Length", "16"),
        "/cut-at-once" => Response::text(lines(&request)).with_field("Content-Length", "16"),
        "/range" => {
            let range = Bytes::from(lines(&request).split_off(15));
            Response::bytes(range).with_status(Status::new(206).unwrap())
        }
        "/fail-with-fields" => panic!("Cookie: {SECRET}\n {SECRET}\nX: y"),
        "/large" => Response::bytes(Bytes::from(vec![b'L'; 100_000])),
        "/stream" => Response::bytes(written(|mut body| async move {
            body.trailers(Fields::new().with("X-Sum", "3").unwrap());
            for _ in 0..5 {
                body.data(vec![b's'; 3_000]).await;
                body.flush().await;
            }
            Ok::<(), Infallible>(())
        })),
        "/hints" => {
            request.early_hints(Fields::new().with("Set-Cookie", "early=secret").unwrap());
            response
        }
        "/login" => response.with_field("Set-Cookie", "sid=secret; Path=/").with_field("X-Key", "secret"),
        "/upgrade" => {
            // Whoever awaits it gets the connection; nobody does.
            drop(request.upgrade());
            Response::switching_protocols("echo")
        }
        "/fail" => panic!("as it must: s\u{e9}same\nCookie: a=secret;b=s\u{e9}cret\n secret\nX: y"),
        "/never" => std::future::pending().await,
        "/close" => response.with_close(),
        _ => response,
    }
}

/// What was recorded, in order of the channels' numbers.
pub(crate) fn recordings(recorder: &FileRecorder, folder: &Path) -> Vec<String> {
    recorder.flush();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort_by_key(|name| (name.as_os_str().len(), name.clone()));
    names.iter().map(|name| fs::read_to_string(name).unwrap()).collect()
}

/// Serves under a recorder, does `what`, drops the server; what was recorded.
pub(crate) fn recorded<H: Handler>(
    config: ServerConfig,
    options: Options,
    handler: H,
    what: impl FnOnce(&mut MemoryServer<H>, &FileRecorder),
) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path(), options, 100).unwrap();
    recorder.record(Which::All);
    let tapes = Some(Arc::new(recorder.clone()) as _);
    let mut server = MemoryServer::recorded(config, 3_000, None, tapes, handler);
    what(&mut server, &recorder);
    drop(server);
    recordings(&recorder, folder.path())
}

/// One connection that sends these pieces and takes everything.
pub(crate) fn session(options: Options, pieces: &[&[u8]]) -> String {
    let mut all = recorded(ServerConfig::default(), options, application, |server, _| {
        let client = server.connect().unwrap();
        for piece in pieces {
            client.send(piece);
            server.run();
            while !client.take().is_empty() {
                server.run();
            }
        }
        client.close_write();
        server.run();
    });
    assert_eq!(all.len(), 1);
    all.remove(0)
}
