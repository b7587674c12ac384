//! How outputs and the state of a channel are written: the same when it is recorded and when it is replayed.

use httpfsm::channel::{Channel, NotAccepted, Output};
use httpfsm::request::{RequestRef, Version};

use crate::hide::shown_method;
use crate::latin1::Latin1;
use crate::line::{RecordLine, Then};

/// How the channel stands after an input.
pub(crate) fn then(taken: &Result<(), NotAccepted>, channel: &Channel) -> Then {
    Then {
        state: channel.state().to_string(),
        refused: taken.is_err(),
        due: channel.deadline().map(|due| due.as_millis()),
        unsent: channel.unsent_len() as u64,
        pending: channel.has_output(),
    }
}

pub(crate) fn request_line(request: Option<RequestRef<'_>>) -> RecordLine {
    let text = request.map(|request| {
        let minor = if request.version() == Version::Http10 { 0 } else { 1 };
        format!("{} {} HTTP/1.{minor}", shown_method(request.method()), request.target())
    });
    let n = request.map(|request| request.fields().count() as u64);
    RecordLine { out: Some("HttpRequest".to_owned()), text, n, ..RecordLine::default() }
}

pub(crate) fn output_line(output: &Output<'_>, mask_bodies: bool) -> RecordLine {
    let mut line = RecordLine::default();
    let name = match output {
        Output::HttpChannelOpened => "HttpChannelOpened",
        Output::HttpRequest => "HttpRequest",
        Output::BodyData(bytes) => {
            let bytes = if mask_bodies { vec![b'x'; bytes.len()] } else { bytes.to_vec() };
            line.bytes = Some(Latin1(bytes));
            "BodyData"
        }
        Output::BodyEnd(trailers) => {
            // How many: one of them may be a secret. Where their names are hidden, nobody knows which of them are left out.
            line.n = (!mask_bodies).then(|| trailers.iter().count() as u64);
            "BodyEnd"
        }
        Output::BodyFailed(error) => {
            line.text = Some(format!("{error:?}"));
            "BodyFailed"
        }
        Output::PeerEnded => "PeerEnded",
        Output::Refused(error) => {
            line.status = Some(error.status().code());
            line.text = Some(format!("{error:?}"));
            "Refused"
        }
        Output::Excess(n) => {
            line.n = Some(*n);
            "Excess"
        }
        Output::Flushed => "Flushed",
        Output::TransmitReady => "TransmitReady",
        Output::FlushOutputData => "FlushOutputData",
        Output::Upgraded(leftover) => {
            // Another protocol's bytes, which may be as secret; what was read shows them as far as they are not.
            line.n = Some(leftover.len() as u64);
            "Upgraded"
        }
        Output::CloseWrite => "CloseWrite",
        Output::Drop { reset } => {
            line.text = reset.then(|| "reset".to_owned());
            "Drop"
        }
        Output::HttpChannelClosed(reason) => {
            line.text = Some(format!("{reason:?}"));
            "HttpChannelClosed"
        }
    };
    line.out = Some(name.to_owned());
    line
}
