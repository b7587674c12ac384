//! What every transport owes, on threads.

use httpfsm::config::ServerConfig;
use httpfsm_blocking::{Blocking, Functions, Server};
use httpfsm_transport_kit::{Application, Plan, Report, Served, ToyLayer, before_http, check, listener_info};

fn on(transport: Blocking) -> Report {
    // Its workers may block, so a blocking function needs no other place to run.
    check(&|plan: Plan, application: Application| plan.on(transport).serve(application.blocking(Functions)))
}

#[test]
fn handlers_hear_what_a_listener_says() -> Result<(), String> {
    listener_info(Server::new(ServerConfig::default()))
}

#[test]
fn what_comes_before_http_is_read() -> Result<(), String> {
    before_http(Server::new)
}

#[test]
fn the_transport_keeps_what_is_owed() {
    on(Blocking::default()).assert();
}

#[test]
fn one_worker_keeps_what_is_owed() {
    on(Blocking::default().workers(1)).assert();
}

#[test]
fn listeners_with_a_layer_keep_what_is_owed() {
    let report = check(&|plan: Plan, application: Application| {
        let server =
            plan.on_listeners(Blocking::default(), |listener| listener.layer(|_| Ok(ToyLayer::server())))?;
        let server = server.serve(application.blocking(Functions))?;
        Ok(Served::through(server, ToyLayer::client))
    });
    report.assert();
}
