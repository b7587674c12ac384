//! What a parameter limits, and how it is judged.

use std::time::Duration;

/// A parameter, and how it is judged.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// Whether `n` is within a limit. The limit itself is, one more is not; 0 is no limit.
    Most { limit: u64, is_within: fn(limit: u64, n: u64) -> bool },
    /// The same, where 0 means that there is none of it at all, or that the least that works is used.
    MostOrNone { limit: u64, is_within: fn(limit: u64, n: u64) -> bool },
    /// Whether `n` is enough. The value itself is, one less is not; 0 asks for nothing.
    Least { value: u64, is_enough: fn(value: u64, n: u64) -> bool },
    /// Whether nothing has happened `n` milliseconds after it began to run. One less is in time, the value is not;
    /// 0 and `None` never pass.
    Time(fn(time: Option<Duration>, n: u64) -> bool),
    /// The same, where 0 and `None` mean that there is none of it at all.
    TimeOrNone(fn(time: Option<Duration>, n: u64) -> bool),
    /// The same, where 0 means at once; `None` never passes.
    TimeOrAtOnce(fn(time: Option<Duration>, n: u64) -> bool),
    /// Nothing that can be exceeded, or not in the core: why.
    NoLimit(&'static str),
}

pub(crate) const fn parameter(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind }
}
