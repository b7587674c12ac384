//! What people read: each error is a sentence of its own, and says where its rule is written.

use std::collections::BTreeSet;
use std::fmt::Display;

use httpfsm::channel::State;
use httpfsm::config::{ErrorPage, ErrorPages, ServerConfig};
use httpfsm::error::{BodyError, CloseReason, RequestError, Rule};
use httpfsm::fields::Fields;
use httpfsm::handler::{
    Body, BodyFailure, CollectError, IoFailure, NotInformational, Response, UpgradeError, Upgraded,
};
use httpfsm::origins::{Origin, OriginError};
use httpfsm::server::NotAdmitted;
use httpfsm::time::Date;
use httpfsm::{InvalidField, Status};

/// Each begins with a capital letter, ends with a stop, and is unlike the others.
#[track_caller]
fn sentences<T: Display>(things: impl IntoIterator<Item = T>) {
    let mut seen = BTreeSet::new();
    for thing in things {
        let text = thing.to_string();
        assert!(text.starts_with(char::is_uppercase), "{text}");
        assert!(text.ends_with('.') || text.ends_with(')'), "{text}");
        assert!(!text.contains('\n'), "{text:?}");
        assert!(seen.insert(text.clone()), "twice: {text}");
    }
}

#[test]
fn every_rule_is_a_sentence_with_a_source_and_a_status_that_refuses() {
    sentences(Rule::ALL);
    for &rule in Rule::ALL {
        let error = RequestError::new(rule, 7);
        let (rfc, section) = rule.source().split_once(" section ").unwrap_or_default();
        assert!(["RFC 9110", "RFC 9112", "RFC 9113", "RFC 6585"].contains(&rfc), "{rule:?}: {rfc}");
        assert!(section.split('.').all(|number| number.parse::<u8>().is_ok()), "{rule:?}: {section}");
        assert!((400..=599).contains(&error.status().code()), "{rule:?}");
        assert_eq!(error.to_string(), format!("{rule} (byte 7, {})", rule.source()));
    }
}

#[test]
fn every_end_of_a_body_and_of_a_channel_says_why() {
    let malformed = RequestError::new(Rule::ChunkEnd, 9);
    sentences([
        BodyError::Truncated,
        BodyError::Malformed(malformed),
        BodyError::TimedOut,
        BodyError::Disconnected,
        BodyError::NotContinued,
        BodyError::ResponseComplete,
        BodyError::Closed,
    ]);
    sentences([
        CloseReason::PeerEnded,
        CloseReason::Disconnected,
        CloseReason::RequestedByPeer,
        CloseReason::RequestedByApplication,
        CloseReason::Refused(malformed),
        CloseReason::BodyUnread,
        CloseReason::BodyFailed(BodyError::TimedOut),
        CloseReason::FirstByteTimeout,
        CloseReason::InactivityTimeout,
        CloseReason::WriteTimeout,
        CloseReason::StreamIdleTimeout,
        CloseReason::PeerEndedTimeout,
        CloseReason::Aborted,
        CloseReason::ResponseShort,
        CloseReason::Drained,
        CloseReason::DrainTimeout,
        CloseReason::Evicted,
        CloseReason::AgeReached,
        CloseReason::RequestsServed,
        CloseReason::Upgraded,
        CloseReason::PrefaceTimeout,
        CloseReason::HandshakeTimeout,
        CloseReason::HandshakeFailed,
        CloseReason::NotAdmitted,
        CloseReason::NoRoom,
    ]);
    // What a rule or an error says is not said in other words by what it led to.
    assert!(CloseReason::Refused(malformed).to_string().ends_with(&malformed.to_string()));
    assert_eq!(BodyError::Malformed(malformed).to_string(), malformed.to_string());
}

#[test]
fn a_connection_that_is_not_served_hears_why() {
    sentences([NotAdmitted::Origin, NotAdmitted::Full, NotAdmitted::Peer, NotAdmitted::Draining]);
    sentences([
        OriginError::Host("localhost".into()),
        OriginError::Prefix,
        OriginError::HostBits,
        OriginError::Port,
    ]);
    sentences([IoFailure::Closed, IoFailure::Reset, IoFailure::Truncated]);
    assert!(IoFailure::Other("no route to host".into()).to_string().ends_with("no route to host"));
    sentences([UpgradeError::Refused, UpgradeError::Disconnected, UpgradeError::Taken]);
}

#[test]
fn a_field_that_cannot_be_sent_is_named() {
    let push = |name: &str, value: &str| Fields::new().with(name, value).expect_err("it cannot be sent");
    let repeated = Fields::new()
        .with("Content-Length", "1")
        .and_then(|fields| fields.with("Content-Length", "2"))
        .expect_err("one length is enough");
    assert_eq!(repeated, InvalidField::ContentLengthRepeated);
    let faults = [
        push("A B", "c"),
        push("X-A", "b\nc"),
        push("Connection", "keep-alive"),
        push("Transfer-Encoding", "chunked"),
        push("Content-Length", "1x"),
        repeated,
    ];
    sentences(&faults);
    for (fault, name) in
        faults.iter().zip(["\"A B\"", "X-A", "Connection", "Transfer-Encoding", "Content-Length"])
    {
        assert!(fault.to_string().contains(name), "{fault}");
    }
    assert!(faults[1].to_string().contains("0x0a at byte 1"), "{}", faults[1]);
}

#[test]
fn what_a_handler_meets_says_its_cause_and_leads_to_it() {
    use std::error::Error;

    let request = BodyFailure::Request(BodyError::TimedOut);
    assert_eq!(request.to_string(), BodyError::TimedOut.to_string());
    assert!(request.source().is_some_and(|cause| cause.is::<BodyError>()));
    let own = BodyFailure::source("the disk is gone");
    assert!(own.source().is_some_and(|cause| cause.to_string() == "the disk is gone"));

    let large = CollectError::TooLarge { limit: 4711 };
    assert!(large.to_string().contains("the 4711 bytes") && large.source().is_none(), "{large}");
    let failed = CollectError::Failed(own);
    assert!(failed.to_string().contains("the disk is gone"), "{failed}");
    assert!(failed.source().is_some_and(|cause| cause.is::<BodyFailure>()));
    assert!(NotInformational(Status::OK).to_string().starts_with("200 is not an interim response"));
}

/// Contents may be secret, and long.
#[test]
fn debug_shows_what_a_thing_is_and_not_its_bytes() {
    let secret = "secret".repeat(100);
    let shown = format!("{:?}", Body::from(secret.clone()));
    assert_eq!(shown, "Full(600 bytes)");
    assert_eq!(format!("{:?}", Body::Empty), "Empty");
    let endless = Body::from_fn(|_| std::task::Poll::Pending);
    assert_eq!(format!("{endless:?}"), "Stream { length: None }");
    let trailers = Fields::new().with("X-Sum", "7").expect("it can be sent");
    let shown = format!("{:?}", Body::Trailers(Box::new(trailers)));
    assert!(shown.contains("X-Sum"), "{shown}");
    let upgraded = Upgraded::new(secret.into(), Box::new(Gone));
    assert_eq!(format!("{upgraded:?}"), "Upgraded { leftover: 600, .. }");
    let pages = ErrorPages::new(|_| ErrorPage { content_type: "a/b".into(), body: "secret".into() });
    let config = ServerConfig {
        channel: httpfsm::ChannelConfig { error_pages: Some(pages), ..Default::default() },
        ..Default::default()
    };
    let shown = format!("{config:?}");
    assert!(shown.contains("error_pages: Some(ErrorPages(..))") && !shown.contains("secret"), "{shown}");
    assert_eq!(format!("{:?}", Date::EPOCH), "Date(Thu, 01 Jan 1970 00:00:00 GMT)");
    assert_eq!(format!("{:>7}|{:?}", State::Idle, Status::OK), "   Idle|Status(200)");
}

#[test]
fn debug_of_fields_shows_those_that_the_machine_writes_too() {
    let with = |fields: Fields, value| fields.with("Connection", value).expect("it can be sent");
    let fields = Fields::new().with("Content-Length", "3").expect("it can be sent");
    assert_eq!(format!("{fields:?}"), r#"{"Content-Length": 3}"#);
    assert_eq!(format!("{:?}", with(Fields::new(), "close")), r#"{"Connection": "close"}"#);
    assert_eq!(format!("{:?}", with(Fields::new(), "upgrade")), r#"{"Connection": "upgrade"}"#);
    let both = with(with(Fields::new(), "upgrade"), "close");
    assert_eq!(format!("{both:?}"), r#"{"Connection": "close, upgrade"}"#);
    assert!(format!("{:?}", Response::text("x")).contains("Full(1 bytes)"));
}

#[test]
fn an_address_is_an_entry_of_origins() {
    let entry = |text: &str| text.parse::<Origin>().expect("an entry");
    for text in ["192.0.2.1", "2001:db8::1"] {
        let address: std::net::IpAddr = text.parse().expect("an address");
        assert_eq!(Origin::from(address), entry(text));
    }
    let mapped: std::net::IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
    assert_eq!(Origin::from(mapped), entry("192.0.2.1"));
}

struct Gone;

impl httpfsm::handler::UpgradedIo for Gone {
    fn poll_read(
        &mut self,
        _: &mut std::task::Context<'_>,
        _: &mut [u8],
    ) -> std::task::Poll<Result<usize, IoFailure>> {
        std::task::Poll::Ready(Err(IoFailure::Closed))
    }
    fn poll_write(
        &mut self,
        _: &mut std::task::Context<'_>,
        _: &[u8],
    ) -> std::task::Poll<Result<usize, IoFailure>> {
        std::task::Poll::Ready(Err(IoFailure::Closed))
    }
    fn poll_flush(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), IoFailure>> {
        std::task::Poll::Ready(Err(IoFailure::Closed))
    }
    fn poll_close(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), IoFailure>> {
        std::task::Poll::Ready(Err(IoFailure::Closed))
    }
}
