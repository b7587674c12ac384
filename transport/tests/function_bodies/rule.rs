//! When a function is called.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Handler, Request};
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::{BodyReader, sync};

use crate::few::Few;
use crate::support::{Calls, Stand, content, head, stand};

const OVERFLOW: usize = 1000;
const EXPECT: &str = "Expect: 100-continue\r\n";

fn config() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.channel.inbuf_overflow = OVERFLOW as u64;
    config
}

#[test]
fn a_function_is_called_when_its_body_is_whole() {
    let mut stand = stand(config(), 2, 1);
    let client = stand.connect();
    stand.send(&client, head(OVERFLOW, ""));
    stand.send(&client, &content(OVERFLOW)[..OVERFLOW - 1]);
    assert_eq!((stand.calls.begun(), stand.permits()), (0, 0));
    stand.send(&client, &content(OVERFLOW)[OVERFLOW - 1..]);
    assert!(stand.response(&client).ends_with("\r\n\r\n1000 bytes"));
    drop(client);
    stand.ends();
}

#[test]
fn a_function_of_a_long_body_is_called_with_a_permit_and_reads_the_rest_as_it_comes() {
    let mut stand = stand(config(), 2, 1);
    let clients = [(); 3].map(|()| stand.connect());
    for client in &clients {
        stand.send(client, head(6000, ""));
        stand.send(client, &content(6000)[..2000]);
    }
    stand.until("one is called", |stand| stand.calls.begun() == 1);
    assert_eq!(stand.permits(), 1);
    let memory = stand.server.held().memory;
    assert_eq!(memory.spooled, 4000, "the others have no permit: {memory:?}");
    for client in &clients[1..] {
        stand.send(client, &content(6000)[2000..]);
        assert!(stand.response(client).ends_with("\r\n\r\n6000 bytes"));
    }
    assert_eq!((stand.calls.running(), stand.permits()), (1, 1), "the first one waits");
    stand.send(&clients[0], &content(6000)[2000..]);
    assert_eq!(stand.permits(), 0, "the body is in");
    assert!(stand.response(&clients[0]).ends_with("\r\n\r\n6000 bytes"));
    drop(clients);
    stand.ends();
}

#[test]
fn a_permit_goes_back_when_the_body_is_in_also_while_its_function_runs_on() {
    let mut stand = stand(config(), 1, 1);
    let clients = [(); 2].map(|()| stand.connect());
    stand.send(&clients[0], head(6000, "").replace("POST /", "POST /held"));
    stand.send(&clients[0], &content(6000)[..2000]);
    stand.until("it is called", |stand| stand.calls.begun() == 1);
    assert_eq!(stand.permits(), 1);
    stand.send(&clients[0], &content(6000)[2000..]);
    assert_eq!(stand.permits(), 0);
    // Another has the permit, and waits for a thread with what has come of its body.
    stand.send(&clients[1], head(6000, ""));
    stand.send(&clients[1], &content(6000)[..2000]);
    let held = stand.server.held();
    assert_eq!((held.permits, stand.calls.running()), (1, 1));
    assert!(held.memory.bodies >= 2000, "{held:?}");
    stand.holds = None;
    stand.send(&clients[1], &content(6000)[2000..]);
    for client in &clients {
        assert!(stand.response(client).ends_with("\r\n\r\n6000 bytes"));
    }
    drop(clients);
    stand.ends();
}

#[test]
fn a_function_may_refuse_a_body_that_its_peer_asks_leave_for() {
    let mut stand = stand(config(), 2, 1);
    let client = stand.connect();
    stand.send(&client, head(9000, EXPECT).replace("POST / ", "POST /refuse "));
    assert!(stand.response(&client).starts_with("HTTP/1.1 413 "), "without a 100");
    drop(client);
    stand.ends();
}

#[test]
fn without_a_permit_a_body_behind_a_100_is_gathered() {
    for (bodies, length) in [(None, 500), (None, 9000), (Some(Bodies::Whole), 9000)] {
        let mut config = config();
        config.channel.bodies = bodies;
        let mut stand = stand(config, 2, 1);
        let clients = [(); 2].map(|()| stand.connect());
        for client in &clients {
            stand.send(client, head(length, EXPECT));
        }
        stand.until("the first one reads", |_| !clients[0].take().is_empty());
        stand.until("the second one may send", |_| !clients[1].take().is_empty());
        assert_eq!((stand.calls.begun(), stand.permits()), (1, 1));
        stand.send(&clients[1], content(length));
        let response = stand.response(&clients[1]);
        assert!(response.ends_with(&format!("\r\n\r\n{length} bytes")), "{response}");
        assert_eq!(stand.permits(), 1);
        stand.send(&clients[0], content(length));
        assert!(stand.response(&clients[0]).ends_with(&format!("\r\n\r\n{length} bytes")));
        drop(clients);
        stand.ends();
    }
}

#[test]
fn where_bodies_are_streamed_a_function_is_called_at_the_head_if_it_may_wait() {
    let mut config = config();
    config.channel.bodies = Some(Bodies::Streamed);
    let mut stand = stand(config, 2, 1);
    let clients = [(); 2].map(|()| stand.connect());
    for client in &clients {
        stand.send(client, head(500, ""));
    }
    stand.until("one is called", |stand| stand.calls.begun() == 1);
    stand.send(&clients[1], content(500));
    assert!(stand.response(&clients[1]).ends_with("\r\n\r\n500 bytes"));
    assert_eq!((stand.calls.running(), stand.permits()), (1, 1));
    stand.send(&clients[0], content(500));
    assert!(stand.response(&clients[0]).ends_with("\r\n\r\n500 bytes"));
    drop(clients);
    stand.ends();
}

#[test]
fn a_permit_goes_back_when_the_connection_is_lost_or_the_body_breaks_off() {
    let mut stand = stand(config(), 2, 1);
    for ends in [0, 1, 2] {
        let client = stand.connect();
        stand.send(&client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n");
        stand.send(&client, content(2000));
        stand.until("it is called", |stand| stand.calls.begun() == ends + 1);
        assert_eq!(stand.permits(), 1);
        match ends {
            0 => client.reset(),
            1 => client.close_write(),
            _ => client.send("\r\nno chunk\r\n"),
        }
        stand.server.run();
        assert_eq!(stand.permits(), 0, "{ends}");
        if ends == 2 {
            assert!(stand.response(&client).starts_with("HTTP/1.1 400 "));
        }
        drop(client);
        stand.ends();
    }
}

#[test]
fn without_permits_and_without_files_bodies_are_gathered_in_memory() {
    let mut config = config();
    config.channel.inbuf_overflow = 0;
    let mut stand = stand(config, 1, 0);
    let client = stand.connect();
    stand.send(&client, head(900_000, ""));
    stand.send(&client, &content(900_000)[..800_000]);
    let memory = stand.server.held().memory;
    assert_eq!((stand.calls.begun(), memory.spooled, memory.bodies), (0, 0, 800_000));
    stand.send(&client, &content(900_000)[800_000..]);
    assert!(stand.response(&client).ends_with("\r\n\r\n900000 bytes"));
    drop(client);
    stand.ends();
}

#[test]
fn a_function_that_waits_for_all_of_a_long_body_keeps_its_permit_as_it_holds_its_thread() {
    let mut stand = stand(config(), 2, 1);
    let client = stand.connect();
    stand.send(&client, head(6000, "").replace("POST /", "POST /whole"));
    stand.send(&client, &content(6000)[..2000]);
    stand.until("it is called, and its body goes to the file", |stand| {
        stand.calls.begun() == 1 && stand.server.held().memory.spooled == 2000
    });
    assert_eq!(stand.permits(), 1);
    // Others that would wait so are not called before their bodies are whole: one thread is left for what writes them.
    let others = [(); 3].map(|()| stand.connect());
    for other in &others {
        stand.send(other, head(6000, "").replace("POST /", "POST /whole"));
        stand.send(other, &content(6000)[..5999]);
    }
    for other in &others {
        stand.send(other, &content(6000)[5999..]);
        assert!(stand.response(other).ends_with("\r\n\r\n6000 bytes"));
    }
    assert_eq!((stand.calls.begun(), stand.permits()), (4, 1));
    stand.send(&client, &content(6000)[2000..]);
    assert!(stand.response(&client).ends_with("\r\n\r\n6000 bytes"));
    assert_eq!(stand.permits(), 0);
    drop((client, others));
    stand.ends();
}

#[test]
fn what_a_handler_has_asked_for_comes_though_a_function_goes_on_with_the_body() {
    for expect in ["", EXPECT] {
        let mut config = config();
        config.channel.bodies = Some(Bodies::Streamed);
        let count = |mut request: Request| -> io::Result<String> {
            let rest = io::copy(&mut BodyReader::new(request.take_body()), &mut io::sink())?;
            Ok(format!("{rest} bytes"))
        };
        let function = Arc::new(sync(Few::start(1), count));
        let handler = move |mut request: Request| {
            let function = Arc::clone(&function);
            async move {
                // It asks, does not wait, and leaves the body to the function.
                poll_fn(|cx| {
                    let _ = request.body().poll_data(cx);
                    Poll::Ready(())
                })
                .await;
                function.call(request).await
            }
        };
        let server = MemoryServer::with(config, 1 << 22, None, handler);
        server.permit_waiting(1);
        let mut stand = Stand { holds: None, server, calls: Calls::default() };
        let client = stand.connect();
        stand.send(&client, head(300_000, expect));
        stand.send(&client, &content(300_000)[..3000]);
        stand.send(&client, &content(300_000)[3000..]);
        let response = stand.response(&client);
        assert!(response.ends_with("\r\n\r\n300000 bytes"), "{response}");
        drop(client);
        stand.ends();
    }
}
