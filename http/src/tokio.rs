//! A handler whose code calls tokio, on a transport that is not tokio's.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use httpfsm::handler::{Body, Frame, GatherUntil, Handler, IntoResponse, Request, Response, Source};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;

use crate::service::ServiceHandler;

impl<S> ServiceHandler<S> {
    /// Enters a runtime of tokio around every poll and every drop of what the service makes: its futures and the bodies of
    /// its responses. So a service that calls tokio (its timers, `tokio::fs`, `tokio::spawn`) runs on smol and on blocking.
    /// On `httpfsm-tokio` nothing needs it.
    ///
    /// The runtime must run, elsewhere: one of several threads that is kept, or a current-thread one in which a thread
    /// blocks. Once it has been shut down, what waits for it waits for ever, until a deadline of the server ends it.
    ///
    /// Only with the feature `tokio`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use axum::Router;
    /// use axum::routing::get;
    /// use httpfsm::ServerConfig;
    /// use httpfsm_blocking::block_on;
    /// use httpfsm_http::service;
    ///
    /// async fn slow() -> &'static str {
    ///     tokio::time::sleep(Duration::from_millis(1)).await;
    ///     "slow"
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let app = Router::new().route("/", get(slow));
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let handler = service(app).in_tokio(runtime.handle().clone());
    /// let server = httpfsm_blocking::serve(listener, ServerConfig::default(), handler)?;
    /// block_on(server.begin_drain(None).gone());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_tokio(self, runtime: Handle) -> InTokio<Self> {
        InTokio { handler: self, runtime }
    }
}

/// A handler within a runtime of tokio, wherever it is polled and dropped; from [`ServiceHandler::in_tokio`].
///
/// A handler of httpfsm that calls tokio, without a service:
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm::Request;
/// use httpfsm_http::InTokio;
/// use httpfsm_transport::block_on;
/// use httpfsm_transport::test::{TestRequest, call};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Runtime::new()?;
/// let slow = |_: Request| async {
///     tokio::time::sleep(Duration::from_millis(1)).await;
///     "slow"
/// };
/// let handler = InTokio::new(slow, runtime.handle().clone());
/// assert_eq!(block_on(call(handler, TestRequest::get("/"))).text(), "slow");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InTokio<H> {
    handler: H,
    runtime: Handle,
}

impl<H: Handler> InTokio<H> {
    /// The same for any handler: around each poll of its future and of the body of its response. A function of `sync` runs
    /// on a thread of its own, and not in a poll; what calls tokio there enters the runtime by itself:
    ///
    /// ```
    /// use httpfsm::{Handler, Request};
    /// use httpfsm_blocking::sync;
    /// use tokio::runtime::Handle;
    ///
    /// fn counts(runtime: Handle) -> impl Handler {
    ///     sync(move |_: Request| {
    ///         let _inside = runtime.enter();
    ///         format!("{} tasks", Handle::current().metrics().num_alive_tasks())
    ///     })
    /// }
    /// # let _ = counts;
    /// ```
    #[must_use]
    pub fn new(handler: H, runtime: Handle) -> Self {
        Self { handler, runtime }
    }
}

impl<H: Handler> Handler for InTokio<H> {
    type Future = InTokioFuture<H::Future>;

    fn call(&self, request: Request) -> Self::Future {
        let _inside = self.runtime.enter();
        InTokioFuture { future: Some(self.handler.call(request)), runtime: self.runtime.clone() }
    }

    fn takes_all_fields(&self) -> bool {
        self.handler.takes_all_fields()
    }
}

impl<H> fmt::Debug for InTokio<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InTokio(..)")
    }
}

pin_project! {
    /// A handler's future within a runtime of tokio; from [`InTokio`].
    pub struct InTokioFuture<F> {
        // `None` when it is over.
        #[pin]
        future: Option<F>,
        runtime: Handle,
    }

    impl<F> PinnedDrop for InTokioFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _inside = this.runtime.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future<Output: IntoResponse>> Future for InTokioFuture<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let mut this = self.project();
        let _inside = this.runtime.enter();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let mut response = ready!(future.poll(cx)).into_response();
        this.future.set(None);
        response.body = inside(response.take_body(), this.runtime);
        Poll::Ready(response)
    }
}

impl<F> fmt::Debug for InTokioFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InTokioFuture(..)")
    }
}

/// The body, whose source, if it has one, is polled and dropped within the runtime.
fn inside(body: Body, runtime: &Handle) -> Body {
    match body {
        Body::Stream(source) => Body::stream(InsideSource { source: Some(source), runtime: runtime.clone() }),
        whole => whole,
    }
}

/// The source of a response within the runtime.
struct InsideSource {
    /// `None` when it is dropped.
    source: Option<Pin<Box<dyn Source>>>,
    runtime: Handle,
}

impl Source for InsideSource {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        let this = &mut *self;
        let _inside = this.runtime.enter();
        this.source.as_mut().map_or(Poll::Ready(Frame::End), |source| source.as_mut().poll_frame(cx))
    }

    fn length(&self) -> Option<u64> {
        self.source.as_ref().and_then(|source| source.length())
    }

    fn poll_gathered(
        mut self: Pin<&mut Self>,
        until: GatherUntil,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Body>> {
        let this = &mut *self;
        let _inside = this.runtime.enter();
        let Some(source) = this.source.as_mut() else { return Poll::Ready(None) };
        let gathered = ready!(source.as_mut().poll_gathered(until, cx));
        Poll::Ready(gathered.map(|body| inside(body, &this.runtime)))
    }
}

impl Drop for InsideSource {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.source = None;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Becomes the source whose frame asks for the runtime.
    struct Gathers(Option<Body>);

    impl Source for Gathers {
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Frame> {
            Handle::current();
            Poll::Ready(Frame::End)
        }

        fn poll_gathered(
            mut self: Pin<&mut Self>,
            _: GatherUntil,
            _: &mut Context<'_>,
        ) -> Poll<Option<Body>> {
            Handle::current();
            Poll::Ready(self.0.take())
        }
    }

    #[test]
    fn what_a_body_gathers_stays_within_the_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut cx = Context::from_waker(Waker::noop());
        for (into, is_whole) in [(Body::from("whole"), true), (Body::stream(Gathers(None)), false)] {
            let mut body = inside(Body::stream(Gathers(Some(into))), runtime.handle());
            assert!(body.poll_gathered(GatherUntil::Whole, &mut cx).is_ready());
            assert_eq!(matches!(&body, Body::Full(bytes) if bytes == "whole"), is_whole, "{body:?}");
            let first = body.poll_frame(&mut cx);
            assert_eq!(matches!(first, Poll::Ready(Frame::Data(_))), is_whole);
        }
    }
}
