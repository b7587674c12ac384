//! What a connection of level 1 owes.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use httpfsm::channel::{Condition, State};
use httpfsm::config::ChannelConfig;
use httpfsm::error::{CloseReason, Rule};
use httpfsm::fields::Fields;
use httpfsm::response::ResponseRef;
use httpfsm::status::Status;
use httpfsm_transport::Event;
use socket2::Socket;

use super::client::{GET, end, join, receive, reset, send, send_later, send_on_thread};
use super::{Level1, Level1Check, Pairs, outcome};
use crate::chunks::content;
use crate::sum::pattern;

/// How long the deadlines are that are to come.
const SOON: Option<Duration> = Some(Duration::from_millis(50));
/// How long the deadlines are that must not come.
const FAR: Option<Duration> = Some(Duration::from_secs(3600));

/// All checks: what was wrong.
pub(super) fn all<S, C: Level1>(
    pairs: &Pairs<'_, S, C>,
    block_on: &dyn Fn(Level1Check<'_>),
) -> Result<(), String> {
    let mut failures = Vec::new();
    let mut look = |name: &str, check: &mut dyn FnMut() -> Result<(), String>| {
        if let Err(failure) = check() {
            failures.push(format!("{name}: {failure}"));
        }
    };
    macro_rules! look {
        ($($check:ident: $name:literal,)*) => {
            $(look($name, &mut || outcome($check(pairs), pairs.patience, block_on));)*
        };
    }
    look! {
        echo_whose_futures_are_dropped: "an echo loses nothing where its futures are dropped",
        deadline: "a deadline comes while an event is awaited",
        earlier_deadline: "an earlier deadline replaces the one that was awaited",
        lost_connection: "a lost connection is an event while the response is made",
        upgraded: "an upgraded connection is taken apart",
        unread_write: "a peer that does not read ends a write at its deadline",
        lost_flush: "what is lost was not flushed",
        failing_caller: "interim responses leave before the one for a caller that fails",
        second_response: "a second response to one request is refused, and not that to the next request",
        told_to_go: "a connection that is told to go closes after its response",
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

async fn echo_whose_futures_are_dropped<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    const LENGTH: usize = 1_000_000;
    let (client, connection) = pairs.open(&ChannelConfig::default())?;
    let mut bytes = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(&pattern(0, LENGTH));
    let sends = send_on_thread(&client, bytes, true)?;
    let receives = receive(client);
    echo(connection).await?;
    join(sends)?;
    let content = content(&join(receives)?)?;
    if content == pattern(0, LENGTH) {
        return Ok(());
    }
    Err(format!("The content of {} bytes is not what was sent.", content.len()))
}

async fn deadline<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    let config = ChannelConfig { first_byte_timeout: SOON, ..ChannelConfig::default() };
    let (client, mut connection) = pairs.open(&config)?;
    is("the reason", close_reason(&mut connection).await?, CloseReason::FirstByteTimeout)?;
    is("what the client receives", join(receive(client))?, Vec::new())
}

async fn earlier_deadline<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    let config = ChannelConfig { first_byte_timeout: FAR, head_timeout: SOON, ..ChannelConfig::default() };
    let (client, mut connection) = pairs.open(&config)?;
    is("the first event", format!("{:?}", connection.next_event().await), "Some(Opened)".to_owned())?;
    let sends = send_later(client, b"GET /");
    let event = connection.next_event().await;
    let _client = join(sends)?;
    match event {
        Some(Event::Refused(error)) => is("the rule", error.rule, Rule::HeadTimeout),
        event => Err(format!("The event is {event:?}.")),
    }
}

async fn lost_connection<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    let (client, mut connection) = pairs.open(&ChannelConfig::default())?;
    send(&client, GET)?;
    request(&mut connection).await?;
    reset(client)?;
    match connection.next_event().await {
        // A Unix socket that had nothing unread just ends.
        Some(Event::PeerEnded) if pairs.is_unix => return Ok(()),
        Some(Event::Closed(CloseReason::Disconnected)) => {}
        event => return Err(format!("The event is {event:?}.")),
    }
    match connection.next_event().await {
        None => Ok(()),
        event => Err(format!("The event behind the last is {event:?}.")),
    }
}

async fn upgraded<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    let (client, mut connection) = pairs.open(&ChannelConfig::default())?;
    send(&client, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrest")?;
    request(&mut connection).await?;
    let fields = fields(&[("Connection", "upgrade"), ("Upgrade", "x")])?;
    accepted(connection.respond(ResponseRef::new(Status::SWITCHING_PROTOCOLS, &fields, b"")))?;
    let leftover = loop {
        match connection.next_event().await {
            Some(Event::Upgraded(leftover)) => break leftover,
            None | Some(Event::Closed(_)) => return Err("It is never upgraded.".to_owned()),
            Some(_) => {}
        }
    };
    is("what came ahead", leftover, Bytes::from_static(b"rest"))?;
    if let Some(event) = connection.next_event().await {
        return Err(format!("The event behind the upgrade is {event:?}."));
    }
    let sends = send_later(client, b"more");
    connection.echo_on_socket(4).await.map_err(|error| format!("On the socket: {error}"))?;
    let response = join(receive(join(sends)?))?;
    if response.starts_with(b"HTTP/1.1 101 ") && response.ends_with(b"\r\n\r\nmore") {
        return Ok(());
    }
    Err(format!("The client receives \"{}\".", response.escape_ascii()))
}

async fn unread_write<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    let config = ChannelConfig { write_timeout: SOON, min_write_rate: 0, ..ChannelConfig::default() };
    let (client, mut connection) = pairs.open(&config)?;
    send(&client, GET)?;
    request(&mut connection).await?;
    accepted(connection.respond(ResponseRef::stream(Status::OK, &Fields::new(), None)))?;
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    let mut written = 0;
    while connection.write(piece.clone()).await.is_ok() {
        written += 1;
        // Far more than the buffers of two sockets hold.
        if written == 256 {
            return Err("256 MiB are taken that nobody reads.".to_owned());
        }
    }
    is("the reason", close_reason(&mut connection).await?, CloseReason::WriteTimeout)
}

async fn lost_flush<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    let (client, mut connection) = pairs.open(&ChannelConfig::default())?;
    send(&client, GET)?;
    request(&mut connection).await?;
    accepted(connection.respond(ResponseRef::stream(Status::OK, &Fields::new(), None)))?;
    // More than the buffers of two sockets hold.
    accepted(connection.write(vec![b'x'; 64 << 20].into()).await)?;
    reset(client)?;
    match connection.flush().await {
        Ok(()) => Err("It says that all has left.".to_owned()),
        Err(_) => Ok(()),
    }
}

async fn failing_caller<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    let (client, mut connection) = pairs.open(&ChannelConfig::default())?;
    send(&client, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")?;
    request(&mut connection).await?;
    accepted(connection.informational(Status::EARLY_HINTS, &fields(&[("Link", "</a>")])?))?;
    accepted(connection.send_continue())?;
    accepted(connection.abort(Some("the disk is gone")))?;
    if connection.abort(None).is_ok() {
        return Err("A second abort is accepted.".to_owned());
    }
    is("the state", connection.channel().state(), State::Closing)?;
    let response = to_the_end(client, connection).await?;
    is("the statuses", statuses(&response), vec!["103", "100", "500"])?;
    is("whether the client sees the text", response.contains("disk"), false)
}

async fn second_response<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    let (client, mut connection) = pairs.open(&ChannelConfig::default())?;
    send(&client, &GET.repeat(2))?;
    request(&mut connection).await?;
    let none = Fields::new();
    accepted(connection.respond(ResponseRef::new(Status::OK, &none, b"")))?;
    // The second request waits by now, and no event has told the caller of it.
    let refused = connection.respond(ResponseRef::new(Status::NOT_FOUND, &none, b""));
    let unmet = refused.map_err(|not_accepted| not_accepted.unmet);
    is("the unmet condition of the second response", unmet, Err(Some(Condition::IsDelivered)))?;
    request(&mut connection).await?;
    accepted(connection.respond(ResponseRef::new(Status::CREATED, &none, b"")))?;
    let response = to_the_end(client, connection).await?;
    is("the statuses", statuses(&response), vec!["200", "201"])
}

async fn told_to_go<S, C: Level1>(pairs: &Pairs<'_, S, C>) -> Result<(), String> {
    let (client, mut connection) = pairs.open(&ChannelConfig::default())?;
    send(&client, GET)?;
    request(&mut connection).await?;
    accepted(connection.go_out())?;
    accepted(connection.respond(ResponseRef::new(Status::OK, &Fields::new(), b"fine")))?;
    accepted(connection.flush().await)?;
    let response = to_the_end(client, connection).await?;
    if response.contains("\r\nConnection: close\r\n") && response.ends_with("\r\n\r\nfine") {
        return Ok(());
    }
    Err(format!("The client receives {response:?}."))
}

/// Echoes what it is sent.
async fn echo<C: Level1>(mut connection: C) -> Result<(), String> {
    loop {
        match impatient(async || connection.next_event().await).await {
            None | Some(Event::Closed(_)) => return Ok(()),
            Some(Event::Request) => {
                accepted(connection.demand(100))?;
                accepted(connection.respond(ResponseRef::stream(Status::OK, &Fields::new(), None)))?;
            }
            Some(Event::BodyData(bytes)) => {
                accepted(connection.demand(bytes.len() as u64))?;
                accepted(impatient(async || connection.write(bytes.clone()).await).await)?;
            }
            Some(Event::BodyEnd(_)) => accepted(impatient(async || connection.finish(None).await).await)?,
            Some(_) => {}
        }
    }
}

/// Polls futures of one kind once each until one is ready; every one that is not is dropped.
async fn impatient<T>(mut ask: impl AsyncFnMut() -> T) -> T {
    loop {
        let mut future = pin!(ask());
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return output;
        }
        yield_once().await;
    }
}

/// Lets the runtime do what else it has to do.
async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn request<C: Level1>(connection: &mut C) -> Result<(), String> {
    loop {
        match connection.next_event().await {
            Some(Event::Request) => return Ok(()),
            None | Some(Event::Closed(_)) => return Err("No request comes.".to_owned()),
            Some(_) => {}
        }
    }
}

async fn close_reason<C: Level1>(connection: &mut C) -> Result<CloseReason, String> {
    loop {
        match connection.next_event().await {
            Some(Event::Closed(reason)) => return Ok(reason),
            None => return Err("It ends without a reason.".to_owned()),
            Some(_) => {}
        }
    }
}

/// Pulls the connection to its end, with a client that receives and then ends, too.
async fn to_the_end<C: Level1>(client: Socket, mut connection: C) -> Result<String, String> {
    end(&client)?;
    let receives = receive(client);
    while connection.next_event().await.is_some() {}
    join(receives).map(|response| String::from_utf8_lossy(&response).into_owned())
}

fn statuses(response: &str) -> Vec<&str> {
    response.match_indices("HTTP/1.1 ").filter_map(|(at, _)| response.get(at + 9..at + 12)).collect()
}

fn fields(fields: &[(&str, &str)]) -> Result<Fields, String> {
    let with = |all: Fields, (name, value): &(&str, &str)| all.with(name, *value);
    fields.iter().try_fold(Fields::new(), with).map_err(|error| format!("A field is refused: {error:?}"))
}

fn accepted<T, E: Debug>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("A call is refused: {error:?}"))
}

fn is<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?} and not {expected:?}")) }
}
