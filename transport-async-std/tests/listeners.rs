//! What a listener says of its connections. In a process of its own: async-std has one executor for all servers of a
//! process.
#![cfg(all(feature = "async-std", feature = "smol"))]

use httpfsm::config::ServerConfig;
use httpfsm_async_std::AsyncStd;
use httpfsm_async_std::smol::Smol;
use httpfsm_transport::Server;
use httpfsm_transport_kit::listener_info;

#[test]
fn handlers_hear_what_a_listener_says() -> Result<(), String> {
    listener_info(Server::on(AsyncStd::default(), ServerConfig::default()))?;
    listener_info(Server::on(Smol::default().workers(1), ServerConfig::default()))
}
