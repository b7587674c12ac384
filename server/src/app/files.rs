//! `--app files`: a folder, for reading.
//!
//! | request | response |
//! |---|---|
//! | a file | its bytes, the ranges of it that were asked for, or 304 |
//! | a folder without a slash at the end | 301, to the same with one |
//! | a folder | its `index.html`, else a list of what is in it |
//! | anything else | 404 |
//!
//! These are 404: names with a leading dot except `.well-known` (unless `--hidden` is given), anything that is neither
//! a file nor a folder, and links that are absolute or lead out of the root or to one of these. All work on files runs
//! in jobs: one for a small file, two for a list. A file for which the server has no room is a 503.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use httpfsm::handler::{Handler, NoRoom, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::{Job, Spawner};
use smol::lock::{Semaphore, SemaphoreGuardArc};

use crate::log::note_often;

pub(crate) use hidden::DotNames;
use respond::{Found, Site};
pub(crate) use root::Root;
use source::FileContent;
pub(crate) use types::Types;

mod conditional;
mod content;
mod failure;
mod hidden;
mod listing;
mod multipart;
mod normalize;
mod path;
mod place;
mod ranges;
mod respond;
mod root;
mod source;
#[cfg(test)]
mod tests;
mod types;

const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// Lists that are made at once. A list of 10,000 entries takes about 50 ms of processor time and some MiB, and a
/// transport may have hundreds of threads.
const LISTS: usize = 4;

/// The application.
pub(crate) struct FilesApp {
    site: Arc<Site>,
    spawner: Arc<dyn Spawner>,
    /// The lists that may be made now.
    lists: Arc<Semaphore>,
}

impl FilesApp {
    /// Serves the files of a folder.
    pub(crate) fn new(root: Root, dot_names: DotNames, types: Types, spawner: Arc<dyn Spawner>) -> Self {
        Self {
            site: Arc::new(Site { root, dot_names, types }),
            spawner,
            lists: Arc::new(Semaphore::new(LISTS)),
        }
    }
}

impl Handler for FilesApp {
    type Future = FilesFuture;

    fn call(&self, request: Request) -> FilesFuture {
        match request.method() {
            "GET" | "HEAD" => {
                let (site, spawner) = (Arc::clone(&self.site), Arc::clone(&self.spawner));
                let lists = Arc::clone(&self.lists);
                let job = job(&*self.spawner, move || match site.respond(&request, Arc::clone(&spawner)) {
                    Found::Response(response) => FirstFound::Response(response),
                    Found::Content(content) => FirstFound::Begins(Box::pin(begin(*content))),
                    Found::List => FirstFound::List(Box::new(List { site, spawner, lists, request })),
                });
                match job {
                    Ok(job) => FilesFuture::Finding(job),
                    Err(error) => FilesFuture::ready(failure::response(&error)),
                }
            }
            "OPTIONS" => FilesFuture::ready(Response::new(Status::NO_CONTENT).with_field("Allow", ALLOWED)),
            _ => FilesFuture::ready(
                Response::text("Files can only be read here. The methods are GET, HEAD and OPTIONS.\n")
                    .with_status(Status::METHOD_NOT_ALLOWED)
                    .with_field("Allow", ALLOWED),
            ),
        }
    }
}

/// Runs work on files with the spawner. When the spawner has no thread, the error is temporary, and the operator is
/// told.
fn job<T: Send + 'static>(
    spawner: &dyn Spawner,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Job<T>> {
    Job::spawn(spawner, work).map_err(|none| {
        note_often(
            "threads",
            format_args!("No thread can be had to read files on, under the limits of the system."),
        );
        none.into()
    })
}

/// A response that needs no file, or how far the work on it is.
pub(crate) enum FilesFuture {
    Ready(Option<Box<Response>>),
    Finding(Job<FirstFound>),
    /// Waits for room for the first piece of a file, without a thread.
    Reserving(ResponseFuture),
    /// Waits until fewer lists are being made, without a thread.
    Waiting(Pin<Box<dyn Future<Output = io::Result<Job<Listed>>> + Send>>),
    Listing(Job<Listed>),
}

type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

/// What the first job finds.
pub(crate) enum FirstFound {
    Response(Box<Response>),
    Begins(ResponseFuture),
    List(Box<List>),
}

/// A list that is to be made.
pub(crate) struct List {
    site: Arc<Site>,
    spawner: Arc<dyn Spawner>,
    lists: Arc<Semaphore>,
    request: Request,
}

/// A list. It counts until the response is taken or dropped.
type Listed = (Response, SemaphoreGuardArc);

impl List {
    /// Waits for its turn and spawns the job that makes the list.
    async fn spawn(self) -> io::Result<Job<Listed>> {
        let Self { site, spawner, lists, request } = self;
        let place = lists.acquire_arc().await;
        job(&*spawner, move || (site.list(&request), place))
    }
}

/// The response, when there is room for the first piece of its content; 503 if there is none within `room_timeout`.
async fn begin((response, content): (Response, FileContent)) -> Response {
    match content.reserve().await {
        Ok(content) => response.with_body(content.into_stream()),
        Err(NoRoom) => failure::no_room(),
    }
}

impl FilesFuture {
    fn ready(response: Response) -> Self {
        Self::Ready(Some(Box::new(response)))
    }
}

impl Future for FilesFuture {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let this = self.get_mut();
        loop {
            *this = match this {
                Self::Ready(response) => {
                    return response.take().map_or(Poll::Pending, |response| Poll::Ready(*response));
                }
                Self::Finding(job) => match ready!(Pin::new(job).poll(cx)) {
                    FirstFound::Response(response) => return Poll::Ready(*response),
                    FirstFound::Begins(response) => Self::Reserving(response),
                    FirstFound::List(list) => Self::Waiting(Box::pin(list.spawn())),
                },
                Self::Reserving(response) => return response.as_mut().poll(cx),
                Self::Waiting(job) => match ready!(job.as_mut().poll(cx)) {
                    Ok(job) => Self::Listing(job),
                    Err(error) => Self::ready(failure::response(&error)),
                },
                Self::Listing(job) => return Pin::new(job).poll(cx).map(|(response, _)| response),
            };
        }
    }
}
