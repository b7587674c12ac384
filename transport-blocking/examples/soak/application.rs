//! What is served: `/KIND/NUMBER`, where the number is a length of time in milliseconds, or what the response is to say.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use httpfsm::Status;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, Frame, Handler, IntoResponse, Request, Response};
use httpfsm_blocking::{BodyReader, UpgradedStream, spawn, sync, tunnel, written, written_sync};

use crate::timer::{Signal, Timer};

pub(crate) const PANIC: &str = "as it was told";

/// The longest that a function takes.
pub(crate) const LONGEST: Duration = Duration::from_secs(2);

/// The bytes of a large response: more than two sockets hold.
pub(crate) const LARGE: usize = 300 << 14;

pub(crate) struct Application {
    timer: Arc<Timer>,
    /// A handler blocks until another task has had its turn. As many as there are workers would wait for ever.
    is_mutual: AtomicBool,
    pub gate: Gate,
}

/// Where requests wait for each other.
#[derive(Default)]
pub(crate) struct Gate {
    arrived: AtomicUsize,
    waiting: Mutex<Vec<Arc<Signal>>>,
}

impl Gate {
    pub(crate) fn arrived(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(|signal| signal.tell());
    }
}

type Responding = Pin<Box<dyn Future<Output = Response> + Send>>;

impl Application {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Self { timer: Timer::start(), is_mutual: AtomicBool::new(false), gate: Gate::default() })
    }

    pub(crate) fn handler(self: &Arc<Self>) -> impl Handler {
        let (functions, this) = (Arc::new(sync(function)), Arc::clone(self));
        move |request: Request| -> Responding {
            if request.path().starts_with("/f-") {
                return Box::pin(functions.call(request));
            }
            let this = Arc::clone(&this);
            Box::pin(async move { this.respond(request).await.into_response() })
        }
    }

    async fn respond(&self, request: Request) -> Response {
        let (kind, number) = parts(&request);
        let milliseconds = Duration::from_millis(number.min(100));
        match kind.as_str() {
            "thread" => self.timer.after(milliseconds).told().await,
            "task" => {
                let signal = Arc::<Signal>::default();
                let own = Arc::clone(&signal);
                let timer = Arc::clone(&self.timer);
                let waits = async move {
                    timer.after(milliseconds / 4).told().await;
                    own.tell();
                };
                if spawn(waits).is_ok() {
                    signal.told().await;
                }
            }
            "panic" => std::panic::panic_any(PANIC),
            // As code does that was not written for futures.
            "block" => thread::sleep(milliseconds / 10),
            "mutual" => return self.mutual(number),
            "slow" => return self.slow(number),
            "written" => return self.written(number),
            "endless" => {
                let piece = Bytes::from(vec![b'x'; 16 << 10]);
                return Response::new(Status::OK)
                    .with_body(Body::from_fn(move |_| Poll::Ready(Frame::Data(piece.clone()))));
            }
            "echo" => {
                let upgrade = request.upgrade();
                let echo = async move {
                    let Ok(mut connection) = upgrade.await else { return };
                    let mut buffer = [0; 3000];
                    while let Ok(bytes @ 1..) = connection.read(&mut buffer).await {
                        if connection.write_all(&buffer[..bytes]).await.is_err() {
                            return;
                        }
                    }
                    let _ = connection.close().await;
                };
                return switch(spawn(echo));
            }
            "tunnel" => return switch(tunnel(request.upgrade(), echo)),
            "gate" => {
                let signal = Arc::<Signal>::default();
                self.gate.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&signal));
                self.gate.arrived.fetch_add(1, Ordering::SeqCst);
                signal.told().await;
            }
            _ => {}
        }
        Response::text(number.to_string())
    }

    /// A task is woken, and then waited for by blocking: it must not wait for this one.
    fn mutual(&self, number: u64) -> Response {
        let (told, waits) = (Arc::new((Mutex::new(false), Condvar::new())), Duration::from_secs(60));
        let own = Arc::clone(&told);
        let tells = async move {
            *own.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            own.1.notify_all();
        };
        if !self.is_mutual.swap(true, Ordering::SeqCst) && spawn(tells).is_ok() {
            let is_told = told.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(told.1.wait_timeout_while(is_told, waits, |is_told| !*is_told));
            self.is_mutual.store(false, Ordering::SeqCst);
        }
        Response::text(number.to_string())
    }

    /// Pieces with pauses.
    fn slow(&self, number: u64) -> Response {
        let (timer, mut left, mut pause) = (Arc::clone(&self.timer), 5, None::<Arc<Signal>>);
        let source = Body::from_fn(move |cx| {
            if let Some(waiting) = &pause {
                if waiting.poll_told(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            pause = None;
            if left == 0 {
                return Poll::Ready(Frame::End);
            }
            left -= 1;
            pause = Some(timer.after(Duration::from_millis(number % 20)));
            Poll::Ready(Frame::Data(Bytes::from(number.to_string())))
        });
        Response::new(Status::OK).with_body(source)
    }

    fn written(&self, number: u64) -> Response {
        let timer = Arc::clone(&self.timer);
        Response::new(Status::OK).with_body(written(|mut body| async move {
            for _ in 0..5 {
                body.data(number.to_string()).await;
                body.flush().await;
                timer.after(Duration::from_millis(number % 10)).told().await;
            }
            Ok::<_, Infallible>(())
        }))
    }
}

/// Functions that block.
fn function(mut request: Request) -> Response {
    let (kind, number) = parts(&request);
    match kind.as_str() {
        "f-sleep" => thread::sleep(Duration::from_millis(number % 50)),
        // The deadline comes first.
        "f-late" => thread::sleep(LONGEST),
        "f-panic" => std::panic::panic_any(PANIC),
        "f-hints" => {
            request.early_hints(Fields::new());
            thread::sleep(Duration::from_millis(number % 5));
            let _ = request.informational(Status::PROCESSING, Fields::new());
        }
        "f-count" => {
            let bytes = io::copy(&mut BodyReader::new(request.take_body()), &mut io::sink());
            return bytes.map_or_else(IntoResponse::into_response, |bytes| Response::text(bytes.to_string()));
        }
        "f-written" => {
            return Response::new(Status::OK).with_body(written_sync(move |body| {
                for _ in 0..5 {
                    body.write_all(number.to_string().as_bytes())?;
                    thread::sleep(Duration::from_millis(number % 3));
                    body.flush()?;
                }
                Ok::<_, io::Error>(())
            }));
        }
        "f-large" => {
            return Response::new(Status::OK).with_body(written_sync(|body| {
                (0..LARGE >> 14).try_for_each(|_| body.write_all(&[b'l'; 1 << 14]))
            }));
        }
        _ => {}
    }
    Response::text(number.to_string())
}

fn switch<E>(begun: Result<(), E>) -> Response {
    match begun {
        Ok(()) => Response::switching_protocols("echo"),
        Err(_) => Response::new(Status::SERVICE_UNAVAILABLE),
    }
}

fn echo(mut connection: UpgradedStream) {
    let mut buffer = [0; 3000];
    while let Ok(bytes @ 1..) = connection.read(&mut buffer) {
        if connection.write_all(&buffer[..bytes]).is_err() {
            return;
        }
    }
    let _ = connection.close();
}

fn parts(request: &Request) -> (String, u64) {
    let mut parts = request.path().split('/').skip(1);
    let kind = parts.next().unwrap_or_default().to_owned();
    (kind, parts.next().and_then(|number| number.parse().ok()).unwrap_or_default())
}
