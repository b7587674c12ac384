//! Plays an entry and compares what comes out with what is written.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use httpfsm::channel::Input;

use crate::corpus::{self, Act, Application, End, Entry, Step, shown};
use crate::cut::Cut;
use crate::player::Player;

/// What is sent behind the bytes of an entry. Whether it is served tells where the machine stands.
pub(crate) const PROBE: &str = "GET /probe HTTP/1.1\r\nHost: a\r\n\r\n";

/// Inputs from the end of the peer's input to the end of the channel.
const STEPS_TO_THE_END: usize = 16;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

pub(crate) fn entries() -> Vec<Entry> {
    corpus::entries(&folder())
}

/// Does `work` for each entry, on all cores; says what is wrong with which.
pub(crate) fn for_each(entries: &[Entry], work: impl Fn(&Entry) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let worker = || {
        let mut wrong = Vec::new();
        while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = catch_unwind(AssertUnwindSafe(|| work(entry)));
            if let Err(error) = result.unwrap_or_else(|_| Err("it panicked, see above".into())) {
                let bytes = shown(&entry.bytes());
                let Entry { place, row, id, .. } = entry;
                wrong.push(format!("{place} {row} {id}\n  bytes: {bytes}\n{error}\n"));
            }
        }
        wrong
    };
    let wrong: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    assert!(wrong.is_empty(), "{} entries are not as they are written:\n\n{}", wrong.len(), wrong.join("\n"));
}

/// Plays an entry and says what is not as it is written.
pub(crate) fn play(entry: &Entry, cut: Cut) -> Result<(), String> {
    let mut player = Player::new(entry, &entry.application, cut);
    // A probe comes in one piece with the last bytes, unless they are cut.
    let last_step = entry.acts.last().and_then(|act| act.steps.last());
    let is_probed = matches!(entry.end, End::Open | End::Close(_));
    let probed_at_once = is_probed && matches!(last_step, Some(Step::Bytes(_)));
    for (at, act) in entry.acts.iter().enumerate() {
        let is_last = at + 1 == entry.acts.len();
        let mut expected = act.clone();
        for (at, step) in act.steps.iter().enumerate() {
            match step {
                Step::Bytes(bytes) if is_last && probed_at_once && at + 1 == act.steps.len() => {
                    player.step(&Step::Bytes([bytes, PROBE.as_bytes()].concat()));
                }
                step => player.step(step),
            }
        }
        if is_last && is_probed && !probed_at_once {
            player.step(&Step::Bytes(PROBE.into()));
        }
        if is_last && entry.end == End::Open {
            expect_probe(&mut expected, &entry.application);
        }
        check_act(&mut player, &expected)?;
        if !is_last && player.ended.is_some() {
            return Err(format!("the connection ended too early: {:?}", player.ended));
        }
    }
    if let (Some(blamed), at) = (entry.blamed, player.blamed) {
        if at != Some(blamed) {
            return Err(format!("byte {blamed} is to blame, and was: {at:?}"));
        }
    }
    check_end(&mut player, &entry.end)
}

/// What the application and the peer learn of the probe.
pub(crate) fn expect_probe(expected: &mut Act, application: &Application) {
    let (line, status) = match application {
        Application::Reads | Application::Upgrades | Application::Streams => ("GET /probe", "200"),
        Application::Status(code, _) => ("GET /probe...", &*code.to_string().leak()),
        _ => ("GET /probe...", "200"),
    };
    expected.told.push(line.into());
    match application {
        Application::Waits => {}
        Application::Fails => expected.statuses.push("500".into()),
        Application::Field(..) => {
            expected.told.push(
                expected.told.iter().find(|line| line.starts_with(b"field")).cloned().unwrap_or_default(),
            );
            expected.statuses.push(status.into());
        }
        _ => expected.statuses.push(status.into()),
    }
}

pub(crate) fn check_act(player: &mut Player<'_>, expected: &Act) -> Result<(), String> {
    let seen = player.lines();
    if seen != expected.told {
        let shown =
            |lines: &[Vec<u8>]| lines.iter().map(|line| format!("\n  = {}", shown(line))).collect::<String>();
        return Err(format!("expected is{}\nwhat is told is{}", shown(&expected.told), shown(&seen)));
    }
    let wire = std::mem::take(&mut player.sent);
    let got = statuses(&wire);
    let mut rest = got.iter().peekable();
    let all = expected.statuses.iter().all(|status| match status.strip_suffix('?') {
        Some(optional) => {
            let _ = rest.next_if(|got| *got == optional);
            true
        }
        None => rest.next_if_eq(&status).is_some(),
    });
    if !all || rest.next().is_some() {
        return Err(format!("the statuses {:?} are expected, and {got:?} are sent", expected.statuses));
    }
    match &expected.wire {
        Some(bytes) if !wire.starts_with(bytes) => {
            Err(format!("expected on the wire: {}\nwhat is sent: {}", shown(bytes), shown(&wire)))
        }
        _ => Ok(()),
    }
}

pub(crate) fn check_end(player: &mut Player<'_>, end: &End) -> Result<(), String> {
    let state = player.channel.state();
    let wrong = |what: &str| Err(format!("{what}; the channel is in {state}, it ended: {:?}", player.ended));
    match end {
        End::Open | End::Waiting if player.ended.is_some() || player.tunnel.is_some() => {
            wrong("the connection should go on")
        }
        End::Open if *player.application != Application::Waits && !player.channel.is_idle() => {
            wrong("the channel should be idle")
        }
        End::Open | End::Waiting => Ok(()),
        End::Tunnel(bytes) => {
            let Some(first) = &player.tunnel else { return wrong("the connection should be handed over") };
            let tunnel = [first, &player.peer[player.taken..]].concat();
            if tunnel == *bytes { Ok(()) } else { Err(format!("the tunnel begins with {}", shown(&tunnel))) }
        }
        End::Close(reason) | End::Reset(reason) => {
            let Some(ended) = &player.ended else { return wrong("the connection should end") };
            if ended.reset != matches!(end, End::Reset(_)) {
                return wrong("a reset is not an end in good order");
            }
            let mut steps = 0;
            while !player.channel.is_closed() {
                steps += 1;
                assert!(steps <= STEPS_TO_THE_END, "{state} does not end");
                player.input(Input::RxEnd);
                player.flow();
            }
            assert_eq!((player.channel.deadline(), player.channel.unsent_len()), (None, 0));
            let seen = player.ended.as_ref().and_then(|ended| ended.reason.as_ref());
            match (reason, seen) {
                (Some(expected), seen) if seen != Some(expected) => Err(format!("the reason is {seen:?}")),
                _ => Ok(()),
            }
        }
    }
}

/// The status codes of the responses in `wire`, in order.
pub(crate) fn statuses(wire: &[u8]) -> Vec<String> {
    let wire = String::from_utf8_lossy(wire);
    // The text of an error names versions too.
    let status = |line: &str| {
        let code = line.get(2..5)?;
        let is_code = line.get(5..6)? == " " && code.bytes().all(|byte| byte.is_ascii_digit());
        is_code.then(|| code.to_owned())
    };
    wire.split("HTTP/1.").skip(1).filter_map(status).collect()
}
