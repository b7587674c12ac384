//! The response to a request for a file or a folder of the root.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_lock::Semaphore;
use cap_std::fs::Dir;
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::DiskWait;

use crate::at_once::{self, Devices, Reads};
use crate::coding::{Acceptable, Coding};
use crate::failure::{self, Unreadable};
use crate::field_rule::FieldRule;
use crate::hidden::DotNames;
use crate::jobs::Jobs;
use crate::order::Order;
use crate::path::{self, TargetPath};
use crate::place::{self, Servable};
use crate::representation::{Begun, CACHING, Coded, Kind, Reading, Representation, conditional_response};
use crate::root::Root;
use crate::source::{AT_ONCE, SMALL};
use crate::trouble::Trouble;
use crate::types::Types;
use crate::{listing, navigation};

/// The configuration of the file server.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) root: Root,
    /// The path of the root; `None`: it has none.
    pub(crate) prefix: Option<TargetPath>,
    pub(crate) dot_names: DotNames,
    pub(crate) types: Types,
    pub(crate) lists_folders: bool,
    /// Whether files beside a file may be sent in its place that hold the same in a content coding.
    pub(crate) precompressed: bool,
    pub(crate) field_rules: Vec<FieldRule>,
    /// The file, below the root, that stands in for a page that is missing.
    pub(crate) single_page: Option<PathBuf>,
    /// The file, below the root, that is the content of a 404.
    pub(crate) not_found: Option<PathBuf>,
    /// Whether threads that serve sockets may wait for a disk.
    pub(crate) disk: DiskWait,
    pub(crate) devices: Devices,
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

impl From<Begun> for Found {
    fn from(begun: Begun) -> Self {
        Self::Response(begun)
    }
}

impl Site {
    /// The response to GET or HEAD where the system has all that it needs in memory; `None`: a job finds it.
    pub(crate) fn respond_at_once(&self, request: &Request) -> Option<Begun> {
        // Which files are beside it a job finds, and tells that the folder is back.
        if self.precompressed || self.root.is_gone() {
            return None;
        }
        let target = self.target(request)?;
        let mut path = target.to_path();
        if target.file_name().is_none() {
            path.push("index.html");
        }
        let may_wait = self.disk == DiskWait::May;
        let devices = (!may_wait).then_some(&self.devices);
        let full_path = self.full_path(&path);
        let (file, metadata) = at_once::open(self.root.path(), &path, &full_path, devices)?;
        let device = metadata.dev();
        let kind = Kind::Of(&self.types, &path);
        let now = if may_wait { Reads::Waiting } else { Reads::AtOnce };
        let reading = Reading { now, most: AT_ONCE, later: self.disk };
        let begun = Representation { file, metadata, path: full_path, kind, coded: None, reading }
            .respond(request, self.jobs.clone());
        if matches!(&begun, Err(failed) if failed.error.kind() == ErrorKind::Unsupported) {
            self.devices.note(device, false);
        }
        let mut begun = begun.ok()?;
        self.add_fields(&path, begun.response_mut());
        Some(begun)
    }

    /// What is asked for, if it may be.
    fn target(&self, request: &Request) -> Option<TargetPath> {
        TargetPath::decode(request.path())
            .and_then(|target| target.below(self.prefix.as_ref()?))
            .filter(|target| self.dot_names.show(target.names()))
    }

    /// What there is for GET or HEAD; blocks.
    pub(crate) fn respond(&self, request: &Request) -> Found {
        self.in_root(request, |root, target| self.find(root, request, target))
    }

    /// The response that lists the folder; blocks.
    pub(crate) fn list(&self, request: &Request) -> Begun {
        self.in_root(request, |root, target| match self.page(root, request, target) {
            Ok(page) => Ok(page.into()),
            Err(error) => Err(self.unreadable(&target.to_path())(error)),
        })
    }

    /// Runs `work` with the root as it is now.
    fn in_root<T: From<Begun>>(
        &self,
        request: &Request,
        work: impl FnOnce(&Dir, &TargetPath) -> Result<T, Unreadable>,
    ) -> T {
        let root = match self.root.open(&self.jobs.reporter) {
            Ok(root) => root,
            // The root reports by itself that it is missing.
            Err(error) if place::is_hidden(&error) => return T::from(failure::response(&error).into()),
            Err(error) => {
                let unreadable = self.unreadable(Path::new(""))(error);
                return T::from(unreadable.respond(&self.jobs.reporter).into());
            }
        };
        let done = match self.target(request) {
            Some(target) => work(&root, &target),
            None => Err(self.unreadable(Path::new(""))(ErrorKind::NotFound.into())),
        };
        done.unwrap_or_else(|unreadable| T::from(self.instead(&root, request, unreadable)))
    }

    /// The response in place of a file that cannot be sent.
    fn instead(&self, root: &Dir, request: &Request, unreadable: Unreadable) -> Begun {
        let response = unreadable.respond(&self.jobs.reporter);
        if response.status != Status::NOT_FOUND {
            return response.into();
        }
        let page = self.single_page.as_deref().filter(|_| navigation::is_navigation(request.head()));
        let begun = page
            .and_then(|page| self.stand_in(root, page, |file| self.respond_with(root, request, page, file)))
            .or_else(|| {
                self.stand_in(root, self.not_found.as_deref()?, |file| {
                    file.respond_with(Status::NOT_FOUND, request, self.jobs.clone())
                })
            })
            .unwrap_or_else(|| response.into());
        match self.single_page {
            Some(_) => begun.with_field("Vary", navigation::VARY),
            None => begun,
        }
    }

    /// The response made of a file that the operator has named, which is told if it cannot be sent.
    fn stand_in(
        &self,
        root: &Dir,
        path: &Path,
        respond: impl FnOnce(Representation<'_>) -> Result<Begun, Unreadable>,
    ) -> Option<Begun> {
        let begun = match place::at(root, path, DotNames::All) {
            Ok(Servable::File(file, metadata)) => respond(self.representation(path, file, metadata)),
            Ok(Servable::Folder) => Err(self.unreadable(path)(ErrorKind::IsADirectory.into())),
            Err(error) => Err(self.unreadable(path)(error)),
        };
        begun.map_err(|unreadable| self.jobs.reporter.report(&Trouble::Unreadable(unreadable))).ok()
    }

    fn find(&self, root: &Dir, request: &Request, target: &TargetPath) -> Result<Found, Unreadable> {
        let at = |path: &Path| place::at(root, path, self.dot_names).map_err(self.unreadable(path));
        let path = target.to_path();
        match (at(&path)?, target.file_name()) {
            (Servable::File(file, metadata), Some(_)) => self.send(root, request, &path, file, metadata),
            (Servable::File(..), None) => Err(self.unreadable(&path)(ErrorKind::NotFound.into())),
            (Servable::Folder, Some(name)) => Ok(Found::Response(redirect(name, request.query()).into())),
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
                    Ok(Servable::File(file, metadata)) => self.send(root, request, &index, file, metadata),
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
        root: &Dir,
        request: &Request,
        path: &Path,
        file: File,
        metadata: Metadata,
    ) -> Result<Found, Unreadable> {
        let representation = self.representation(path, file, metadata);
        self.respond_with(root, request, path, representation).map(Found::Response)
    }

    /// The response with a file, and with the fields of the operator.
    fn respond_with(
        &self,
        root: &Dir,
        request: &Request,
        path: &Path,
        representation: Representation<'_>,
    ) -> Result<Begun, Unreadable> {
        let mut begun = if self.precompressed {
            self.negotiate(root, request, path, representation)?
        } else {
            representation.respond(request, self.jobs.clone())?
        };
        self.add_fields(path, begun.response_mut());
        Ok(begun)
    }

    /// Adds the fields of the operator for a path below the root, unless the response is an error.
    fn add_fields(&self, path: &Path, response: &mut Response) {
        let is_sent = [Status::OK, Status::PARTIAL_CONTENT, Status::NOT_MODIFIED].contains(&response.status);
        let path = path.strip_prefix(".").unwrap_or(path);
        for rule in self.field_rules.iter().filter(|_| is_sent) {
            rule.apply(path, &mut response.fields);
        }
    }

    /// The response in the content coding that the request prefers of those that are there.
    fn negotiate(
        &self,
        root: &Dir,
        request: &Request,
        path: &Path,
        mut representation: Representation<'_>,
    ) -> Result<Begun, Unreadable> {
        let acceptable = Acceptable::of(request.head());
        for coding in acceptable.codings {
            representation.coded = self.coded(root, path, coding)?;
            if representation.coded.is_some() {
                break;
            }
        }
        let begun = if representation.coded.is_some() || acceptable.identity {
            representation.respond(request, self.jobs.clone())?
        } else {
            let text = "The file is there in no coding that the request accepts.\n";
            Response::text(text).with_status(Status::NOT_ACCEPTABLE).into()
        };
        // Also where no other file is there yet.
        Ok(begun.with_field("Vary", "Accept-Encoding"))
    }

    /// The file that holds the same in a content coding.
    fn coded(&self, root: &Dir, path: &Path, coding: Coding) -> Result<Option<Coded>, Unreadable> {
        let mut name = path.as_os_str().to_owned();
        name.push(coding.extension());
        let name = Path::new(&name);
        match place::at(root, name, self.dot_names) {
            Ok(Servable::File(file, metadata)) => {
                Ok(Some(Coded { coding, file, metadata, path: self.full_path(name) }))
            }
            Ok(Servable::Folder) => Ok(None),
            Err(error) if place::is_hidden(&error) => Ok(None),
            Err(error) => Err(self.unreadable(name)(error)),
        }
    }

    fn representation<'a>(&'a self, path: &'a Path, file: File, metadata: Metadata) -> Representation<'a> {
        let kind = Kind::Of(&self.types, path);
        let reading = Reading { now: Reads::Waiting, most: SMALL, later: self.disk };
        Representation { file, metadata, path: self.full_path(path), kind, coded: None, reading }
    }

    fn page(&self, root: &Dir, request: &Request, target: &TargetPath) -> io::Result<Response> {
        let page = listing::page(root, target, self.dot_names, Order::of(request.query()))?;
        let conditional = conditional_response(request, &page.validators);
        let mut response = conditional.unwrap_or_else(|| page.into_response());
        self.add_fields(&target.to_path(), &mut response);
        Ok(response)
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
