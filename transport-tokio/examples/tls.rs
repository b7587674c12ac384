//! A server over TLS: `tokio-rustls` decrypts, and the server's connections are what comes out of it.
//!
//! `cargo run -p httpfsm-tokio --example tls`, then `curl --insecure https://127.0.0.1:8443/`. The certificate is made at
//! the start, and nobody has signed it.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Request, Response};
use httpfsm_tokio::{Accepted, Connections, Io, ListenerInfo, ServerHandle, connections};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long nothing is accepted when the system has no more descriptors.
const BACKOFF: Duration = Duration::from_millis(100);

/// Accepts, and has the handler serve what comes out of TLS, until the server is told to drain.
pub(crate) fn serve_tls(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    config: ServerConfig,
    handler: impl Handler,
) -> io::Result<ServerHandle> {
    let server = Arc::new(connections(config, handler)?);
    let handle = server.handle();
    let mut info = ListenerInfo::default();
    info.scheme = Some("https".into());
    let (info, acceptor) = (Arc::new(info), TlsAcceptor::from(Arc::new(tls)));
    let ending = handle.clone();
    tokio::spawn(async move {
        let accept = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let (server, info, acceptor) =
                            (Arc::clone(&server), Arc::clone(&info), acceptor.clone());
                        tokio::spawn(async move { connection(&server, stream, &acceptor, info).await });
                    }
                    Err(_) => sleep(BACKOFF).await,
                }
            }
        };
        tokio::select! {
            () = accept => {}
            () = ending.draining() => {}
        }
    });
    Ok(handle)
}

/// One connection, from its handshake to its end. What fails in a handshake concerns its client alone.
async fn connection<H: Handler>(
    server: &Connections<H>,
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    info: Arc<ListenerInfo>,
) -> io::Result<()> {
    let (peername, sockname) = (stream.peer_addr()?.into(), stream.local_addr()?.into());
    let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    let accepted = Accepted::new(Io::new(stream), peername, sockname).with_listener(info);
    // Where the server is full, or goes out, the connection is closed.
    if let Ok(connection) = server.serve_accepted(accepted) {
        connection.await;
    }
    Ok(())
}

async fn hello(request: Request) -> Response {
    Response::text(format!("Hello over {}!\n", request.scheme()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];

    let listener = TcpListener::bind("127.0.0.1:8443").await?;
    let server = serve_tls(listener, tls, ServerConfig::default(), hello)?;
    tokio::signal::ctrl_c().await?;
    server.begin_drain(None).gone().await;
    Ok(())
}
