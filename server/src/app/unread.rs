//! For applications that read no request body: reads the body before the response, as many clients do.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use httpfsm::handler::{Handler, IntoResponse, Request, Response};
use pin_project_lite::pin_project;

/// How long an unwanted body is read; nginx reads it, too. The request counts as running meanwhile, and a peer that
/// sends just fast enough could extend it to days.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// A handler that is called after the request body was read and discarded: most clients that send a long body do not
/// see an earlier response. A client that expects a 100 gets the response before it sends the body.
pub(crate) struct Unread<H> {
    handler: Arc<H>,
    read_limit: Duration,
}

impl<H: Handler> Unread<H> {
    pub(crate) fn new(handler: H) -> Self {
        Self { handler: Arc::new(handler), read_limit: READ_LIMIT }
    }
}

impl<H: Handler> Handler for Unread<H> {
    type Future = UnreadFuture<H>;

    fn call(&self, mut request: Request) -> UnreadFuture<H> {
        if request.expects_continue() || request.body().length() == Some(0) {
            return UnreadFuture::Running { future: self.handler.call(request) };
        }
        let until = Instant::now() + self.read_limit;
        UnreadFuture::Reading { request: Some(request), handler: Arc::clone(&self.handler), until }
    }

    fn takes_all_fields(&self) -> bool {
        self.handler.takes_all_fields()
    }
}

pin_project! {
    /// Reads the body, then runs the handler.
    #[project = Projected]
    pub(crate) enum UnreadFuture<H: Handler> {
        Reading { request: Option<Request>, handler: Arc<H>, until: Instant },
        Running { #[pin] future: H::Future },
    }
}

impl<H: Handler> Future for UnreadFuture<H> {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        loop {
            let future = match self.as_mut().project() {
                Projected::Running { future } => return future.poll(cx).map(IntoResponse::into_response),
                Projected::Reading { request, handler, until } => {
                    let Some(unread) = request else { return Poll::Pending };
                    match ready!(unread.body().poll_data(cx)) {
                        Some(Ok(_)) if Instant::now() < *until => continue,
                        Some(Err(failure)) => return Poll::Ready(failure.into_response()),
                        Some(Ok(_)) | None => request.take().map(|request| handler.call(request)),
                    }
                }
            };
            if let Some(future) = future {
                self.set(UnreadFuture::Running { future });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::time::Duration;

    use httpfsm::config::ServerConfig;
    use httpfsm::handler::Request;
    use httpfsm_transport::memory::MemoryServer;

    use super::Unread;

    /// More than the machine discards, so that an early response would close the connection.
    const LENGTH: usize = 1 << 20;

    type Fine = fn(Request) -> Ready<&'static str>;

    fn server() -> MemoryServer<Unread<Fine>> {
        MemoryServer::new(ServerConfig::default(), Unread::new(|_| ready("fine")))
    }

    #[test]
    fn the_response_comes_after_the_body_and_the_connection_stays() {
        let mut server = server();
        let client = server.connect().unwrap();
        for framing in [
            format!("Content-Length: {LENGTH}\r\n\r\n"),
            "Transfer-Encoding: chunked\r\n\r\n100000\r\n".into(),
        ] {
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}"));
            for _ in 0..LENGTH / 0x4000 {
                server.run();
                assert_eq!(client.take_text(), "");
                client.send([b'x'; 0x4000]);
            }
            if framing.contains("chunked") {
                client.send("\r\n0\r\n\r\n");
            }
            server.run();
            let response = client.take_text();
            assert!(response.ends_with("\r\n\r\nfine") && !response.contains("close"), "{response}");
        }
    }

    #[test]
    fn a_client_that_sends_for_too_long_gets_the_response_before_the_end() {
        let handler = Unread { read_limit: Duration::ZERO, ..Unread::new(|_: Request| ready("fine")) };
        let mut server = MemoryServer::new(ServerConfig::default(), handler);
        let client = server.connect().unwrap();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
        server.run();
        assert_eq!(client.take_text(), "");
        client.send("x");
        server.run();
        let response = client.take_text();
        assert!(response.ends_with("fine") && response.contains("Connection: close"), "{response}");
    }

    #[test]
    fn a_client_that_waits_for_the_response_does_not_send_the_body() {
        let mut server = server();
        let client = server.connect().unwrap();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {LENGTH}\r\n\r\n"
        ));
        server.run();
        let response = client.take_text();
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("fine"), "{response}");
    }
}
