//! What a line of a recording says.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::latin1::Latin1;

/// The version of the format. In 1, bytes were hidden by another reader than the machine, and not all that had to be. In 2
/// there was no `refusal`, and whoever reads that would not look for one.
pub(crate) const FORMAT: u32 = 3;

/// What the first line of every version has.
#[derive(Deserialize)]
pub(crate) struct Format {
    pub(crate) httpfsm: u32,
}

/// The first line: what the channel was made with.
#[derive(Serialize, Deserialize)]
pub(crate) struct FirstLine {
    /// The version of the format.
    pub(crate) httpfsm: u32,
    /// The version of the program that recorded.
    #[serde(default)]
    pub(crate) version: String,
    pub(crate) channel: String,
    pub(crate) peername: String,
    pub(crate) sockname: String,
    /// The fields whose values are not shown.
    pub(crate) masked: Vec<String>,
    pub(crate) masked_bodies: bool,
    /// `Facts::age_jitter` in milliseconds.
    pub(crate) age_jitter: u64,
    /// `Facts::refusal`, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<String>,
    pub(crate) config: Config,
}

/// Every other line. Each has one of `in`, `out`, `call`, `page` and `end`.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RecordLine {
    /// Milliseconds since the channel opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<u64>,
    /// The wall clock, where it is another than in the line before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<String>,
    /// An input, by the name of its event.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<String>,
    /// An output that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<String>,
    /// `forget_request`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) call: Option<String>,
    /// What the user's error pages say to this error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<String>,
    /// Why there is nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<String>,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fields: Option<Vec<(String, Latin1)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<ContentForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<Latin1>,

    /// The times of a server that goes out: until when idle and fresh channels stay, and when all is cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) leave: Option<[u64; 3]>,
    /// How the channel stands after an input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) then: Option<Then>,
}

/// How the application gave its content.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ContentForm {
    /// There is none.
    Empty,
    /// `bytes`, to be copied.
    Slice,
    /// `bytes`, by reference.
    Bytes,
    /// It follows; `n` bytes, if that is known.
    Stream,
    /// `n` bytes that the transport has, and that are not in the record.
    Elsewhere,
}

/// How a channel stands.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Then {
    pub(crate) state: String,
    /// The input was not accepted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) refused: bool,
    /// The deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<u64>,
    /// Bytes that are to be sent.
    pub(crate) unsent: u64,
    /// There are outputs to take.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pending: bool,
}
