//! The model application, and requests whose responses are known to the byte.

use std::sync::LazyLock;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::{Bodies, ChannelConfig, ServerConfig};
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, BodyFailure, Frame, Request, Response, UpgradeFuture};
use httpfsm::status::Status;

use crate::ask::{Ask, Expected};
use crate::before;
use crate::dice::Dice;
use crate::hostile;
use crate::world::World;

/// The most bytes of a body.
const MOST: u32 = 20_000;

/// A request to the [model application](application).
///
/// What a seed draws, it draws again:
///
/// ```
/// use httpfsm_sim::{Dice, ask};
///
/// let drawn = format!("{:?}", ask(&mut Dice::new(2026)));
/// assert_eq!(format!("{:?}", ask(&mut Dice::new(2026))), drawn);
/// ```
#[must_use]
pub fn ask(dice: &mut Dice) -> Ask {
    let bytes = dice.length(MOST);
    let body = pattern(dice.below(256), dice.length(MOST));
    let pause = dice.below(100);
    let frame = bytes / (1 + dice.below(6)) + 1;
    let seed = dice.below(1000);
    let streamed = format!("bytes={bytes}&seed={seed}&frame={frame}&pause={pause}");
    let whole = Expected::Exactly(pattern(seed, bytes));
    match dice.below(18) {
        0..=2 => Ask::get(format!("/whole?bytes={bytes}&seed={seed}")).expecting(whole),
        3 => Ask::get(format!("/stream?{streamed}&length=1")).expecting(whole),
        4 | 5 => Ask::get(format!("/stream?{streamed}")).expecting(whole),
        6..=8 => Ask::post("/echo", body.clone()).expecting(Expected::Exactly(body)).reads_body(),
        9 | 10 => Ask::post("/collect", body.clone()).expecting(Expected::Exactly(body)).reads_body(),
        11 => Ask::post(format!("/late?pause={pause}"), body.clone())
            .expecting(Expected::Exactly(body))
            .reads_body(),
        12 => Ask::get(format!("/hints?bytes={bytes}&seed={seed}")).expecting(whole),
        13 => Ask::new("HEAD", format!("/whole?bytes={bytes}&seed={seed}"), Bytes::new())
            .expecting(Expected::Exactly(Bytes::new())),
        14 if bytes > 0 => {
            Ask::get(format!("/broken?{streamed}&length={}", dice.below(2))).expecting(Expected::Cut)
        }
        14 => Ask::post("/ignore", body),
        15 => {
            let echo = pattern(seed, bytes.min(2000) + 1);
            Ask::get("/upgrade").field("Upgrade", "echo").hands_over(echo.clone(), echo)
        }
        16 => {
            // What looks like a request is none in there.
            let echo = [hostile::SMUGGLED.as_bytes(), &pattern(seed, bytes.min(2000))].concat();
            Ask::connect("echo.example:7").hands_over(echo.clone(), echo)
        }
        _ => Ask::connect("elsewhere.example:443")
            .expecting(Expected::Declined(Bytes::from_static(hostile::SMUGGLED.as_bytes()))),
    }
}

/// The model application: what it does is in the target of the request.
///
/// ```
/// use httpfsm::ServerConfig;
/// use httpfsm_sim::{Simulation, World, application, ask, vary};
///
/// // A transport's limits of your own, under the model application and its clients.
/// let mut config = ServerConfig::default();
/// config.channel.output_high_water = 1024;
/// let simulation = Simulation::new(config, |world: &World| application(world.clone()));
/// simulation.traffic(ask).vary(vary).connections(40).run()?;
/// # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
/// ```
pub fn application(
    world: World,
) -> impl Fn(Request) -> std::pin::Pin<Box<dyn Future<Output = Response> + Send>> {
    move |request| Box::pin(respond(world.clone(), request))
}

async fn respond(world: World, mut request: Request) -> Response {
    if request.method() == "CONNECT" {
        if request.target() != "echo.example:7" {
            return Response::new(Status::FORBIDDEN);
        }
        world.spawn(echo(request.upgrade()));
        return Response::new(Status::OK);
    }
    let (path, query) = (request.path().to_owned(), request.query().unwrap_or_default().to_owned());
    let [bytes, seed, frame, pause, length] =
        parameters(&query, ["bytes", "seed", "frame", "pause", "length"]);
    let (frame, pause, length) = (frame.max(1), u64::from(pause), length == 1);
    match path.as_str() {
        "/whole" => Response::bytes(pattern(seed, bytes)),
        "/stream" => {
            Response::new(Status::OK).with_body(stream(world, bytes, bytes, seed, frame, pause, length))
        }
        "/broken" => {
            // One byte is missing: it fails there, or it ends short of its length.
            Response::new(Status::OK).with_body(stream(world, bytes, bytes - 1, seed, frame, pause, length))
        }
        // The head of the response waits until its body asks for that of the request.
        "/echo" => Response::new(Status::OK).with_body(request.take_body()),
        "/collect" => collected(request).await,
        "/late" => {
            world.sleep(Duration::from_millis(pause)).await;
            collected(request).await
        }
        "/hints" => {
            request.early_hints(Fields::new());
            world.sleep(Duration::from_millis(pause)).await;
            Response::bytes(pattern(seed, bytes))
        }
        "/ignore" => Response::text("ignored"),
        "/upgrade" => {
            world.spawn(echo(request.upgrade()));
            Response::switching_protocols("echo")
        }
        _ => Response::new(Status::NOT_FOUND),
    }
}

/// The other protocol.
async fn echo(upgrade: UpgradeFuture) {
    if let Ok(connection) = upgrade.await {
        before::echo(connection).await;
    }
}

async fn collected(mut request: Request) -> Response {
    match request.body().collect(1 << 20).await {
        Ok(bytes) => Response::bytes(bytes),
        Err(_) => Response::new(Status::BAD_REQUEST),
    }
}

struct Streamed<F> {
    frames: F,
    length: Option<u64>,
}

impl<F: FnMut(&mut std::task::Context<'_>) -> Poll<Frame> + Send + Unpin> httpfsm::handler::Source
    for Streamed<F>
{
    fn poll_frame(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Frame> {
        (self.frames)(cx)
    }

    fn length(&self) -> Option<u64> {
        self.length
    }
}

/// A body that says it has `bytes` and ends after `given` of them.
fn stream(world: World, bytes: u32, given: u32, seed: u32, frame: u32, pause: u64, length: bool) -> Body {
    let content = pattern(seed, bytes).slice(..given as usize);
    let (mut at, mut sleep, mut flush) = (0, None, false);
    let frames = move |cx: &mut std::task::Context<'_>| {
        let sleeping = sleep.get_or_insert_with(|| Box::pin(world.sleep(Duration::from_millis(pause))));
        if pause > 0 && sleeping.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        sleep = None;
        // Some responses flush behind each frame.
        if seed % 3 == 0 && std::mem::take(&mut flush) {
            return Poll::Ready(Frame::Flush);
        }
        flush = true;
        if at == content.len() {
            return Poll::Ready(match given == bytes || length {
                true => Frame::End,
                false => Frame::Error(BodyFailure::source("out of bytes")),
            });
        }
        let end = content.len().min(at + frame as usize);
        let data = content.slice(at..end);
        at = end;
        Poll::Ready(Frame::Data(data))
    };
    Body::stream(Streamed { frames, length: length.then_some(u64::from(bytes)) })
}

fn parameters<const N: usize>(query: &str, names: [&str; N]) -> [u32; N] {
    let mut values = [0; N];
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if let Some(place) = names.iter().position(|known| *known == name) {
            values[place] = value.parse().unwrap_or_default();
        }
    }
    values
}

/// Bytes that show when one of them is lost or out of place.
pub(crate) fn pattern(seed: u32, bytes: u32) -> Bytes {
    let from = (seed.wrapping_mul(40_503) & 0xFFFF) as usize;
    match PATTERN.get(from..from + bytes as usize) {
        Some(bytes) => Bytes::from_static(bytes),
        None => PATTERN.iter().copied().cycle().skip(from).take(bytes as usize).collect(),
    }
}

/// Drawn once and shared by all patterns: the seed decides where each begins.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        b'a' + (state >> 28).to_le_bytes()[0]
    };
    (0..(1 << 16) + MOST).map(next).collect()
});

/// Configurations that the model application is simulated with: buffers of every size, and as many requests at once as
/// there are connections, so that a place that is not given back is missed. One in four has fewer places than
/// connections.
///
/// ```
/// use httpfsm::ServerConfig;
/// use httpfsm_sim::{Dice, vary};
///
/// let full = |seed: &u64| {
///     let mut config = ServerConfig::default();
///     vary(&mut Dice::new(*seed), &mut config);
///     config.max_connections < 4
/// };
/// let some = (0..1000).filter(full).count();
/// assert!((150..350).contains(&some), "one in four");
/// ```
pub fn vary(dice: &mut Dice, config: &mut ServerConfig) {
    config.maximum_simultaneous_requests = 4;
    if dice.one_in(4) {
        config.max_connections = 1 + dice.below(3);
    }
    let channel = &mut config.channel;
    channel.output_high_water = [1 << 10, 4 << 10, 64 << 10][dice.below(3) as usize];
    channel.input_bound = [4 << 10, 8 << 10, 64 << 10][dice.below(3) as usize];
    if dice.one_in(4) {
        channel.bodies = Some(Bodies::Whole);
    }
    if dice.one_in(4) {
        *channel = ChannelConfig { bodies: channel.bodies, ..ChannelConfig::hardened() };
    }
}
