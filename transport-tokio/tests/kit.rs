//! What every transport owes, on both of tokio's runtimes.
#![allow(clippy::unwrap_used)]

use std::future::pending;
use std::thread;

use httpfsm::config::ServerConfig;
use httpfsm_tokio::{BlockingPool, Server, Tokio};
use httpfsm_transport_kit::{Application, Plan, Report, Served, ToyLayer, before_http, check, listener_info};
use tokio::runtime::{Builder, Handle};

fn on(runtime: &Handle) -> Report {
    check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        plan.on(Tokio::default()).serve(application.blocking(BlockingPool))
    })
}

#[test]
fn handlers_hear_what_a_listener_says() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    listener_info(Server::on(Tokio::default().workers(1), ServerConfig::default())).unwrap();
}

#[test]
fn what_comes_before_http_is_read() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    before_http(Server::new).unwrap();
}

#[test]
fn a_multi_thread_runtime_keeps_what_is_owed() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    on(runtime.handle()).assert();
}

#[test]
fn a_current_thread_runtime_keeps_what_is_owed() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(pending::<()>()));
    on(&handle).assert();
}

#[test]
fn listeners_with_a_layer_keep_what_is_owed() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let report = check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        let server =
            plan.on_listeners(Tokio::default(), |listener| listener.layer(|_| Ok(ToyLayer::server())))?;
        let server = server.serve(application.blocking(BlockingPool))?;
        Ok(Served::through(server, ToyLayer::client))
    });
    report.assert();
}
