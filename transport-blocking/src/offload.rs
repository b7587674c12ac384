//! Handlers on workers: the driver, which runs in the loop, waits for what they answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use httpfsm::handler::{Body, Handler, IntoResponse, Request, Response};

use crate::source::Pulled;
use crate::task::{Task, Work};
use crate::workers::Workers;

/// A handler whose futures are polled by workers, and the sources of its answers, too.
pub(crate) struct Offloaded<H> {
    handler: Arc<H>,
    workers: Arc<Workers>,
}

impl<H: Handler> Offloaded<H> {
    pub(crate) fn new(handler: H, workers: Arc<Workers>) -> Self {
        Self { handler: Arc::new(handler), workers }
    }
}

impl<H: Handler> Handler for Offloaded<H> {
    type Future = Call<H>;

    fn call(&self, request: Request) -> Call<H> {
        let calling = Calling::Request(Arc::clone(&self.handler), request);
        let task = Task::new(calling, Arc::clone(&self.workers));
        task.begin();
        Call { task, answered: false }
    }
}

/// The answer of a handler that runs elsewhere. Dropped before, it has a worker drop the handler's future; a function
/// that runs at that moment runs to its end.
pub(crate) struct Call<H: Handler> {
    task: Arc<Task<Calling<H>>>,
    answered: bool,
}

impl<H: Handler> Future for Call<H> {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let answer = self.task.poll(cx);
        self.answered = answer.is_ready();
        answer.map(|mut answer| {
            if let Body::Stream(_) = answer.body {
                let pulled = Pulled::new(answer.take_body(), Arc::clone(self.task.workers()));
                answer.body = Body::stream(pulled);
            }
            answer
        })
    }
}

impl<H: Handler> Drop for Call<H> {
    fn drop(&mut self) {
        if !self.answered {
            self.task.cancel();
        }
    }
}

/// The handler's call, and then its future.
enum Calling<H: Handler> {
    Request(Arc<H>, Request),
    Future(Pin<Box<H::Future>>),
    Over,
}

impl<H: Handler> Work for Calling<H> {
    type Output = Response;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        loop {
            match self {
                Self::Future(future) => {
                    let answer = future.as_mut().poll(cx).map(IntoResponse::into_response);
                    if answer.is_ready() {
                        *self = Self::Over;
                    }
                    return answer;
                }
                Self::Request(..) => {
                    if let Self::Request(handler, request) = std::mem::replace(self, Self::Over) {
                        *self = Self::Future(Box::pin(handler.call(request)));
                    }
                }
                Self::Over => return Poll::Pending,
            }
        }
    }
}
