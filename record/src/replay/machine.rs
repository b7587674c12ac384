//! The machine that lines are fed to, and compared with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use httpfsm::channel::{
    Channel, CompiledConfig, Data, Elsewhere, Event, Facts, Input, Leave, NotAccepted, Output, Step,
};
use httpfsm::fields::Fields;
use httpfsm::fsm::Label;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::status::Status;
use httpfsm::time::{Date, Moment, Now};

use super::failure::{ReplayFailure, differ, differs, malformed};
use super::step::LineKind;
use crate::hide::{Outgoing, SecretNames};
use crate::latin1::{Latin1, write_line};
use crate::line::{ContentForm, RecordLine};
use crate::show::{output_line, request_line, then};

/// A channel that does what the lines of a recording say, and is compared with them.
pub(crate) struct ReplayMachine {
    pub(super) channel: Channel,
    names: SecretNames,
    masked_bodies: bool,
    outgoing: Outgoing,
    pub(super) now: (Moment, Date),
    /// An error page was asked for that the recording does not have.
    pub(super) page_missing: Arc<AtomicBool>,
    /// The rows that the last input took.
    pub(super) rows: Vec<Step>,
}

impl ReplayMachine {
    /// A channel that has just opened.
    pub(crate) fn new(
        compiled: Arc<CompiledConfig>,
        facts: Facts,
        names: SecretNames,
        masked_bodies: bool,
    ) -> Self {
        Self {
            channel: Channel::new(compiled, facts),
            names,
            masked_bodies,
            outgoing: Outgoing::default(),
            now: (Moment::START, Date::EPOCH),
            page_missing: Arc::default(),
            rows: Vec::new(),
        }
    }

    /// Does what line `at` says and compares; says what kind of line it is, and its name.
    pub(crate) fn follow(
        &mut self,
        at: usize,
        line: &RecordLine,
    ) -> Result<(LineKind, String), ReplayFailure> {
        if let Some(name) = line.input.clone() {
            self.input(at, line)?;
            let refused = line.then.as_ref().is_some_and(|then| then.refused);
            Ok((if refused { LineKind::NotAccepted } else { LineKind::Input }, name))
        } else if let Some(name) = line.out.clone() {
            self.output(at, line)?;
            Ok((LineKind::Output, name))
        } else if let Some(name) = line.call.clone() {
            if name != "forget_request" {
                return Err(malformed(at, &format!("no call {name:?} is known")));
            }
            self.channel.forget_request();
            Ok((LineKind::Call, name))
        } else {
            Err(malformed(at, "it has no \"in\", \"out\", \"call\", \"page\" or \"end\""))
        }
    }

    /// Feeds an input in and compares how the channel stands then; of what was sent, the bytes.
    fn input(&mut self, at: usize, line: &RecordLine) -> Result<(), ReplayFailure> {
        if let Some(moment) = line.at {
            self.now.0 = Moment::from_millis(moment);
        }
        if let Some(date) = &line.date {
            let date = date.as_bytes().try_into().ok().and_then(Date::new);
            self.now.1 = date.ok_or_else(|| malformed(at, "its date is none"))?;
        }
        let taken = self.feed(at, line)?;
        let mut got = RecordLine { then: Some(then(&taken, &self.channel)), ..RecordLine::default() };
        if !self.masked_bodies {
            // What was hidden in the content is hidden already.
            let bytes = line.bytes.clone().filter(|_| line.content.is_some());
            let mut staged = RecordLine {
                input: line.input.clone(),
                n: line.n,
                status: line.status,
                bytes,
                ..RecordLine::default()
            };
            staged.content = line.content;
            self.outgoing.taken(&self.names, &self.channel, &mut staged, taken.is_ok());
            got.bytes = staged.bytes.filter(|_| staged.content.is_none() && line.bytes.is_some());
        }
        if self.page_missing.load(Ordering::SeqCst) {
            return Ok(());
        }
        let is_sent = got.bytes.is_some();
        if line.then.as_ref().is_some_and(|then| Some(then) != got.then.as_ref())
            || (is_sent && got.bytes != line.bytes)
        {
            let bytes = line.bytes.clone().filter(|_| is_sent);
            return Err(differs(
                at,
                &RecordLine { bytes, then: line.then.clone(), ..RecordLine::default() },
                &got,
            ));
        }
        Ok(())
    }

    /// Takes an output and compares it.
    fn output(&mut self, at: usize, line: &RecordLine) -> Result<(), ReplayFailure> {
        let (masked, mut is_request) = (self.masked_bodies, false);
        let mut got = self.channel.next_output().map(|output| {
            is_request = matches!(output, Output::HttpRequest);
            output_line(&output, masked)
        });
        if is_request {
            got = Some(request_line(self.channel.request()));
        }
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        write_line(line, &mut expected);
        write_line(&got.unwrap_or_default(), &mut found);
        if expected == found { Ok(()) } else { Err(differ(at, &expected, &found)) }
    }

    /// Feeds in the input that a line stands for; the rows that it took are kept.
    fn feed(&mut self, at: usize, line: &RecordLine) -> Result<Result<(), NotAccepted>, ReplayFailure> {
        let name = line.input.as_deref().unwrap_or_default();
        let event = Event::ALL.iter().find(|event| event.label() == name);
        let bytes = line.bytes.as_ref().map_or(&[][..], |bytes| &bytes.0);
        let number = || line.n.ok_or_else(|| malformed(at, "it needs \"n\""));
        let status = || {
            let status = line.status.and_then(Status::new);
            status.ok_or_else(|| malformed(at, "it needs a \"status\" of three digits"))
        };
        let fields = match &line.fields {
            Some(fields) => restore(fields).map_err(|why| malformed(at, &why))?,
            None => Fields::new(),
        };
        let shared = Bytes::copy_from_slice(bytes);
        let input = match event {
            Some(Event::RxData) => Input::RxData(bytes),
            Some(Event::RxEnd) => Input::RxEnd,
            Some(Event::Sent) => Input::Sent(usize::try_from(number()?).unwrap_or(usize::MAX)),
            Some(Event::TransmitReady) => Input::TransmitReady,
            Some(Event::Disconnected) => Input::Disconnected,
            Some(Event::Busy) => Input::Busy,
            Some(Event::Evict) => Input::Evict,
            Some(Event::CheckPipeline) => Input::CheckPipeline,
            Some(Event::Tick) => Input::Tick,
            Some(Event::HttpResponse) => {
                let body = match line.content {
                    None | Some(ContentForm::Empty) => BodyRef::Empty,
                    Some(ContentForm::Slice) => BodyRef::Slice(bytes),
                    Some(ContentForm::Bytes) => BodyRef::Bytes(&shared),
                    Some(ContentForm::Stream) => BodyRef::Stream { length: line.n },
                    Some(ContentForm::Elsewhere) => {
                        return Err(malformed(at, "only a Write has content elsewhere"));
                    }
                };
                Input::HttpResponse(ResponseRef { status: status()?, fields: &fields, body })
            }
            Some(Event::Write) if line.content == Some(ContentForm::Bytes) => {
                Input::Write(Data::Bytes(shared))
            }
            Some(Event::Write) if line.content == Some(ContentForm::Elsewhere) => {
                // Bytes of nothing: the machine never sees them.
                Input::Write(Data::Elsewhere(Elsewhere::new(Arc::new(()), 0..number()?)))
            }
            Some(Event::Write) => Input::Write(Data::Slice(bytes)),
            Some(Event::Flush) => Input::Flush,
            Some(Event::Finish) => Input::Finish(line.fields.is_some().then_some(&fields)),
            Some(Event::Continue) => Input::Continue,
            Some(Event::Informational) => Input::Informational(status()?, &fields),
            Some(Event::BodyDemand) => Input::BodyDemand(number()?),
            Some(Event::BodyForgone) => Input::BodyForgone,
            Some(Event::Abort) => Input::Abort(line.text.as_deref()),
            Some(Event::GoOut) => {
                let times = line.leave.ok_or_else(|| malformed(at, "it needs \"leave\""))?;
                let [idle_until, fresh_until, cut_at] = times.map(Moment::from_millis);
                Input::GoOut(Leave { idle_until, fresh_until, cut_at })
            }
            _ => return Err(malformed(at, &format!("no input {name:?} is known"))),
        };
        let (now, rows) = (Now::new(self.now.0, &self.now.1), &mut self.rows);
        rows.clear();
        Ok(self.channel.handle_with(&now, input, &mut |row: &Step| rows.push(*row)))
    }
}

fn restore(recorded: &[(String, Latin1)]) -> Result<Fields, String> {
    let mut fields = Fields::new();
    for (name, value) in recorded {
        fields.push(name, &value.0).map_err(|error| error.to_string())?;
    }
    Ok(fields)
}
