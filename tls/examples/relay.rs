//! Has a server that speaks TLS look like one that does not: whatever tests a server over plain TCP tests it through TLS.
//!
//! ```text
//! relay --port 8080 -- httpfsm serve --self-signed --port 0 --app echo
//! ```
//!
//! It starts the command, reads its first line (`listening on https://ADDRESS`), and passes on each connection of its
//! port. The half-close of a client becomes `close_notify` and FIN, that of the server a half-close. A reset becomes a
//! reset, and so does an end of the server without `close_notify`. The certificate is not verified. At SIGTERM the
//! command gets one, and ends it.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use httpfsm_rustls::rustls::ClientConfig;
use httpfsm_rustls::rustls::pki_types::ServerName;
use httpfsm_testing::believing;
use rustix::process::{Pid, Signal, kill_process};
use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a client may go on to send when the server has ended.
const LINGER: Duration = Duration::from_secs(1);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some("--port"), Some(port), Some("--")) =
        (words.next().as_deref(), words.next(), words.next().as_deref())
    else {
        return Err("relay --port PORT -- COMMAND".into());
    };
    let (mut child, address) = start(&words.collect::<Vec<_>>())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (port, pid) = (port.parse()?, child.id());
    let serving = runtime.spawn(async move {
        let served = serve(port, address).await;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let ended = pid.map_or(Ok(()), |pid| kill_process(pid, Signal::TERM).map_err(io::Error::from));
        served.and(ended)
    });
    // Connections are passed on as long as the server has any.
    let status = child.wait()?;
    if serving.is_finished() {
        runtime.block_on(serving)??;
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts the server, and says where it listens.
fn start(command: &[String]) -> Result<(Child, SocketAddr), Box<dyn Error>> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn()?;
    let mut stdout = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    std::thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
    let address = line.trim().strip_prefix("listening on https://").and_then(|address| address.parse().ok());
    address.map(|address| (child, address)).ok_or_else(|| format!("its first line was {line:?}").into())
}

/// Passes connections on until SIGTERM.
#[expect(clippy::print_stdout, reason = "whoever started it reads the address")]
async fn serve(port: u16, server: SocketAddr) -> io::Result<()> {
    let config = believing();
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let config = Arc::clone(&config);
                    tokio::spawn(async move {
                        let resets = SockRef::from(&client).try_clone();
                        if pass(client, server, config).await.is_err() {
                            resets.into_iter().for_each(|socket| reset(&socket));
                        }
                    });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            _ = terminate.recv() => return Ok(()),
        }
    }
}

/// Passes both directions on, each to its end.
async fn pass(client: TcpStream, server: SocketAddr, config: Arc<ClientConfig>) -> io::Result<()> {
    let socket = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    socket.set_nodelay(true)?;
    let below = SockRef::from(&socket).try_clone()?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let tls = TlsConnector::from(config).connect(name, socket).await?;
    let (from_server, to_server) = split(tls);
    let (from_client, to_client) = client.into_split();
    let mut up = pin!(up(from_client, to_server));
    let mut down = pin!(down(from_server, to_client));
    let passed = tokio::select! {
        // The client is lost, or both directions have ended, as the other does without waiting.
        upwards = &mut up => match upwards {
            Ok(()) => down.await,
            lost => lost,
        },
        downwards = &mut down => match downwards {
            // A client that still sends reads the response before it is reset.
            Ok(()) => timeout(LINGER, up).await.unwrap_or(Ok(())),
            lost => lost,
        },
    };
    passed.inspect_err(|_| reset(&below))
}

/// Passes on what the client sends, and discards it where the server takes no more.
async fn up(mut client: impl AsyncRead + Unpin, mut server: impl AsyncWrite + Unpin) -> io::Result<()> {
    let (mut buffer, mut is_open) = (vec![0; 16 << 10], true);
    loop {
        let read = client.read(&mut buffer).await?;
        let bytes = buffer.get(..read).unwrap_or_default();
        is_open = is_open && server.write_all(bytes).await.is_ok() && server.flush().await.is_ok();
        if read == 0 {
            return if is_open { server.shutdown().await } else { Ok(()) };
        }
    }
}

/// Passes on what the server sends, to its end.
async fn down(mut server: impl AsyncRead + Unpin, mut client: impl AsyncWrite + Unpin) -> io::Result<()> {
    tokio::io::copy(&mut server, &mut client).await?;
    client.shutdown().await
}

/// The connection ends by a reset when its last descriptor is closed.
fn reset(socket: &Socket) {
    let _ = socket.set_linger(Some(Duration::ZERO));
}
