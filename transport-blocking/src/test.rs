//! Tests of handlers: one request through the real machine, in memory, as [`httpfsm_transport::test`] has it.
//!
//! [`spawn`](crate::spawn) and [`tunnel`](crate::tunnel) begin their work, as on a server, on threads that end with the
//! call: what runs behind the response is cut off, and a connection that was upgraded has nobody at its other end. That
//! holds for what the handler calls; for a thread that pulls requests ([`Incoming`](crate::Incoming)) there is no server
//! here.
//!
//! ```
//! use httpfsm::{Request, Response, Status};
//! use httpfsm_blocking::test::{TestRequest, call};
//! use httpfsm_blocking::{UpgradedStream, block_on, sync, tunnel};
//!
//! fn upgrades(request: Request) -> Response {
//!     match tunnel(request.upgrade(), |_: UpgradedStream| { /* Serve it. */ }) {
//!         Ok(()) => Response::switching_protocols("echo"),
//!         Err(_) => Response::new(Status::SERVICE_UNAVAILABLE),
//!     }
//! }
//!
//! let request = TestRequest::get("/").field("Connection", "upgrade").field("Upgrade", "echo");
//! assert_eq!(block_on(call(sync(upgrades), request)).status(), Status::SWITCHING_PROTOCOLS);
//! ```

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_transport::test;
pub use httpfsm_transport::test::{TestRequest, TestResponse};

use crate::here;
use crate::pool::Pool;
use crate::settings::{STAND_INS, TUNNELS};

/// Has `handler` respond to `request`: see [`httpfsm_transport::test::call`].
///
/// ```
/// use httpfsm::Request;
/// use httpfsm_blocking::test::{TestRequest, call};
/// use httpfsm_blocking::{block_on, sync};
///
/// let echo = sync(|request: Request| request.path().to_owned());
/// assert_eq!(block_on(call(echo, TestRequest::get("/a/b?c=d"))).text(), "/a/b");
/// ```
///
/// # Panics
///
/// Where the connection ends within the response. [`try_call`] gives an error instead.
pub async fn call(handler: impl Handler, request: TestRequest) -> TestResponse {
    acting(test::call(handler, request)).await
}

/// As [`call`], of a server with this configuration.
///
/// ```
/// use httpfsm::{Request, ServerConfig, Status};
/// use httpfsm_blocking::test::{TestRequest, call_with};
/// use httpfsm_blocking::{block_on, sync};
///
/// let mut config = ServerConfig::default();
/// config.channel.max_request_body_size = 3;
/// let handler = sync(|_: Request| "Hello, world!");
/// let response = block_on(call_with(config, handler, TestRequest::post("/", "four")));
/// assert_eq!(response.status(), Status::CONTENT_TOO_LARGE);
/// ```
///
/// # Panics
///
/// As [`call`].
pub async fn call_with(config: ServerConfig, handler: impl Handler, request: TestRequest) -> TestResponse {
    acting(test::call_with(config, handler, request)).await
}

/// As [`call_with`], where no response or half a one may come.
///
/// ```
/// use std::io::ErrorKind;
///
/// use httpfsm::{Request, Response, ServerConfig, Status};
/// use httpfsm_blocking::test::{TestRequest, try_call};
/// use httpfsm_blocking::{block_on, sync, written_sync};
///
/// let handler = sync(|_: Request| Response::new(Status::OK).with_body(written_sync(|_| Err("The disk is gone."))));
/// let response = block_on(try_call(ServerConfig::default(), handler, TestRequest::get("/")));
/// assert_eq!(response.unwrap_err().kind(), ErrorKind::UnexpectedEof);
/// ```
///
/// # Errors
///
/// As [`httpfsm_transport::test::try_call`].
pub async fn try_call(
    config: ServerConfig,
    handler: impl Handler,
    request: TestRequest,
) -> io::Result<TestResponse> {
    acting(test::try_call(config, handler, request)).await
}

/// Has whoever polls the call act for a server of its own.
async fn acting<T>(call: impl Future<Output = T>) -> T {
    let server = TestServer::default();
    let mut call = pin!(call);
    poll_fn(|cx| here::within_test(&server.0, || call.as_mut().poll(cx))).await
}

#[derive(Default)]
struct TestServer(Arc<TestPool>);

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(Some(pool)) = self.0.0.get() {
            pool.close();
        }
    }
}

/// The threads of a test, which most never need. `None` where the system has none.
#[derive(Default)]
pub(crate) struct TestPool(OnceLock<Option<Arc<Pool>>>);

impl TestPool {
    pub(crate) fn get(&self) -> Option<Arc<Pool>> {
        self.0.get_or_init(|| Self::start().ok()).clone()
    }

    fn start() -> io::Result<Arc<Pool>> {
        let pool = Pool::new(1, TUNNELS, STAND_INS)?;
        pool.start().inspect_err(|_| pool.close())?;
        Ok(pool)
    }
}
