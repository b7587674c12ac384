//! What every transport owes, on async-std, on smol, on workers of each, and on executors of the test's.
#![cfg(all(feature = "async-std", feature = "smol"))]

use std::io;
use std::sync::Arc;
use std::thread;

use httpfsm_async_std::smol::Smol;
use httpfsm_async_std::{AsyncStd, BlockingPool, Futures, ServerHandle, Task};
use httpfsm_transport::{Listener, Transport};
use httpfsm_transport_kit::{Application, Plan, Served, ToyLayer, check};

fn serve(transport: impl Transport, plan: Plan, application: Application) -> io::Result<ServerHandle> {
    plan.on(transport).serve(application.blocking(BlockingPool))
}

#[test]
fn async_std_keeps_what_is_owed() {
    check(&|plan: Plan, application: Application| serve(AsyncStd::default(), plan, application)).assert();
}

#[test]
fn smol_keeps_what_is_owed() {
    check(&|plan: Plan, application: Application| serve(Smol::default(), plan, application)).assert();
}

#[test]
fn workers_of_async_std_keep_what_is_owed() {
    check(&|plan: Plan, application: Application| serve(AsyncStd::default().workers(2), plan, application))
        .assert();
}

#[test]
fn workers_of_smol_keep_what_is_owed() {
    check(&|plan: Plan, application: Application| serve(Smol::default().workers(2), plan, application))
        .assert();
}

#[test]
fn an_executor_of_ones_own_keeps_what_is_owed() {
    check(&|plan: Plan, application: Application| {
        let executor = Arc::new(smol::Executor::new());
        let server = serve(Futures(Arc::clone(&executor)), plan, application)?;
        let gone = server.gone();
        thread::Builder::new().spawn(move || smol::block_on(executor.run(gone)))?;
        Ok(server)
    })
    .assert();
}

#[test]
fn a_thread_for_each_task_keeps_what_is_owed() {
    check(&|plan: Plan, application: Application| {
        let spawn = |task: Task| drop(thread::spawn(|| async_io::block_on(task)));
        serve(Futures(spawn), plan, application)
    })
    .assert();
}

fn layered(start: impl Fn(Plan, Application) -> io::Result<ServerHandle> + Sync) {
    let report = check(&|plan: Plan, application: Application| {
        start(plan, application.blocking(BlockingPool))
            .map(|server| Served::through(server, ToyLayer::client))
    });
    report.assert();
}

fn toy(listener: Listener) -> Listener {
    listener.layer(|_| Ok(ToyLayer::server()))
}

#[test]
fn listeners_of_async_std_with_a_layer_keep_what_is_owed() {
    layered(|plan, application| plan.on_listeners(AsyncStd::default(), toy)?.serve(application));
}

#[test]
fn listeners_of_smol_with_a_layer_keep_what_is_owed() {
    layered(|plan, application| plan.on_listeners(Smol::default(), toy)?.serve(application));
}
