//! Server-sent events with comments that keep the connection alive, as responses of axum's handlers.
//!
//! axum's own `Sse` has `keep_alive` with axum's feature `tokio` alone, which brings hyper, and its timer is tokio's. This
//! module has the same names, so a handler changes its import alone, and runs on every transport: the timer is that of the
//! crate `async-io`, which needs no runtime. The first one begins a thread, which all timers share.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_io::Timer;
use axum::response::{IntoResponse, Response, sse};
use futures_core::{Stream, TryStream};
use pin_project_lite::pin_project;

use crate::BoxError;

#[doc(no_inline)]
pub use axum::response::sse::{Event, EventDataWriter};

/// A response whose content is a stream of [`Event`]s, each of which is sent when it comes.
///
/// A response that is silent for longer than `stream_idle_timeout`, a parameter of the server, is cut, and proxies on the
/// way have such limits, too. [`keep_alive`](Self::keep_alive) sends comments meanwhile. They also find out that a client
/// has gone without a word.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
///
/// use futures_lite::stream::{self, Stream};
/// use httpfsm_http::sse::{Event, KeepAlive, Sse};
///
/// async fn news() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
///     let events = stream::once(Ok(Event::default().event("news").data("none")));
///     Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10)).text("still here"))
/// }
///
/// let app: axum::Router = axum::Router::new().route("/news", axum::routing::get(news));
/// # let _ = app;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Sse<S>(S);

impl<S> Sse<S> {
    /// A response of these events. An error of the stream cuts the response.
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use axum::Router;
    /// use axum::routing::get;
    /// use futures_lite::stream;
    /// use httpfsm_http::service;
    /// use httpfsm_http::sse::{Event, Sse};
    /// use httpfsm_transport::block_on;
    /// use httpfsm_transport::test::{TestRequest, call};
    ///
    /// async fn count() -> Sse<impl stream::Stream<Item = Result<Event, Infallible>>> {
    ///     Sse::new(stream::iter(["one", "two"].map(|number| Ok(Event::default().data(number)))))
    /// }
    ///
    /// let app = Router::new().route("/", get(count));
    /// let response = block_on(call(service(app), TestRequest::get("/")));
    /// assert_eq!(response.field("Content-Type"), Some(&b"text/event-stream"[..]));
    /// assert_eq!(response.text(), "data: one\n\ndata: two\n\n");
    /// ```
    pub fn new(stream: S) -> Self
    where
        S: TryStream<Ok = Event, Error: Into<BoxError>> + Send + 'static,
    {
        Self(stream)
    }

    /// Has a comment sent whenever the stream has been silent for an interval. Without a call there is none.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::time::Duration;
    ///
    /// use axum::Router;
    /// use axum::routing::get;
    /// use futures_lite::stream::{self, Pending};
    /// use httpfsm::ServerConfig;
    /// use httpfsm_http::service;
    /// use httpfsm_http::sse::{Event, KeepAlive, KeepAliveStream, Sse};
    /// use httpfsm_transport::memory::MemoryServer;
    ///
    /// async fn silent() -> Sse<KeepAliveStream<Pending<Result<Event, Infallible>>>> {
    ///     Sse::new(stream::pending()).keep_alive(KeepAlive::new().interval(Duration::from_millis(1)))
    /// }
    ///
    /// let app = Router::new().route("/", get(silent));
    /// let mut server = MemoryServer::new(ServerConfig::default(), service(app));
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// let mut received = String::new();
    /// while !received.contains("\n:\n\n") {
    ///     server.run();
    ///     received += &client.take_text();
    /// }
    /// ```
    pub fn keep_alive(self, keep_alive: KeepAlive) -> Sse<KeepAliveStream<S>> {
        Sse(KeepAliveStream::new(keep_alive, self.0))
    }
}

impl<S, E> IntoResponse for Sse<S>
where
    S: Stream<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError>,
{
    fn into_response(self) -> Response {
        sse::Sse::new(self.0).into_response()
    }
}

impl<S> fmt::Debug for Sse<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sse(..)")
    }
}

/// How often a comment is sent while a stream is silent, and which.
///
/// It is the same for each response, so it is made once:
///
/// ```
/// use std::convert::Infallible;
/// use std::sync::LazyLock;
/// use std::time::Duration;
///
/// use futures_lite::stream::{self, Stream};
/// use httpfsm_http::sse::{Event, KeepAlive, Sse};
///
/// static KEEP_ALIVE: LazyLock<KeepAlive> =
///     LazyLock::new(|| KeepAlive::new().interval(Duration::from_secs(30)).text("still here"));
///
/// async fn news() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
///     Sse::new(stream::pending()).keep_alive(KEEP_ALIVE.clone())
/// }
/// # let _ = news;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct KeepAlive {
    event: Event,
    interval: Duration,
}

impl KeepAlive {
    /// An empty comment, every 15 seconds.
    ///
    /// ```
    /// # fn first(keep_alive: httpfsm_http::sse::KeepAlive) -> String {
    /// #     use futures_lite::{StreamExt, future, stream};
    /// #     use httpfsm_http::sse::{Event, Sse};
    /// #     let events = stream::pending::<Result<Event, std::convert::Infallible>>();
    /// #     let interval = std::time::Duration::from_millis(1);
    /// #     let response = Sse::new(events).keep_alive(keep_alive.interval(interval));
    /// #     let mut content = axum::response::IntoResponse::into_response(response).into_body().into_data_stream();
    /// #     let first = future::block_on(content.next()).expect("it has no end").expect("it does not fail");
    /// #     String::from_utf8(first.to_vec()).expect("it is text")
    /// # }
    /// # use httpfsm_http::sse::KeepAlive;
    /// #
    /// // `first` is what a client of a silent stream gets first.
    /// assert_eq!(first(KeepAlive::new()), ":\n\n");
    /// ```
    pub fn new() -> Self {
        Self { event: Event::DEFAULT_KEEP_ALIVE, interval: Duration::from_secs(15) }
    }

    /// Sends it after this time of silence. It should not be zero: a stream that waits would then send nothing but comments,
    /// as fast as the client takes them.
    ///
    /// A proxy on the way that ends what is silent for a minute, as nginx does by default, hears something twice in that
    /// time:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use httpfsm_http::sse::KeepAlive;
    ///
    /// let keep_alive = KeepAlive::new().interval(Duration::from_secs(30));
    /// # let _ = keep_alive;
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sends a comment with this text.
    ///
    /// ```
    /// # fn first(keep_alive: httpfsm_http::sse::KeepAlive) -> String {
    /// #     use futures_lite::{StreamExt, future, stream};
    /// #     use httpfsm_http::sse::{Event, Sse};
    /// #     let events = stream::pending::<Result<Event, std::convert::Infallible>>();
    /// #     let interval = std::time::Duration::from_millis(1);
    /// #     let response = Sse::new(events).keep_alive(keep_alive.interval(interval));
    /// #     let mut content = axum::response::IntoResponse::into_response(response).into_body().into_data_stream();
    /// #     let first = future::block_on(content.next()).expect("it has no end").expect("it does not fail");
    /// #     String::from_utf8(first.to_vec()).expect("it is text")
    /// # }
    /// # use httpfsm_http::sse::{Event, KeepAlive};
    /// #
    /// // `first` is what a client of a silent stream gets first.
    /// assert_eq!(first(KeepAlive::new().text("still here")), ": still here\n\n");
    /// ```
    ///
    /// # Panics
    ///
    /// If there is a line break in the text.
    pub fn text(self, text: impl AsRef<str>) -> Self {
        self.event(Event::default().comment(text))
    }

    /// Sends this event, which need not be a comment.
    ///
    /// A script hears of an event that has data, and not of a comment, so it can tell that a connection is lost without a
    /// word:
    ///
    /// ```
    /// # fn first(keep_alive: httpfsm_http::sse::KeepAlive) -> String {
    /// #     use futures_lite::{StreamExt, future, stream};
    /// #     use httpfsm_http::sse::{Event, Sse};
    /// #     let events = stream::pending::<Result<Event, std::convert::Infallible>>();
    /// #     let interval = std::time::Duration::from_millis(1);
    /// #     let response = Sse::new(events).keep_alive(keep_alive.interval(interval));
    /// #     let mut content = axum::response::IntoResponse::into_response(response).into_body().into_data_stream();
    /// #     let first = future::block_on(content.next()).expect("it has no end").expect("it does not fail");
    /// #     String::from_utf8(first.to_vec()).expect("it is text")
    /// # }
    /// # use httpfsm_http::sse::{Event, KeepAlive};
    /// #
    /// // `first` is what a client of a silent stream gets first.
    /// assert_eq!(first(KeepAlive::new().event(Event::default().event("ping").data("-"))), "event: ping\ndata: -\n\n");
    /// ```
    pub fn event(mut self, event: Event) -> Self {
        self.event = event;
        self
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::new()
    }
}

pin_project! {
    /// A stream with what keeps it alive; from [`Sse::keep_alive`].
    ///
    /// A function that names what it returns has it there:
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use futures_lite::stream::{self, Once};
    /// use httpfsm_http::sse::{Event, KeepAlive, KeepAliveStream, Sse};
    ///
    /// type Events = Once<Result<Event, Infallible>>;
    ///
    /// fn kept_alive(events: Events) -> Sse<KeepAliveStream<Events>> {
    ///     Sse::new(events).keep_alive(KeepAlive::new())
    /// }
    /// # let _ = kept_alive(stream::once(Ok(Event::default())));
    /// ```
    #[derive(Debug)]
    pub struct KeepAliveStream<S> {
        #[pin]
        stream: S,
        keep_alive: KeepAlive,
        // When the next comment is due; `None`: never, since no clock goes that far.
        due: Option<Instant>,
        // Set at `due`, or at what was due before: most events do not touch it.
        timer: Timer,
    }
}

impl<S> KeepAliveStream<S> {
    fn new(keep_alive: KeepAlive, stream: S) -> Self {
        let due = Instant::now().checked_add(keep_alive.interval);
        Self { stream, keep_alive, due, timer: due.map_or_else(Timer::never, Timer::at) }
    }
}

impl<S, E> Stream for KeepAliveStream<S>
where
    S: Stream<Item = Result<Event, E>>,
{
    type Item = Result<Event, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let event = match this.stream.poll_next(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(event)) => event,
            Poll::Pending => {
                let Some(due) = *this.due else { return Poll::Pending };
                ready!(Pin::new(&mut *this.timer).poll(cx));
                if Instant::now() < due {
                    // An event has come since it was set.
                    this.timer.set_at(due);
                    ready!(Pin::new(&mut *this.timer).poll(cx));
                }
                Ok(this.keep_alive.event.clone())
            }
        };
        *this.due = Instant::now().checked_add(this.keep_alive.interval);
        if let (false, Some(due)) = (this.timer.will_fire(), *this.due) {
            this.timer.set_at(due);
        }
        Poll::Ready(Some(event))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::pin;
    use std::task::Waker;

    use futures_lite::stream;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Most streams have events more often than comments, and then a timer is set once in an interval.
    #[test]
    fn an_event_moves_the_comment_and_the_timer_follows_when_it_fires() {
        let mut cx = Context::from_waker(Waker::noop());
        let events = stream::iter([Event::default(), Event::default()].map(Ok::<_, Infallible>));
        let events = futures_lite::StreamExt::chain(events, stream::pending());
        let mut stream = pin!(KeepAliveStream::new(KeepAlive::new().interval(HOUR), events));
        let begun = Instant::now();
        *stream.as_mut().project().due = Some(begun);
        stream.as_mut().project().timer.set_at(begun);
        for _ in 0..2 {
            assert!(stream.as_mut().poll_next(&mut cx).is_ready());
            assert!(stream.as_mut().project().due.is_some_and(|due| due >= begun + HOUR));
        }
        // The timer fires at once, and there is no comment yet.
        assert!(stream.as_mut().poll_next(&mut cx).is_pending());
        assert!(stream.as_mut().project().timer.will_fire());
        assert!(stream.as_mut().poll_next(&mut cx).is_pending());
        // And now there is one, and not another.
        *stream.as_mut().project().due = Some(begun);
        stream.as_mut().project().timer.set_at(begun);
        assert!(matches!(stream.as_mut().poll_next(&mut cx), Poll::Ready(Some(Ok(_)))));
        assert!(stream.as_mut().project().timer.will_fire());
        assert!(stream.as_mut().poll_next(&mut cx).is_pending());
    }
}
