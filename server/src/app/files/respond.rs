//! The response to a request for a file or a folder.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::fs::Dir;
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::Spawner;

use super::conditional::{PreconditionOutcome, Validators};
use super::failure::{self, Unreadable};
use super::hidden::DotNames;
use super::path::{self, TargetPath};
use super::place::{self, Servable};
use super::ranges::Selection;
use super::root::Root;
use super::source::{FileBody, FileContent};
use super::types::Types;
use super::{content, listing, multipart};

/// A cache validates its copy each time, which costs a 304, as a file may change at any time.
const CACHING: &str = "no-cache";

/// The configuration of the file server.
pub(super) struct Site {
    pub(super) root: Root,
    pub(super) dot_names: DotNames,
    pub(super) types: Types,
}

/// What there is to respond.
pub(super) enum Found {
    Response(Box<Response>),
    /// The response, without its content, and that, which begins when there is room for its first piece.
    Content(Box<(Response, FileContent)>),
    /// A list, which is to be made.
    List,
}

impl From<Response> for Found {
    fn from(response: Response) -> Self {
        Self::Response(Box::new(response))
    }
}

impl Site {
    /// What there is for GET or HEAD; blocks.
    pub(super) fn respond(&self, request: &Request, spawner: Arc<dyn Spawner>) -> Found {
        self.in_root(request, |root, target| self.find(root, request, target, spawner))
    }

    /// The response that lists the folder; blocks.
    pub(super) fn list(&self, request: &Request) -> Response {
        self.in_root(request, |root, target| {
            self.page(root, request, target).map_err(self.unreadable(&target.to_path()))
        })
    }

    /// Runs `work` with the root as it is now.
    fn in_root<T: From<Response>>(
        &self,
        request: &Request,
        work: impl FnOnce(&Dir, &TargetPath) -> Result<T, Unreadable>,
    ) -> T {
        let target = TargetPath::decode(request.path()).filter(|target| self.dot_names.show(target.names()));
        let Some(target) = target else { return failure::response(&ErrorKind::NotFound.into()).into() };
        match self.root.open() {
            Ok(root) => work(&root, &target).unwrap_or_else(|unreadable| unreadable.respond().into()),
            // The root reports by itself that it is missing.
            Err(error) if place::is_hidden(&error) => failure::response(&error).into(),
            Err(error) => self.unreadable(Path::new(""))(error).respond().into(),
        }
    }

    fn find(
        &self,
        root: &Dir,
        request: &Request,
        target: &TargetPath,
        spawner: Arc<dyn Spawner>,
    ) -> Result<Found, Unreadable> {
        let at = |path: &Path| place::at(root, path, self.dot_names).map_err(self.unreadable(path));
        let path = target.to_path();
        match (at(&path)?, target.file_name()) {
            (Servable::File(file, metadata), Some(_)) => self.send(request, &path, file, &metadata, spawner),
            (Servable::File(..), None) => Err(self.unreadable(&path)(ErrorKind::NotFound.into())),
            (Servable::Folder, Some(name)) => Ok(redirect(name, request.query()).into()),
            (Servable::Folder, None) => {
                let index = path.join("index.html");
                match at(&index) {
                    Ok(Servable::File(file, metadata)) => {
                        self.send(request, &index, file, &metadata, spawner)
                    }
                    Ok(Servable::Folder) => Ok(Found::List),
                    // As in nginx, a folder whose index may not be read is refused. An index that is a broken or
                    // looping link, or a link out of the root or to a hidden name, counts as missing.
                    Err(Unreadable { error, .. })
                        if place::is_hidden(&error) && !failure::is_forbidden(&error) =>
                    {
                        Ok(Found::List)
                    }
                    Err(unreadable) => Err(unreadable),
                }
            }
        }
    }

    /// The full path of a file in the root, for the operator.
    fn full_path(&self, path: &Path) -> PathBuf {
        self.root.path().join(path.strip_prefix(".").unwrap_or(path))
    }

    fn unreadable(&self, path: &Path) -> impl FnOnce(io::Error) -> Unreadable {
        move |error| Unreadable { path: self.full_path(path), error }
    }

    fn send(
        &self,
        request: &Request,
        path: &Path,
        file: File,
        metadata: &Metadata,
        spawner: Arc<dyn Spawner>,
    ) -> Result<Found, Unreadable> {
        let validators = Validators::of_file(metadata, SystemTime::now());
        if let Some(response) = conditional_response(request, &validators) {
            return Ok(response.into());
        }
        let length = metadata.len();
        // Range is defined for GET alone (RFC 9110 section 14.2).
        let selection = match request.method() {
            "GET" => validators.selection(request.head(), length),
            _ => Selection::Whole,
        };
        let content_type = content::content_type(&self.types, path, &file).map_err(self.unreadable(path))?;
        let source = FileContent::new(file, self.full_path(path), request.memory(), spawner);
        let (status, source, content_type, range) = match selection {
            Selection::Whole => (Status::OK, source.range(0..length), content_type, None),
            Selection::One(range) => {
                let content_range = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
                (Status::PARTIAL_CONTENT, source.range(range), content_type, Some(content_range))
            }
            Selection::Several(ranges) => {
                let (source, content_type) = multipart::parts(source, &ranges, length, &content_type);
                (Status::PARTIAL_CONTENT, source, content_type, None)
            }
            Selection::Unsatisfiable => {
                return Ok(Response::text("The file is shorter than that.\n")
                    .with_status(Status::RANGE_NOT_SATISFIABLE)
                    .with_field("Content-Range", format!("bytes */{length}"))
                    .into());
            }
        };
        let mut response = validators
            .apply(Response::new(status))
            .with_field("Cache-Control", CACHING)
            .with_field("Content-Type", content_type)
            // A browser must not guess another type.
            .with_field("X-Content-Type-Options", "nosniff")
            .with_field("Accept-Ranges", "bytes");
        if let Some(range) = range {
            response = response.with_field("Content-Range", range);
        }
        if request.method() == "HEAD" {
            return Ok(response.with_body(source.into_stream()).into());
        }
        Ok(match source.read_whole()? {
            FileBody::Whole(bytes) => response.with_body(bytes).into(),
            FileBody::Pieces(content) => Found::Content(Box::new((response, content))),
        })
    }

    fn page(&self, root: &Dir, request: &Request, target: &TargetPath) -> io::Result<Response> {
        let page = listing::page(root, target, self.dot_names)?;
        let validators = Validators::of_text(&page);
        if let Some(response) = conditional_response(request, &validators) {
            return Ok(response);
        }
        Ok(validators
            .apply(Response::html(page))
            .with_field("Cache-Control", CACHING)
            .with_field("Content-Security-Policy", listing::POLICY)
            .with_field("X-Content-Type-Options", "nosniff"))
    }
}

/// Redirects a path of a folder to the same path with a slash. The reference is relative, so that it is right behind a
/// proxy that adds a prefix. The status is 301, as some clients do not follow 308 (Python 3.10, `HttpURLConnection`); a
/// client may change the method at 301, but not GET or HEAD, the only methods that come here.
fn redirect(name: &OsStr, query: Option<&str>) -> Response {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Response::redirect(Status::MOVED_PERMANENTLY, &format!("{}/{query}", path::reference(name)))
        .with_field("Cache-Control", CACHING)
}

/// The response that the preconditions of the request determine, if any.
fn conditional_response(request: &Request, validators: &Validators) -> Option<Response> {
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
