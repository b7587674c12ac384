//! Handlers on workers: the driver, which runs in the loop, waits for their responses.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use httpfsm::handler::{Body, Handler, IntoResponse, Request, Response};

use crate::lock::lock;
use crate::source::Pulled;
use crate::task::{TaskWork, WorkerTask};
use crate::workers::Workers;

/// Tasks kept for later requests; above it they are freed.
const KEPT: usize = 64;

/// A handler whose futures are polled by workers, and the sources of its responses, too.
pub(crate) struct Offloaded<H: Handler> {
    handler: Arc<H>,
    workers: Arc<Workers>,
    kept: Arc<Kept<H>>,
}

impl<H: Handler> Offloaded<H> {
    pub(crate) fn new(handler: H, workers: Arc<Workers>) -> Self {
        Self { handler: Arc::new(handler), workers, kept: Arc::default() }
    }
}

impl<H: Handler> Handler for Offloaded<H> {
    type Future = OffloadedCall<H>;

    fn call(&self, request: Request) -> OffloadedCall<H> {
        let request = (Arc::clone(&self.handler), request);
        let task = self.task(request);
        task.begin();
        OffloadedCall { task, kept: Arc::clone(&self.kept), responded: false }
    }

    fn takes_all_fields(&self) -> bool {
        self.handler.takes_all_fields()
    }
}

impl<H: Handler> Offloaded<H> {
    fn task(&self, request: (Arc<H>, Request)) -> Arc<WorkerTask<Calling<H>>> {
        if let Some(mut kept) = self.kept.take() {
            if let Some(calling) = WorkerTask::unused(&mut kept) {
                calling.request = Some(request);
                return kept;
            }
        }
        let calling = Calling { request: Some(request), future: Box::pin(None) };
        WorkerTask::new(calling, Arc::clone(&self.workers))
    }
}

/// The response of a handler that runs elsewhere. Where it is dropped before the response is there, a worker drops the
/// handler's future; a function that runs at that moment runs to its end.
pub(crate) struct OffloadedCall<H: Handler> {
    task: Arc<WorkerTask<Calling<H>>>,
    kept: Arc<Kept<H>>,
    responded: bool,
}

impl<H: Handler> Future for OffloadedCall<H> {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let response = self.task.poll(cx);
        self.responded = response.is_ready();
        response.map(|mut response| {
            if let Body::Stream(_) = response.body {
                let pulled = Pulled::new(response.take_body(), Arc::clone(self.task.workers()));
                response.body = Body::stream(pulled);
            }
            response
        })
    }
}

impl<H: Handler> Drop for OffloadedCall<H> {
    fn drop(&mut self) {
        if self.responded {
            self.kept.give(&self.task);
        } else {
            self.task.cancel();
        }
    }
}

/// The handler's call, and then its future, whose box is used again.
struct Calling<H: Handler> {
    request: Option<(Arc<H>, Request)>,
    future: Pin<Box<Option<H::Future>>>,
}

impl<H: Handler> TaskWork for Calling<H> {
    type Output = Response;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        if let Some((handler, request)) = self.request.take() {
            self.future.set(Some(handler.call(request)));
        }
        let Some(future) = self.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let response = future.poll(cx).map(IntoResponse::into_response);
        if response.is_ready() {
            self.future.set(None);
        }
        response
    }
}

/// Tasks whose responses were taken, for reuse. Only the loop's thread uses it.
struct Kept<H: Handler>(Mutex<Vec<Arc<WorkerTask<Calling<H>>>>>);

impl<H: Handler> Default for Kept<H> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<H: Handler> Kept<H> {
    fn take(&self) -> Option<Arc<WorkerTask<Calling<H>>>> {
        lock(&self.0).pop()
    }

    fn give(&self, task: &Arc<WorkerTask<Calling<H>>>) {
        let mut kept = lock(&self.0);
        if kept.len() < KEPT {
            kept.push(Arc::clone(task));
        }
    }
}
