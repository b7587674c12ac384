//! The content of the machine's own responses, in the formats that `--error-pages` offers.

use bytes::Bytes;
use html_escape::encode_text;
use httpfsm::config::{ErrorPage, ErrorPages};
use httpfsm::error::RequestError;

/// How an error is written.
#[derive(Clone, Copy)]
pub(crate) enum ErrorPageFormat {
    /// A small page for people.
    Html,
    /// An object as in RFC 9457, for programs.
    Json,
}

impl ErrorPageFormat {
    /// The function that the configuration takes.
    pub(crate) fn pages(self) -> ErrorPages {
        ErrorPages::new(move |error| match self {
            Self::Html => page("text/html; charset=utf-8", html(error)),
            Self::Json => page("application/problem+json", json(error)),
        })
    }
}

fn page(content_type: &'static str, content: String) -> ErrorPage {
    ErrorPage { content_type: content_type.into(), body: Bytes::from(content) }
}

fn html(error: &RequestError) -> String {
    let title = error.status().to_string();
    let title = encode_text(&title);
    let sentence = encode_text(error.rule.sentence());
    let source = encode_text(error.rule.source());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n\
         <h1>{title}</h1>\n<p>{sentence}</p>\n<p><small>{source}</small></p>\n</html>\n"
    )
}

fn json(error: &RequestError) -> String {
    let status = error.status();
    let mut text = serde_json::json!({
        "status": status.code(),
        "title": status.reason(),
        "detail": error.rule.sentence(),
        "source": error.rule.source(),
        "offset": error.offset,
    })
    .to_string();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use httpfsm::error::{RequestError, Rule};

    use super::ErrorPageFormat;

    const ERROR: RequestError = RequestError::new(Rule::HostMissing, 7);

    #[test]
    fn a_page_says_what_was_wrong() {
        let page = ErrorPageFormat::Html.pages().page(&ERROR);
        let text = std::str::from_utf8(&page.body).unwrap();
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert!(text.contains("<h1>400 Bad Request</h1>"), "{text}");
        assert!(text.contains("An HTTP/1.1 request needs a Host field."), "{text}");
    }

    #[test]
    fn an_object_names_the_rule_and_the_byte() {
        let page = ErrorPageFormat::Json.pages().page(&ERROR);
        let object: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
        assert_eq!(page.content_type, "application/problem+json");
        assert_eq!(object["status"], 400);
        assert_eq!(object["source"], "RFC 9112 section 3.2");
        assert_eq!(object["offset"], 7);
    }
}
