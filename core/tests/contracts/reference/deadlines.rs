//! The deadlines of the second machine.

use httpfsm::channel::State;
use httpfsm::{BodyError, Rule};

use super::clock::{self, NEVER, Patience, Times};
use super::machine::Reference;

/// The times of a server that goes out, as moments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LeaveTimes {
    pub(crate) idle_until: u64,
    pub(crate) fresh_until: u64,
    pub(crate) cut_at: u64,
}

impl LeaveTimes {
    /// Those of a server that goes out at `now` by its configuration.
    pub(crate) fn configured(times: Times, now: u64) -> Self {
        let grace = times.grace.unwrap_or(NEVER);
        Self {
            idle_until: now.saturating_add(grace),
            fresh_until: now.saturating_add(grace.max(clock::FRESH_AT_LEAST)),
            cut_at: now + clock::DRAIN,
        }
    }
}

/// A deadline. Of those that are over at the same moment, the first in this order counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DeadlineKind {
    OfState,
    Body,
    Write,
    /// Of a silent application, when the peer has ended its input.
    Behind,
    /// Of a channel without a request, when the server goes out.
    Grace,
    Cut,
}

impl Reference {
    /// The next deadline.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.next_deadline().map(|(at, _)| at)
    }

    fn next_deadline(&self) -> Option<(u64, DeadlineKind)> {
        use State as S;
        if matches!(self.state, S::Upgraded | S::Closed) {
            return None;
        }
        let since_application = |timeout| self.application_since.map_or(NEVER, |since| since + timeout);
        let of_state = match self.state {
            S::Fresh => self.entered + clock::FIRST_BYTE,
            S::Head => self.entered + clock::HEAD,
            S::Idle => self.entered + clock::IDLE,
            S::WaitResponse => since_application(clock::RESPONSE),
            S::HeadHeld | S::Responding => since_application(clock::STREAM),
            S::Discard => self.entered + clock::DISCARD,
            S::Lingering => self.entered + clock::LINGER,
            _ => NEVER,
        };
        let behind = match self.state {
            S::WaitResponse | S::HeadHeld | S::Responding if self.ended => {
                self.application_since.map_or(NEVER, |since| since.max(self.entered) + clock::PEER_ENDED)
            }
            _ => NEVER,
        };
        let (grace, cut) = match (self.leave, self.state) {
            (None, _) => (NEVER, NEVER),
            // What leaves, as the 503 of the cut does, has the grace to leave, and a second at least.
            (Some(leave), S::Closing | S::Lingering) => {
                let grace = self.times.grace.unwrap_or(0).max(clock::FRESH_AT_LEAST);
                (NEVER, leave.cut_at.max(self.entered + grace))
            }
            (Some(leave), S::Fresh) => (leave.fresh_until, leave.cut_at),
            (Some(leave), S::Idle) => (leave.idle_until, leave.cut_at),
            (Some(leave), _) => (NEVER, leave.cut_at),
        };
        let rates = self.times.rates;
        let all = [
            (of_state, DeadlineKind::OfState),
            (self.body_patience.ends(clock::BODY, rates), DeadlineKind::Body),
            (self.write_patience.ends(clock::WRITE, rates), DeadlineKind::Write),
            (behind, DeadlineKind::Behind),
            (grace, DeadlineKind::Grace),
            (cut, DeadlineKind::Cut),
        ];
        all.into_iter().filter(|(at, _)| *at != NEVER).min_by_key(|(at, _)| *at)
    }

    pub(super) fn pass_deadlines(&mut self) {
        while let Some((at, deadline)) = self.next_deadline() {
            if at > self.now {
                break;
            }
            self.pass(deadline);
            self.look_at_clocks();
        }
    }

    fn pass(&mut self, deadline: DeadlineKind) {
        use State as S;
        match (deadline, self.state) {
            (DeadlineKind::OfState, S::Head) => self.refuse(Rule::HeadTimeout, 408),
            (DeadlineKind::OfState, S::WaitResponse | S::HeadHeld) => self.refuse(Rule::ResponseTimeout, 503),
            (DeadlineKind::OfState, S::Responding | S::Discard) => self.close_after_output(),
            (DeadlineKind::Behind, S::Responding) => self.close_after_output(),
            (DeadlineKind::Behind, _) => self.refuse(Rule::PeerEnded, 503),
            (DeadlineKind::Body, _) => self.break_body(BodyError::TimedOut, Rule::BodyTimeout, 408),
            (DeadlineKind::Cut, S::Head | S::WaitResponse | S::HeadHeld) => self.refuse(Rule::Draining, 503),
            _ => self.closed(BodyError::Closed),
        }
    }

    /// Who is waited for after a step.
    pub(super) fn look_at_clocks(&mut self) {
        let with_application =
            matches!(self.state, State::WaitResponse | State::HeadHeld | State::Responding);
        let for_body = with_application && self.body.is_awaited();
        self.body_patience.waits(for_body, self.now, self.times.rates);
        if !with_application || for_body {
            self.application_since = None;
        } else if self.application_since.is_none() {
            self.application_since = Some(self.now);
        }
        if self.unsent != self.write_patience.is_waited_for() {
            // A peer that has read everything owes nothing for the next output.
            self.write_patience = Patience::default();
            self.write_patience.waits(self.unsent, self.now, self.times.rates);
        }
    }

    pub(super) fn application_works(&mut self) {
        self.application_since = Some(self.now);
    }
}
