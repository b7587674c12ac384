#!/usr/bin/env python3
"""What the instructions of a request are spent on: profile.py FOLDER [FILES]

FOLDER has the profiles of `count --keep FOLDER`, two of different length for each server and load: what a process costs at
its start and its end is not in their difference. Code that was inlined counts for the crate that it is from. What is of the
standard library, or of a crate that is in no group, counts for the function into which it was inlined. FILES, a pattern of
paths, is a group of its own.
"""
import collections
import pathlib
import re
import subprocess
import sys

# For each group, which files are of it, and which functions. The first that fits is taken.
GROUPS = [
    ("conversion and http", r"/core/src/http_types|/http/src/|/http(-body)?-[0-9]", r"httpfsm_http|^<?http::"),
    ("router", r"/(axum|matchit|tower|futures)[a-z-]*-[0-9]", r"axum|matchit|tower|futures"),
    ("driver and runtime", r"/transport[a-z-]*/src/|/benches/|/(tokio|mio|async-[a-z]+|polling|rustix)-[0-9]",
     r"httpfsm_|tokio|mio::|async_|polling|rustix"),
    ("machine", r"/core/src/|/(httparse|memchr)-[0-9]", r"httpfsm::|httparse|memchr"),
]
STANDARD = re.compile(r"^/rustc?/")
OTHER = "allocator and C library"
LINE = re.compile(r"^\s*([\d,]+) \(.*?\)\s+(\S+?):(.*?)(?: \[(.*)\])?$")
# Requests of each write, and what the longer run has more of them.
PER_WRITE = {"plain": 1, "browser": 1, "pipe16": 16}


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    GROUPS[:0] = [(files, files, "(?!)") for files in sys.argv[2:]]
    runs = collections.defaultdict(dict)
    for path in pathlib.Path(sys.argv[1]).glob("callgrind.out.*"):
        server, load, writes = path.name.rsplit(".", 3)[1:]
        runs[server, load][int(writes)] = groups(path)
    for (server, load), run in sorted(runs.items()):
        short, long = sorted(run)
        requests = (long - short) * PER_WRITE[load]
        spent = {name: (run[long][name] - run[short][name]) / requests for name in run[long]}
        print("%s, %s: %d" % (server, load, sum(spent.values())))
        for name, count in sorted(spent.items(), key=lambda entry: -entry[1]):
            print("  %-24s %6d" % (name, count))


def groups(path):
    """The instructions of a run by group."""
    command = ["callgrind_annotate", "--threshold=100", "--auto=no", "--show=Ir", str(path)]
    spent = collections.Counter()
    for line in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        found = LINE.match(line)
        if found:
            instructions, file, function, _ = found.groups()
            spent[group(file, function)] += int(instructions.replace(",", ""))
    return spent


def group(file, function):
    by_file = (name for name, files, _ in GROUPS if re.search(files, file) and not STANDARD.match(file))
    by_function = (name for name, _, functions in GROUPS if re.search(functions, function))
    return next(by_file, None) or next(by_function, OTHER)


if __name__ == "__main__":
    main()
