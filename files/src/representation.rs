//! An open file as the response to a request.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use httpfsm::handler::{NoRoom, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::DiskWait;

use crate::at_once::Reads;
use crate::coding::Coding;
use crate::conditional::{PreconditionOutcome, Validators};
use crate::failure::{self, Unreadable};
use crate::jobs::Jobs;
use crate::ranges::Selection;
use crate::source::{FileBody, FileContent, SMALL};
use crate::types::Types;
use crate::{content, multipart};

/// A cache validates its copy each time, which costs a 304, as a file may change at any time.
pub(crate) const CACHING: &str = "no-cache";

/// What is to be sent.
pub(crate) struct Representation<'a> {
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
    /// The path of the file, for the operator.
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind<'a>,
    /// What is sent in its place.
    pub(crate) coded: Option<Coded>,
    pub(crate) reading: Reading,
}

/// The same content in a content coding, from a file of its own.
pub(crate) struct Coded {
    pub(crate) coding: Coding,
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
    /// The path of this file, for the operator.
    pub(crate) path: PathBuf,
}

/// How the content is read.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// By whoever finds the response, and up to how many bytes.
    pub(crate) now: Reads,
    pub(crate) most: u64,
    /// While it is sent.
    pub(crate) later: DiskWait,
}

impl Reading {
    /// In a job, and by a transport that does not wait for a disk.
    pub(crate) const IN_JOBS: Self = Self { now: Reads::Waiting, most: SMALL, later: DiskWait::Never };
}

/// The type of the content.
pub(crate) enum Kind<'a> {
    Known(Cow<'a, str>),
    /// That of a name, or else of the first bytes.
    Of(&'a Types, &'a Path),
}

/// A response, complete or not.
pub(crate) enum Begun {
    Response(Box<Response>),
    /// The response, without its content, and that, which begins when there is room for its first piece.
    Content(Box<(Response, FileContent)>),
}

impl From<Response> for Begun {
    fn from(response: Response) -> Self {
        Self::Response(Box::new(response))
    }
}

impl Begun {
    /// The response, whose content may be to come.
    pub(crate) fn response_mut(&mut self) -> &mut Response {
        match self {
            Self::Response(response) => response,
            Self::Content(content) => &mut content.0,
        }
    }

    /// With one more field.
    pub(crate) fn with_field(self, name: &str, value: &str) -> Self {
        match self {
            Self::Response(response) => response.with_field(name, value).into(),
            Self::Content(content) => {
                let (response, content) = *content;
                Self::Content(Box::new((response.with_field(name, value), content)))
            }
        }
    }

    /// The response, when there is room for the first piece of its content; 503 if there is none within `room_timeout`.
    pub(crate) async fn complete(self) -> Response {
        let (response, content) = match self {
            Self::Response(response) => return *response,
            Self::Content(content) => *content,
        };
        match content.reserve().await {
            Ok(content) => response.with_body(content.into_stream()),
            Err(NoRoom) => failure::no_room(),
        }
    }
}

impl Representation<'_> {
    /// The response to GET or HEAD, with its preconditions and ranges; to another method, all of the content. Blocks.
    pub(crate) fn respond(self, request: &Request, jobs: Jobs) -> Result<Begun, Unreadable> {
        let Self { file, metadata, path, kind, coded, reading } = self;
        let sent = coded.as_ref().map_or(&metadata, |coded| &coded.metadata);
        let mut validators = Validators::at(sent, SystemTime::now());
        if let Some(coded) = &coded {
            validators = validators.coded(coded.coding);
        }
        if let Some(response) = conditional_response(request, &validators) {
            return Ok(response.into());
        }
        let length = sent.len();
        let selection = match select(request, &validators, length) {
            Selection::Unsatisfiable => return Ok(unsatisfiable(length).into()),
            // `Content-Encoding` would say of `multipart/byteranges` that all of it is coded, and the parts alone are.
            Selection::Several(_) if coded.is_some() => Selection::Whole,
            selection => selection,
        };
        let content_type = match kind.content_type(&file, reading.now) {
            Ok(content_type) => content_type,
            Err(error) => return Err(Unreadable { path, error }),
        };
        let coding = coded.as_ref().map(|coded| coded.coding);
        let (file, path) = coded.map_or((file, path), |coded| (coded.file, coded.path));
        let source = FileContent::new(file, path, request.memory(), jobs).disk(reading.later);
        let part = Part::of(source, selection, length, content_type);
        let mut response = validators
            .apply(Response::new(part.status))
            .with_field("Cache-Control", CACHING)
            .with_field("Content-Type", part.content_type)
            // A browser must not guess another type.
            .with_field("X-Content-Type-Options", "nosniff")
            .with_field("Accept-Ranges", "bytes");
        if let Some(coding) = coding {
            response = response.with_field("Content-Encoding", coding.name());
        }
        if let Some(range) = part.content_range {
            response = response.with_field("Content-Range", range);
        }
        begin(request, response, part.source, reading)
    }

    /// All of it as the content of a response with another status. It has no validators, as it is no representation of what
    /// was asked for. Blocks.
    pub(crate) fn respond_with(
        self,
        status: Status,
        request: &Request,
        jobs: Jobs,
    ) -> Result<Begun, Unreadable> {
        let Self { file, metadata, path, kind, reading, .. } = self;
        let content_type = match kind.content_type(&file, reading.now) {
            Ok(content_type) => content_type,
            Err(error) => return Err(Unreadable { path, error }),
        };
        let response = Response::new(status)
            .with_field("Content-Type", content_type)
            .with_field("X-Content-Type-Options", "nosniff");
        let source =
            FileContent::new(file, path, request.memory(), jobs).disk(reading.later).range(0..metadata.len());
        begin(request, response, source, reading)
    }
}

/// Range is defined for GET alone (RFC 9110 section 14.2).
fn select(request: &Request, validators: &Validators, length: u64) -> Selection {
    match request.method() {
        "GET" => validators.select(request.head(), length),
        _ => Selection::Whole,
    }
}

fn unsatisfiable(length: u64) -> Response {
    Response::text("The file is shorter than that.\n")
        .with_status(Status::RANGE_NOT_SATISFIABLE)
        .with_field("Content-Range", format!("bytes */{length}"))
}

/// The response with its content: all of it where that is small.
fn begin(
    request: &Request,
    response: Response,
    source: FileContent,
    reading: Reading,
) -> Result<Begun, Unreadable> {
    if request.method() == "HEAD" {
        return Ok(response.with_body(source.into_stream()).into());
    }
    Ok(match source.read_whole(reading.now, reading.most)? {
        FileBody::Whole(bytes) => response.with_body(bytes).into(),
        FileBody::Pieces(content) => Begun::Content(Box::new((response, content))),
    })
}

/// What is sent of a content, and how that is told.
struct Part {
    status: Status,
    source: FileContent,
    content_type: String,
    content_range: Option<String>,
}

impl Part {
    /// Adds the bytes to the source.
    fn of(source: FileContent, selection: Selection, length: u64, content_type: String) -> Self {
        let (status, content_range) = (Status::PARTIAL_CONTENT, None);
        match selection {
            Selection::Whole | Selection::Unsatisfiable => {
                Self { status: Status::OK, source: source.range(0..length), content_type, content_range }
            }
            Selection::One(range) => {
                let content_range = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
                let content_range = Some(content_range);
                Self { status, source: source.range(range), content_type, content_range }
            }
            Selection::Several(ranges) => {
                let (source, content_type) = multipart::parts(source, &ranges, length, &content_type);
                Self { status, source, content_type, content_range }
            }
        }
    }
}

impl Kind<'_> {
    fn content_type(self, file: &File, reads: Reads) -> io::Result<String> {
        match self {
            Self::Known(kind) => Ok(kind.into_owned()),
            Self::Of(types, name) => content::content_type(types, name, file, reads),
        }
    }
}

/// The response that the preconditions of GET or HEAD determine, if any.
pub(crate) fn conditional_response(request: &Request, validators: &Validators) -> Option<Response> {
    if !matches!(request.method(), "GET" | "HEAD") {
        return None;
    }
    match validators.evaluate(request.head()) {
        PreconditionOutcome::Perform => None,
        PreconditionOutcome::NotModified => {
            Some(validators.apply(Response::new(Status::NOT_MODIFIED)).with_field("Cache-Control", CACHING))
        }
        PreconditionOutcome::Failed => Some(
            Response::text("This is not what the request supposes.\n")
                .with_status(Status::PRECONDITION_FAILED),
        ),
    }
}
