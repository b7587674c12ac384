//! The content of the responses that the machine makes by itself: to requests that break a rule, come too slowly, or
//! find nobody who responds. Their status is that of the rule ([`Rule::status`](crate::error::Rule::status));
//! `Parts::refuse` in `parts/response.rs` sends them.

use alloc::string::String;
use core::fmt::Write as _;

use bytes::Bytes;

use crate::config::ChannelConfig;
use crate::error::RequestError;
use crate::fields::Fields;

/// The fields and the content for an error; `text` is added to the default page.
#[cold]
pub(super) fn page(error: &RequestError, text: Option<&str>, config: &ChannelConfig) -> (Fields, Bytes) {
    let mut fields = Fields::new();
    match config.error_pages.as_ref().map(|pages| pages.page(error)) {
        Some(page) if fields.push("Content-Type", page.content_type.as_bytes()).is_ok() => {
            (fields, page.body)
        }
        _ => {
            let fields = Fields::from_known(b"Content-Type: text/plain; charset=utf-8\r\n");
            (fields, Bytes::from(default_text(error, text)))
        }
    }
}

fn default_text(error: &RequestError, text: Option<&str>) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(page, "{}\n{}", error.status(), error.rule);
    if let Some(text) = text {
        page.push_str(text);
        page.push('\n');
    }
    page
}
