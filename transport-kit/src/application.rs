//! The one application of all scripts: what it does is in the path of the request, and it writes down what it sees.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, BodyFailure, Frame, Handler, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::{Job, Spawner, Threads};

use self::bodies::{Duplex, Frames, FramesEnd};
use self::reading::{read, read_blocking, upload};
pub(crate) use self::tasks::{Task, Tasks};
use crate::memory::Jobs;
use crate::record::{PartLog, Record};
use crate::sum::{Sum, noise, pattern};

mod bodies;
mod reading;
mod tasks;
mod upgrades;

/// The application that a [`Subject`](crate::Subject) serves.
#[derive(Clone)]
pub struct Application {
    record: Record,
    tasks: Arc<dyn Tasks>,
    blocking: Arc<dyn Spawner>,
    /// Whoever is to know when blocking work waits for a body.
    jobs: Option<Arc<Jobs>>,
}

impl Application {
    pub(crate) fn new(record: Record) -> Self {
        Self { record, tasks: Arc::new(Threads), blocking: Arc::new(Threads), jobs: None }
    }

    /// Runs the blocking part of the application where the transport runs `sync` handlers, rather than on threads of
    /// the kit. Without it nothing is known of the transport's, and "blocking handlers" counts as not run.
    ///
    /// ```
    /// use std::io;
    ///
    /// use httpfsm_tokio::{BlockingPool, Tokio};
    /// use httpfsm_transport::ServerHandle;
    /// use httpfsm_transport_kit::{Application, Plan};
    ///
    /// fn serve(plan: Plan, application: Application) -> io::Result<ServerHandle> {
    ///     plan.on(Tokio::default()).serve(application.blocking(BlockingPool))
    /// }
    /// # let _ = serve;
    /// ```
    #[must_use]
    pub fn blocking(mut self, spawner: impl Spawner) -> Self {
        self.blocking = Arc::new(spawner);
        self.record.note_spawner();
        self
    }

    pub(crate) fn jobs(mut self, jobs: Arc<Jobs>) -> Self {
        self.jobs = Some(jobs);
        self
    }

    pub(crate) fn tasks(mut self, tasks: Arc<dyn Tasks>) -> Self {
        self.tasks = tasks;
        self
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Application(..)")
    }
}

impl Handler for Application {
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(&self, request: Request) -> Self::Future {
        let log = self.record.begin(request.channel());
        if request.path() == "/panic-in-call" {
            panic_quietly();
        }
        let application = self.clone();
        Box::pin(async move {
            if request.path() == "/sync" {
                // Whether its future is dropped meanwhile depends on where it runs. The function runs to its end.
                let own = log.of("sync");
                log.end("calls a blocking function");
                return application.sync(request, own).await;
            }
            let response = application.respond(request, &log).await;
            let length = response.body.length();
            log.end(format_args!("responds with {}, of {length:?}", response.status.code()));
            response
        })
    }
}

impl Application {
    async fn respond(&self, mut request: Request, log: &PartLog) -> Response {
        let number = |name| parameter(&request, name).and_then(|value| value.parse::<usize>().ok());
        match request.path() {
            "/hello" => Response::text("Hello, world!"),
            "/upload" => upload(&mut request, log).await,
            "/collect" => self.collect(&mut request, log).await,
            "/download" => {
                let frame = number("frame").unwrap_or(1000);
                let bytes = number("bytes").unwrap_or_default();
                let says = number("length").map(|length| length as u64);
                let script = Frames { bytes, frame, says, ..self.frames(&request, log) };
                Response::stream(script)
            }
            "/endless" => {
                let log = log.of("source");
                let mut made = 0;
                // A layer that compresses would send any other for ever.
                Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                    let frame = noise(made, 64 << 10);
                    made += frame.len();
                    log.bytes(&frame);
                    Poll::Ready(Frame::Data(frame.into()))
                }))
            }
            "/whole" => Response::bytes(pattern(0, number("bytes").unwrap_or_default())),
            "/status" => Response::new(status(
                parameter(&request, "code").and_then(|code| code.parse().ok()).unwrap_or(200),
            )),
            "/early-hints" => {
                let hints = Fields::new().with("Link", "</style.css>; rel=preload");
                request.early_hints(hints.unwrap_or_default());
                Response::html("hinted")
            }
            "/informational" => {
                for code in [102, 103, 103, 199] {
                    let sent = request.informational(status(code), Fields::new());
                    log.note(format_args!("informational {code}: {}", sent.is_ok()));
                    self.record.pass_gate(&format!("informational {code}")).await;
                }
                Response::text("informed")
            }
            "/continue" => {
                request.send_continue();
                self.record.pass_gate("continue").await;
                upload(&mut request, log).await
            }
            "/refuse-expect" => {
                request.refuse_expect();
                Response::text("refused").with_status(status(417))
            }
            "/gate" => {
                log.note("waits");
                self.record.pass_gate("gate").await;
                Response::text("passed")
            }
            "/read-late" => {
                self.record.pass_gate("read").await;
                upload(&mut request, log).await
            }
            "/read-some" => {
                let data = request.body().next_data().await;
                log.note(format_args!("read something: {}", matches!(data, Some(Ok(_)))));
                Response::text("enough")
            }
            "/points" => self.points(&mut request, log).await,
            "/duplex" => Response::stream(Duplex {
                body: request.take_body(),
                sum: Sum::default(),
                begun: false,
                log: Some(log.of("duplex")),
            }),
            "/echo" => Response::new(Status::OK).with_body(request.take_body()),
            "/source-fails" | "/source-panics" => {
                let (body, panics) = (request.take_body(), request.path() == "/source-panics");
                Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                    // Dropped with its source, so that nobody is left who could ask for it.
                    let _has = &body;
                    if panics {
                        panic_quietly();
                    }
                    Poll::Ready(Frame::Error(BodyFailure::Source("it fails".into())))
                }))
            }
            "/trailers" => {
                let response = upload(&mut request, log).await;
                let trailers = request.trailers().cloned();
                response.with_body(Body::Trailers(Box::new(trailers.unwrap_or_default())))
            }
            "/drop-body" => {
                drop(request.take_body());
                log.note("body dropped");
                self.record.pass_gate("dropped").await;
                Response::text("dropped")
            }
            "/detached" => {
                let (mut body, own) = (request.take_body(), log.of("detached"));
                self.tasks.spawn(Box::pin(async move {
                    let end = read(&mut body, &own).await;
                    own.end(format_args!("detached: {end}"));
                }));
                self.record.pass_gate("detached").await;
                Response::text("detached")
            }
            "/early" => Response::text("early"),
            "/close" => Response::text("closing").with_close(),
            "/bad-field" => Response::text("bad").with_field("Bad", "line\r\nbreak"),
            "/never" => {
                log.note("waits");
                pending().await
            }
            "/disconnect" => {
                log.note("waits");
                request.disconnected().await;
                log.note("disconnected");
                self.record.pass_gate("disconnected").await;
                Response::text("to nobody")
            }
            "/peer-ended" => {
                log.note("waits");
                request.peer_ended().await;
                log.note(format_args!("peer ended, disconnected: {}", request.is_disconnected()));
                Response::text("ended")
            }
            "/upgrade" => self.upgrade(&request, log),
            "/panic" => panic_quietly(),
            "/panic-late" => {
                self.record.pass_gate("panic").await;
                panic_quietly()
            }
            _ if request.method() == "CONNECT" => self.upgrade(&request, log),
            _ => Response::new(Status::NOT_FOUND),
        }
    }

    /// Waits at points of each kind: for something else, for the body, and in its response.
    async fn points(&self, request: &mut Request, log: &PartLog) -> Response {
        let (before, inside) = POINTS.split_at(5);
        for (number, point) in before.iter().enumerate() {
            if number % 2 == 1 {
                // Not before it waits: a lost connection is something that a body can tell.
                let waits = |cx: &mut Context<'_>| {
                    let polled = log.poll_data(request.body(), cx);
                    if polled.is_pending() {
                        log.note_once(point);
                    }
                    polled
                };
                let _ = poll_fn(waits).await;
            } else {
                log.note(point);
                self.record.pass_gate(point).await;
            }
        }
        let (record, log, mut points) = (self.record.clone(), log.of("source"), inside.iter().peekable());
        Response::new(Status::OK).with_body(Body::from_fn(move |cx| {
            let Some(point) = points.peek() else { return Poll::Ready(Frame::End) };
            // A gate is asked again whenever something else happens.
            log.note_once(point);
            ready!(record.poll_gate(point, cx.waker()));
            points.next();
            Poll::Ready(Frame::Data(Bytes::from_static(b"piece")))
        }))
    }

    async fn collect(&self, request: &mut Request, log: &PartLog) -> Response {
        let limit = parameter(request, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(1 << 24);
        match request.body().collect(limit).await {
            Ok(bytes) => Response::text(format!("{}", Sum::of(&bytes))),
            Err(error) => {
                log.note(format_args!("collect: {error}"));
                Response::new(Status::CONTENT_TOO_LARGE)
            }
        }
    }

    async fn sync(&self, request: Request, own: PartLog) -> Response {
        let jobs = self.jobs.clone();
        let panics = parameter(&request, "panic").is_some();
        let work = move || {
            if panics {
                own.end("sync panics");
                panic_quietly();
            }
            let mut body = request.into_body();
            let end = match jobs {
                // As `BodyReader` does it.
                Some(jobs) => loop {
                    match jobs.next_data(&mut body) {
                        None => break "end".to_owned(),
                        Some(Ok(bytes)) => own.bytes(&bytes),
                        Some(Err(failure)) => break failure.to_string(),
                    }
                },
                None => read_blocking(body, &own),
            };
            own.end(format_args!("sync: {end}"));
            end
        };
        match Job::spawn(&*self.blocking, work) {
            Ok(end) => Response::text(end.await),
            Err(none) => Response::text(none.to_string()).with_status(Status::SERVICE_UNAVAILABLE),
        }
    }

    fn frames(&self, request: &Request, log: &PartLog) -> Frames {
        Frames {
            record: self.record.clone(),
            log: Some(log.of("source")),
            sent: 0,
            sum: Sum::default(),
            bytes: 0,
            frame: 0,
            says: None,
            gate: parameter(request, "gate").and_then(|after| after.parse().ok()),
            flushes: parameter(request, "flush").is_some(),
            flushed: true,
            ends: match parameter(request, "end") {
                Some("panic") => FramesEnd::Panic,
                Some("error") => FramesEnd::Error,
                Some("never") => FramesEnd::Never,
                Some("plain") => FramesEnd::Plain,
                _ => FramesEnd::Trailers,
            },
        }
    }
}

fn parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut parameters = request.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    parameters.find(|(found, _)| *found == name).map(|(_, value)| value)
}

fn status(code: u16) -> Status {
    Status::new(code).unwrap_or(Status::INTERNAL_SERVER_ERROR)
}

/// A panic of which no hook writes.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("as asked"))
}

/// The points of `/points`; those with an odd number wait for the body, as long as there is no response.
pub(crate) const POINTS: [&str; 7] =
    ["point 0", "point 1", "point 2", "point 3", "point 4", "point 5", "point 6"];
