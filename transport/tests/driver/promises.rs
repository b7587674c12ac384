//! What peers are asked for before they have sent it, and whom that leaves without room.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Body, Request};
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::run_blocking;

use crate::memory::{KIB, config, end, fill, head};
use crate::support::{Gate, poll};

/// Reads the body and says how long it was, or reserves room for a piece of a file and says for how many bytes it got some.
async fn reads(mut request: Request) -> Result<String, httpfsm::handler::BodyFailure> {
    if request.path() == "/file" {
        let reserved = request.memory().reserve(256 * KIB).await;
        return Ok(format!("room for {}", reserved.map_or(0, |reserved| reserved.bytes())));
    }
    Ok(request.body().discard().await?.to_string())
}

#[test]
fn as_many_peers_as_there_may_be_which_send_nothing_leave_room_for_an_upload_and_a_file() {
    const LESS: u32 = 50;
    for full in [ServerConfig::hardened(), ServerConfig::default()] {
        for bodies in [Bodies::Streamed, Bodies::Whole] {
            let mut config = full.clone();
            config.max_connections = full.max_connections / LESS;
            config.max_buffered_bytes = full.max_buffered_bytes / u64::from(LESS);
            config.channel.bodies = Some(bodies);
            let (peers, limit) = (config.max_connections - 2, config.max_buffered_bytes);
            let mut server = MemoryServer::new(config, reads);
            let silent: Vec<_> = (0..peers).map(|_| server.connect().unwrap()).collect();
            for client in &silent {
                client.send(head(10 << 20));
            }
            server.run();
            let memory = server.held().memory;
            // Where half of the memory is taken, bodies that may go to the disk are asked for 4 KiB.
            let promised = (0..peers).fold(0, |promised, _| {
                let spares = bodies == Bodies::Whole && promised >= limit / 2;
                promised + if spares { 4 } else { 8 } * KIB as u64
            });
            assert_eq!(memory.promised, promised, "{bodies:?}");
            assert!(memory.total() + memory.promised < limit, "{bodies:?}: {memory:?} of {limit}");
            let [upload, file] = [(); 2].map(|()| server.connect().unwrap());
            file.send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
            upload.send(head(200_000));
            server.run();
            let response = file.take_text();
            let room = response.rsplit(' ').next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
            assert!(room >= 16 * KIB, "{bodies:?}: {response}");
            for _ in 0..20 {
                upload.send(vec![b'x'; 10_000]);
                server.run();
            }
            assert!(upload.take_text().ends_with("\r\n\r\n200000"), "{bodies:?}");
            end(&mut server, silent.iter().chain([&upload, &file]));
        }
    }
}

#[test]
fn a_body_of_4_kib_needs_no_room_and_waits_for_nobody() {
    for bodies in [Bodies::Streamed, Bodies::Whole] {
        let mut config = config(32 * KIB);
        config.channel.bodies = Some(bodies);
        let mut server = MemoryServer::new(config, |mut request: Request| async move {
            let _held = match request.path() {
                "/" => request.body().next_data().await,
                _ => return reads(request).await,
            };
            std::future::pending().await
        });
        let mut clients = fill(&mut server, 32 * KIB);
        let post = |bytes: usize| format!("POST /reads{}", &head(bytes)["POST /".len()..]);
        // One that is gathered goes through memory in pieces of 4 KiB.
        let is_gathered = bodies == Bodies::Whole;
        for (bytes, is_served) in [(4097, is_gathered), (20, true), (4096, true)] {
            let client = server.connect().unwrap();
            client.send(post(bytes));
            server.run();
            client.send(vec![b'x'; bytes]);
            server.run();
            let response = client.take_text();
            assert_eq!(response.ends_with(&format!("\r\n\r\n{bytes}")), is_served, "{bodies:?}: {response}");
            clients.push(client);
        }
        end(&mut server, &clients);
    }
}

/// Reads until the gate is open or the body is over, and says how much that was.
async fn read_until(gate: &Gate, body: &mut Body) -> usize {
    let mut read = 0;
    poll_fn(|cx| {
        while let Poll::Ready(data) = pin!(body.next_data()).poll(cx) {
            let Some(Ok(bytes)) = data else { return Poll::Ready(()) };
            read += bytes.len();
        }
        gate.poll(cx)
    })
    .await;
    read
}

#[test]
fn a_demand_behind_one_that_waits_for_room_forgets_nothing_of_that() {
    const LENGTH: usize = 2048 * KIB;
    let gates @ [is_full, is_thread, has_room, never] = &[(); 4].map(|()| Gate::default());
    let its = gates.clone();
    let mut server = MemoryServer::new(config(4 * LENGTH), move |mut request: Request| {
        let [is_full, is_thread, has_room, never] = its.clone();
        async move {
            let (memory, body) = (request.memory(), request.body());
            let mut read = read_until(&is_full, body).await;
            let others: Vec<_> = (0..1000).map(|_| memory.reserve_now(LENGTH)).collect();
            read += read_until(&is_thread, body).await;
            // A thread asks for more at once than a task.
            assert!(run_blocking(|| poll(body.next_data())).is_pending());
            has_room.wait().await;
            drop(others);
            read += read_until(&never, body).await;
            read.to_string()
        }
    });
    let client = server.connect().unwrap();
    client.send(head(LENGTH));
    client.send(vec![b'x'; LENGTH / 2]);
    server.run();
    is_full.open();
    server.run();
    client.send(vec![b'x'; LENGTH / 2]);
    server.run();
    is_thread.open();
    server.run();
    has_room.open();
    server.run();
    assert!(client.take_text().ends_with(&format!("\r\n\r\n{LENGTH}")), "the reader waits for ever");
    never.open();
    end(&mut server, [&client]);
}
