//! A request that a service responds to.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Extensions;
use http_body::Body as HttpBody;
use httpfsm::handler::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::BoxError;
use crate::body::Body;
use crate::request::{self, Asked};
use crate::response;

pin_project! {
    /// What [`ServiceHandler`](crate::ServiceHandler) returns: waits until its service is ready, calls it, and converts its
    /// response.
    pub struct ServiceFuture<S: Service<http::Request<Body>>> {
        #[pin]
        state: State<S, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F> {
        /// The service may not be ready yet.
        Waiting { service: S, request: Option<(Request, Extensions)> },
        Called { #[pin] future: F, asked: Asked },
    }
}

impl<S: Service<http::Request<Body>>> ServiceFuture<S> {
    pub(crate) fn new(service: S, request: Request, extensions: Extensions) -> Self {
        Self { state: State::Waiting { service, request: Some((request, extensions)) } }
    }
}

impl<S, B> Future for ServiceFuture<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let mut state = self.project().state;
        loop {
            let (future, asked) = match state.as_mut().project() {
                StateProjection::Called { future, asked } => {
                    return Poll::Ready(match ready!(future.poll(cx)) {
                        Ok(response) => response::convert(response, *asked, cx),
                        Err(error) => response::failed(error.into()),
                    });
                }
                StateProjection::Waiting { service, request } => {
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        return Poll::Ready(response::failed(error.into()));
                    }
                    // Taken once: the state changes below, or the future is over.
                    let Some((request, extensions)) = request.take() else { return Poll::Pending };
                    let mut converted = http::Request::new(Body::empty());
                    match request::convert(request, extensions, &mut converted) {
                        Ok(asked) => (service.call(converted), asked),
                        Err(status) => return Poll::Ready(Response::new(status)),
                    }
                }
            };
            state.set(State::Called { future, asked });
        }
    }
}

impl<S: Service<http::Request<Body>>> fmt::Debug for ServiceFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceFuture(..)")
    }
}
