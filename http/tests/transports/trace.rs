//! What tower-http's `TraceLayer` tells of requests.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard};

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use httpfsm::ServerConfig;
use tower_http::trace::TraceLayer;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, subscriber};

use crate::on_each;

/// A name or a level, and fields.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

/// A span, and what was told within it.
struct Span {
    text: String,
    events: Vec<String>,
}

/// Of each server of this process, in the order of their numbers, which begin with 1.
static SPANS: Mutex<Vec<Span>> = Mutex::new(Vec::new());

thread_local! {
    /// The spans that this thread is in.
    static ENTERED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

fn spans() -> MutexGuard<'static, Vec<Span>> {
    SPANS.lock().unwrap()
}

fn index(span: &Id) -> usize {
    usize::try_from(span.into_u64()).unwrap() - 1
}

/// Keeps the spans of tower-http.
struct Keeps;

impl Subscriber for Keeps {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_http::trace")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut text = Text(attributes.metadata().name().to_owned());
        attributes.record(&mut text);
        let mut spans = spans();
        spans.push(Span { text: text.0, events: Vec::new() });
        Id::from_u64(spans.len() as u64)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        if let Some(span) = ENTERED.with_borrow(|entered| entered.last().copied()) {
            spans()[span].events.push(text.0);
        }
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(index(span)));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(Vec::pop);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}
}

/// The events of the one span of a target.
fn events(target: &str) -> Vec<String> {
    let target = format!(" uri={target} ");
    let mut spans = spans();
    let mut of_target = spans.iter_mut().filter(|span| span.text.contains(&target));
    let span = of_target.next().unwrap_or_else(|| panic!("no span has{target}"));
    assert!(of_target.next().is_none(), "there are several spans of{target}");
    assert_eq!(span.text, format!("request method=GET{target}version=HTTP/1.1"));
    std::mem::take(&mut span.events)
}

#[test]
fn a_request_has_a_span_in_which_its_end_is_told() {
    subscriber::set_global_default(Keeps).unwrap();
    let app = Router::new()
        .route("/traced/{on}", get(|| async { "traced" }))
        .route("/fails/{on}", get(|| async { StatusCode::BAD_GATEWAY }))
        .layer(TraceLayer::new_for_http());
    on_each(&ServerConfig::default(), &app, |server| {
        let target = format!("/traced/{:?}?a=b", server.on);
        assert!(server.ask(&format!("GET {target}"), "", "").ends_with("traced"));
        let [started, finished] = &events(&target)[..] else { panic!("{target}") };
        assert_eq!(started, "DEBUG message=started processing request");
        assert!(finished.starts_with("DEBUG message=finished processing request "), "{finished}");
        assert!(finished.contains(" latency=") && finished.contains(" status=200"), "{finished}");

        let target = format!("/fails/{:?}", server.on);
        assert!(server.ask(&format!("GET {target}"), "", "").starts_with("HTTP/1.1 502 "));
        let failed = events(&target).pop().unwrap();
        assert!(
            failed.starts_with("ERROR ") && failed.contains("classification=Status code: 502"),
            "{failed}"
        );
    });
}
