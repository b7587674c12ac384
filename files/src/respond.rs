//! The response to a request for a file or a folder of the root.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_lock::Semaphore;
use cap_std::fs::Dir;
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;

use crate::failure::{self, Unreadable};
use crate::hidden::DotNames;
use crate::jobs::Jobs;
use crate::listing;
use crate::path::{self, TargetPath};
use crate::place::{self, Servable};
use crate::representation::{Begun, CACHING, Kind, Representation, conditional_response};
use crate::root::Root;
use crate::types::Types;

/// The configuration of the file server.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) root: Root,
    /// The path of the root; `None`: it has none.
    pub(crate) prefix: Option<TargetPath>,
    pub(crate) dot_names: DotNames,
    pub(crate) types: Types,
    pub(crate) lists_folders: bool,
    pub(crate) jobs: Jobs,
    /// The lists that may be made now.
    pub(crate) lists: Arc<Semaphore>,
}

/// What there is to respond.
pub(crate) enum Found {
    Response(Begun),
    /// A list, which is to be made.
    List,
}

impl From<Response> for Found {
    fn from(response: Response) -> Self {
        Self::Response(response.into())
    }
}

impl Site {
    /// What there is for GET or HEAD; blocks.
    pub(crate) fn respond(&self, request: &Request) -> Found {
        self.in_root(request, |root, target| self.find(root, request, target))
    }

    /// The response that lists the folder; blocks.
    pub(crate) fn list(&self, request: &Request) -> Response {
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
        let reporter = &self.jobs.reporter;
        let target = TargetPath::decode(request.path())
            .and_then(|target| target.below(self.prefix.as_ref()?))
            .filter(|target| self.dot_names.show(target.names()));
        let Some(target) = target else { return failure::response(&ErrorKind::NotFound.into()).into() };
        match self.root.open(reporter) {
            Ok(root) => work(&root, &target).unwrap_or_else(|unreadable| unreadable.respond(reporter).into()),
            // The root reports by itself that it is missing.
            Err(error) if place::is_hidden(&error) => failure::response(&error).into(),
            Err(error) => self.unreadable(Path::new(""))(error).respond(reporter).into(),
        }
    }

    fn find(&self, root: &Dir, request: &Request, target: &TargetPath) -> Result<Found, Unreadable> {
        let at = |path: &Path| place::at(root, path, self.dot_names).map_err(self.unreadable(path));
        let path = target.to_path();
        match (at(&path)?, target.file_name()) {
            (Servable::File(file, metadata), Some(_)) => self.send(request, &path, file, metadata),
            (Servable::File(..), None) => Err(self.unreadable(&path)(ErrorKind::NotFound.into())),
            (Servable::Folder, Some(name)) => Ok(redirect(name, request.query()).into()),
            (Servable::Folder, None) => {
                let index = path.join("index.html");
                let no_index = || {
                    if self.lists_folders {
                        Ok(Found::List)
                    } else {
                        Err(self.unreadable(&path)(ErrorKind::NotFound.into()))
                    }
                };
                match at(&index) {
                    Ok(Servable::File(file, metadata)) => self.send(request, &index, file, metadata),
                    Ok(Servable::Folder) => no_index(),
                    // As in nginx, a folder whose index may not be read is refused. An index that is a broken or
                    // looping link, or a link out of the root or to a hidden name, counts as missing.
                    Err(Unreadable { error, .. })
                        if place::is_hidden(&error) && !failure::is_forbidden(&error) =>
                    {
                        no_index()
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
        metadata: Metadata,
    ) -> Result<Found, Unreadable> {
        let kind = Kind::Of(&self.types, path);
        let representation = Representation { file, metadata, path: self.full_path(path), kind };
        representation.respond(request, self.jobs.clone()).map(Found::Response)
    }

    fn page(&self, root: &Dir, request: &Request, target: &TargetPath) -> io::Result<Response> {
        let page = listing::page(root, target, self.dot_names)?;
        Ok(conditional_response(request, &page.validators).unwrap_or_else(|| page.into_response()))
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
