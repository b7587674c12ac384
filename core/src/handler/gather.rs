//! Bodies that are whole before they are read, so that nobody who reads one waits for its peer.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use super::body::Body;

/// Until when a body is gathered: [`Body::poll_gathered`], [`Source::poll_gathered`](super::Source::poll_gathered).
///
/// ```
/// use std::future::poll_fn;
///
/// use httpfsm::handler::{Body, GatherUntil};
///
/// /// Before a thread begins to read `body`.
/// async fn before_thread(body: &mut Body) {
///     poll_fn(|cx| body.poll_gathered(GatherUntil::WholeOrPermitted, cx)).await;
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum GatherUntil {
    /// It is whole, whatever the parameter [`bodies`](crate::config::ChannelConfig::bodies) says.
    Whole,
    /// It is whole, unless the parameter `bodies` says that bodies are [streamed](crate::config::Bodies::Streamed): then it
    /// may be read at once. For code that reads on threads of its own, as that of `incoming` does.
    WholeUnlessStreamed,
    /// It is whole, or its reader may hold a thread of few while it waits for the peer: the transport allows that to so many
    /// readers at a time. A body that is longer than [`inbuf_overflow`](crate::config::ChannelConfig::inbuf_overflow) may
    /// then be read while it comes, and so may one at its head, if the request expects `100 Continue` or if bodies are
    /// [streamed](crate::config::Bodies::Streamed). For functions that block.
    WholeOrPermitted,
}

impl Body {
    /// Resolves when the body is whole: what reads it then waits for nobody. It is in memory up to
    /// [`inbuf_overflow`](crate::config::ChannelConfig::inbuf_overflow), and in a temporary file above that, or where the
    /// server has no room for more in memory, as under [`Bodies::Whole`](crate::config::Bodies::Whole). What has been read
    /// before is not in it. A body of another source than the connection may be read at once.
    ///
    /// It is for code that holds something dear while it reads: a lock, a connection to a database, a thread. Where bodies
    /// are small, [`collect`](Self::collect) does the same in memory alone.
    ///
    /// A body that breaks off resolves this as well, and fails when it is read. Where the file cannot be written or the
    /// server has no room, the request gets a 500 or 503, as under `Bodies::Whole`, and its handler is dropped. Dropping the
    /// future before it is ready loses nothing: the next read waits for the whole body.
    ///
    /// ```
    /// use httpfsm::handler::{BodyFailure, Request};
    ///
    /// # struct Database;
    /// # struct Transaction;
    /// # impl Database { async fn begin(&self) -> Transaction { Transaction } }
    /// # impl Transaction { async fn insert(&mut self, _row: &[u8]) {} }
    /// async fn import(database: &Database, mut request: Request) -> Result<String, BodyFailure> {
    ///     let body = request.body();
    ///     // However slow the peer is, it holds no transaction.
    ///     body.gathered().await;
    ///     let mut transaction = database.begin().await;
    ///     let mut pieces = 0;
    ///     while let Some(piece) = body.next_data().await {
    ///         transaction.insert(&piece?).await;
    ///         pieces += 1;
    ///     }
    ///     Ok(format!("{pieces} pieces\n"))
    /// }
    /// # let _ = import;
    /// ```
    pub async fn gathered(&mut self) {
        poll_fn(|cx| self.poll_gathered(GatherUntil::Whole, cx)).await;
    }

    /// The poll under [`gathered`](Self::gathered), which gathers no longer than it has to. `until` is the same at each
    /// poll.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// use httpfsm::handler::{Body, GatherUntil};
    ///
    /// // A body that is there has nobody to wait for.
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(Body::from("hello").poll_gathered(GatherUntil::Whole, &mut cx), Poll::Ready(()));
    /// ```
    pub fn poll_gathered(&mut self, until: GatherUntil, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Stream(source) = self {
            if let Some(gathered) = ready!(source.as_mut().poll_gathered(until, cx)) {
                *self = gathered;
            }
        }
        Poll::Ready(())
    }
}
