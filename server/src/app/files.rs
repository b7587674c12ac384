//! `--app files`: a folder, for reading.
//!
//! | request | answer |
//! |---|---|
//! | a file | its octets, the ranges of it that were asked for, or 304 |
//! | a folder without a slash at the end | 301, to the same with one |
//! | a folder | its `index.html`, else a list of what is in it |
//! | anything else | 404 |
//!
//! What is hidden (names with a dot in front), what is neither a file nor a folder, and links that lead there, out of the
//! root or that are absolute are as if they were not there. All work on files is done by jobs, one for a small file.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use httpfsm::handler::{Handler, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::{Job, Spawner};

use conditional::{Validators, Verdict};
use path::Target;
use place::Place;
use ranges::Selection;
use source::Source;

mod conditional;
mod content;
mod listing;
mod multipart;
mod normalize;
mod path;
mod place;
mod ranges;
mod source;
#[cfg(test)]
mod tests;

const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// Stored copies are to be validated each time, which costs a 304: a file may change whenever it likes.
const CACHING: &str = "no-cache";

/// The application.
pub(crate) struct Files {
    root: Arc<Dir>,
    spawner: Arc<dyn Spawner>,
}

impl Files {
    /// Opens the folder to serve.
    ///
    /// # Errors
    ///
    /// [`NoFolder`] when there is none at the path, or none that may be opened.
    pub(crate) fn new(root: &Path, spawner: Arc<dyn Spawner>) -> Result<Self, NoFolder> {
        let no_folder = |error| NoFolder { path: root.to_owned(), error };
        let dir = Dir::open_ambient_dir(root, ambient_authority()).map_err(no_folder)?;
        // Better told now than by a 404 for each request.
        dir.entries().map_err(no_folder)?;
        Ok(Self { root: Arc::new(dir), spawner })
    }
}

/// The root cannot be served.
#[derive(Debug)]
pub(crate) struct NoFolder {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for NoFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot serve the folder {}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for NoFolder {}

impl Handler for Files {
    type Future = Answer;

    fn call(&self, request: Request) -> Answer {
        match request.method() {
            "GET" | "HEAD" => {
                let (root, spawner) = (Arc::clone(&self.root), Arc::clone(&self.spawner));
                Answer::Job(Job::spawn(&*self.spawner, move || answer(&root, &request, spawner)))
            }
            "OPTIONS" => Answer::ready(Response::new(Status::NO_CONTENT).with_field("Allow", ALLOWED)),
            _ => Answer::ready(
                Response::text("Files are only read here: GET and HEAD are answered.\n")
                    .with_status(Status::METHOD_NOT_ALLOWED)
                    .with_field("Allow", ALLOWED),
            ),
        }
    }
}

/// An answer that needs no file, or the job that makes it.
pub(crate) enum Answer {
    Ready(Option<Box<Response>>),
    Job(Job<Response>),
}

impl Answer {
    fn ready(response: Response) -> Self {
        Self::Ready(Some(Box::new(response)))
    }
}

impl Future for Answer {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match self.get_mut() {
            Self::Ready(response) => response.take().map_or(Poll::Pending, |response| Poll::Ready(*response)),
            Self::Job(job) => Pin::new(job).poll(cx),
        }
    }
}

/// The answer to GET or HEAD; blocks.
fn answer(root: &Dir, request: &Request, spawner: Arc<dyn Spawner>) -> Response {
    let Some(target) = Target::decode(request.path()) else { return failed(&io::ErrorKind::NotFound.into()) };
    find(root, request, &target, spawner).unwrap_or_else(|error| failed(&error))
}

fn find(root: &Dir, request: &Request, target: &Target, spawner: Arc<dyn Spawner>) -> io::Result<Response> {
    let path = target.to_path();
    match (place::at(root, &path)?, target.file_name()) {
        (Place::File(file, metadata), Some(_)) => send(request, &path, file, &metadata, spawner),
        (Place::File(..), None) => Err(io::ErrorKind::NotFound.into()),
        (Place::Folder, Some(name)) => Ok(redirect(name, request.query())),
        (Place::Folder, None) => {
            let index = path.join("index.html");
            match place::at(root, &index) {
                Ok(Place::File(file, metadata)) => send(request, &index, file, &metadata, spawner),
                Ok(Place::Folder) => list(root, request, target),
                Err(error) if error.kind() == io::ErrorKind::NotFound => list(root, request, target),
                Err(error) => Err(error),
            }
        }
    }
}

/// To the folder that a path without a slash at its end leads to. Relative, so that it is right behind a proxy that adds a
/// prefix, and 301, as there are clients that do not follow 308 (Python 3.10, `HttpURLConnection`): nothing but GET and
/// HEAD, which 301 does not change, comes here.
fn redirect(name: &OsStr, query: Option<&str>) -> Response {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Response::redirect(Status::MOVED_PERMANENTLY, &format!("{}/{query}", path::reference(name)))
        .with_field("Cache-Control", CACHING)
}

fn send(
    request: &Request,
    path: &Path,
    file: File,
    metadata: &Metadata,
    spawner: Arc<dyn Spawner>,
) -> io::Result<Response> {
    let validators = Validators::of_file(metadata, SystemTime::now());
    if let Some(response) = conditional_answer(request, &validators) {
        return Ok(response);
    }
    let length = metadata.len();
    // Range is defined for GET alone (RFC 9110 section 14.2).
    let selection = match request.method() {
        "GET" => validators.selection(request.head(), length),
        _ => Selection::Whole,
    };
    let content_type = content::content_type(path);
    let source = Source::new(file, spawner);
    let (status, source, content_type, range) = match selection {
        Selection::Whole => (Status::OK, source.range(0..length), content_type, None),
        Selection::One(range) => {
            let told = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
            (Status::PARTIAL_CONTENT, source.range(range), content_type, Some(told))
        }
        Selection::Several(ranges) => {
            let (source, content_type) = multipart::parts(source, &ranges, length, &content_type);
            (Status::PARTIAL_CONTENT, source, content_type, None)
        }
        Selection::Unsatisfiable => {
            return Ok(Response::text("The file is shorter than that.\n")
                .with_status(Status::RANGE_NOT_SATISFIABLE)
                .with_field("Content-Range", format!("bytes */{length}")));
        }
    };
    let body = if request.method() == "HEAD" { source.into_stream() } else { source.into_body()? };
    let mut response = validators
        .apply(Response::new(status))
        .with_field("Cache-Control", CACHING)
        .with_field("Content-Type", content_type)
        .with_field("X-Content-Type-Options", "nosniff")
        .with_field("Accept-Ranges", "bytes");
    if let Some(range) = range {
        response = response.with_field("Content-Range", range);
    }
    Ok(response.with_body(body))
}

fn list(root: &Dir, request: &Request, target: &Target) -> io::Result<Response> {
    let page = listing::page(root, target)?;
    let validators = Validators::of_text(&page);
    if let Some(response) = conditional_answer(request, &validators) {
        return Ok(response);
    }
    Ok(validators
        .apply(Response::html(page))
        .with_field("Cache-Control", CACHING)
        .with_field("Content-Security-Policy", listing::POLICY)
        .with_field("X-Content-Type-Options", "nosniff"))
}

/// The answer that the preconditions of the request decide, if they do.
fn conditional_answer(request: &Request, validators: &Validators) -> Option<Response> {
    match validators.judge(request.head()) {
        Verdict::Perform => None,
        Verdict::NotModified => {
            Some(validators.apply(Response::new(Status::NOT_MODIFIED)).with_field("Cache-Control", CACHING))
        }
        Verdict::Failed => Some(
            Response::text("This is not what the request supposes.\n")
                .with_status(Status::PRECONDITION_FAILED),
        ),
    }
}

/// That something may not be read is told as if it were not there.
fn failed(error: &io::Error) -> Response {
    let (status, text) = if place::is_hidden(error) {
        (Status::NOT_FOUND, "There is nothing here.\n")
    } else if place::is_passing(error) {
        (Status::SERVICE_UNAVAILABLE, "Too many files are open.\n")
    } else {
        (Status::INTERNAL_SERVER_ERROR, "The file cannot be read.\n")
    };
    Response::text(text).with_status(status)
}
