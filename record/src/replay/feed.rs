//! The input that a line stands for.

use bytes::Bytes;
use httpfsm::channel::{Data, Event, Input, Leave, NotAccepted};
use httpfsm::fields::Fields;
use httpfsm::fsm::Label;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::status::Status;
use httpfsm::time::{Moment, Now};

use super::Replay;
use super::failure::{Failure, malformed};
use crate::latin1::Latin1;
use crate::line::{Content, Line};

impl Replay {
    /// Feeds in the input that a line stands for; the rows that it took are kept.
    pub(super) fn feed(&mut self, at: usize, line: &Line) -> Result<Result<(), NotAccepted>, Failure> {
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
                    None | Some(Content::Empty) => BodyRef::Empty,
                    Some(Content::Slice) => BodyRef::Slice(bytes),
                    Some(Content::Bytes) => BodyRef::Bytes(&shared),
                    Some(Content::Stream) => BodyRef::Stream { length: line.n },
                };
                Input::HttpResponse(ResponseRef { status: status()?, fields: &fields, body })
            }
            Some(Event::Write) if line.content == Some(Content::Bytes) => Input::Write(Data::Bytes(shared)),
            Some(Event::Write) => Input::Write(Data::Slice(bytes)),
            Some(Event::Flush) => Input::Flush,
            Some(Event::Finish) => Input::Finish(line.fields.is_some().then_some(&fields)),
            Some(Event::Continue) => Input::Continue,
            Some(Event::Informational) => Input::Informational(status()?, &fields),
            Some(Event::BodyDemand) => Input::BodyDemand(number()?),
            Some(Event::Abort) => Input::Abort(line.text.as_deref()),
            Some(Event::GoOut) => {
                // A recording from before the input carried its times: they were those of the configuration.
                let configured = self.channel.compiled_config().leave(self.now.0);
                Input::GoOut(line.leave.map_or(configured, |times| {
                    let [idle_until, fresh_until, cut_at] = times.map(Moment::from_millis);
                    Leave { idle_until, fresh_until, cut_at }
                }))
            }
            _ => return Err(malformed(at, &format!("no input {name:?} is known"))),
        };
        let (now, rows) = (Now::new(self.now.0, &self.now.1), &mut self.rows);
        rows.clear();
        Ok(self.channel.handle_with(&now, input, &mut |row: &httpfsm::channel::Step| rows.push(*row)))
    }
}

fn restore(recorded: &[(String, Latin1)]) -> Result<Fields, String> {
    let mut fields = Fields::new();
    for (name, value) in recorded {
        fields.push(name, &value.0).map_err(|error| error.to_string())?;
    }
    Ok(fields)
}
