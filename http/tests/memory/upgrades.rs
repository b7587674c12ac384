//! A service that speaks another protocol on its connection.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Extension;
use axum::response::IntoResponse;
use axum::routing::any;
use http::StatusCode;
use httpfsm::handler::{UpgradeError, UpgradeFuture};
use httpfsm_http::{Upgrade, service};

use crate::Case;

type Futures = Arc<Mutex<Vec<UpgradeFuture>>>;

async fn echo(Extension(futures): Extension<Futures>, upgrade: Upgrade) -> impl IntoResponse {
    futures.lock().unwrap().push(upgrade.connection());
    let fields = [("connection", "Upgrade"), ("upgrade", "echo")];
    Ok::<_, Infallible>((StatusCode::SWITCHING_PROTOCOLS, fields))
}

async fn refuses(
    Extension(futures): Extension<Futures>,
    Extension(upgrade): Extension<Upgrade>,
) -> StatusCode {
    futures.lock().unwrap().push(upgrade.connection());
    StatusCode::FORBIDDEN
}

fn app(futures: &Futures) -> Router {
    Router::new()
        .route("/echo", any(echo))
        .route("/refuse", any(refuses))
        .route("/either", any(|upgrade: Option<Upgrade>| async move { format!("{upgrade:?}") }))
        .fallback(
            |Extension(futures): Extension<Futures>, Extension(upgrade): Extension<Upgrade>| async move {
                futures.lock().unwrap().push(upgrade.connection());
            },
        )
        .layer(Extension(Arc::clone(futures)))
}

fn upgrade(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
}

#[test]
fn the_connection_belongs_to_the_service_behind_a_101() {
    let futures = Futures::default();
    let mut case = Case::new(service(app(&futures)));
    let response = case.send(upgrade("/echo") + "early");
    assert!(response.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{response}");
    assert!(
        response.contains("upgrade: echo\r\n") && response.contains("Connection: upgrade\r\n"),
        "{response}"
    );
    let future = futures.lock().unwrap().pop().unwrap();
    let mut connection = httpfsm_transport::block_on(future).unwrap();
    let mut buffer = [0; 16];
    let read = httpfsm_transport::block_on(connection.read(&mut buffer)).unwrap();
    assert_eq!(&buffer[..read], b"early");
    case.client.send("late");
    case.server.run();
    let read = httpfsm_transport::block_on(connection.read(&mut buffer)).unwrap();
    httpfsm_transport::block_on(connection.write_all(&buffer[..read])).unwrap();
    drop(connection);
    case.server.run();
    assert!(case.client.take_text().ends_with("late"));
}

#[test]
fn connect_hands_the_connection_over_with_a_2xx() {
    let futures = Futures::default();
    let mut case = Case::new(service(app(&futures)));
    let response = case.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    let future = futures.lock().unwrap().pop().unwrap();
    assert!(httpfsm_transport::block_on(future).is_ok());
}

#[test]
fn a_refused_upgrade_says_so_and_the_connection_goes_on() {
    let futures = Futures::default();
    let mut case = Case::new(service(app(&futures)));
    for _ in 0..2 {
        assert!(case.send(upgrade("/refuse")).starts_with("HTTP/1.1 403 "));
        let future = futures.lock().unwrap().pop().unwrap();
        assert_eq!(httpfsm_transport::block_on(future).err(), Some(UpgradeError::Refused));
    }
}

#[test]
fn an_extractor_says_where_no_upgrade_is_asked_for() {
    let mut case = Case::new(service(app(&Futures::default())));
    let response = case.ask("GET", "/echo");
    assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nThe request asks for no upgrade."), "{response}");
    assert!(case.ask("GET", "/either").ends_with("\r\n\r\nNone"));
    assert!(case.send(upgrade("/either")).ends_with("\r\n\r\nSome(Upgrade(..))"));
}
