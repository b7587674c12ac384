//! Which content coding a client takes (RFC 9110 section 12.5.3).

use httpfsm::request::RequestRef;

/// A coding of which a file may be there, ready to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// The smallest first, as a rule: what comes first is sent where a client takes several equally.
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What a file of it has behind the name of the file that it is made of.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// What a client takes.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Acceptable {
    /// The codings to look for, the preferred one first.
    pub(crate) codings: Vec<Coding>,
    /// Whether the file as it is will do where none of them is there.
    pub(crate) identity: bool,
}

impl Acceptable {
    /// What a request takes. Of what is coded nothing is sent to a client that does not say that it takes it, nor where it
    /// would rather have the file as it is.
    pub(crate) fn of(request: RequestRef<'_>) -> Self {
        let weights = Weights::read(request.field_all("Accept-Encoding"));
        let identity = weights.of("identity");
        let mut codings: Vec<(Coding, u16)> = Coding::ALL
            .into_iter()
            .map(|coding| (coding, weights.of(coding.name()).or(weights.any).unwrap_or(0)))
            .filter(|&(_, weight)| weight > 0 && weight >= identity.unwrap_or(0))
            .collect();
        // Stable: of equal weights, the first remains the first.
        codings.sort_by_key(|&(_, weight)| u16::MAX - weight);
        Self {
            codings: codings.into_iter().map(|(coding, _)| coding).collect(),
            identity: identity.or(weights.any) != Some(0),
        }
    }
}

/// The weights of an `Accept-Encoding`, in thousandths.
struct Weights<'a> {
    codings: Vec<(&'a str, u16)>,
    /// That of `*`.
    any: Option<u16>,
}

impl<'a> Weights<'a> {
    /// A malformed element does not count.
    fn read(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let elements =
            values.filter_map(|value| std::str::from_utf8(value).ok()).flat_map(|value| value.split(','));
        let codings: Vec<_> = elements.filter_map(element).collect();
        let any = codings.iter().find(|(name, _)| *name == "*").map(|&(_, weight)| weight);
        Self { codings, any }
    }

    fn of(&self, name: &str) -> Option<u16> {
        let is_named = |given: &str| match given.get(..2) {
            // RFC 9110 section 8.4.1.3
            Some("x-" | "X-") if name == "gzip" => given[2..].eq_ignore_ascii_case(name),
            _ => given.eq_ignore_ascii_case(name),
        };
        self.codings.iter().find(|(given, _)| is_named(given)).map(|&(_, weight)| weight)
    }
}

fn element(element: &str) -> Option<(&str, u16)> {
    let (name, weight) = match element.split_once(';') {
        None => (element, 1000),
        Some((name, parameter)) => (name, weight(parameter.trim_ascii())?),
    };
    Some((name.trim_ascii(), weight)).filter(|(name, _)| !name.is_empty())
}

/// The weight of `q=0.5`: at most three digits, and at most 1 (RFC 9110 section 12.4.2).
fn weight(parameter: &str) -> Option<u16> {
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Coding::{Brotli, Gzip, Zstd};
    use super::{Acceptable, Coding, weight};
    use crate::exchange::request;

    fn of(values: &[&str]) -> Acceptable {
        let lines: String = values.iter().map(|value| format!("Accept-Encoding: {value}\r\n")).collect();
        Acceptable::of(request(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).head())
    }

    #[test]
    fn a_client_gets_what_it_prefers_of_what_it_takes() {
        for (values, codings, identity) in [
            (&[][..], &[][..], true),
            (&[""], &[], true),
            (&["gzip"], &[Gzip], true),
            (&["gzip, deflate, br, zstd"], &[Brotli, Zstd, Gzip], true),
            (&["deflate", "X-GZIP ; q=0.5"], &[Gzip], true),
            (&["br;q=0.1, gzip;q=0.5,zstd;Q=0.123"], &[Gzip, Zstd, Brotli], true),
            (&["br;q=0, gzip"], &[Gzip], true),
            (&["*"], &[Brotli, Zstd, Gzip], true),
            (&["*;q=0.5, gzip"], &[Gzip, Brotli, Zstd], true),
            (&["gzip, *;q=0"], &[Gzip], false),
            (&["*;q=0"], &[], false),
            (&["identity;q=0, gzip"], &[Gzip], false),
            (&["identity;q=0"], &[], false),
            (&["*;q=0, identity;q=0.1"], &[], true),
            (&["identity, gzip;q=0.5"], &[], true),
            (&["identity;q=0.5, gzip;q=0.5, br;q=0.4"], &[Gzip], true),
            // What is malformed does not count.
            (&["gzip;q=2, br;q=x, zstd;level=3, ;q=1,,"], &[], true),
            (&["gzip;q=0.0000"], &[], true),
        ] {
            let expected = Acceptable { codings: codings.to_vec(), identity };
            assert_eq!(of(values), expected, "{values:?}");
        }
    }

    #[test]
    fn weights_are_those_of_the_grammar() {
        for (parameter, expected) in [
            ("q=1", Some(1000)),
            ("q=1.000", Some(1000)),
            ("q=1.", Some(1000)),
            ("q=0", Some(0)),
            ("q=0.", Some(0)),
            ("q=0.7", Some(700)),
            ("q=0.123", Some(123)),
            ("q=0.1234", None),
            ("q=1.001", None),
            ("q=.5", None),
            ("q=-1", None),
            ("q=+1", None),
            ("q=0.+1", None),
            ("q=", None),
            ("q", None),
            ("", None),
        ] {
            assert_eq!(weight(parameter), expected, "{parameter}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_sent_that_was_refused(value in "((br|gzip|identity|\\*)(;q=(0|1|0\\.5))?,){0,4}") {
            let accepted = of(&[&value]);
            for coding in [Brotli, Gzip] {
                let refused = value.split(',').find(|element| element.starts_with(coding.name()));
                if refused.is_some_and(|element| element.ends_with("q=0")) {
                    prop_assert!(!accepted.codings.contains(&coding), "{}", value);
                }
            }
            let known = |name: &str| value.contains(name) || value.contains('*');
            prop_assert!(accepted.codings.iter().all(|coding: &Coding| known(coding.name())), "{}", value);
        }
    }
}
