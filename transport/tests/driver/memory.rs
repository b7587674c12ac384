//! The memory of request bodies: what is charged for them, who waits for room, and who is told that there is none.

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{
    Body, BodyFailure, ConnectionInfo, Failure, Frame, Handler, MemoryUse, Request, ReservedMemory, Response,
    Subscriber,
};
use httpfsm_transport::memory::{MemoryClient, MemoryServer};
use httpfsm_transport::{Held, Wire};

use crate::support::{Gate, poll};

pub(crate) const KIB: usize = 1 << 10;

/// Input that a connection may always hold, in a buffer that grows in steps.
const GRANTED: u64 = (4 << 10) + 512;

/// The room that the tests begin with.
pub(crate) fn config(max_buffered_bytes: usize) -> ServerConfig {
    ServerConfig { max_buffered_bytes: max_buffered_bytes as u64, ..ServerConfig::default() }
}

/// A head of a request with a body of so many bytes.
pub(crate) fn head(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

fn post(length: usize) -> Vec<u8> {
    [head(length).into_bytes(), vec![b'x'; length]].concat()
}

/// After this time a connection is looked at of which nothing is read.
const LOOK: Duration = Duration::from_secs(5);

/// The clients go.
fn reset<'a, H: Handler, W: Wire>(
    server: &mut MemoryServer<H, W>,
    clients: impl IntoIterator<Item = &'a MemoryClient>,
) {
    clients.into_iter().for_each(MemoryClient::reset);
    server.run();
    server.advance(LOOK);
    server.advance(LOOK);
}

/// The clients go, and nothing is left.
#[track_caller]
pub(crate) fn end<'a, H: Handler, W: Wire>(
    server: &mut MemoryServer<H, W>,
    clients: impl IntoIterator<Item = &'a MemoryClient>,
) {
    reset(server, clients);
    assert_eq!(server.held(), Held::default());
}

/// What a subscriber has heard of requests and producers without room, and of other failures.
#[derive(Default)]
pub(crate) struct NoRooms(pub(crate) Mutex<Vec<(bool, MemoryUse)>>, pub(crate) Mutex<Vec<String>>);

impl Subscriber for NoRooms {
    fn no_room(&self, connection: Option<&ConnectionInfo>, memory: &MemoryUse) {
        self.0.lock().unwrap().push((connection.is_some(), *memory));
    }

    fn failed(&self, _: Option<&ConnectionInfo>, _: Failure, text: &str) {
        self.1.lock().unwrap().push(text.to_owned());
    }
}

impl NoRooms {
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// A handler that waits for the body, and keeps it unread as long as the gate is closed. Then it says how long it was.
async fn reads_late(mut request: Request, gate: Gate) -> Result<String, BodyFailure> {
    let first = request.body().next_data().await.transpose()?.map_or(0, |bytes| bytes.len());
    gate.wait().await;
    Ok((first as u64 + request.body().discard().await?).to_string())
}

#[test]
fn a_body_that_was_received_gives_back_what_it_held_as_soon_as_it_is_read_while_the_driver_sleeps() {
    let bodies = Arc::<Mutex<Vec<Body>>>::default();
    let kept = Arc::clone(&bodies);
    let mut server = MemoryServer::new(ServerConfig::default(), move |mut request: Request| {
        let kept = Arc::clone(&kept);
        async move {
            let mut body = request.take_body();
            // Asks for more than it takes.
            let _ = body.next_data().await;
            kept.lock().unwrap().push(body);
            std::future::pending::<()>().await;
        }
    });
    for is_read in [true, false] {
        let client = server.connect().unwrap();
        client.send(head(8000));
        client.send("12345");
        server.run();
        client.send(vec![b'x'; 7995]);
        server.run();
        let held = server.held();
        assert_eq!((held.memory.bodies, held.memory.promised, held.memory.total()), (7995, 0, 7995));
        let mut body = bodies.lock().unwrap().pop().unwrap();
        if is_read {
            // On any thread: nothing here runs the connection.
            let read = std::thread::spawn(move || (poll(body.next_data()), body)).join();
            assert!(matches!(read, Ok((Poll::Ready(Some(Ok(bytes))), _)) if bytes.len() == 7995));
        } else {
            drop(body);
        }
        assert_eq!(server.held().memory, MemoryUse::default());
        assert_eq!(server.handle().memory(), MemoryUse::default());
    }
}

#[test]
fn what_was_promised_to_a_body_is_not_held_and_ends_with_it() {
    let mut server = MemoryServer::new(ServerConfig::default(), |mut request: Request| async move {
        request.body().discard().await.map(|bytes| bytes.to_string())
    });
    let client = server.connect().unwrap();
    client.send(head(300_000));
    server.run();
    let held = server.held();
    assert_eq!((held.memory.promised, held.memory.total()), (8 << 10, 0));
    let mut sent = 0;
    for (bytes, promised) in [(8 << 10, 16 << 10), (6 << 10, 22 << 10), (120_000, 128 << 10)] {
        client.send(vec![b'x'; bytes]);
        server.run();
        sent += bytes;
        let held = server.held().memory.promised;
        assert_eq!(held, promised, "it doubles as the body is read, up to 128 KiB: {sent} bytes have come");
    }
    client.send(vec![b'x'; 299_000 - sent]);
    server.run();
    assert_eq!(server.held().memory.promised, 1000, "no more than what is still to come");
    client.send(vec![b'x'; 1000]);
    server.run();
    assert!(client.take_text().ends_with("300000"));
    assert_eq!(server.held().memory, MemoryUse::default());
    // A chunked one, which may be of any length.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    server.run();
    assert_eq!(server.held().memory.promised, (8 << 10) - 3);
    client.send("0\r\n\r\n");
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\n3"));
    assert_eq!(server.held().memory, MemoryUse::default());
}

/// Peers that send as many bytes as are asked for, of whose bodies nothing is read but the beginning.
fn crowd<H: Handler>(server: &mut MemoryServer<H>, peers: usize, length: usize) -> Vec<MemoryClient> {
    let clients: Vec<_> = (0..peers).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(head(length));
        server.run();
        client.send("12345");
        server.run();
        client.send(vec![b'x'; length - 5]);
        server.run();
    }
    clients
}

/// Bodies of which nothing is read but the beginning take all room but a few bytes.
pub(crate) fn fill<H: Handler>(server: &mut MemoryServer<H>, limit: usize) -> Vec<MemoryClient> {
    let mut clients = Vec::new();
    loop {
        let held = server.held();
        let left = limit - (held.memory.bodies + held.memory.promised) as usize;
        if left <= 5 {
            return clients;
        }
        clients.extend(crowd(server, 1, left.min(1000)));
    }
}

#[test]
fn bodies_without_room_wait_and_are_served_as_others_are_read() {
    for bodies in [Bodies::Streamed, Bodies::Whole] {
        let (mut config, gate) = (config(100_000), Gate::default());
        config.channel.bodies = Some(bodies);
        let its = gate.clone();
        let mut server = MemoryServer::new(config, move |request: Request| reads_late(request, its.clone()));
        let clients = crowd(&mut server, 40, 8000);
        let held = server.held();
        assert!(held.memory.bodies + held.memory.promised <= 100_000, "{bodies:?}: {held:?}");
        assert!(held.memory.input <= 40 * GRANTED, "{bodies:?}: {held:?}");
        let early: String = clients.iter().map(MemoryClient::take_text).collect();
        assert_eq!(early, "", "{bodies:?}: all of them wait");
        gate.open();
        // A gate wakes the last one that waits for it; the others at a deadline.
        for _ in 0..100 {
            server.advance(Duration::from_millis(100));
        }
        let responses: Vec<_> = clients.iter().map(MemoryClient::take_text).collect();
        let served = responses.iter().filter(|text| text.ends_with("\r\n\r\n8000")).count();
        let refused = responses.iter().filter(|text| text.starts_with("HTTP/1.1 503 ")).count();
        assert!(served > 0, "{bodies:?}: {served} served, {refused} refused");
    }
}

#[test]
fn bodies_and_pieces_get_room_in_the_order_in_which_they_asked_for_it() {
    let config = ServerConfig { room_timeout: None, ..config(16 * KIB) };
    let reserved = Arc::<Mutex<Vec<ReservedMemory>>>::default();
    let its = Arc::clone(&reserved);
    let mut server = MemoryServer::new(config, move |mut request: Request| {
        let reserved = Arc::clone(&its);
        async move {
            if request.path() == "/piece" {
                let piece = request.memory().reserve(2000).await.unwrap();
                reserved.lock().unwrap().push(piece);
                return "reserved";
            }
            let _ = request.body().next_data().await;
            std::future::pending().await
        }
    });
    let others = fill(&mut server, 16 * KIB);
    let body = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n";
    let piece = "GET /piece HTTP/1.1\r\nHost: a\r\n\r\n";
    let late = [body, piece, body, piece].map(|request| {
        let client = server.connect().unwrap();
        client.send(request);
        server.run();
        client
    });
    let mut order = Vec::new();
    // Each gives back the room of some 1000 bytes.
    for other in &others {
        if order.len() == late.len() {
            break;
        }
        reset(&mut server, [other]);
        let served = late.iter().enumerate().filter(|(_, client)| !client.take().is_empty());
        order.extend(served.map(|(n, _)| n));
    }
    assert_eq!(order, [0, 1, 2, 3]);
    reserved.lock().unwrap().clear();
    end(&mut server, others.iter().chain(&late));
}

#[test]
fn a_body_that_finds_no_room_in_time_gets_503_and_the_subscriber_hears_of_it() {
    let heard = Arc::<NoRooms>::default();
    let config = ServerConfig { room_timeout: Some(Duration::from_secs(3)), ..config(32 * KIB) };
    let mut server =
        MemoryServer::with(config, 64 << 10, Some(heard.clone()), |mut request: Request| async move {
            let _ = request.body().next_data().await;
            std::future::pending::<()>().await;
        });
    let clients = fill(&mut server, 32 * KIB);
    let late = server.connect().unwrap();
    late.send(head(5000));
    server.run();
    server.advance(Duration::from_millis(2999));
    assert_eq!((late.take_text().as_str(), heard.count()), ("", 0));
    server.advance(Duration::from_millis(1));
    let response = late.take_text();
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    let (has_connection, memory) = heard.0.lock().unwrap()[0];
    assert!(has_connection && memory.bodies > 30 * KIB as u64, "{memory:?}");
    end(&mut server, clients.iter().chain([&late]));
}

#[test]
fn a_response_that_has_begun_is_cut_where_its_request_body_finds_no_room() {
    let heard = Arc::<NoRooms>::default();
    let config = ServerConfig { room_timeout: Some(Duration::from_secs(3)), ..config(16 * KIB) };
    let mut server =
        MemoryServer::with(config, 64 << 10, Some(heard.clone()), |mut request: Request| async move {
            if request.path() == "/" {
                let _ = request.body().next_data().await;
                std::future::pending::<()>().await;
            }
            // Reads the body behind its first frame.
            let (mut body, mut is_first) = (request.take_body(), true);
            let source = Body::from_fn(move |cx| match std::mem::take(&mut is_first) {
                true => Poll::Ready(Frame::Data("begun".into())),
                false => body.poll_frame(cx),
            });
            Response::new(httpfsm::Status::OK).with_body(source)
        });
    let clients = fill(&mut server, 16 * KIB);
    let late = server.connect().unwrap();
    late.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
    server.run();
    let begun = late.take_text();
    assert!(begun.ends_with("\r\nbegun\r\n"), "{begun}");
    server.advance(Duration::from_secs(3));
    assert!(late.is_reset() || late.is_ended());
    assert!(!late.take_text().ends_with("0\r\n\r\n"), "it does not look whole");
    assert!(heard.count() >= 1);
    end(&mut server, clients.iter().chain([&late]));
}

#[test]
fn without_a_deadline_a_body_waits_until_there_is_room() {
    let (config, gate) = (ServerConfig { room_timeout: None, ..config(16 * KIB) }, Gate::default());
    let its = gate.clone();
    let mut server = MemoryServer::new(config, move |mut request: Request| {
        let gate = its.clone();
        async move {
            match request.path() {
                "/" => reads_late(request, gate).await,
                _ => Ok(request.body().discard().await?.to_string()),
            }
        }
    });
    let others = fill(&mut server, 16 * KIB);
    let late = server.connect().unwrap();
    late.send("POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nabc");
    late.send([b'x'; 4997]);
    server.advance(Duration::from_secs(25));
    assert_eq!(late.take_text(), "");
    reset(&mut server, &others);
    assert!(late.take_text().ends_with("\r\n\r\n5000"));
}

#[test]
fn gathered_bodies_go_to_the_disk_where_there_is_no_room_and_are_served() {
    let mut config = config(64 * KIB);
    config.channel.bodies = Some(Bodies::Whole);
    let most = Arc::<Mutex<u64>>::default();
    let mut server = MemoryServer::new(config, |mut request: Request| async move {
        request.body().discard().await.map(|bytes| bytes.to_string())
    });
    let clients: Vec<_> = (0..20).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(head(100_000));
        server.run();
    }
    for _ in 0..10 {
        for client in &clients {
            client.send(vec![b'x'; 9_999]);
            server.run();
            let held = server.held();
            let mut most = most.lock().unwrap();
            *most = (*most).max(held.memory.spooled);
            let granted = 20 * GRANTED;
            assert!(held.memory.bodies + held.memory.promised <= (64 << 10) + granted, "{held:?}");
            assert!(held.memory.input <= 20 * GRANTED, "{held:?}");
        }
    }
    let most = *most.lock().unwrap();
    assert!(most > 500_000, "{most}: their overflow is 512 KiB, and they are in files");
    for client in &clients {
        client.send(vec![b'x'; 10]);
        server.run();
        let response = client.take_text();
        assert!(response.ends_with("\r\n\r\n100000"), "{response}");
    }
    end(&mut server, &clients);
}

#[test]
fn gathered_bodies_without_an_overflow_never_go_to_the_disk_and_wait_for_room() {
    let heard = Arc::<NoRooms>::default();
    let mut config = config(64 * KIB);
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 0;
    config.spool_dir = "/nonexistent".into();
    let mut server =
        MemoryServer::with(config, 64 << 10, Some(heard.clone()), |mut request: Request| async move {
            request.body().discard().await.map(|bytes| bytes.to_string())
        });
    let clients: Vec<_> = (0..3).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(head(25_000));
        server.run();
    }
    for _ in 0..25 {
        for client in &clients {
            client.send(vec![b'x'; 1000]);
            server.run();
        }
    }
    // Together they are larger than the limit, so all wait for room.
    assert!(clients.iter().all(|client| client.take().is_empty()));
    assert_eq!(heard.count(), 0);
    server.advance(Duration::from_secs(10));
    let responses: Vec<_> = clients.iter().map(MemoryClient::take_text).collect();
    let number = |what: &str| responses.iter().filter(|response| response.contains(what)).count();
    assert_eq!((number("HTTP/1.1 503 "), number("\r\n\r\n25000")), (1, 2), "{responses:?}");
    assert_eq!(heard.count(), 1);
    end(&mut server, &clients);
}

#[test]
fn a_gathered_body_is_charged_until_the_handler_lets_go_of_it() {
    let kept = Arc::<Mutex<Vec<bytes::Bytes>>>::default();
    let its = Arc::clone(&kept);
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    let mut server = MemoryServer::new(config, move |mut request: Request| {
        let kept = Arc::clone(&its);
        async move {
            let bytes = request.body().collect(10_000).await?;
            kept.lock().unwrap().push(bytes);
            Ok::<_, httpfsm::handler::CollectError>("kept")
        }
    });
    let client = server.connect().unwrap();
    client.send(post(10_000));
    server.run();
    assert!(client.take_text().ends_with("kept"));
    assert_eq!((server.held().memory.bodies, server.held().memory.promised), (10_000, 0));
    kept.lock().unwrap().clear();
    assert_eq!(server.held().memory, MemoryUse::default());
}

#[test]
fn files_of_bodies_hold_no_more_than_their_limit_and_above_it_is_503() {
    let heard = Arc::<NoRooms>::default();
    let mut config = ServerConfig { max_spooled_bytes: 300_000, ..ServerConfig::default() };
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 1000;
    let gate = Gate::default();
    let its = gate.clone();
    let mut server =
        MemoryServer::with(config, 64 << 10, Some(heard.clone()), move |mut request: Request| {
            let gate = its.clone();
            async move {
                gate.wait().await;
                request.body().discard().await.map(|bytes| bytes.to_string())
            }
        });
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let client = server.connect().unwrap();
            client.send(post(100_000));
            server.run();
            client
        })
        .collect();
    assert_eq!((server.held().memory.spooled, heard.count()), (300_000, 1));
    assert!(clients[3].take_text().starts_with("HTTP/1.1 503 "));
    assert!(clients[..3].iter().all(|client| client.take().is_empty()));
    end(&mut server, &clients);
    gate.open();
    let client = server.connect().unwrap();
    client.send(post(300_000));
    server.run();
    assert!(client.take_text().ends_with("300000"));
    assert_eq!(server.held().memory, MemoryUse::default());
}
