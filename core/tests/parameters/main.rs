//! Every parameter of the configuration, by name, at its value less one, at its value and at one more. A parameter that
//! comes new without a row here fails a test, which names it.

mod channel;
mod kind;
mod server;

#[path = "../support/rig.rs"]
mod rig;

use std::fmt::Debug;
use std::time::Duration;

use channel::CHANNEL;
use httpfsm::{ChannelConfig, ServerConfig};
use kind::Kind::{Least, Most, MostOrNone, NoLimit, Time, TimeOrAtOnce, TimeOrNone};
use kind::Parameter;
use server::SERVER;

/// The names of the fields of a struct, from what it shows of itself.
fn fields(shown: &impl Debug) -> Vec<String> {
    let text = format!("{shown:#?}");
    let field = |line: &str| {
        let (name, _) = line.strip_prefix("    ")?.split_once(": ")?;
        (!name.starts_with(' ')).then(|| name.to_owned())
    };
    text.lines().filter_map(field).collect()
}

/// Seen to fail: with a row left out, and with a new field of `ChannelConfig`.
#[test]
fn every_parameter_has_a_row() {
    let names = |rows: &[Parameter]| rows.iter().map(|row| row.name.to_owned()).collect::<Vec<_>>();
    let mut channel = names(CHANNEL);
    channel.sort_unstable();
    let mut known = fields(&ChannelConfig::default());
    known.sort_unstable();
    assert_eq!(known, channel, "each field of ChannelConfig has one row");
    assert_eq!(fields(&ServerConfig::default()), names(SERVER), "each field of ServerConfig has one row");
}

/// Seen to fail: with the size of a head, and the age of a connection, judged one off.
#[test]
fn every_parameter_is_judged_at_its_value_and_beside_it() {
    for Parameter { name, kind } in CHANNEL.iter().chain(SERVER) {
        match *kind {
            Most { limit, is_within } | MostOrNone { limit, is_within } => {
                for (n, expected) in
                    [(limit - 1, true), (limit, true), (limit + 1, false), (2 * limit, false)]
                {
                    assert_eq!(is_within(limit, n), expected, "{name}: {n} of {limit}");
                }
                let unlimited = matches!(kind, Most { .. });
                assert_eq!(is_within(0, 3 * limit), unlimited, "{name}: {} without a limit", 3 * limit);
            }
            Least { value, is_enough } => {
                for (n, expected) in [(value - 1, false), (value, true), (value + 1, true)] {
                    assert_eq!(is_enough(value, n), expected, "{name}: {n} of {value}");
                }
                assert!(is_enough(0, 1), "{name}: without a rate, each byte is enough");
            }
            Time(is_in_time) | TimeOrNone(is_in_time) => {
                for millis in [1, 7000] {
                    let time = Some(Duration::from_millis(millis));
                    for (n, expected) in [(millis - 1, true), (millis, false), (millis + 1, false)] {
                        assert_eq!(is_in_time(time, n), expected, "{name}: {n} ms of {millis}");
                    }
                }
                let exists = matches!(kind, Time(_));
                for none in [None, Some(Duration::ZERO)] {
                    assert_eq!(is_in_time(none, 1 << 50), exists, "{name}: {none:?}");
                }
            }
            TimeOrAtOnce(is_in_time) => {
                let time = Some(Duration::from_millis(7000));
                for (n, expected) in [(6999, true), (7000, false)] {
                    assert_eq!(is_in_time(time, n), expected, "{name}: {n} ms of 7000");
                }
                assert!(is_in_time(None, 1 << 50), "{name}: none");
                assert!(!is_in_time(Some(Duration::ZERO), 0), "{name}: at once");
            }
            NoLimit(reason) => assert!(!reason.is_empty(), "{name}"),
        }
    }
}
