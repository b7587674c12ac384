//! What every transport owes, over TLS.

use std::sync::Arc;
use std::thread;

use httpfsm_rustls::rustls::ClientConnection;
use httpfsm_rustls::rustls::pki_types::ServerName;
use httpfsm_rustls::{TlsListener, TlsOptions};
use httpfsm_testing::TlsClient;
use httpfsm_transport::{Spawner, Transport};
use httpfsm_transport_kit::{Application, Plan, Report, Served, check};
use tokio::runtime::Runtime;

use crate::support::Authority;

fn kept<T: Transport, S: Spawner + Clone + Sync>(make: impl Fn() -> T + Sync, spawner: S) -> Report {
    let authority = Authority::new("kit");
    let tls = authority.tls("localhost", &TlsOptions::default());
    let client = Arc::new(authority.client());
    let runtime = Runtime::new().unwrap();
    check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        let client = Arc::clone(&client);
        let server = plan.on_listeners(make(), |listener| listener.tls(&tls))?;
        let server = server.serve(application.blocking(spawner.clone()))?;
        let name = ServerName::try_from("localhost").unwrap();
        let client = move || TlsClient(ClientConnection::new(Arc::clone(&client), name.clone()).unwrap());
        Ok(Served::through(server, client))
    })
}

/// All at once: most of it is waiting.
#[test]
fn on_each_transport_it_keeps_what_is_owed() {
    thread::scope(|scope| {
        let threads = scope.spawn(|| kept(httpfsm_blocking::Blocking::default, httpfsm_blocking::Functions));
        let tokio = scope.spawn(|| kept(httpfsm_tokio::Tokio::default, httpfsm_tokio::BlockingPool));
        let async_std =
            scope.spawn(|| kept(httpfsm_async_std::AsyncStd::default, httpfsm_async_std::BlockingPool));
        let smol =
            scope.spawn(|| kept(httpfsm_async_std::smol::Smol::default, httpfsm_async_std::BlockingPool));
        for (on, report) in [("threads", threads), ("tokio", tokio), ("async-std", async_std), ("smol", smol)]
        {
            println!("{on}:");
            report.join().unwrap().assert();
        }
    });
}
