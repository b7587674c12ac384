#!/usr/bin/env python3
"""The figures of docs/compare.md. Each program of this folder is a server with what its library has by default.

    python3 -m pip install h11==0.16.0 waitress==3.0.2 tornado==6.6.1
    benches/compare/run.py build           the programs, and the size of each in KiB
    benches/compare/run.py crates          crates in the tree of each, and lines with `unsafe` in them
    benches/compare/run.py hostile         what is responded to bytes that are wrong, or seldom
    benches/compare/run.py held            after how many seconds a silent or slow connection is closed; 200 s
    benches/compare/run.py idle            memory of an idle connection
    benches/compare/run.py instructions    instructions of a request, as a ratio to the first; needs valgrind

A name behind it takes one server alone (`hostile hyper`).
"""

import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
RUST = "httpfsm-tokio httpfsm-blocking hyper axum actix ntex tiny-http http-net httpsd khttp".split()
PYTHON = "h11 waitress tornado".split()
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))

# --- the figures -----------------------------------------------------------------------------------------------------


def build(names):
    for name in rust(names):
        cargo("build", "--release", "--locked", "--quiet", "--bin", f"on-{name}", "--features", f"on-{name}")
        print(f"{name:16} {os.path.getsize(program(name)[0]) // 1024} KiB")


def crates(names):
    print(f"{'':16} crates, lines with `unsafe`: of the server's own, of the whole tree")
    for name in rust(names):
        tree = cargo("tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}",
                     "--features", f"on-{name}")
        ids = {tuple(line.split()[:2]) for line in tree.splitlines() if line and not line.startswith("compare ")}
        metadata = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--features", f"on-{name}"))
        lines = {package["name"]: unsafe_lines(pathlib.Path(package["manifest_path"]).parent)
                 for package in metadata["packages"] if (package["name"], f"v{package['version']}") in ids}
        family = {"actix": "actix-", "ntex": "ntex"}.get(name, name.split("-tokio")[0].split("-blocking")[0])
        family = family.replace("tiny-http", "tiny_http")
        own = {crate: count for crate, count in lines.items() if crate.startswith(family)}
        print(f"{name:16} {len(lines):4} {sum(own.values()):5} {sum(lines.values()):6}   own: {' '.join(sorted(own))}")


def hostile(names):
    results = {name: {} for name in names}
    for name in names:
        with Running(name) as server:
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                tries = {case: pool.submit(attempt, server.port, steps) for case, steps in CASES.items()}
            results[name] = {case: tried.result() for case, tried in tries.items()}
    for case in CASES:
        print(case)
        alike = collections.defaultdict(list)
        for name in names:
            alike[results[name][case]].append(name)
        for result, who in alike.items():
            print(f"    {result:32} {', '.join(who)}")


def held(names, seconds=200):
    # A server for each connection: a few fill those that have a thread for each.
    tries = [(name, kind) for name in names for kind in HELD]
    with contextlib.ExitStack() as servers, concurrent.futures.ThreadPoolExecutor(len(tries)) as pool:
        running = {of: servers.enter_context(Running(of[0])) for of in tries}
        waits = {of: pool.submit(seconds_open, server.port, of[1], seconds) for of, server in running.items()}
        print(f"{'':16}", *(f"{kind:>12}" for kind in HELD))
        for name in names:
            print(f"{name:16}", *(f"{waits[name, kind].result():>12}" for kind in HELD), flush=True)


def idle(names, count=2000, first=8):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for name in names:
        with Running(name) as server:
            held = [server.connect()]
            # What the first ones allocate is the program's.
            while get(held[-1]) and len(held) < first + count:
                if len(held) == first:
                    before, threads = server.status("VmRSS"), server.status("Threads")
                held.append(server.connect())
            served = len(held) - 1
            if served < first + 32:
                print(f"{name:16} holds {served} at once")
                continue
            bytes_each = (server.status("VmRSS") - before) * 1024 // (served - first)
            print(f"{name:16} {bytes_each:7} bytes each of {served}; threads: {threads}, then "
                  f"{server.status('Threads')}", flush=True)


def instructions(names, few=500, many=2500):
    counts = {}
    for name in names:
        counts[name] = (count(name, many) - count(name, few)) / (many - few)
        print(f"{name:16} {counts[name]:10.0f} {counts[name] / counts[names[0]]:7.2f}", flush=True)


# --- the cases -------------------------------------------------------------------------------------------------------

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"

# What is sent, in steps: before each but the first, whatever comes is read until half a second of silence. After the last
# until three seconds of it, or the end.
CASES = {
    "two requests at once, both well-formed": [GET + GET],
    "a pipelined POST that expects 100-continue": [
        GET + b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"hi"],
    "Content-Length and Transfer-Encoding": [
        CHUNKED + b"Content-Length: 6\r\n\r\n0\r\n\r\n" + GET],
    "Transfer-Encoding: chunked, identity": [
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + GET],
    "Transfer-Encoding: xchunked": [
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + GET],
    "two Content-Length that differ": [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 0\r\n\r\nhi"],
    "Content-Length: +2": [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nhi"],
    "lines that end in LF alone": [b"GET / HTTP/1.1\nHost: a\n\n"],
    "a folded field line (obs-fold)": [b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"],
    "a blank before the colon": [b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n"],
    "CR alone in a value": [b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"],
    "no Host": [b"GET / HTTP/1.1\r\nX: a\r\n\r\n"],
    "two Host": [b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    "chunk size 0x2": [CHUNKED + b"\r\n0x2\r\nhi\r\n0\r\n\r\n"],
    "LF alone in a chunk extension": [CHUNKED + b"\r\n2;\nxx\r\n2\r\nhi\r\n0\r\n\r\n"],
    "two bytes in place of the CRLF behind a chunk": [CHUNKED + b"\r\n2\r\nhiXX0\r\n\r\n"],
    "300 fields, 6 KiB": [b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-%03d: 0123456789\r\n" % 0 * 300 + b"\r\n"],
    "a field of 1 MiB": [b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n"],
}

# What a client has sent when it falls silent; `drip` goes on with a byte a second.
HELD = {
    "nothing": b"",
    "half a head": GET[:20],
    "drip of head": GET[:20],
    "half a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhi",
    "idle": GET,
}


def attempt(port, steps):
    """The statuses, and whether the connection ends."""
    received, is_open = b"", True
    with socket.create_connection(("127.0.0.1", port)) as sock:
        for at, step in enumerate(steps, 1):
            try:
                sock.sendall(step)
                sock.settimeout(3 if at == len(steps) else 0.5)
                while is_open and (data := sock.recv(65536)):
                    received += data
                is_open = False
            except TimeoutError:
                pass
            except OSError:
                is_open = False
    statuses = re.findall(rb"HTTP/1\.[01] (\d{3})", received)
    return " ".join(status.decode() for status in statuses) + (", open" if is_open else ", closed")


def seconds_open(port, kind, seconds):
    """After how many seconds the connection ends, or at least that it has not."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(1)
        began = time.monotonic()
        try:
            sock.sendall(HELD[kind])
            while (passed := time.monotonic() - began) < seconds:
                try:
                    if not sock.recv(65536):
                        return f"{passed:.0f}"
                except TimeoutError:
                    if kind.startswith("drip"):
                        sock.sendall(b"a")
        except OSError:
            return f"{time.monotonic() - began:.0f}"
    return f"> {seconds}"


def get(sock):
    """The response to a GET, or nothing if there is none within five seconds."""
    sock.settimeout(5)
    received = b""
    try:
        sock.sendall(GET)
        while not received.endswith(b"GET / 0\n") and b"\nGET / 0\n\r\n" not in received:
            data = sock.recv(65536)
            if not data:
                return None
            received += data
    except OSError:
        return None
    return received


def count(name, requests):
    """Instructions of a server that has responded to so many requests on one connection."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        with Running(name, valgrind) as server, server.connect() as sock:
            for _ in range(requests):
                assert get(sock), name
            server.end()
        return int(re.search(r"^totals: (\d+)", pathlib.Path(folder, "out").read_text(), re.MULTILINE)[1])


# --- what they are made of -------------------------------------------------------------------------------------------


class Running:
    """A server, from when it accepts connections to when it is killed."""

    def __init__(self, name, under=()):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.child = subprocess.Popen([*under, *program(name), str(self.port)], **quiet)

    def __enter__(self):
        for _ in range(1000):
            try:
                self.connect().close()
                return self
            except OSError:
                assert self.child.poll() is None, "the server ended"
                time.sleep(0.1)
        raise TimeoutError

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def end(self):
        self.child.terminate()
        self.child.wait()

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def status(self, field):
        text = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s*(\d+)", text, re.MULTILINE)[1])


def program(name):
    if name in PYTHON:
        return [sys.executable, str(HERE / f"on_{name}.py")]
    return [str(TARGET / "release" / f"on-{name}")]


def rust(names):
    return [name for name in names if name in RUST]


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=HERE, check=True, text=True, stdout=subprocess.PIPE).stdout


def unsafe_lines(folder):
    """Lines of a crate's library, for whatever platform, with the word outside of line comments."""
    lines = (line.split("//")[0] for path in folder.glob("src/**/*.rs")
             for line in path.read_text(errors="replace").splitlines())
    return sum(1 for line in lines if re.search(r"\bunsafe\b", line))


if __name__ == "__main__":
    figures = {figure.__name__: figure for figure in (build, crates, hostile, held, idle, instructions)}
    if len(sys.argv) < 2 or sys.argv[1] not in figures:
        sys.exit(__doc__)
    figures[sys.argv[1]](sys.argv[2:] or RUST + PYTHON)
