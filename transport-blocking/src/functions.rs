//! Where functions that block run.

use std::sync::Arc;

use httpfsm_transport::{Call, NoThread, Spawner, may_block};

use crate::here;
use crate::pool::{Pool, Work};

/// The workers of the server whose handler is called, for functions that block: see [`sync`](crate::sync). Such a
/// function runs on the worker that has called the handler, right after the poll: so an async handler awaits it. If that
/// waits for it with [`block_on`](crate::block_on) instead, right after it has begun it, it runs within, and holds up the
/// worker; what was begun before waits for another worker, which is not to be had where all wait so. With a `block_on` of
/// another crate it would wait for ever. On a thread that may block already, or belongs to no server of this
/// transport, it runs at once. Elsewhere it is dropped after the end of the server.
///
/// An async handler that awaits what blocks:
///
/// ```
/// use std::{fs, io};
///
/// use httpfsm::Request;
/// use httpfsm_blocking::test::{TestRequest, call};
/// use httpfsm_blocking::{Functions, Job, block_on};
///
/// async fn manifest(_: Request) -> io::Result<String> {
///     Job::spawn(&Functions, || fs::read_to_string("Cargo.toml"))?.await
/// }
///
/// let response = block_on(call(manifest, TestRequest::get("/")));
/// assert!(response.text().contains("[package]"));
/// ```
///
/// A job that reads the body of a request, or gathers it, waits for the peer on its worker, and takes no permit for that
/// ([`Blocking::waiting`](crate::Blocking::waiting)): silent peers would hold all workers. So an async handler awaits
/// [`Body::gathered`](httpfsm::handler::Body::gathered) before it gives a job the body. A [`sync`](crate::sync) function
/// has its body gathered, or a permit.
///
/// ```
/// use std::io;
///
/// use httpfsm::Request;
/// use httpfsm_blocking::test::{TestRequest, call};
/// use httpfsm_blocking::{BodyReader, Functions, Job, block_on};
///
/// async fn count(mut request: Request) -> io::Result<String> {
///     let mut body = request.take_body();
///     body.gathered().await;
///     let count = move || io::copy(&mut BodyReader::new(body), &mut io::sink());
///     Ok(format!("{} bytes", Job::spawn(&Functions, count)?.await?))
/// }
///
/// let response = block_on(call(count, TestRequest::post("/", "Hello!")));
/// assert_eq!(response.text(), "6 bytes");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Functions;

impl Spawner for Functions {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        begin(Work::Function(work));
        Ok(())
    }

    fn spawn_call(&self, call: Call) -> Result<(), NoThread> {
        begin(Work::Call(call));
        Ok(())
    }

    fn is_scarce(&self) -> bool {
        true
    }

    fn give_place_up(&self) -> bool {
        here::give_place_up()
    }
}

#[inline]
fn begin(work: Work) {
    // Within a function that drives connections of its own, the worker comes to nothing else before that function is over.
    let left = if may_block() || here::is_within_function() { Some(work) } else { here::submit(work) };
    if let Some(work) = left {
        work.run();
    }
}

/// The workers of a server, for its work with files, and for what handlers give to the server's spawner. What may block
/// already does its own: if it waited for another, all could wait for work that is queued behind them.
pub(crate) struct Files(pub(crate) Arc<Pool>);

impl Spawner for Files {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        self.begin(Work::Function(work))
    }

    fn spawn_call(&self, call: Call) -> Result<(), NoThread> {
        self.begin(Work::Call(call))
    }

    fn is_scarce(&self) -> bool {
        true
    }

    fn give_place_up(&self) -> bool {
        here::give_place_up()
    }

    fn help(&self) -> bool {
        self.0.run_file()
    }

    fn lend_thread(&self) {
        here::act_for(Some(&self.0));
    }

    fn take_thread_back(&self) {
        here::act_for(None);
    }
}

impl Files {
    fn begin(&self, work: Work) -> Result<(), NoThread> {
        if may_block() || here::is_within_function() {
            work.run();
            return Ok(());
        }
        // A function that is kept runs where it is awaited. A file that is closed in between does not displace it: all
        // workers could wait for functions that none of them has any more.
        let steps_back = matches!(&work, Work::Call(call) if !call.is_awaited()) && here::keeps_function();
        let left = if steps_back { Some(work) } else { here::submit(work) };
        left.map_or(Ok(()), |work| self.0.share_function(work))
    }
}
