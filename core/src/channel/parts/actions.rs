//! What each action of the table does: calls of the parts, which no other file sees. An action cannot see or set the state;
//! it returns at most one internal event.

use super::{Args, Parts};
use crate::channel::input::Input;
use crate::channel::input_part::{ChannelTrace, InputPart};
use crate::channel::outbox::OutputKind;
use crate::channel::{Action, Internal};
use crate::error::{BodyError, CloseReason, RequestError, Rule};

/// The table pairs the actions that take data with their inputs, and that is checked while compiling.
#[cold]
pub(super) fn wrong_input<T>(nothing: T) -> T {
    debug_assert!(false, "an action was given an input that does not carry its data");
    nothing
}

impl Parts {
    /// Does what `action` says. `trace` hears which bytes of the input it takes, and as what.
    #[inline]
    pub(in super::super) fn act(
        &mut self,
        action: &Action,
        args: &mut Args<'_>,
        trace: &mut impl ChannelTrace,
    ) -> Option<Internal> {
        match *action {
            Action::CheckDeadlines => return self.timers.is_due(args.at).then(|| self.timers.due_event()),
            Action::AskToSend => self.ask_to_send(),
            Action::NoteEviction => self.persistence.evict(),
            Action::NoteLeave => match *args.input {
                Input::GoOut(leave) => self.persistence.go_out(leave),
                _ => wrong_input(()),
            },
            Action::NoteEnd => self.receiver.end(),
            Action::Receive => self.receive(args),
            Action::ParseHead => {
                if self.receiver.parse_head(&self.compiled) {
                    return Some(Internal::DequeueRequest);
                }
                return self.begin_head();
            }
            Action::SearchHead => {
                let found = self.receiver.search_head(&self.compiled);
                return self.head_found(found);
            }
            Action::DeliverRequest => self.deliver_request(trace),
            Action::RefuseRequest => self.refuse(args, self.outbox.refusal(), None),
            Action::RefuseHead(rule) => self.refuse_head(args, rule),
            Action::DecodeBody => return self.decode_body(trace),
            Action::EndInput => return self.end_input(args.at, trace),
            Action::GrantBody => return self.grant_body(args, trace),
            Action::ForgoBody => self.receiver.forgo_body(),
            Action::BreakBody(error) => {
                let broken = self.receiver.break_body(error);
                self.note_broken(broken);
            }
            Action::RefuseBody => self.refuse_body(args),
            Action::FailBody => {
                let error = self.outbox.body_error();
                self.outbox.put_body_failed(error);
                self.persistence.end_with_response(CloseReason::BodyFailed(error));
            }
            Action::SendContinue => self.send_continue(),
            Action::SendInformational => self.send_informational(args),
            Action::AcceptResponse => return self.accept_response(args),
            Action::DemandBody => return self.demand_body(args, trace),
            Action::BeginBody => return self.begin_body(trace),
            Action::SendHead => self.send_head(args),
            Action::StageData => self.stage_data(args),
            Action::MarkFlush => self.mark_flush(args.at),
            Action::FinishResponse => return self.finish_response(args),
            Action::RespondBusy => {
                self.respond(args, RequestError::new(Rule::Busy, 0), None);
                self.outbox.put_busy();
                return Some(Internal::ResponseComplete);
            }
            Action::RespondInstead(rule) => self.respond_instead(args, rule, None),
            Action::RespondFailure => match *args.input {
                Input::Abort(text) => {
                    let text = text.filter(|_| self.compiled.config.expose_tracebacks);
                    self.respond_instead(args, Rule::HandlerFailed, text);
                }
                _ => wrong_input(()),
            },
            Action::CutResponse(reason) => {
                self.persistence.replace_reason(reason);
                // Content that ends with the connection has no other mark of its end: behind a FIN, the part of it that was
                // sent would look whole.
                self.sender.reset_when(self.sender.runs_until_close());
            }
            Action::CheckPipelineLimit => self.receiver.check_pipeline(&self.compiled),
            Action::EndExchange => return self.end_exchange(trace),
            Action::ChooseNext => return self.choose_next(),
            Action::TakeSent => self.take_sent(args),
            Action::CheckSent => return self.all_sent(),
            Action::DiscardBody => {
                return self.receiver.discard_body(trace).then_some(Internal::BodyDiscarded);
            }
            Action::ReleaseBuffers => self.release_buffers(),
            Action::SetReason(reason) => self.persistence.set_reason(reason),
            Action::BeginClose => self.begin_close(BodyError::Closed, trace),
            Action::CloseWrite => return self.close_write(),
            Action::DropInput => return self.receiver.linger(trace).then_some(Internal::LingerOver),
            Action::EndLinger => self.end_linger(trace),
            Action::HandOver => {
                trace.part(InputPart::HandedOver, self.receiver.buffer().unparsed_len());
                self.outbox.put(OutputKind::Upgraded);
            }
            Action::Close(reason) => self.close(reason, trace),
            Action::Disconnect => self.disconnect(trace),
            Action::EndUpgraded => self.end_upgraded(trace),
        }
        None
    }
}
