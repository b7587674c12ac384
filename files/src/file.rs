//! The parts, for handlers of one's own.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use httpfsm::handler::{Body, Request, Response};
use rustix::fs::OFlags;

use crate::failure::{self, Unreadable};
use crate::hidden::DotNames;
use crate::jobs::Jobs;
use crate::listing as page;
use crate::order::Order;
use crate::path::TargetPath;
use crate::representation::{Begun, Kind, Reading, Representation};
use crate::source::FileContent;
use crate::types::Types;

/// The file at a path as the response to a request: its bytes, the ranges of it that were asked for, 304, 412 or 416
/// (RFC 9110 sections 13 and 14), with the type of its name ([`Types::default`]).
///
/// The path is the application's and no part of it that of a client, as links are followed wherever they lead: where the
/// request says which file it is, take [`Files`](crate::Files). Preconditions and ranges are those of GET and HEAD; a
/// request of another method gets all of the file. `Cache-Control: no-cache` has caches validate their copy each time.
///
/// A file that is missing or may not be read is a 404, and so is what is no regular file. Of what cannot be read for another
/// reason, or may not be, the subscriber of the server hears ([`Response::failure`]).
///
/// ```
/// use httpfsm::handler::{Request, Response};
/// use httpfsm_files::file;
///
/// async fn report(request: Request) -> Response {
///     file(request, "/srv/reports/latest.pdf")
///         .await
///         .with_field("Content-Disposition", "attachment; filename=\"report.pdf\"")
/// }
/// # let _ = report;
/// ```
pub async fn file(request: Request, path: impl Into<PathBuf>) -> Response {
    let path = path.into();
    respond(request, move |request, jobs| {
        let (file, metadata) = match open(&path) {
            Ok(opened) => opened,
            Err(error) => return Err(Unreadable { path, error }),
        };
        let (types, name) = (Types::default(), path.clone());
        let kind = Kind::Of(&types, &name);
        Representation { file, metadata, path, kind, coded: None, reading: Reading::IN_JOBS }
            .respond(request, jobs)
    })
    .await
}

/// As [`file()`], of a file that is open already, with the value of its `Content-Type`.
///
/// ```
/// use httpfsm::handler::{Request, Response};
/// use httpfsm_files::opened;
///
/// /// Neither its name nor its path is to be seen.
/// async fn upload(request: Request, upload: std::fs::File) -> Response {
///     opened(request, upload, "application/octet-stream").await
/// }
/// # let _ = upload;
/// ```
pub async fn opened(request: Request, file: File, content_type: impl Into<Cow<'static, str>>) -> Response {
    let kind = Kind::Known(content_type.into());
    respond(request, move |request, jobs| {
        let path = PathBuf::from("an open file");
        match file.metadata() {
            Ok(metadata) => {
                let reading = Reading::IN_JOBS;
                Representation { file, metadata, path, kind, coded: None, reading }.respond(request, jobs)
            }
            Err(error) => Err(Unreadable { path, error }),
        }
    })
    .await
}

/// Finds the response in a job, with what its content is read by.
async fn respond(
    request: Request,
    find: impl FnOnce(&Request, Jobs) -> Result<Begun, Unreadable> + Send + 'static,
) -> Response {
    let jobs = Jobs::default();
    let of_content = jobs.clone();
    match jobs.spawn(move || find(&request, of_content)) {
        Err(error) => failure::response(&error).with_failure(error.to_string()),
        Ok(job) => match job.await {
            Ok(begun) => begun.complete().await,
            Err(unreadable) if unreadable.concerns_operator() => {
                failure::response(&unreadable.error).with_failure(unreadable.to_string())
            }
            Err(unreadable) => failure::response(&unreadable.error),
        },
    }
}

/// Opens a regular file, and nothing else: opening a FIFO would wait for a writer, and opening a device may do anything.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    if !path.metadata()?.is_file() {
        return Err(ErrorKind::NotFound.into());
    }
    // It may have been replaced since.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(ErrorKind::NotFound.into()) }
}

/// Bytes of a file as content, which are read piece by piece when there is room for them. The request is the one that the
/// content is a response to: its server counts what is held.
///
/// A file that has become shorter ends the response before its end. Of a file that grows, these bytes are sent.
///
/// ```
/// use std::fs::File;
/// use std::io;
///
/// use httpfsm::handler::{Request, Response};
/// use httpfsm::status::Status;
/// use httpfsm_files::file_range;
///
/// fn second_block(request: &Request, volume: File) -> Response {
///     Response::new(Status::OK)
///         .with_field("Content-Type", "application/octet-stream")
///         .with_body(file_range(request, volume, 4096..8192))
/// }
/// # let _ = second_block;
/// ```
#[must_use]
pub fn file_range(request: &Request, file: File, range: Range<u64>) -> Body {
    FileContent::new(file, "an open file".into(), request.memory(), Jobs::default())
        .range(range)
        .into_stream()
}

/// The page that lists a folder below a root, as [`Files`](crate::Files) has it. The path is that of a request: absolute,
/// with a slash at its end, and percent-encoded. Its query says the order, as the links in the header row of the page do:
/// `sort=size&order=desc`. Names that begin with a dot are left out. This blocks.
///
/// # Errors
///
/// Those of the system; `NotFound` for what is not there, is hidden, or leads out of the root.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # std::fs::create_dir_all(folder.path().join("sub folder"))?;
/// # std::fs::write(folder.path().join("sub folder/a.txt"), "")?;
/// let page = httpfsm_files::listing(folder.path(), "/sub%20folder/", None)?;
/// assert_eq!(page.fields.get("Content-Type"), Some(&b"text/html; charset=utf-8"[..]));
/// # Ok(())
/// # }
/// ```
pub fn listing(root: impl AsRef<Path>, path: &str, query: Option<&str>) -> io::Result<Response> {
    let names = DotNames::WellKnown;
    let target = TargetPath::decode(path).filter(|target| names.show(target.names()));
    let target = target.ok_or(ErrorKind::NotFound)?;
    let root = Dir::open_ambient_dir(root, ambient_authority())?;
    Ok(page::page(&root, &target, names, Order::of(query))?.into_response())
}
