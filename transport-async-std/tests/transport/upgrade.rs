use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use futures_lite::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use httpfsm::handler::{Request, Response, UpgradeFuture, Upgraded};
use httpfsm_async_std::FuturesIo;

use crate::{HANG, connect, on_each_runtime, read_to_end, read_until};

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nahead ";

/// Responds to every request with an upgrade, and passes the connection to a task.
fn upgrading<F: Future<Output = ()> + Send + 'static>(
    task: impl Fn(UpgradeFuture) -> F + Send + Sync + 'static,
) -> impl Fn(Request) -> std::future::Ready<Response> + Send + Sync + 'static {
    move |request| {
        smol::spawn(task(request.upgrade())).detach();
        std::future::ready(Response::switching_protocols("echo"))
    }
}

async fn adapted(upgrade: UpgradeFuture) -> FuturesIo {
    let upgraded: Upgraded = upgrade.await.unwrap();
    FuturesIo::new(upgraded)
}

on_each_runtime! {
    fn an_upgraded_connection_is_copied_with_futures_io(runtime: Runtime) {
        let server = runtime.start(upgrading(|upgrade| async {
            let (input, mut output) = split(adapted(upgrade).await);
            copy(input, &mut output).await.unwrap();
            output.close().await.unwrap();
        }));
        let mut stream = connect(&server);
        stream.write_all(UPGRADE).unwrap();
        let head = read_until(&stream, "\r\n\r\nahead ");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut output = stream.try_clone().unwrap();
        let send = std::thread::spawn(move || {
            output.write_all(&b"0123456789".repeat(200_000)).unwrap();
            output.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(read_to_end(stream).len(), 2_000_000);
        send.join().unwrap();
    }

    fn who_has_closed_its_output_reads_on(runtime: Runtime) {
        let (tell, told) = std::sync::mpsc::channel();
        let server = runtime.start(upgrading(move |upgrade| {
            let tell = tell.clone();
            async move {
                let mut io = adapted(upgrade).await;
                io.close().await.unwrap();
                let mut all = String::new();
                io.read_to_string(&mut all).await.unwrap();
                tell.send(all).unwrap();
            }
        }));
        let mut stream = connect(&server);
        stream.write_all(UPGRADE).unwrap();
        assert!(read_to_end(&stream).ends_with("\r\n\r\n"), "the server's output ends");
        stream.write_all(b"and late").unwrap();
        drop(stream);
        assert_eq!(told.recv_timeout(HANG).unwrap(), "ahead and late");
    }

    fn the_end_of_a_drain_is_an_error_to_who_reads_and_to_who_writes(runtime: Runtime) {
        let (tell, told) = std::sync::mpsc::channel();
        let server = runtime.start(upgrading(move |upgrade| {
            let tell = tell.clone();
            async move {
                let mut io = adapted(upgrade).await;
                let mut all = Vec::new();
                let read = io.read_to_end(&mut all).await.map_err(|error| error.kind());
                let written = io.write_all(b"late").await.map_err(|error| error.kind());
                tell.send((all, read.map(|_| ()), written)).unwrap();
            }
        }));
        let mut stream = connect(&server);
        stream.write_all(UPGRADE).unwrap();
        read_until(&stream, "\r\n\r\n");
        async_io::block_on(server.begin_drain(Some(std::time::Duration::from_millis(10))).gone());
        let closed = || Err(ErrorKind::BrokenPipe);
        assert_eq!(told.recv_timeout(HANG), Ok((b"ahead ".to_vec(), closed(), closed())));
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    }
}
