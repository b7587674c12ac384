#!/usr/bin/env python3
"""Runs the unit tests of axum, and those of the examples of axum-test, with httpfsm below: foreign-axum.py FOLDER

Each package is fetched from crates.io into FOLDER, as it was published. In axum one function is replaced, which serves an
accepted connection: httpfsm serves it in place of hyper. In axum-test two lines change, so that it calls applications through
a server. Nothing changes in the examples, nor in their tests.
"""
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Where axum serves an accepted connection.
BEGIN = "    let hyper_service = TowerToHyperService::new(tower_service);\n"
END = "        drop(close_rx);\n    });\n}\n"
SERVE = """    let service = httpfsm_http_hyper::HyperUpgrade::new(tower_service);
    let service = httpfsm_http::service(httpfsm_http::Locked::new(service));
    let nobody = || httpfsm::peer::Peer::Unix(None);
    let server = httpfsm_tokio::connections(httpfsm::ServerConfig::default(), service).expect("a server");
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

AXUM = "axum", "0.8.9"
# A package and its version, the arguments of its `cargo test`, what it tests itself with, which is not in the manifest as it
# was published, and the tests that do not apply, with the reason.
PACKAGES = [
    (*AXUM, ["--lib", "--features", "macros multipart ws"], {
        "axum-extra": '{ version = "0.12", features = ["typed-header"] }',
        "axum-macros": '{ version = "0.5", features = ["__private"] }',
    }, {"serving_on_custom_io_type": "its client sends no Host, which is a 400 (RFC 9112 section 3.2)"}),
    # Its examples are applications with tests: a list of things to do, chats over WebSockets.
    ("axum-test", "21.1.0", ["--features", "ws", "--example", "todo", "--example", "websocket-chat",
                             "--example", "websocket-ping-pong", "--test", "test-transport-http"], {}, {}),
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
    fetch(folder)
    replace_serve(folder / "axum/src/serve/mod.rs")
    replace_mock(folder / MOCK[0], MOCK[1])
    for name, version, arguments, missing, left_out in PACKAGES:
        write_manifest(folder, name, missing)
        print("===== the tests of %s %s =====" % (name, version), flush=True)
        for test, reason in left_out.items():
            print("left out: %s: %s" % (test, reason), flush=True)
        skip = [word for test in left_out for word in ("--skip", test)]
        run(["cargo", "test", *arguments, "--", *skip], folder / name)


def fetch(folder):
    """Copies the packages as they were published into the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "fetch/src").mkdir(parents=True)
    (folder / "fetch/src/lib.rs").touch()
    manifest = ["[package]", 'name = "fetch"', 'edition = "2024"', "[workspace]", "[dependencies]"]
    manifest += ['%s = "=%s"' % package[:2] for package in PACKAGES]
    (folder / "fetch/Cargo.toml").write_text("\n".join(manifest))
    metadata = ["cargo", "metadata", "--format-version", "1"]
    packages = json.loads(subprocess.run(metadata, cwd=folder / "fetch", check=True, stdout=subprocess.PIPE).stdout)
    for name, version, *_ in PACKAGES:
        of_it = [package for package in packages["packages"] if (package["name"], package["version"]) == (name, version)]
        shutil.copytree(pathlib.Path(of_it[0]["manifest_path"]).parent, folder / name)


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


def write_manifest(folder, name, missing):
    """Adds what is missing, and puts the axum of the folder in the place of the published one."""
    path = folder / name / "Cargo.toml"
    lines = ["", "[workspace]"]
    if name == AXUM[0]:
        lines += ['[dependencies.%s]\npath = "%s"' % (package, ROOT / home) for package, home in DEPENDENCIES.items()]
    lines += ["[dev-dependencies]"] if missing else []
    lines += ["%s = %s" % entry for entry in missing.items()]
    lines += ["[patch.crates-io]", 'axum = { path = "%s" }' % (folder / AXUM[0])]
    path.write_text(path.read_text() + "\n".join(lines) + "\n")
    (folder / name / "Cargo.lock").unlink(missing_ok=True)


def run(command, folder):
    if subprocess.run(command, cwd=folder).returncode:
        sys.exit("FAILED: %s in %s" % (" ".join(command), folder))


if __name__ == "__main__":
    main()
