//! The bytes of each entry, sent to applications that behave in other ways.

use crate::check::{PROBE, entries, for_each, statuses};
use crate::corpus::{Application, Entry, Step, shown};
use crate::cut::Cut;
use crate::player::{Ended, Player};

/// What a connection came to, as far as it must not depend on the cuts.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    seen: Vec<String>,
    /// Without the 100s, which tell whether the body was there when it was asked for.
    statuses: Vec<String>,
    ended: Option<Ended>,
    tunnel: Option<Vec<u8>>,
}

/// Plays the bytes of an entry and the probe behind them to another application.
fn outcome(entry: &Entry, application: &Application, cut: Cut) -> (Outcome, Vec<Vec<u8>>) {
    let mut player = Player::new(entry, application, cut);
    player.step(&Step::Bytes([&entry.bytes()[..], PROBE.as_bytes()].concat()));
    let seen = player.lines().iter().map(|line| shown(line)).collect();
    let statuses = statuses(&player.sent).into_iter().filter(|status| status != "100").collect();
    let tunnel = player.tunnel.clone().map(|first| [&first[..], &player.peer[player.taken..]].concat());
    let outcome = Outcome { seen, statuses, ended: player.ended.clone(), tunnel };
    (outcome, player.requests)
}

#[test]
fn no_application_makes_a_cut_matter_or_another_request_appear() {
    const APPLICATIONS: [Application; 4] =
        [Application::Responds, Application::Waits, Application::Streams, Application::Fails];
    let mut entries = entries();
    entries.retain(|entry| entry.application == Application::Reads && entry.bytes().len() < 4 << 10);
    for_each(&entries, |entry| {
        let (_, requests) = outcome(entry, &Application::Reads, Cut::Whole);
        let expects = entry.bytes().windows(12).any(|bytes| bytes.eq_ignore_ascii_case(b"100-continue"));
        for application in &APPLICATIONS {
            if expects && *application == Application::Streams {
                // Behind its final head no 100 is sent: a body that came before is read, another one is not.
                continue;
            }
            let (whole, seen) = outcome(entry, application, Cut::Whole);
            if !requests.starts_with(&seen) {
                return Err(format!("{application:?} sees {seen:?}, and who reads sees {requests:?}"));
            }
            for cut in Cut::all(entry.bytes().len()).into_iter().skip(1).step_by(3) {
                let (pieces, _) = outcome(entry, application, cut);
                if pieces != whole {
                    return Err(format!("{application:?}: whole {whole:#?}\n{cut:?}: {pieces:#?}"));
                }
            }
        }
        Ok(())
    });
}
