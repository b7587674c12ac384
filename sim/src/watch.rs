//! The handler under watch: what it is asked is what was sent, once, and what it began it gives back.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use httpfsm::handler::{Body, Frame, GatherUntil, Handler, IntoResponse, Request, Response, Source};
use httpfsm::status::Status;

use crate::world::{World, guard};

/// The field with the number of a request, and of its response.
pub(crate) const NUMBER: &str = "Sim-Id";

/// What the simulator does to a handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HandlerFault {
    PanicInCall,
    /// So many milliseconds after it was called, if it has not responded.
    PanicAfter(u64),
    PanicInBody,
    /// Milliseconds before it begins.
    Delay(u64),
    Silence,
    /// It is dropped before it has read anything, and a response replaces it.
    Early,
}

/// A request that was sent.
#[derive(Debug)]
pub(crate) struct SentRequest {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) handler_fault: Option<HandlerFault>,
    pub(crate) served: bool,
}

/// What is known of a round's requests.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) entries: Mutex<Vec<SentRequest>>,
    pub(crate) violation: OnceLock<String>,
    /// Futures and bodies of the application that live.
    pub(crate) live: AtomicUsize,
}

impl Ledger {
    /// The request has reached the handler: its number and what it is to go through.
    fn serve(&self, request: &Request) -> Result<(usize, Option<HandlerFault>), String> {
        let told = request.field_str(NUMBER).and_then(|number| number.parse::<usize>().ok());
        let mut entries = guard(&self.entries);
        let (method, target) = (request.method(), request.target());
        let Some((number, entry)) = told.and_then(|number| Some((number, entries.get_mut(number)?))) else {
            return Err(format!("the handler was given a request that nobody sent: {method} {target}"));
        };
        if entry.method != method || entry.target != target {
            let sent = format!("{} {}", entry.method, entry.target);
            return Err(format!("the handler was given {method} {target} where {sent} was sent"));
        }
        if std::mem::replace(&mut entry.served, true) {
            return Err(format!("request {number} was served twice"));
        }
        Ok((number, entry.handler_fault))
    }
}

/// The user's handler, wrapped.
pub(crate) struct WatchedHandler<H> {
    pub(crate) handler: H,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) world: World,
}

type Responding = Pin<Box<dyn Future<Output = Response> + Send>>;

impl<H: Handler> Handler for WatchedHandler<H> {
    type Future = Responding;

    fn takes_all_fields(&self) -> bool {
        self.handler.takes_all_fields()
    }

    fn call(&self, request: Request) -> Responding {
        let (number, handler_fault) = match self.ledger.serve(&request) {
            Ok(known) => known,
            Err(violation) => {
                let _ = self.ledger.violation.set(violation);
                return Box::pin(async { Response::text("unknown") });
            }
        };
        let alive = Alive::new(&self.ledger);
        match handler_fault {
            Some(HandlerFault::PanicInCall) => panic_quietly(),
            Some(HandlerFault::Silence) => Box::pin(async move {
                let _held = (alive, request);
                std::future::pending().await
            }),
            Some(HandlerFault::Early) => {
                // To CONNECT, 200 would be more than an early response.
                let status = if request.method() == "CONNECT" { Status::FORBIDDEN } else { Status::OK };
                drop((self.handler.call(request), alive));
                Box::pin(async move { numbered(Response::text("early").with_status(status), number) })
            }
            Some(HandlerFault::Delay(length)) => {
                let sleep = self.world.sleep(Duration::from_millis(length));
                let inner = self.handler.call(request);
                Box::pin(async move {
                    sleep.await;
                    finish(inner.await.into_response(), number, alive, false)
                })
            }
            Some(HandlerFault::PanicAfter(length)) => {
                let mut sleep = Box::pin(self.world.sleep(Duration::from_millis(length)));
                let mut inner = Box::pin(self.handler.call(request));
                let mut alive = Some(alive);
                Box::pin(std::future::poll_fn(move |cx| {
                    if sleep.as_mut().poll(cx).is_ready() {
                        panic_quietly();
                    }
                    let response = inner.as_mut().poll(cx);
                    response
                        .map(|response| numbered(response.into_response(), number).with_body_of(alive.take()))
                }))
            }
            Some(HandlerFault::PanicInBody) | None => {
                let inner = self.handler.call(request);
                let panics = handler_fault.is_some();
                Box::pin(async move { finish(inner.await.into_response(), number, alive, panics) })
            }
        }
    }
}

trait WithBodyOf {
    fn with_body_of(self, alive: Option<Alive>) -> Self;
}

impl WithBodyOf for Response {
    fn with_body_of(mut self, alive: Option<Alive>) -> Self {
        self.body = match (std::mem::take(&mut self.body), alive) {
            (Body::Stream(inner), Some(alive)) => Body::stream(Watch { inner, panics: false, alive }),
            (body, _) => body,
        };
        self
    }
}

fn numbered(mut response: Response, number: usize) -> Response {
    let _ = response.fields.push(NUMBER, number.to_string());
    response
}

fn finish(response: Response, number: usize, alive: Alive, panics: bool) -> Response {
    let mut response = numbered(response, number);
    if panics {
        let inner: Pin<Box<dyn Source>> = match std::mem::take(&mut response.body) {
            Body::Stream(inner) => inner,
            _ => Box::pin(EmptySource),
        };
        response.body = Body::stream(Watch { inner, panics, alive });
        return response;
    }
    response.with_body_of(Some(alive))
}

/// A body without content.
struct EmptySource;

impl Source for EmptySource {
    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
        Poll::Ready(Frame::End)
    }
}

/// A body under watch.
struct Watch {
    inner: Pin<Box<dyn Source>>,
    panics: bool,
    alive: Alive,
}

impl Source for Watch {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        if self.panics {
            panic_quietly();
        }
        self.inner.as_mut().poll_frame(cx)
    }

    fn length(&self) -> Option<u64> {
        self.inner.length()
    }

    fn poll_gathered(
        mut self: Pin<&mut Self>,
        until: GatherUntil,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Body>> {
        let gathered = ready!(self.inner.as_mut().poll_gathered(until, cx));
        Poll::Ready(gathered.map(|body| match body {
            Body::Stream(inner) => {
                Body::stream(Self { inner, panics: self.panics, alive: self.alive.another() })
            }
            whole => whole,
        }))
    }
}

/// Something of the application that is to be dropped.
struct Alive(Arc<Ledger>);

impl Alive {
    fn new(ledger: &Arc<Ledger>) -> Self {
        ledger.live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(ledger))
    }

    fn another(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A panic that nobody is told of: it is one of many.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("a panic of the simulator"))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    struct Gathers(Option<Body>);

    impl Source for Gathers {
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Frame> {
            Poll::Ready(Frame::End)
        }

        fn poll_gathered(
            mut self: Pin<&mut Self>,
            _: GatherUntil,
            _: &mut Context<'_>,
        ) -> Poll<Option<Body>> {
            Poll::Ready(self.0.take())
        }
    }

    fn gathered(ledger: &Arc<Ledger>, into: Body) -> Body {
        let response = Response::stream(Gathers(Some(into))).with_body_of(Some(Alive::new(ledger)));
        let mut body = response.body;
        let polled = body.poll_gathered(GatherUntil::Whole, &mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready());
        body
    }

    #[test]
    fn a_body_is_gathered_through_its_watch_and_watched_while_it_has_a_source() {
        let ledger = Arc::new(Ledger::default());
        let live = || ledger.live.load(Ordering::Relaxed);
        let body = gathered(&ledger, Body::from("whole"));
        assert!(matches!(&body, Body::Full(bytes) if bytes == "whole"), "{body:?}");
        assert_eq!(live(), 0);
        let body = gathered(&ledger, Body::stream(EmptySource));
        assert_eq!(live(), 1);
        drop(body);
        assert_eq!(live(), 0);
    }

    #[test]
    fn the_handler_under_watch_is_asked_what_it_takes() {
        struct TakesAll(bool);
        impl Handler for TakesAll {
            type Future = std::future::Ready<Response>;

            fn call(&self, _: Request) -> Self::Future {
                std::future::ready(Response::text("hello"))
            }

            fn takes_all_fields(&self) -> bool {
                self.0
            }
        }
        for takes in [true, false] {
            let (handler, ledger, world) = (TakesAll(takes), Arc::default(), World::new());
            assert_eq!(WatchedHandler { handler, ledger, world }.takes_all_fields(), takes);
        }
    }
}
