#!/usr/bin/env python3
"""Runs the tests of axum, and of applications of others on axum, with httpfsm below: foreign-axum.py FOLDER

Each package is fetched from crates.io into FOLDER, as it was published. In axum one function is replaced, which serves an
accepted connection: httpfsm serves it in place of hyper. In axum-test two lines change, so that it calls applications
through a server. Nothing changes in the applications, nor in their tests.

Where crates.io cannot be reached it says `not run: needs crates.io`, and with CI=true it fails.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Where axum serves an accepted connection.
BEGIN = "    let hyper_service = TowerToHyperService::new(tower_service);\n"
END = "        drop(close_rx);\n    });\n}\n"
SERVE = """    let service = httpfsm_http_hyper::HyperUpgrade::new(tower_service);
    let service = httpfsm_http::service(httpfsm_http::Locked::new(service));
    let nobody = || httpfsm::peer::Peer::Unix(None);
    let mut config = httpfsm::ServerConfig::default();
    config.channel.fin_is_disconnect = std::env::var_os("FIN_IS_DISCONNECT").is_some();
    let server = httpfsm_tokio::connections(config, service).expect("a server");
    let connection = server.serve_connection(httpfsm_tokio::Io::new(io.into_inner()), nobody(), nobody());
    let connection = connection.expect("a new server has room");
    let signal_tx = signal_tx.clone();
    let close_rx = close_rx.clone();
    tokio::spawn(async move {
        let mut connection = pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => {}
            _ = signal_tx.closed() => {
                server.handle().begin_drain(None);
                connection.await;
            }
        }
        drop(close_rx);
    });
}
"""
DEPENDENCIES = {
    "httpfsm": "core",
    "httpfsm-http": "http",
    "httpfsm-http-hyper": "http-hyper",
    "httpfsm-tokio": "transport-tokio",
}


class Package(NamedTuple):
    name: str
    version: str
    # Of what crates.io has, as in a Cargo.lock.
    checksum: str
    # How many of its tests pass.
    passed: int
    # Of `cargo test`.
    arguments: list
    # What it tests itself with, and its manifest lacks as it was published.
    missing: dict = {}
    # Tests that do not apply, with the reason.
    left_out: dict = {}
    # Whether its dependencies are those of its own Cargo.lock, or the latest.
    is_locked: bool = False
    environment: dict = {}


def test_files(names):
    return [word for name in names.split() for word in ("--test", name)]


AXUM = "axum", "0.8.9"
RMCP_FEATURES = "client reqwest transport-streamable-http-client-reqwest transport-streamable-http-server"
PACKAGES = [
    Package(
        *AXUM, "31b698c5f9a010f6573133b09e0de5408834d0c82f8d7475a89fc1867a71cd90", 320,
        ["--lib", "--features", "macros multipart ws"],
        missing={
            "axum-extra": '{ version = "0.12", features = ["typed-header"] }',
            "axum-macros": '{ version = "0.5", features = ["__private"] }',
        },
        left_out={"serving_on_custom_io_type": "its client sends no Host, which is a 400 (RFC 9112 section 3.2)"},
    ),
    # Its examples are small applications with tests: a list of things to do, chats over WebSockets.
    Package(
        "axum-test", "21.1.0", "7bf0893561659ea1365921a0aed8bbb620fae83dae00b53fe64d41fea4877640", 13,
        ["--features", "ws", "--example", "todo", "--example", "websocket-chat", "--example", "websocket-ping-pong",
         "--test", "test-transport-http"],
    ),
    # A program that stands in for AWS Kinesis. Its tests start it on a socket and call it with reqwest and with the AWS SDK.
    # Its property tests are left out, as they take long. Version 0.7 accepts connections itself, over hyper, for HTTP/2.
    Package(
        "ferrokinesis", "0.6.0", "6a2f452a3a8fce23a0bc82b1147962091bf82c8a81cf60cac51a7e770f19839a", 501,
        test_files("""
            arn_validation capture_replay cbor_json_equivalence concurrent_stress configurable_account_region connection
            consumers create_stream delete_stream describe_stream describe_stream_summary encryption enhanced_monitoring
            error_conformance get_records get_records_expired get_shard_iterator health health_check_cli list_shards
            list_streams put_record put_records request_body_limit resource_policy resource_tags retention_period
            retention_reaper sdk_integration split_merge_shards stream_updates stress subscribe_to_shard tags type_errors
        """),
        is_locked=True,
    ),
    # The SDK of the Model Context Protocol: sessions over streams of events, which clients leave and resume. It counts on
    # hyper's way with a client that closes its side: the response is dropped at once.
    Package(
        "rmcp", "3.8.0", "f8be15815186873ea063bf005011d16c356804973489e40c39116ae3a2878d1f", 68,
        ["--features", RMCP_FEATURES] + test_files("""
            test_sse_concurrent_streams test_streamable_http_disconnect_cancel test_streamable_http_event_store
            test_streamable_http_json_response test_streamable_http_priming test_streamable_http_protocol_version
            test_streamable_http_session_store test_subscriptions_streamable_http
        """),
        is_locked=True,
        environment={"FIN_IS_DISCONNECT": "1"},
    ),
]
# Without it, axum-test calls applications that do not say otherwise, and no server is in between.
MOCK = "axum-test/src/transport_layer/into_transport_layer.rs", [
    ("_builder: TransportLayerBuilder", "builder: TransportLayerBuilder"),
    ("self.into_mock_transport_layer()", "self.into_http_transport_layer(builder)"),
]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1]).resolve()
    try:
        fetch(folder)
        replace_serve(folder / "axum/src/serve/mod.rs")
        replace_mock(folder / MOCK[0], MOCK[1])
        for package in PACKAGES:
            write_manifest(folder, package)
            lock(folder, package)
    except NotFetched:
        if os.environ.get("CI") == "true":
            sys.exit("FAILED: the packages of others cannot be fetched from crates.io")
        print("not run: needs crates.io, for the tests of others over httpfsm", flush=True)
        return
    for package in PACKAGES:
        test(folder, package)


class NotFetched(Exception):
    pass


def fetch(folder):
    """Copies the packages as they were published into the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "fetch/src").mkdir(parents=True)
    (folder / "fetch/src/lib.rs").touch()
    manifest = ["[package]", 'name = "fetch"', 'edition = "2024"', "[workspace]", "[dependencies]"]
    manifest += ['%s = "=%s"' % package[:2] for package in PACKAGES]
    (folder / "fetch/Cargo.toml").write_text("\n".join(manifest))
    # Nothing but what crates.io has is asked for here.
    metadata = ["cargo", "metadata", *manifest_path("fetch"), "--format-version", "1"]
    fetched = subprocess.run(metadata, cwd=folder, stdout=subprocess.PIPE)
    if fetched.returncode:
        raise NotFetched
    packages = json.loads(fetched.stdout)["packages"]
    checksums = {(found["name"], found["version"]): found.get("checksum") for found in locked(folder / "fetch")}
    for package in PACKAGES:
        if checksums[package[:2]] != package.checksum:
            sys.exit("FAILED: %s %s has another checksum: %s" % (*package[:2], checksums[package[:2]]))
        of_it = [found for found in packages if (found["name"], found["version"]) == package[:2]]
        shutil.copytree(pathlib.Path(of_it[0]["manifest_path"]).parent, folder / package.name)


def replace_serve(path):
    before, end, tests = path.read_text().partition(END)
    before, begin, _ = before.partition(BEGIN)
    before, request, between = before.partition("Request<Incoming>| ")
    if not (begin and request and end):
        sys.exit("axum serves connections in another way by now: look at %s" % path)
    path.write_text(before + "Request<httpfsm_http::Body>| " + between + SERVE + tests)


def replace_mock(path, replacements):
    text = path.read_text()
    for before, after in replacements:
        if text.count(before) != 1:
            sys.exit("axum-test calls applications in another way by now: look at %s" % path)
        text = text.replace(before, after)
    path.write_text(text)


def write_manifest(folder, package):
    """Adds what is missing, and puts the axum of the folder in the place of the published one."""
    path = folder / package.name / "Cargo.toml"
    lines = ["", "[workspace]"]
    if package.name == AXUM[0]:
        lines += ['[dependencies.%s]\npath = "%s"' % (name, ROOT / home) for name, home in DEPENDENCIES.items()]
    lines += ["[dev-dependencies]"] if package.missing else []
    lines += ["%s = %s" % entry for entry in package.missing.items()]
    lines += ["[patch.crates-io]", 'axum = { path = "%s" }' % (folder / AXUM[0])]
    path.write_text(path.read_text() + "\n".join(lines) + "\n")


def lock(folder, package):
    """Fetches what it depends on, and makes sure that the axum of the folder is the only one."""
    if package.is_locked:
        cargo(folder, "update", package.name, "--package", AXUM[0], "--precise", AXUM[1])
    else:
        (folder / package.name / "Cargo.lock").unlink(missing_ok=True)
    cargo(folder, "fetch", package.name)
    if any(found["name"] == AXUM[0] and "source" in found for found in locked(folder / package.name)):
        sys.exit("FAILED: %s has an axum of crates.io, above hyper" % package.name)


def locked(folder):
    return tomllib.loads((folder / "Cargo.lock").read_text())["package"]


def test(folder, package):
    print("===== the tests of %s %s =====" % package[:2], flush=True)
    for name, reason in package.left_out.items():
        print("left out: %s: %s" % (name, reason), flush=True)
    skip = [word for name in package.left_out for word in ("--skip", name)]
    command = ["cargo", "test", "--locked", *manifest_path(package.name), *package.arguments, "--", *skip]
    passed = 0
    environment = {**os.environ, **package.environment}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout:
            print(line, end="", flush=True)
            result = re.match(r"test result: ok\. (\d+) passed", line)
            passed += int(result.group(1)) if result else 0
    if running.returncode:
        sys.exit("FAILED: %s" % " ".join(command))
    if passed != package.passed:
        sys.exit("FAILED: %d tests of %s passed, not %d" % (passed, package.name, package.passed))


def cargo(folder, command, name, *arguments):
    """What cargo prints. It runs beside the package, where no rust-toolchain.toml of the package counts."""
    command = ["cargo", command, *manifest_path(name), *arguments]
    ended = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE)
    if ended.returncode:
        sys.exit("FAILED: %s" % " ".join(command))
    return ended.stdout


def manifest_path(name):
    return ["--manifest-path", name + "/Cargo.toml"]


if __name__ == "__main__":
    main()
