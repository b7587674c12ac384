//! wrk: many connections at once for a moment.

use std::process::Command;

use crate::tools::tool;
use crate::{ServerProcess, text};

on_each_transport! {
    wrk_sees_no_socket_error,
    wrk_sees_no_socket_error_where_each_response_closes,
}

#[track_caller]
fn wrk(server: &ServerProcess, target: &str, arguments: &[&str]) {
    let Some(program) = tool("wrk") else { return };
    let url = format!("{}{target}", server.listening);
    // wrk reports a response as late after 60 s, as a slow machine is no fault of the server.
    let fixed = ["--threads", "2", "--connections", "64", "--duration", "1s", "--timeout", "60s"];
    let output = Command::new(program).args(fixed).args(arguments).arg(url).output().expect("wrk starts");
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}{}", text(&output.stderr));
    let requests = printed.split_whitespace().zip(printed.split_whitespace().skip(1));
    let requests = requests.filter(|(_, what)| *what == "requests").find_map(|(n, _)| n.parse::<u64>().ok());
    assert!(requests.is_some_and(|requests| requests > 0), "{printed}");
    assert!(!printed.contains("Socket errors") && !printed.contains("Non-2xx"), "{printed}");
}

fn wrk_sees_no_socket_error(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    wrk(&server, "/plaintext", &[]);
    wrk(&server, "/bytes/100000", &[]);
}

fn wrk_sees_no_socket_error_where_each_response_closes(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    wrk(&server, "/plaintext", &["--header", "Connection: close"]);
}
