//! From `serve` to the end of the server, as axum's users write it.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use axum::Router;
use axum::routing::get;
use httpfsm::ServerConfig;
use httpfsm_http::service;
use httpfsm_transport::block_on;

use crate::{On, PATIENCE, to_the_end, until};

/// Serves until the signal.
fn live(on: On, listener: TcpListener, signal: impl Future<Output = ()>) -> std::io::Result<()> {
    let app = Router::new().route("/", get(|| async { "Hello, world!" }));
    let config = ServerConfig::default();
    match on {
        On::Tokio => tokio::runtime::Runtime::new()?.block_on(async {
            httpfsm_tokio::serve(listener, config, service(app))?.with_graceful_shutdown(signal).await;
            Ok(())
        }),
        On::AsyncStd => async_std::task::block_on(async {
            httpfsm_async_std::serve(listener, config, service(app))?.with_graceful_shutdown(signal).await;
            Ok(())
        }),
        On::Smol => smol::block_on(async {
            httpfsm_async_std::smol::serve(listener, config, service(app))?
                .with_graceful_shutdown(signal)
                .await;
            Ok(())
        }),
        On::Blocking => {
            let server = httpfsm_blocking::serve(listener, config, service(app))?;
            block_on(server.with_graceful_shutdown(signal));
            Ok(())
        }
    }
}

#[test]
fn a_server_serves_until_its_signal_and_ends_behind_its_last_response() {
    for on in crate::ALL {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = smol::channel::bounded::<()>(1);
        let (told, ended) = mpsc::channel();
        let serving = thread::spawn(move || {
            let result = live(on, listener, async move { _ = receiver.recv().await });
            told.send(()).unwrap();
            result
        });
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        until(&mut stream, "Hello, world!");
        stream.write_all(b"GET / HTT").unwrap();
        assert!(ended.try_recv().is_err(), "{on:?}");
        drop(sender);
        stream.write_all(b"P/1.1\r\nHost: a\r\n\r\n").unwrap();
        let last = String::from_utf8(to_the_end(&mut stream)).unwrap();
        assert!(last.contains("Connection: close\r\n") && last.ends_with("Hello, world!"), "{on:?}: {last}");
        ended.recv_timeout(PATIENCE).unwrap();
        serving.join().unwrap().unwrap();
    }
}
