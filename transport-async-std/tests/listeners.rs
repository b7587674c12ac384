//! What a listener says of its connections, and what comes before HTTP on them. In a process of its own: async-std has one
//! executor for all servers of a process.
#![cfg(all(feature = "async-std", feature = "smol"))]

use httpfsm::config::ServerConfig;
use httpfsm_async_std::AsyncStd;
use httpfsm_async_std::smol::Smol;
use httpfsm_transport::Server;
use httpfsm_transport_kit::{before_http, listener_info};

#[test]
fn handlers_hear_what_a_listener_says() -> Result<(), String> {
    listener_info(Server::on(AsyncStd::default(), ServerConfig::default()))?;
    listener_info(Server::on(Smol::default().workers(1), ServerConfig::default()))
}

#[test]
fn what_comes_before_http_is_read() -> Result<(), String> {
    before_http(|config| Server::on(AsyncStd::default(), config))?;
    before_http(|config| Server::on(Smol::default().workers(1), config))
}
