//! The attacks of slowhttptest.

use std::process::Command;

use super::{HeldResources, number};
use crate::tools::{BackgroundProgram, tool};
use crate::{PATIENCE, ServerProcess, text};

on_each_transport! {
    slowhttptest_ends_with_all_its_connections_closed,
}

/// Seconds after which slowhttptest gives up where the server does not close its connections.
const SECONDS: u64 = 60;
/// Seconds that its healthy client waits for a response: as long as any in these tests.
const PROBE: u64 = PATIENCE.as_secs();

fn slowhttptest_ends_with_all_its_connections_closed(transport: &str) {
    let Some(tool) = tool("slowhttptest") else { return };
    let server = ServerProcess::on(
        transport,
        &[
            "--app",
            "bench",
            "--head-timeout",
            "2s",
            "--body-timeout",
            "2s",
            "--write-timeout",
            "2s",
            "--min-write-rate",
            "16KiB",
        ],
    );
    let before = HeldResources::at_rest(&server);
    let connections = number(50, 1000).to_string();
    let attacks = [
        ("slow head", "/plaintext", &["-H"][..]),
        ("slow body", "/upload", &["-B", "-t", "POST", "-s", "100000"]),
        // Fast enough to have read everything that was sent before the cut: it sees the reset only then.
        ("slow read", "/bytes/100000000", &["-X", "-w", "512", "-y", "1024", "-z", "2048", "-n", "1"]),
    ];
    let attacks = attacks.map(|(name, path, arguments)| {
        let mut command = Command::new(&tool);
        command.args(arguments).args([
            "-c",
            &connections,
            "-r",
            &connections,
            "-i",
            "1",
            "-p",
            &PROBE.to_string(),
            "-v",
            "1",
        ]);
        command.args(["-l", &SECONDS.to_string(), "-u", &format!("http://{}{path}", server.address())]);
        (name, BackgroundProgram::start(&mut command))
    });
    for (name, attack) in attacks {
        let output = attack.output(3 * PATIENCE);
        let printed = text(&output.stdout) + &text(&output.stderr);
        assert!(printed.contains("No open connections left"), "{name}: {printed}");
        assert!(printed.contains("service available:") && !printed.contains("NO"), "{name}: {printed}");
    }
    before.is_all_that_is_left(&server);
}
