//! Deadlines: one per state at most, and four that belong to conditions.

use super::context::Context;
use super::settings::NEVER;
use super::{Event, State};
use crate::time::Moment;

/// The deadline that a state owns: the event that its passing is. What is not here has none of its own.
#[must_use]
pub const fn deadline_of(state: State) -> Option<Event> {
    match state {
        State::Fresh => Some(Event::FirstByteTimeout),
        State::Head => Some(Event::HeadTimeout),
        State::Idle => Some(Event::InactivityTimeout),
        State::WaitResponse => Some(Event::ResponselessTimeout),
        State::Responding => Some(Event::StreamIdleTimeout),
        State::Discard => Some(Event::DiscardTimeout),
        State::Lingering => Some(Event::LingerTimeout),
        State::Flushing | State::Closing | State::Handover | State::Upgraded | State::Closed => None,
    }
}

impl Context {
    /// Brings the conditions and the next deadline up to date after an event.
    #[inline]
    pub(super) fn settle(&mut self, at: Moment, state: State) {
        let with_application = matches!(state, State::WaitResponse | State::Responding);
        if with_application || self.application_waited || self.body_rate.is_on() {
            let body_awaited = with_application && self.credit > 0 && self.receiving.is_wanted();
            self.body_rate.hold(body_awaited, at.as_millis(), self.settings.config.min_body_rate);
            let waited =
                with_application && !body_awaited && (state == State::WaitResponse || self.room() > 0);
            if waited && !self.application_waited {
                self.application_since = at;
            }
            self.application_waited = waited;
        }
        let pending = !self.outbuf.is_empty();
        if pending != self.write_rate.is_on() {
            // Each batch of output is counted for itself.
            if pending {
                self.write_rate.begin(at.as_millis());
            } else {
                self.write_rate.reset();
            }
        }
        self.pace_input();
        let (due, event) = self.earliest(state);
        self.due = Moment::from_millis(due);
        self.due_event = event;
    }

    /// The event of a deadline that has passed.
    pub(super) fn passed(&self, at: Moment) -> Option<Event> {
        // `due` was computed for the state that the table stands in. The end of time is not the end of a deadline
        // that does not run.
        (at >= self.due && self.due.as_millis() != NEVER).then_some(self.due_event)
    }

    /// The next deadline, and the event that its passing is.
    #[inline]
    fn earliest(&self, state: State) -> (u64, Event) {
        let settings = &self.settings;
        let entered = self.entered.as_millis();
        let (since, timeout) = match state {
            State::Fresh => (entered, settings.first_byte),
            State::Head => (entered, settings.head_time),
            State::Idle => (entered, settings.inactivity),
            State::WaitResponse if self.application_waited => {
                (self.application_since.as_millis(), settings.responseless)
            }
            State::Responding if self.application_waited => {
                (self.application_since.as_millis(), settings.stream_idle)
            }
            State::Discard => (entered, settings.discard),
            State::Lingering => (entered, settings.linger),
            State::Upgraded | State::Closed => return (NEVER, Event::Tick),
            _ => (0, NEVER),
        };
        let mut earliest = (since.saturating_add(timeout), deadline_of(state).unwrap_or(Event::Tick));
        if self.body_rate.is_on() {
            let when = self.body_rate.deadline(settings.body, settings.config.min_body_rate);
            earliest = sooner(earliest, when, Event::BodyTimeout);
        }
        if self.write_rate.is_on() {
            let when = self.write_rate.deadline(settings.write, settings.config.min_write_rate);
            earliest = sooner(earliest, when, Event::WriteTimeout);
        }
        if state == State::Idle && self.age != NEVER {
            earliest = sooner(earliest, self.age.max(entered), Event::AgeReached);
        }
        if self.draining {
            earliest = self.earliest_of_drain(state, earliest);
        }
        earliest
    }

    #[cold]
    fn earliest_of_drain(&self, state: State, mut earliest: (u64, Event)) -> (u64, Event) {
        let since = self.drain_since.as_millis();
        if state == State::Idle {
            earliest = sooner(earliest, since.saturating_add(self.settings.grace), Event::DrainGrace);
        }
        // This is no discard: going out ends one at once, and begins none.
        let mut when = since.saturating_add(self.settings.drain);
        let entered = self.entered.as_millis();
        if entered >= when && matches!(state, State::Closing | State::Lingering) {
            // The 503 of the deadline itself needs time to leave.
            when = entered.saturating_add(self.settings.grace);
        }
        sooner(earliest, when, Event::DrainTimeout)
    }
}

#[inline]
fn sooner(earliest: (u64, Event), when: u64, event: Event) -> (u64, Event) {
    if when < earliest.0 { (when, event) } else { earliest }
}
