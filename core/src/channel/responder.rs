//! A response that borrows from its request.
//!
//! The application reads the input (the head of the request) and writes to the output. They have different owners, so
//! nothing is taken out of the channel meanwhile. If the application panics, what it has staged is taken back.

use core::fmt;

use super::Condition;
use super::compiled_config::CompiledConfig;
use super::output_buffer::Mark;
use super::plan::{self, AfterHead, BodyLeft, ResponseContext, ResponsePlan};
use super::sender::Sender;
use crate::response::ResponseRef;
use crate::time::Now;

/// Where [`Channel::respond_with`](super::Channel::respond_with) takes the response.
///
/// ```
#[doc = include_str!("../examples/waiting_channel.txt")]
/// channel.respond_with(&now, |request, responder| {
///     let name = request.path().trim_start_matches('/');
///     match name {
///         "path" => responder.respond(ResponseRef::new(Status::OK, &fields, name.as_bytes())),
///         _ => responder.respond(ResponseRef::new(Status::NOT_FOUND, &fields, b"")),
///     }
/// })?;
/// assert!(channel.unsent().ends_with(b"\r\n\r\npath"));
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
pub struct Responder<'a> {
    sender: &'a mut Sender,
    compiled: &'a CompiledConfig,
    now: Now<'a>,
    context: ResponseContext<'a>,
    /// The head of a response whose content is still to be written has to wait for the request body.
    holds: bool,
    plan: &'a mut Option<ResponsePlan>,
    responded: Responded,
}

/// How far the response is.
enum Responded {
    NotYet,
    Unmet(Condition),
    /// Staged behind the mark.
    Staged(Mark),
    /// Its head waits.
    Held,
    /// Taken by the channel.
    Taken,
}

impl<'a> Responder<'a> {
    #[inline]
    pub(super) fn new(
        sender: &'a mut Sender,
        compiled: &'a CompiledConfig,
        now: Now<'a>,
        context: ResponseContext<'a>,
        holds: bool,
        plan: &'a mut Option<ResponsePlan>,
    ) -> Self {
        Self { sender, compiled, now, context, holds, plan, responded: Responded::NotYet }
    }

    /// Keeps what was staged, and says whether there is a response.
    #[inline]
    pub(super) fn take(mut self) -> Result<bool, Condition> {
        match self.responded {
            Responded::NotYet | Responded::Taken => Ok(false),
            Responded::Unmet(condition) => Err(condition),
            Responded::Staged(_) | Responded::Held => {
                self.responded = Responded::Taken;
                Ok(true)
            }
        }
    }

    /// Responds. Only the first call counts.
    ///
    /// ```
    #[doc = include_str!("../examples/waiting_channel.txt")]
    /// channel.respond_with(&now, |_, responder| {
    ///     responder.respond(ResponseRef::new(Status::FORBIDDEN, &fields, b""));
    ///     // The request has its response.
    ///     responder.respond(ResponseRef::new(Status::OK, &fields, b"hello"));
    /// })?;
    /// assert!(channel.unsent().starts_with(b"HTTP/1.1 403 Forbidden\r\n"));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    pub fn respond(&mut self, response: ResponseRef<'_>) {
        if !matches!(self.responded, Responded::NotYet) {
            return;
        }
        let is_complete = self.context.body_left == BodyLeft::None;
        let unmet = plan::unmet(self.context.request, is_complete, &response, self.compiled.high_water);
        if let Some(condition) = unmet {
            self.responded = Responded::Unmet(condition);
            return;
        }
        let plan = self.plan.insert(self.context.plan(&response));
        if self.holds && plan.then == AfterHead::Stream {
            self.responded = Responded::Held;
            self.sender.hold_head(&response);
            return;
        }
        self.responded = Responded::Staged(self.sender.buffer().mark());
        self.sender.stage_response(plan, &response, self.now.date, &self.compiled.identity);
    }
}

/// What was staged and not taken, since the application panicked, leaves the output as it was.
impl Drop for Responder<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.responded {
            Responded::Staged(mark) => self.sender.roll_back(mark),
            Responded::Held => self.sender.drop_held(),
            Responded::NotYet | Responded::Unmet(_) | Responded::Taken => {}
        }
    }
}

impl fmt::Debug for Responder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").finish_non_exhaustive()
    }
}
