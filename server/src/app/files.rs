//! `--app files`: a folder, for reading.
//!
//! | request | answer |
//! |---|---|
//! | a file | its octets, the ranges of it that were asked for, or 304 |
//! | a folder without a slash at the end | 301, to the same with one |
//! | a folder | its `index.html`, else a list of what is in it |
//! | anything else | 404 |
//!
//! What is hidden (names with a dot in front, unless all are to be served, but for `.well-known`), what is neither a file nor a folder, and links that lead there, out of the
//! root or that are absolute are as if they were not there. All work on files is done by jobs, one for a small file.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use httpfsm::handler::{Handler, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::{Job, Spawner};

pub(crate) use hidden::DotNames;
use respond::Site;
pub(crate) use root::Root;
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

/// The application.
pub(crate) struct Files {
    site: Arc<Site>,
    spawner: Arc<dyn Spawner>,
}

impl Files {
    /// Serves the files of a folder.
    pub(crate) fn new(root: Root, dot_names: DotNames, types: Types, spawner: Arc<dyn Spawner>) -> Self {
        Self { site: Arc::new(Site { root, dot_names, types }), spawner }
    }
}

impl Handler for Files {
    type Future = Answer;

    fn call(&self, request: Request) -> Answer {
        match request.method() {
            "GET" | "HEAD" => {
                let (site, spawner) = (Arc::clone(&self.site), Arc::clone(&self.spawner));
                Answer::Job(Job::spawn(&*self.spawner, move || site.respond(&request, spawner)))
            }
            "OPTIONS" => Answer::ready(Response::new(Status::NO_CONTENT).with_field("Allow", ALLOWED)),
            _ => Answer::ready(
                Response::text("Files are only read here: GET, HEAD and OPTIONS are answered.\n")
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
