// Handlers of an application of axum, without their imports of what httpfsm-http has as well.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use futures_util::stream::{self, Stream};
use tokio::sync::Notify;

async fn peer(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
    peer.ip().to_string()
}

async fn family(peer: ConnectInfo<SocketAddr>, request: Request) -> String {
    format!("{} by IPv{}", request.uri(), if peer.is_ipv4() { 4 } else { 6 })
}

/// It ends, and would be kept alive until then.
async fn count() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let numbered = |n: u32| Event::default().event("count").id(n.to_string()).data(format!("{n} of 3"));
    let events = stream::iter((1..=3).map(move |n| Ok(numbered(n))));
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// Silent until it is told.
async fn late(State(told): State<Arc<Notify>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let event = async move {
        told.notified().await;
        Ok(Event::default().data("late"))
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_millis(10)).text("still here");
    Sse::new(stream::once(event)).keep_alive(keep_alive)
}

async fn tell(State(told): State<Arc<Notify>>) {
    told.notify_one();
}

pub(super) fn app() -> Router {
    Router::new()
        .route("/peer", get(peer))
        .route("/family", post(family))
        .route("/count", get(count))
        .route("/late", get(late))
        .route("/tell", post(tell))
        .with_state(Arc::default())
}
