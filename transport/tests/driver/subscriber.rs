//! What a subscriber hears, and that its panics go no further.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::handler::{Body, ConnectionInfo, Frame, Request, Response, Subscriber};
use httpfsm::status::Status;
use httpfsm_transport::memory::MemoryServer;

use crate::support::GET;

#[test]
fn a_subscriber_hears_of_every_channel() {
    #[derive(Default)]
    struct SubscriberLog(Mutex<Vec<String>>);

    impl Subscriber for SubscriberLog {
        fn opened(&self, connection: &ConnectionInfo) {
            self.0.lock().unwrap().push(format!("{} opened", connection.channel));
        }

        fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
            self.0.lock().unwrap().push(format!("{} closed: {reason:?}", connection.channel));
        }
    }

    let log = Arc::new(SubscriberLog::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&log) as _;
    let handler = |_: Request| async { "fine" };
    let mut server = MemoryServer::with(ServerConfig::default(), 1 << 16, Some(subscriber), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    client.close_write();
    server.run();
    assert_eq!(*log.0.lock().unwrap(), ["server.clisrv_1 opened", "server.clisrv_1 closed: PeerEnded"]);
}

#[test]
fn a_subscriber_hears_of_excess_and_its_panics_go_no_further() {
    #[derive(Default)]
    struct PanickingSubscriber(AtomicUsize);

    impl Subscriber for PanickingSubscriber {
        fn opened(&self, _: &ConnectionInfo) {
            panic!("opened");
        }

        fn excess(&self, _: &ConnectionInfo, bytes: u64) {
            self.0.fetch_add(usize::try_from(bytes).unwrap(), Ordering::SeqCst);
            panic!("excess");
        }

        fn closed(&self, _: &ConnectionInfo, _: CloseReason) {
            panic!("closed");
        }
    }

    let log = Arc::new(PanickingSubscriber::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&log) as _;
    let handler = |_: Request| async {
        let mut frames = [Frame::Data("0123456789".into()), Frame::End].into_iter();
        let body = Body::from_fn(move |_| Poll::Ready(frames.next().unwrap_or(Frame::End)));
        Response::new(Status::OK).with_field("Content-Length", "7").with_body(body)
    };
    let mut server = MemoryServer::with(ServerConfig::default(), 1 << 16, Some(subscriber), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let response = client.take_text();
    assert!(response.ends_with("\r\n\r\n0123456"), "{response}");
    client.close_write();
    server.run();
    assert_eq!((log.0.load(Ordering::SeqCst), server.handle().stats().n_channels), (3, 0));
}

#[test]
fn a_subscriber_hears_of_a_connection_that_is_not_admitted() {
    #[derive(Default)]
    struct Turned(Mutex<Vec<httpfsm::server::NotAdmitted>>);

    impl Subscriber for Turned {
        fn not_admitted(
            &self,
            _: &httpfsm::peer::Peer,
            _: &httpfsm::peer::Peer,
            reason: httpfsm::server::NotAdmitted,
        ) {
            self.0.lock().unwrap().push(reason);
        }
    }

    let turned = Arc::new(Turned::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&turned) as _;
    let config = ServerConfig { origins: vec!["192.0.2.0/24".parse().unwrap()], ..ServerConfig::default() };
    let mut server = MemoryServer::with(config, 100, Some(subscriber), |_: Request| async { "fine" });
    assert!(server.connect().is_err());
    assert_eq!(*turned.0.lock().unwrap(), [httpfsm::server::NotAdmitted::Origin]);
}
