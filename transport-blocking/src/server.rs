//! A server on threads of its own.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, IntoResponse, Request};
use httpfsm_transport::{Opening, ServerHandle, SyncHandler, Transport, accept};

use crate::functions::{Files, Functions};
use crate::listener::WatchedListener;
use crate::lock::lock;
use crate::pool::Pool;
use crate::task::Task;

/// A server to be, on threads of its own, in whose background it serves until it is drained.
///
/// ```no_run
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_blocking::{Server, block_on, sync};
///
/// # fn main() -> std::io::Result<()> {
/// let server = Server::new(ServerConfig::hardened())
///     .listen_tcp("[::]:8080".parse().expect("this is an address"))
///     .listen_unix("/run/web.sock")
///     .serve(sync(|_: Request| "Hello, world!"))?;
/// block_on(server.gone());
/// # Ok(())
/// # }
/// ```
pub type Server = httpfsm_transport::Server<Blocking>;

/// Serves a handler on a socket that listens, in the background.
///
/// A listener that is passed by reference and stays open keeps its port open in a drain, and clients connect to a queue from
/// which nobody accepts: pass it by value.
///
/// ```
/// use httpfsm::config::ServerConfig;
/// use httpfsm::handler::Request;
/// use httpfsm_blocking::{block_on, serve, sync};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let handler = sync(|request: Request| format!("You asked for {}.\n", request.target()));
/// let server = serve(listener, ServerConfig::default(), handler)?;
/// block_on(server.begin_drain(None).gone());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The socket does not listen or does not take [`SocketOptions`](crate::SocketOptions), or the system has no thread or
/// no descriptor for the server.
pub fn serve(listener: impl AsFd, config: ServerConfig, handler: impl Handler) -> io::Result<ServerHandle> {
    Server::new(config).listen_fd(&listener)?.serve(handler)
}

/// Makes a blocking function a handler. It holds a worker while it runs. Its request's body is read with
/// [`BodyReader`](crate::BodyReader), and no peer holds a worker by sending it slowly, but for a few:
///
/// - A body of up to [`inbuf_overflow`](httpfsm::ChannelConfig::inbuf_overflow) bytes is gathered in memory before the
///   function is called.
/// - For a longer one the function is called with what has come, and reads the rest as it comes. So many functions may do so
///   at once as [`Blocking::waiting`] says; for others the body goes on into a temporary file, and they are called when it
///   is whole.
/// - Where the request expects `100 Continue`, or where the configuration says that bodies are
///   [streamed](httpfsm::Bodies::Streamed), the function is called at the head if it may wait, and can respond before the
///   body comes. If not, its body is gathered as every other.
///
/// ```no_run
/// use httpfsm::{Request, Response, ServerConfig};
/// use httpfsm_blocking::{BodyReader, block_on, serve, sync};
///
/// fn count(mut request: Request) -> std::io::Result<Response> {
///     let bytes = std::io::copy(&mut BodyReader::new(request.take_body()), &mut std::io::sink())?;
///     Ok(Response::text(format!("{bytes} bytes\n")))
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let listener = std::net::TcpListener::bind("127.0.0.1:8080")?;
/// block_on(serve(listener, ServerConfig::default(), sync(count))?.gone());
/// # Ok(())
/// # }
/// ```
pub fn sync<F, R>(function: F) -> SyncHandler<Functions, F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    httpfsm_transport::sync(Functions, function)
}

/// The transport: few threads that wait for all sockets together, and run the handlers.
#[derive(Clone, Copy, Debug)]
pub struct Blocking {
    workers: usize,
    tunnels: usize,
    waiting: Option<usize>,
    stand_ins: usize,
}

impl Default for Blocking {
    fn default() -> Self {
        Self { workers: 8, tunnels: Pool::TUNNELS, waiting: None, stand_ins: Pool::REPLACED }
    }
}

impl Blocking {
    /// Functions that run at once, 1 at least, without those that have [given their places up](Self::stand_ins). There is
    /// one worker more, which serves connections meanwhile, a thread that keeps the time, and threads for
    /// [tunnels](Self::tunnels). Default 8.
    ///
    /// ```
    /// use httpfsm::config::ServerConfig;
    /// use httpfsm::handler::Request;
    /// use httpfsm_blocking::{Blocking, Server, block_on, sync};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = Server::on(Blocking::default().workers(2).tunnels(0), ServerConfig::default())
    ///     .listen_tcp("127.0.0.1:0".parse().expect("this is an address"))
    ///     .serve(sync(|_: Request| "Hello, world!"))?;
    /// block_on(server.begin_drain(None).gone());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Functions that may wait for their peers at once, each on a worker: for the rest of a body that is longer than
    /// [`inbuf_overflow`](httpfsm::ChannelConfig::inbuf_overflow), or for one behind a `100 Continue`. Slow peers can
    /// hold so many workers, so it is always one less than [`workers`](Self::workers) at most. Functions that write their
    /// responses ([`written_sync`](crate::written_sync)) take the same places while a peer reads more slowly than they
    /// write. Default: half of the workers, rounded down. With 0, or while all are taken, long bodies go through a file,
    /// and so does what is written ahead of a peer, as far as [`stand_ins`](Self::stand_ins) says.
    #[must_use]
    pub fn waiting(mut self, functions: usize) -> Self {
        self.waiting = Some(functions);
        self
    }

    /// Functions beyond the [`workers`](Self::workers) that may run, each on a thread of its own, as they wait for slow
    /// readers of what they write ([`written_sync`](crate::written_sync)): a function that has no place to
    /// [wait](Self::waiting) goes on into a file, and where that is long, 8 MiB as a rule, or the disk is full, another
    /// worker takes its place, and the function's thread ends with it. Such threads are started when they are needed.
    ///
    /// With 0, or while there are as many, it writes on into the file, and its response is cut off when the files of all
    /// responses are as long as they may be, half of [`max_spooled_bytes`](ServerConfig::max_spooled_bytes). The more of
    /// them, the more a server needs of that: 8 MiB for each, and as much again for those that find no place.
    ///
    /// A function that holds something that there is little of, as a connection to a database, holds it while it waits:
    /// it lets it go before, or 0 is set, and [`waiting`](Self::waiting), too. Default 64.
    ///
    /// ```
    /// use httpfsm_blocking::Blocking;
    ///
    /// // There are four connections to the database, and no slow reader is to hold one.
    /// let transport = Blocking::default().workers(4).waiting(0).stand_ins(0);
    /// # let _ = transport;
    /// ```
    #[must_use]
    pub fn stand_ins(mut self, functions: usize) -> Self {
        self.stand_ins = functions;
        self
    }

    /// Threads that may serve upgraded connections with code that blocks ([`tunnel`](crate::tunnel)); they are started
    /// when they are needed. Default 4.
    #[must_use]
    pub fn tunnels(mut self, tunnels: usize) -> Self {
        self.tunnels = tunnels;
        self
    }
}

impl Transport for Blocking {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        let pool = Pool::new(self.workers, self.tunnels, self.stand_ins)?;
        let (service, handle) = opening.service(Arc::new(Files(Arc::clone(&pool))), handler)?;
        service.permit_waiting(self.waiting.unwrap_or(self.workers / 2).min(self.workers.saturating_sub(1)));
        let begin = || {
            for listener in opening.listeners {
                let task = pool.task()?;
                let listener = WatchedListener::new(listener, &pool, Arc::clone(&task))?;
                let last_accepted = Arc::clone(&listener.last_accepted);
                let accepting = accept(listener, Arc::clone(&service), handle.clone(), move |driver| {
                    let accepted = lock(&last_accepted).take();
                    if let Some(task) = accepted {
                        task.begin_next(Box::pin(driver));
                    }
                });
                task.begin(Box::pin(accepting));
            }
            pool.start()
        };
        begin().inspect_err(|_| {
            // What has started is to end.
            pool.close();
            handle.begin_drain(Some(Duration::ZERO));
        })?;
        let gone = handle.gone();
        let own = Arc::clone(&pool);
        Task::spawn(
            &pool,
            Box::pin(async move {
                gone.await;
                own.close();
            }),
        );
        Ok(handle)
    }
}
