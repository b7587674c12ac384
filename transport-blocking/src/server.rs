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
use crate::settings::Blocking;
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
