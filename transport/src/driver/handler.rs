//! The handler of a request, and its response: called, polled, and handed to the channel.

use std::future::Future;
use std::task::{Context, Poll};

use httpfsm::channel::{Input, NotAccepted, State};
use httpfsm::error::BodyError;
use httpfsm::fsm::Label as _;
use httpfsm::handler::{Body, Failure, Handler, Hosts, IntoResponse, Response};
use httpfsm::request::RequestRef;
use httpfsm::status::Status;
use httpfsm::time::Now;

use super::{Driver, WakeUp};
use crate::exchange::Stage;
use crate::panics;
use crate::pipe::{Calls, Order};
use crate::sending::{Pumped, Sending, WireNow};
use crate::serving::Serving;
use crate::spool::Spool;
use crate::stack::Stack;
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    /// Takes up the request that waits, and calls the handler.
    pub(super) fn begin(&mut self, now: &Now<'_>) {
        self.channel.note_request();
        let Some(request) = self.channel.request() else { return };
        self.service.tell_of_request(|subscriber| subscriber.request(&self.info, request));
        if self.wire.as_ref().is_some_and(Stack::is_layered) && self.is_misdirected(request) {
            let response = Response::new(Status::MISDIRECTED_REQUEST);
            let _ = self.channel.handle(now, Input::HttpResponse(response.as_ref()));
            return;
        }
        let counted = self.service.shared.budget.is_limited();
        if counted && !self.service.shared.budget.begin_request() {
            let _ = self.channel.handle(now, Input::Busy);
            return;
        }
        let exchange = match &mut self.exchange {
            Some(exchange) => exchange,
            none => none.insert(self.service.new_exchange()),
        };
        exchange.counted = counted;
        exchange.begin(request);
        if self.service.whole_bodies && exchange.has_body && !request.expects_continue() {
            let overflow = self.service.compiled.config().inbuf_overflow;
            exchange.stage = Stage::Gathering;
            exchange.gathering = Some(Box::new(Spool::new(overflow, &self.service.shared.ledger)));
        } else {
            self.call(None, now);
        }
    }

    /// Whether the request is for a host that the connection does not serve.
    #[cold]
    fn is_misdirected(&self, request: RequestRef<'_>) -> bool {
        let Some(hosts) = self.info.extensions.get::<Hosts>() else { return false };
        // The application's code. Where it panics, nobody knows whether the request may be served.
        panics::attempt(|| !hosts.serve_request(&request)).unwrap_or_else(|text| {
            self.failed(Failure::Layer, &format!("The choice of hosts panicked: {text}"));
            true
        })
    }

    /// Calls the handler.
    pub(super) fn call(&mut self, gathered: Option<Body>, now: &Now<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        let request = exchange.request(gathered, &self.info);
        exchange.stage = Stage::Calling;
        // Set from within, which saves moving the future once more.
        let called = panics::catch(|| exchange.future.set(Some(self.service.handler.call(request))));
        if let Err(panic) = called {
            self.abort(Failure::Handler, &panic, now);
        }
    }

    /// Polls whatever of the application is next; `true` if the channel has been given something.
    pub(super) fn application(&mut self, wake_up: &mut WakeUp<'_>, cx: &mut Context<'_>) -> bool {
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        let (waits, gathers) = (exchange.wait.is_some(), exchange.gathering.is_some());
        if (waits && self.room_came(&wake_up.now, cx)) || (gathers && self.gather(wake_up, cx)) {
            wake_up.ask = true;
            return true;
        }
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        exchange.pipe.attend();
        let serving = Serving::begin(&mut exchange.server);
        let response = match &mut exchange.stage {
            Stage::Over | Stage::Gathering => {
                serving.end(&mut exchange.server);
                return false;
            }
            Stage::Calling | Stage::Orphaned(_) => {
                let future = &mut exchange.future;
                panics::catch(|| {
                    let Some(running) = future.as_mut().as_pin_mut() else { return Poll::Pending };
                    let response = running.poll(cx).map(IntoResponse::into_response);
                    if response.is_ready() {
                        // In here: the drop of a future is the application's code, too.
                        future.set(None);
                    }
                    response
                })
            }
            Stage::Sending(sending) => {
                // What is free is for those who have nothing to send.
                wake_up.is_full |= self.service.shared.ledger.is_waited_for();
                let sends_files = self.wire.as_ref().is_some_and(Wire::sends_files);
                let sends_files = sends_files && !self.channel.is_recorded();
                let wire = WireNow { is_full: wake_up.is_full, sends_files };
                let pumped = sending.pump(&mut self.channel, wire, &wake_up.now, cx);
                serving.end(&mut exchange.server);
                let calls = exchange.pipe.attended();
                // The handler will not read the body, so a held head leaves now, and says what comes of that.
                let goes_on = matches!(pumped, Pumped::Waits | Pumped::More);
                let releases = goes_on && self.channel.holds_head() && exchange.pipe.forgoes_body();
                let mut called = calls.is_some_and(|calls| self.carry_out(calls, wake_up, cx));
                called |= releases && self.channel.handle(&wake_up.now, Input::BodyForgone).is_ok();
                match pumped {
                    Pumped::Waits => return called,
                    // The next pass goes on, after a write.
                    Pumped::More => {
                        wake_up.ask = true;
                        return false;
                    }
                    Pumped::Failed(text) => {
                        self.failed(Failure::Response, &text);
                        self.finish();
                    }
                    Pumped::Over => self.end_exchange(BodyError::ResponseComplete),
                }
                return true;
            }
        };
        serving.end(&mut exchange.server);
        // What the handler has asked for comes before its response.
        let calls = exchange.pipe.attended();
        let called = calls.is_some_and(|calls| self.carry_out(calls, wake_up, cx));
        match response {
            Ok(Poll::Pending) => {
                self.channel.forget_request();
                return called;
            }
            Ok(Poll::Ready(response)) => {
                // What was asked for may be read behind the response, by whoever has the body then.
                if called && self.channel.has_output() && !self.is_held_up(wake_up) {
                    self.outputs(wake_up, cx);
                }
                wake_up.ask = self.respond(response, &wake_up.now);
            }
            Err(panic) => self.abort(Failure::Handler, &panic, &wake_up.now),
        }
        true
    }

    /// Hands the response to the channel. `true` if it has a source, which is to be polled.
    #[inline]
    fn respond(&mut self, mut response: Response, now: &Now<'_>) -> bool {
        if response.has_report() {
            self.report(&response);
        }
        // The server may have begun to go out since this wake-up began, and the response is to say so.
        if self.service.shared.is_draining() {
            self.tell_to_go(now);
        }
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        // The source is the application's code: `length` may panic.
        if let Body::Stream(source) = &response.body {
            if let Err(panic) = panics::catch(|| source.length()) {
                panics::discard(response);
                self.abort(Failure::Handler, &panic, now);
                return false;
            }
        }
        // Nobody reads on while it is sent, and its head is to say what comes of that.
        if matches!(response.body, Body::Stream(_)) && exchange.pipe.forgoes_body() {
            let _ = self.channel.handle(now, Input::BodyForgone);
        }
        match self.channel.handle(now, Input::HttpResponse(response.as_ref())) {
            Ok(()) if self.channel.owes_body() => {
                exchange.stage = Stage::Sending(Box::new(Sending::new(response.take_body())));
                return true;
            }
            Ok(()) => {}
            Err(refused) => self.not_accepted(refused, now),
        }
        // It may be a source, which is dropped unread: the application's code, too.
        panics::discard(response.body);
        self.end_exchange(BodyError::ResponseComplete);
        false
    }

    /// The channel has refused the response. Either the channel has responded by itself (a deadline) or is closed, and
    /// the response is dropped. Or the channel still waits, and the response does not meet a condition (a 101 to a
    /// request that asks for no upgrade, say): a failure of the handler.
    #[cold]
    fn not_accepted(&mut self, refused: NotAccepted, now: &Now<'_>) {
        let Some(condition) = refused.unmet else { return };
        let text =
            format!("The response cannot be sent, because this does not hold: {}", condition.meaning());
        if self.channel.handle(now, Input::Abort(Some(&text))).is_ok() {
            self.failed(Failure::Handler, &text);
        }
    }

    #[cold]
    fn report(&self, response: &Response) {
        if let Some(text) = response.failure() {
            self.failed(Failure::Handler, text);
        }
        if let Some(fault) = response.fault() {
            self.service.tell(|subscriber| subscriber.invalid_field(&self.info, fault));
        }
    }

    #[cold]
    pub(super) fn abort(&mut self, failure: Failure, text: &str, now: &Now<'_>) {
        self.failed(failure, text);
        let _ = self.channel.handle(now, Input::Abort(Some(text)));
        self.finish();
    }

    #[cold]
    pub(super) fn failed(&self, failure: Failure, text: &str) {
        self.service.shared.report_failure(Some(&self.info), failure, text);
    }

    /// The exchange is over without a whole response of the handler; its memory stays for the next request of this wake-up.
    pub(super) fn finish(&mut self) {
        self.end_exchange(BodyError::Closed);
    }

    /// As [`finish`](Self::finish), in line, for a whole response. `unread` is why no more of the body is read.
    #[inline(always)]
    fn end_exchange(&mut self, unread: BodyError) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        // A 101 or a 2xx to CONNECT has not left yet: whoever waits for the connection goes on waiting.
        if self.channel.state() == State::Handover {
            exchange.drop_application();
        } else {
            exchange.finish(unread);
        }
        if std::mem::take(&mut exchange.counted) {
            exchange.pipe.place.leave(&self.service.shared);
        }
    }

    /// Passes on what the handler asked of the channel.
    #[cold]
    fn carry_out(&mut self, calls: Calls, wake_up: &mut WakeUp<'_>, cx: &Context<'_>) -> bool {
        let now = &wake_up.now;
        for order in calls.orders {
            // Not accepted where the response came first: that is no failure.
            let _ = match order {
                Order::Continue => self.channel.handle(now, Input::Continue),
                Order::Informational(status, fields) => {
                    self.channel.handle(now, Input::Informational(status, &fields))
                }
            };
        }
        if let Some(until) = calls.gather {
            self.begin_gathering(until, calls.demand, wake_up, cx);
        } else if calls.demand > 0 {
            self.demand(calls.demand, now, cx);
        }
        // It may be that nobody wants the body any more.
        if let Some(exchange) = self.exchange.as_deref_mut().filter(|exchange| exchange.pipe.forgoes_body()) {
            exchange.permit = None;
        }
        wake_up.ask |= self.exchange.as_ref().is_some_and(|exchange| exchange.gathering.is_some());
        true
    }
}
