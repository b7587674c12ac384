//! Reads request bodies to their ends.

use std::io::Read;

use httpfsm::fields::Fields;
use httpfsm::handler::{Body, Request, Response};
use httpfsm::request::FieldRef;
use httpfsm_transport::BodyReader;

use crate::record::PartLog;
use crate::sum::Sum;

pub(super) async fn upload(request: &mut Request, log: &PartLog) -> Response {
    log.note("reads");
    let mut sum = Sum::default();
    let end = loop {
        match log.next_data(request.body()).await {
            None => break "end".to_owned(),
            Some(Ok(bytes)) => sum.add(&bytes),
            Some(Err(failure)) => break failure.to_string(),
        }
    };
    let trailers: Vec<_> = request.trailers().into_iter().flat_map(Fields::iter).map(show).collect();
    log.note(format_args!("{end} {trailers:?}"));
    Response::text(format!("{sum} {end} {trailers:?}"))
}

pub(super) fn read_blocking(body: Body, log: &PartLog) -> String {
    let (mut body, mut buffer) = (BodyReader::new(body), [0; 1000]);
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return "end".to_owned(),
            Ok(bytes) => log.bytes(&buffer[..bytes]),
            Err(error) => return error.to_string(),
        }
    }
}

pub(super) async fn read(body: &mut Body, log: &PartLog) -> String {
    loop {
        match log.next_data(body).await {
            None => return "end".to_owned(),
            Some(Ok(_)) => {}
            Some(Err(failure)) => return failure.to_string(),
        }
    }
}

fn show(field: FieldRef<'_>) -> String {
    format!("{}: {}", field.name, field.value.escape_ascii())
}
