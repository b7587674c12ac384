//! A call of a function that blocks. Its memory is used again for later calls, so a call costs no allocation where the
//! spawner takes it as it is.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use httpfsm::handler::{IntoResponse, KeptPlace, Request, Response};

use crate::lock::lock;
use crate::may_block::BlockingScope;
use crate::{panics, waiting};

/// A call of a [`sync`](crate::sync) function, or the work of a [`Job`](crate::Job), for a [`Spawner`](crate::Spawner).
/// Dropped without having run, it ends its request with a 500, and whoever awaits the job panics.
///
/// A thread that runs calls as they are, without an allocation for each:
///
/// ```
/// use std::sync::mpsc;
/// use std::thread;
///
/// use httpfsm::Request;
/// use httpfsm_transport::test::{TestRequest, call};
/// use httpfsm_transport::{Call, NoThread, Spawner, block_on, sync};
///
/// enum Work {
///     Call(Call),
///     Other(Box<dyn FnOnce() + Send>),
/// }
///
/// struct OneThread(mpsc::Sender<Work>);
///
/// impl Spawner for OneThread {
///     fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
///         self.0.send(Work::Other(work)).map_err(|_| NoThread)
///     }
///
///     fn spawn_call(&self, call: Call) -> Result<(), NoThread> {
///         self.0.send(Work::Call(call)).map_err(|_| NoThread)
///     }
/// }
///
/// let (sender, works) = mpsc::channel();
/// thread::spawn(move || {
///     for work in works {
///         match work {
///             Work::Call(call) => call.run(),
///             Work::Other(work) => work(),
///         }
///     }
/// });
/// let handler = sync(OneThread(sender), |_: Request| "It was called.");
/// assert_eq!(block_on(call(handler, TestRequest::get("/"))).text(), "It was called.");
/// ```
pub struct Call {
    function: Option<Arc<dyn CallFunction>>,
    kind: CallKind,
}

/// What a call is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// A function, or a job, that may take long.
    Long,
    /// Short work of the application.
    Short,
    /// The server's own, which is short as well.
    Servers,
    /// The same, of which nobody awaits the end.
    Closing,
}

impl Call {
    pub(crate) fn new(function: Arc<dyn CallFunction>, kind: CallKind) -> Self {
        Self { function: Some(function), kind }
    }

    /// Whether it is work with a file for a request that is under way, which waits for no peer
    /// ([`Job::spawn_short`](crate::Job::spawn_short)). It is not to wait behind all functions, where threads are few.
    #[inline]
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.kind != CallKind::Long
    }

    /// Whether it is the server's own work with the file of a body: short, and nothing of the application's runs in it, so
    /// that a thread may run it within a function of the application, whatever that holds
    /// ([`Spawner::help`](crate::Spawner::help)).
    #[inline]
    #[must_use]
    pub fn is_servers(&self) -> bool {
        matches!(self.kind, CallKind::Servers | CallKind::Closing)
    }

    /// Whether somebody may await its end: not of a file that is closed. A thread that keeps what it has begun for where
    /// that is awaited keeps no such call instead.
    #[inline]
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.kind != CallKind::Closing
    }

    /// Whether it does anything when it is [run](Self::run): `false` where whoever waited for it is gone. A queue may leave
    /// such a call out: it holds no request any more, but takes memory, and while no function ends, clients that come and go
    /// would leave ever more of them behind.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.function.as_ref().is_some_and(|function| function.is_wanted())
    }

    /// Calls the function, on a thread that may block: [`may_block`](crate::may_block) says so while it runs, and no longer
    /// when whoever waits for it is woken, who may go on at once on this thread. It is not called if nobody waits for it any
    /// more.
    #[inline]
    pub fn run(mut self) {
        if let Some(function) = self.function.take() {
            function.call();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(function) = self.function.take() {
            function.abandon();
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call(..)")
    }
}

/// A function that is to be called once, in a blocking scope.
pub(crate) trait CallFunction: Send + Sync {
    fn call(self: Arc<Self>);

    /// Whether somebody waits for that.
    fn is_wanted(&self) -> bool {
        true
    }

    /// Nobody will.
    fn abandon(&self);
}

/// What a call's caller and its thread share.
pub(crate) struct CallPlace<F> {
    function: Arc<F>,
    progress: Mutex<CallProgress>,
}

#[derive(Default)]
struct CallProgress {
    /// What the function is to be called with, until it is called.
    request: Option<(Request, KeptPlace)>,
    /// The response, or the text of a panic, which is known only where it happened.
    result: Option<Result<Response, String>>,
    /// Nobody waits for the response any more.
    is_cancelled: bool,
    waker: Option<Waker>,
}

impl<F> CallPlace<F> {
    pub(crate) fn new(function: &Arc<F>) -> Arc<Self> {
        Arc::new(Self { function: Arc::clone(function), progress: Mutex::default() })
    }

    /// Whether it may be used for another call. What others have done with it is behind its lock.
    #[inline]
    pub(crate) fn is_unused(this: &Arc<Self>) -> bool {
        Arc::strong_count(this) == 1
    }

    /// The response is there already.
    pub(crate) fn respond(&self, response: Response) {
        lock(&self.progress).result = Some(Ok(response));
    }

    /// `is_first`: the call has just begun.
    #[inline]
    pub(crate) fn poll(&self, cx: &Context<'_>, is_first: bool) -> Poll<Response> {
        let clone = is_first.then(|| cx.waker().clone());
        let done = waiting::poll_with(clone, &self.progress, cx, |progress| match progress.result.take() {
            Some(result) => Ok(result),
            None => Err(&mut progress.waker),
        });
        match done {
            Poll::Ready(Ok(response)) => Poll::Ready(response),
            Poll::Ready(Err(panic)) => panics::resume(panic),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Nobody waits for the response any more. A call that has not begun is forgotten.
    pub(crate) fn cancel(&self) {
        let mut progress = lock(&self.progress);
        progress.is_cancelled = true;
        let before = (progress.request.take(), progress.result.take(), progress.waker.take());
        drop(progress);
        // The application's request or response, and a waker that may be the application's.
        panics::discard(before);
    }

    #[inline]
    fn finish(&self, result: Result<Response, String>) {
        let mut progress = lock(&self.progress);
        if progress.is_cancelled {
            drop(progress);
            // Nobody takes it.
            let _blocking = BlockingScope::begin();
            return panics::discard(result);
        }
        progress.result = Some(result);
        let waker = progress.waker.take();
        drop(progress);
        if let Some(waker) = waker {
            panics::wake(waker);
        }
    }
}

impl<F, R> CallPlace<F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    /// A call of the function with `request`, to be run once.
    pub(crate) fn begin(self: &Arc<Self>, request: Request) -> Call {
        let place = request.keep_place();
        lock(&self.progress).request = Some((request, place));
        Call::new(Arc::<Self>::clone(self), CallKind::Long)
    }
}

impl<F, R> CallFunction for CallPlace<F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    fn call(self: Arc<Self>) {
        let called = lock(&self.progress).request.take();
        let Some((request, place)) = called else { return };
        let blocking = BlockingScope::begin();
        let result = panics::catch(|| {
            let response = (self.function)(request).into_response();
            drop(place);
            response
        });
        drop(blocking);
        // Whoever waits may go on at once, on this thread, too.
        self.finish(result);
    }

    fn is_wanted(&self) -> bool {
        lock(&self.progress).request.is_some()
    }

    fn abandon(&self) {
        let called = lock(&self.progress).request.take();
        // The drop is the application's code, too.
        panics::discard(called);
        self.finish(Err("The function was dropped before it ran.".to_owned()));
    }
}
