use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use httpfsm::handler::Request;

use crate::{GET, HANG, connect, on_each_runtime, read_to_end, read_until};

on_each_runtime! {
    fn a_drain_finishes_what_runs_and_refuses_what_comes(runtime: Runtime) {
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = smol::channel::unbounded();
        let server = runtime.start(move |_: Request| {
            let (begun, may_go_on) = (begun.clone(), may_go_on.clone());
            async move {
                begun.send(()).unwrap();
                may_go_on.recv().await.unwrap();
                "finished"
            }
        });
        let mut stream = connect(&server);
        stream.write_all(GET).unwrap();
        has_begun.recv_timeout(HANG).unwrap();
        let drained = server.begin_drain(Some(HANG)).gone();
        go_on.send_blocking(()).unwrap();
        let response = read_to_end(stream);
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("finished"), "{response}");
        async_io::block_on(drained);
        assert_eq!(server.stats().n_channels, 0);
        assert!(TcpStream::connect(server.local_addr().unwrap()).is_err());
    }

    fn a_drain_responds_at_its_deadline_to_what_is_left(runtime: Runtime) {
        let server = runtime.start(|request: Request| async move {
            if request.path() == "/" {
                return "fine";
            }
            std::future::pending().await
        });
        let mut stuck = connect(&server);
        stuck.write_all(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut idle = connect(&server);
        idle.write_all(GET).unwrap();
        read_until(&idle, "fine");
        async_io::block_on(server.begin_drain(Some(Duration::from_millis(10))).gone());
        let mut response = String::new();
        stuck.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
        let stats = server.stats();
        assert_eq!((stats.n_channels, stats.opened, stats.closed), (0, 2, 2));
    }
}
