//! How an input is written.

use httpfsm::channel::{Data, Input};
use httpfsm::fields::Fields;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::Moment;

use crate::hide::Hiding;
use crate::latin1::Latin1;
use crate::line::{ContentForm, RecordLine};

/// The bytes of fields.
fn fields_size(fields: &Fields) -> usize {
    fields.iter().map(|field| field.name.len() + field.value.len()).sum()
}

impl Hiding {
    /// The bytes that the line of an input is about.
    pub(super) fn input_size(&self, input: &Input<'_>) -> usize {
        match input {
            Input::RxData(bytes) => bytes.len(),
            Input::RxRead(n) | Input::Sent(n) => *n,
            Input::Write(data) => data.as_slice().len(),
            Input::HttpResponse(response) => {
                let content = match response.body {
                    BodyRef::Slice(bytes) => bytes.len(),
                    BodyRef::Bytes(bytes) => bytes.len(),
                    BodyRef::Empty | BodyRef::Stream { .. } => 0,
                };
                content + fields_size(response.fields)
            }
            Input::Informational(_, fields) | Input::Finish(Some(fields)) => fields_size(fields),
            Input::Abort(Some(text)) if self.failures => text.len(),
            Input::RxEnd
            | Input::TransmitReady
            | Input::Disconnected
            | Input::Busy
            | Input::Evict
            | Input::CheckPipeline
            | Input::Tick
            | Input::Flush
            | Input::Finish(None)
            | Input::Continue
            | Input::BodyDemand(_)
            | Input::BodyForgone
            | Input::Abort(_)
            | Input::GoOut(_) => 0,
        }
    }

    /// The line of an input. It lacks the bytes of the peer, those that were sent, and how the channel stands then.
    pub(super) fn input_line(&self, input: &Input<'_>) -> RecordLine {
        let mut line = RecordLine { input: Some(input.event().to_string()), ..RecordLine::default() };
        match input {
            Input::RxData(_) | Input::RxRead(_) => line.bytes = Some(Latin1::default()),
            Input::Sent(n) => line.n = Some(*n as u64),
            Input::HttpResponse(response) => self.response(response, &mut line),
            Input::Write(data) => {
                line.content = Some(match data {
                    Data::Slice(_) => ContentForm::Slice,
                    Data::Bytes(_) => ContentForm::Bytes,
                    Data::Elsewhere(_) => ContentForm::Elsewhere,
                });
                match data {
                    Data::Elsewhere(content) => line.n = Some(content.len()),
                    Data::Slice(_) | Data::Bytes(_) => line.bytes = Some(self.body(data.as_slice())),
                }
            }
            Input::Finish(fields) => line.fields = fields.map(|fields| self.trailers(fields)),
            Input::Informational(status, fields) => {
                line.status = Some(status.code());
                line.fields = Some(self.fields(fields));
            }
            Input::BodyDemand(n) => line.n = Some(*n),
            Input::Abort(text) => line.text = self.failure(*text),
            Input::GoOut(leave) => {
                let times = [leave.idle_until, leave.fresh_until, leave.cut_at];
                line.leave = Some(times.map(Moment::as_millis));
            }
            Input::RxEnd
            | Input::TransmitReady
            | Input::Disconnected
            | Input::Busy
            | Input::Evict
            | Input::CheckPipeline
            | Input::Tick
            | Input::Flush
            | Input::Continue
            | Input::BodyForgone => {}
        }
        line
    }

    fn response(&self, response: &ResponseRef<'_>, line: &mut RecordLine) {
        line.status = Some(response.status.code());
        line.fields = Some(self.fields(response.fields));
        let (content, bytes) = match response.body {
            BodyRef::Empty => (ContentForm::Empty, None),
            BodyRef::Slice(bytes) => (ContentForm::Slice, Some(bytes)),
            BodyRef::Bytes(bytes) => (ContentForm::Bytes, Some(&bytes[..])),
            BodyRef::Stream { length } => {
                line.n = length;
                (ContentForm::Stream, None)
            }
        };
        line.content = Some(content);
        line.bytes = bytes.map(|bytes| self.body(bytes));
    }
}
