//! Applications that read no request body, and clients that read no response before they have sent all of one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use httpfsm::handler::{Handler, IntoResponse, Request, Response};
use pin_project_lite::pin_project;

/// A handler that is called when the body of the request was read and thrown away: a response that comes earlier is lost
/// to most clients that send a long body. Who expects a 100 waits for the response before the body.
pub(crate) struct Unread<H>(Arc<H>);

impl<H: Handler> Unread<H> {
    pub(crate) fn new(handler: H) -> Self {
        Self(Arc::new(handler))
    }
}

impl<H: Handler> Handler for Unread<H> {
    type Future = Answer<H>;

    fn call(&self, mut request: Request) -> Answer<H> {
        if request.expects_continue() || request.body().length() == Some(0) {
            return Answer::Running { future: self.0.call(request) };
        }
        Answer::Reading { request: Some(request), handler: Arc::clone(&self.0) }
    }
}

pin_project! {
    /// The response, behind the body.
    #[project = Projected]
    pub(crate) enum Answer<H: Handler> {
        Reading { request: Option<Request>, handler: Arc<H> },
        Running { #[pin] future: H::Future },
    }
}

impl<H: Handler> Future for Answer<H> {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        loop {
            let future = match self.as_mut().project() {
                Projected::Running { future } => return future.poll(cx).map(IntoResponse::into_response),
                Projected::Reading { request, handler } => {
                    let Some(unread) = request else { return Poll::Pending };
                    match ready!(unread.body().poll_data(cx)) {
                        Some(Ok(_)) => continue,
                        Some(Err(failure)) => return Poll::Ready(failure.into_response()),
                        None => request.take().map(|request| handler.call(request)),
                    }
                }
            };
            if let Some(future) = future {
                self.set(Answer::Running { future });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use httpfsm::config::ServerConfig;
    use httpfsm::handler::Request;
    use httpfsm_transport::memory::MemoryServer;

    use super::Unread;

    /// More than the machine discards, so that an early response would say close.
    const LENGTH: usize = 1 << 20;

    type Fine = fn(Request) -> Ready<&'static str>;

    fn server() -> MemoryServer<Unread<Fine>> {
        MemoryServer::new(ServerConfig::default(), Unread::new(|_| ready("fine")))
    }

    #[test]
    fn the_response_comes_behind_the_body_and_the_connection_stays() {
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
    fn who_waits_for_the_response_does_not_send_the_body() {
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
