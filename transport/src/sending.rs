//! A streamed response on its way from its source to the channel.

use std::task::{Context, Poll};

use bytes::Bytes;
use httpfsm::channel::{Data, Elsewhere, Input, NotAccepted};
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, BodyFailure, Frame, NoRoom};
use httpfsm::time::Now;

use crate::ledger::GRANTED;
use crate::panics;
use crate::tape::Taped;

/// Frames taken from a source in a row, before others get their turn.
pub(crate) const FRAMES: usize = 64;

/// The rest of a response.
pub(crate) struct Sending {
    body: Body,
    /// A frame of the source that comes behind what the source has asked for.
    next: Option<Frame>,
    /// Content that the channel had no room for.
    left: Bytes,
    /// The same of content that is elsewhere.
    left_elsewhere: Option<Elsewhere>,
    /// The source was polled and had nothing yet.
    is_awaited: bool,
    /// The source is polled again when its bytes have left: that is the completion of its flush.
    pub(crate) flushing: bool,
}

/// What a pump goes by beside the channel.
#[derive(Clone, Copy)]
pub(crate) struct WireNow {
    /// The server has no room.
    pub(crate) is_full: bool,
    /// The wire sends content that is elsewhere, and its bytes need not be seen.
    pub(crate) sends_files: bool,
}

/// How far a pump got.
pub(crate) enum Pumped {
    /// The source or the room is exhausted.
    Waits,
    /// There is more, but others are to have their turn.
    More,
    /// The response is over, or nobody waits for it any more.
    Over,
    /// The source failed, and the response was cut; why.
    Failed(String),
}

impl Sending {
    pub(crate) fn new(body: Body) -> Self {
        Self {
            body,
            next: None,
            left: Bytes::new(),
            left_elsewhere: None,
            is_awaited: false,
            flushing: false,
        }
    }

    /// Moves what the source has and the channel takes. The source is asked for nothing while there is no room.
    /// Where the server is full, the source is asked for nothing while more is to be sent than what is always granted; a
    /// source that was asked before is polled, as it may have room for what it makes, and others wait for that room.
    pub(crate) fn pump(
        &mut self,
        channel: &mut Taped,
        wire: WireNow,
        now: &Now<'_>,
        cx: &mut Context<'_>,
    ) -> Pumped {
        match panics::catch(|| self.try_pump(channel, wire, now, cx)) {
            // Not accepted: the channel has ended the response by itself (a deadline, a lost connection).
            Ok(pumped) => pumped.unwrap_or(Pumped::Over),
            // The bytes of a frame may be the application's, too, and are dropped where they are copied.
            Err(panic) => {
                let _ = channel.handle(now, Input::Abort(Some(&panic)));
                Pumped::Failed(panic)
            }
        }
    }

    fn try_pump(
        &mut self,
        channel: &mut Taped,
        wire: WireNow,
        now: &Now<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Pumped, NotAccepted> {
        for _ in 0..FRAMES {
            if !self.left.is_empty() {
                self.hand_over(channel, now)?;
            }
            if channel.content_is_whole() {
                // What the source yields beyond is not sent, and whether it ever ends is of no matter.
                return finish(channel, now, None);
            }
            if self.left_elsewhere.is_some() && channel.room_for_bytes() {
                if let Some(content) = self.left_elsewhere.take() {
                    channel.handle(now, Input::Write(Data::Elsewhere(content)))?;
                }
            }
            let is_left = !self.left.is_empty() || self.left_elsewhere.is_some();
            if self.flushing || is_left || channel.room() == 0 {
                return Ok(Pumped::Waits);
            }
            // It takes no memory. A head that is held waits for what the source asks for when it is polled.
            if wire.sends_files && self.next.is_none() && !self.is_awaited && !channel.holds_head() {
                self.left_elsewhere = self.body.take_elsewhere().filter(|content| !content.is_empty());
                if self.left_elsewhere.is_some() {
                    continue;
                }
            }
            if wire.is_full && !self.is_awaited && channel.unsent_here() > GRANTED as usize {
                return Ok(Pumped::Waits);
            }
            let frame = match self.next.take() {
                Some(frame) => frame,
                None => match self.poll_source(cx) {
                    Ok(Poll::Pending) => return Ok(Pumped::Waits),
                    // A failure is responded to, whatever the source has asked for.
                    Ok(Poll::Ready(frame @ Frame::Error(_))) => frame,
                    Ok(Poll::Ready(frame)) if channel.holds_head() => {
                        // What the source has asked for comes before what releases the head: the body of the request, say.
                        self.next = Some(frame);
                        return Ok(Pumped::More);
                    }
                    Ok(Poll::Ready(frame)) => frame,
                    Err(panic) => {
                        channel.handle(now, Input::Abort(Some(&panic)))?;
                        return Ok(Pumped::Failed(panic));
                    }
                },
            };
            // Also a failure is the application's: its text, and its drop.
            let frame = panics::catch(|| fails(frame)).unwrap_or_else(|panic| Err((panic, true)));
            let (failure, is_own) = match frame {
                Ok(Frame::Data(bytes)) => {
                    self.left = bytes;
                    continue;
                }
                Ok(Frame::Flush) => {
                    self.flushing = true;
                    channel.handle(now, Input::Flush)?;
                    continue;
                }
                Ok(Frame::Trailers(fields)) => return finish(channel, now, Some(&fields)),
                // Errors are taken out already.
                Ok(Frame::End | Frame::Error(_)) => return finish(channel, now, None),
                Err(failure) => failure,
            };
            channel.handle(now, Input::Abort(Some(&failure)))?;
            return Ok(if is_own { Pumped::Failed(failure) } else { Pumped::Over });
        }
        Ok(Pumped::More)
    }

    /// A panic is an error.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Result<Poll<Frame>, String> {
        let frame = panics::catch(|| self.body.poll_frame(cx));
        self.is_awaited = matches!(frame, Ok(Poll::Pending));
        frame
    }

    /// A frame is one write, however the bytes before it have left: so the chunks of a response do not depend on the
    /// peer's speed.
    fn hand_over(&mut self, channel: &mut Taped, now: &Now<'_>) -> Result<(), NotAccepted> {
        if channel.room_for_bytes() || self.left.len() <= channel.room() {
            return channel.handle(now, Input::Write(Data::Bytes(std::mem::take(&mut self.left))));
        }
        Ok(())
    }
}

fn finish(channel: &mut Taped, now: &Now<'_>, trailers: Option<&Fields>) -> Result<Pumped, NotAccepted> {
    channel.handle(now, Input::Finish(trailers))?;
    Ok(Pumped::Over)
}

/// A frame, or the text of a failure and whether that is the server's own: a request body that is sent back fails with its
/// peer, which is no failure of the server. Nor is it one that there was no room for a piece, which the ledger has told.
fn fails(frame: Frame) -> Result<Frame, (String, bool)> {
    match frame {
        Frame::Error(failure) => Err((failure.to_string(), is_own(&failure))),
        frame => Ok(frame),
    }
}

/// Whether a failure is told as the server's own.
pub(crate) fn is_own(failure: &BodyFailure) -> bool {
    matches!(failure, BodyFailure::Source(error) if !error.is::<NoRoom>())
}
