//! The whole transport of `docs/transport.md`, checked as the page says.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;

use async_io::Async;
use futures_lite::future::block_on;
use httpfsm::Handler;
use httpfsm_transport::{
    Accept, Accepted, ListenerAddress, ListeningSocket, Opening, ServerHandle, Threads, Transport, Wire,
    accept,
};
use httpfsm_transport_kit::{Application, Plan, check};

use crate::root;

struct Stream(Async<TcpStream>);

impl Wire for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| io::Read::read(&mut &*stream, buffer), |stream| stream.poll_readable(cx))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| io::Write::write(&mut &*stream, bytes), |stream| stream.poll_writable(cx))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(
            |stream| io::Write::write_vectored(&mut &*stream, slices),
            |stream| stream.poll_writable(cx),
        )
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }

    fn is_lost(&mut self) -> bool {
        // A reset, also behind bytes that nobody reads.
        !matches!(self.0.get_ref().take_error(), Ok(None))
    }

    fn reset(&mut self) {
        // With a linger of 0 the close that follows is a reset.
        let _ = socket2::SockRef::from(self.0.get_ref()).set_linger(Some(std::time::Duration::ZERO));
    }
}

impl Stream {
    /// Tries, and waits where that would block.
    fn poll(
        &self,
        mut attempt: impl FnMut(&TcpStream) -> io::Result<usize>,
        mut wait: impl FnMut(&Async<TcpStream>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match attempt(self.0.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(wait(&self.0))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

struct Acceptor {
    address: ListenerAddress,
    listener: Async<TcpListener>,
}

impl Accept for Acceptor {
    type Wire = Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Stream>>> {
        loop {
            match self.listener.get_ref().accept() {
                Ok((stream, peername)) => {
                    let sockname = self.address.sockname(|| stream.local_addr())?;
                    let wire = Stream(Async::new(stream)?);
                    return Poll::Ready(Ok(self.address.accepted(wire, peername.into(), sockname)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.listener.poll_readable(cx))?
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

#[derive(Default)]
struct ThreadPerConnection;

impl Transport for ThreadPerConnection {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        // Before the listeners are taken: the handle knows their addresses.
        let (service, handle) = opening.service(Arc::new(Threads), handler)?;
        for listener in opening.listeners {
            let (address, ListeningSocket::Tcp(listener)) = listener.into_parts() else {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "this transport has no Unix sockets"));
            };
            let acceptor = Acceptor { address, listener: Async::new(listener)? };
            // Each connection is a thread; one that cannot be had closes the connection.
            let spawn = |driver| drop(thread::Builder::new().spawn(|| block_on(driver)));
            let accepting = accept(acceptor, Arc::clone(&service), handle.clone(), spawn);
            thread::Builder::new().spawn(|| block_on(accepting))?;
        }
        Ok(handle)
    }
}

#[test]
fn the_page_has_this_transport() {
    let page = std::fs::read_to_string(root().join("docs/transport.md")).expect("the page");
    let own = include_str!("transport.rs");
    let begin = own.find("struct Stream(").expect("its beginning");
    let end = own.find("\n#[test]").expect("its end");
    assert!(page.contains(own[begin..end].trim_end()), "the page has another transport");
}

#[test]
fn the_transport_of_the_page_keeps_what_is_owed() {
    let report = check(&|plan: Plan, application: Application| {
        plan.on(ThreadPerConnection).serve(application.blocking(Threads))
    });
    report.assert();
    let not_run: Vec<_> = report.not_run().into_iter().map(|(name, _)| name).collect();
    assert_eq!(not_run, ["unix sockets"], "{report}");
}
