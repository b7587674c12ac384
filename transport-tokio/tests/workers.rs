//! Workers: threads of the transport that listen at one address.
#![allow(clippy::unwrap_used)]

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm_tokio::{Server, SocketOptions, Tokio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn workers_share_the_port_the_counts_and_the_drain() {
    let server = Server::on(Tokio::default().workers(2), ServerConfig::default())
        .listen_tcp("127.0.0.1:0".parse().unwrap())
        // Behind the address, and for it all the same.
        .options(SocketOptions { reuse_port: true, ..SocketOptions::default() })
        .serve(|_: Request| async { format!("\n{:?}", std::thread::current().id()) })
        .unwrap();
    let (mut streams, mut threads) = (Vec::new(), std::collections::BTreeSet::new());
    for _ in 0..60 {
        let mut stream = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut response = [0; 1024];
        let bytes = stream.read(&mut response).await.unwrap();
        threads.extend(String::from_utf8_lossy(&response[..bytes]).lines().last().map(str::to_owned));
        streams.push(stream);
    }
    assert_eq!(threads.len(), 3, "the system spreads connections over the sockets: {threads:?}");
    assert_eq!(server.stats().n_channels, 60);
    server.begin_drain(None).gone().await;
    assert_eq!((server.stats().n_channels, server.stats().closed), (0, 60));
    assert!(TcpStream::connect(server.local_addr().unwrap()).await.is_err());
}
