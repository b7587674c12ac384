//! One request and its response, in memory that is used again for the next.

use std::pin::Pin;
use std::sync::Arc;

use httpfsm::error::BodyError;
use httpfsm::handler::{Body, ConnectionInfo, Control, Request};
use httpfsm::request::{BodyLength, RequestHead, RequestRef};

use crate::channel_slot::Orphan;
use crate::ledger::Room;
use crate::panics;
use crate::permits::Permit;
use crate::pipe::{Pipe, PipeSource};
use crate::sending::Sending;
use crate::shared_state::SharedState;
use crate::spool::Spool;

/// Bytes of a head whose memory is not kept for the next.
const LARGE_HEAD: usize = 4 << 10;

/// What a connection needs while a request is under way; an idle connection holds none. `F` is the handler's future.
pub(crate) struct Exchange<F> {
    pub(crate) stage: Stage,
    /// For which the handler and its source are polled.
    pub(crate) server: Option<Arc<SharedState>>,
    /// The future's place, made once: a future is moved in, and dropped in place.
    pub(crate) future: Pin<Box<Option<F>>>,
    head: Arc<RequestHead>,
    pub(crate) pipe: Arc<Pipe>,
    /// Whether body events concern the handler.
    pub(crate) has_body: bool,
    /// Whether it counts against the requests that may be with the application.
    pub(crate) counted: bool,
    /// The body, where it is gathered: for the handler, or before that is called.
    pub(crate) gathering: Option<Box<Spool>>,
    /// To read the body as it comes, until it is in.
    pub(crate) permit: Option<Permit>,
    /// A demand for the body that waits for room.
    pub(crate) wait: Option<Box<BodyWait>>,
}

/// A demand for bytes of the request body, for which there was no room.
pub(crate) struct BodyWait {
    pub(crate) room: Room,
    /// Bytes that need room, of those that are demanded.
    pub(crate) wanted: u64,
    pub(crate) demand: u64,
}

/// How far an exchange is.
pub(crate) enum Stage {
    /// No request, or a response that is over.
    Over,
    /// The whole body is being gathered; the handler does not know yet.
    Gathering,
    /// The handler's future runs.
    Calling,
    /// The handler has responded, and its source has more.
    Sending(Box<Sending>),
    /// The connection is gone, but the handler asked to hear of that and goes on.
    Orphaned(Box<Orphan>),
}

impl<F> Exchange<F> {
    pub(crate) fn new(server: &Arc<SharedState>) -> Box<Self> {
        Box::new(Self {
            stage: Stage::Over,
            server: Some(Arc::clone(server)),
            future: Box::pin(None),
            head: Arc::default(),
            pipe: Arc::new(Pipe::new(Some(Arc::clone(&server.ledger)))),
            has_body: false,
            counted: false,
            gathering: None,
            permit: None,
            wait: None,
        })
    }

    /// Takes up a request: keeps its head, and has the pipe as new. In line, or the request would be copied for the call.
    #[inline(always)]
    pub(crate) fn begin(&mut self, request: RequestRef<'_>) {
        match Arc::get_mut(&mut self.head) {
            Some(head) => request.copy_into(head),
            None => {
                let mut head = RequestHead::default();
                request.copy_into(&mut head);
                self.head = Arc::new(head);
            }
        }
        self.has_body = !matches!(request.body_length(), BodyLength::None | BodyLength::Known(0));
        Pipe::renew(&mut self.pipe);
    }

    /// The request for the handler, with a body that was gathered, or else one that arrives through the pipe.
    #[inline]
    pub(crate) fn request(&self, gathered: Option<Body>, connection: &Arc<ConnectionInfo>) -> Request {
        let body = match gathered {
            Some(body) => body,
            None if self.has_body => self.piped_body(),
            None => Body::Empty,
        };
        let control: Arc<dyn Control> = Arc::<Pipe>::clone(&self.pipe);
        Request::new(Arc::clone(&self.head), body, Arc::clone(connection), control)
    }

    fn piped_body(&self) -> Body {
        Body::stream(PipeSource::new(Arc::clone(&self.pipe), self.body_length()))
    }

    /// The length of the request's body, if it is known.
    pub(crate) fn body_length(&self) -> Option<u64> {
        match RequestHead::as_ref(&self.head).body_length() {
            BodyLength::Known(length) => Some(length),
            BodyLength::None | BodyLength::Chunked => None,
        }
    }

    /// Whether the peer waits for a 100 before it sends the body.
    pub(crate) fn expects_continue(&self) -> bool {
        RequestHead::as_ref(&self.head).expects_continue()
    }

    /// Ends the exchange: drops the future or the source, and lets whoever waits for the request know. `unread` is what the
    /// reader of a body finds behind what has come of it.
    #[inline]
    pub(crate) fn finish(&mut self, unread: BodyError) {
        self.drop_application();
        Pipe::retire(&self.pipe, unread);
    }

    /// Drops the future or the source. Those that came to their end are dropped where they were polled.
    #[inline]
    pub(crate) fn drop_application(&mut self) {
        let is_over =
            matches!(self.stage, Stage::Over | Stage::Calling) && !(self.has_body && self.holds_body());
        if self.future.is_some() || !is_over {
            self.drop_unfinished();
        }
        // There is nothing in it any more, so it need not be asked what it is to drop.
        std::mem::forget(std::mem::replace(&mut self.stage, Stage::Over));
    }

    /// Code of the application runs in here: what panics must not keep the rest from being given back.
    #[cold]
    fn drop_unfinished(&mut self) {
        self.let_body_go();
        let _ = panics::catch(|| self.future.set(None));
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let _ = panics::catch(|| drop(stage));
    }

    fn holds_body(&self) -> bool {
        self.wait.is_some() || self.gathering.is_some() || self.permit.is_some()
    }

    /// Nothing more of the body is gathered, read or waited for.
    pub(crate) fn let_body_go(&mut self) {
        (self.gathering, self.permit, self.wait) = (None, None, None);
    }

    /// Lets go of memory that is larger than most requests need.
    #[inline]
    pub(crate) fn shrink(&mut self) {
        if RequestHead::as_ref(&self.head).raw().len() > LARGE_HEAD {
            self.head = Arc::default();
        }
        if self.has_body {
            panics::discard(Pipe::replace(&mut self.pipe));
        } else if self.pipe.is_to_be_renewed() {
            // The wakers in it keep the tasks of those that wait no longer.
            Pipe::renew(&mut self.pipe);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }
}
