#!/usr/bin/env python3
"""Which lines of the core and of the transports their tests run, and which sides of conditions. A release command, no
step of .ci/run.

    .ci/coverage.py                         the tables of docs/quality.md
    .ci/coverage.py core                    one run alone: core, transports
    .ci/coverage.py --uncovered FILE        also writes down what no test runs

It needs cargo-llvm-cov (`cargo install cargo-llvm-cov --locked`), a nightly compiler (no other counts conditions), and,
where rustup has no component llvm-tools, the llvm-cov and the llvm-profdata of the compiler's LLVM in LLVM_COV and
LLVM_PROFDATA.

What counts is what is shipped: files of tests do not, nor what stands under #[cfg(test)], which the compiler's own
figures include. Not seen is what runs only while compiling (the tables are folded then), what is generic and used by
nobody, and the examples in the documentation.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# For each run the packages whose tests run, and the folders that they are to cover.
RUNS = {
    "core": (["httpfsm"], [], ["core"]),
    "transports": (
        [
            "httpfsm-transport",
            "httpfsm-tokio",
            "httpfsm-async-std",
            "httpfsm-blocking",
            "httpfsm-transport-kit",
            "httpfsm-record",
        ],
        ["--features", "httpfsm-async-std/smol"],
        ["transport", "transport-tokio", "transport-async-std", "transport-blocking"],
    ),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", nargs="?", choices=RUNS)
    parser.add_argument("--uncovered", type=argparse.FileType("w"))
    arguments = parser.parse_args()
    rows = []
    for run in [arguments.run] if arguments.run else RUNS:
        packages, features, folders = RUNS[run]
        files = parse(measure(packages, features))
        rows += [row(folder, files, arguments.uncovered) for folder in folders]
    print("| folder | lines | run | share | sides of conditions | taken | share |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(rows))


def measure(packages, features):
    """Runs the tests; what llvm-cov then says."""
    cargo = ["cargo", "+nightly", "llvm-cov"]
    # What an earlier source was built to would be counted as never run.
    subprocess.run([*cargo, "clean", "--workspace"], cwd=ROOT, check=True)
    chosen = [word for package in packages for word in ("-p", package)]
    tests = [*cargo, "--branch", "--no-report", "--locked", *chosen, *features]
    subprocess.run(tests, cwd=ROOT, check=True, stdout=sys.stderr)
    report = [*cargo, "report", "--branch", "--lcov", *chosen]
    return subprocess.run(report, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def parse(lcov):
    """For each file how often its lines ran, and the sides of its conditions, by line."""
    files = {}
    for record in lcov.splitlines():
        kind, _, rest = record.partition(":")
        if kind == "SF":
            lines, sides = files.setdefault(Path(rest), ({}, []))
        elif kind == "DA":
            line, runs = rest.split(",")[:2]
            lines[int(line)] = int(runs)
        elif kind == "BRDA":
            line, _, side, runs = rest.split(",")
            sides.append((int(line), int(side), runs not in ("-", "0")))
    return files


def row(folder, files, uncovered):
    sources = ROOT / folder / "src"
    tests = {path for source in sources.rglob("*.rs") for path in test_modules(source)}
    lines = lines_run = sides = sides_taken = 0
    for path in sorted(files):
        if sources not in path.parents or any(test in (path, *path.parents) for test in tests):
            continue
        text = path.read_text().splitlines()
        skipped = under_cfg_test(text)
        ran = {line: runs > 0 for line, runs in files[path][0].items() if line not in skipped}
        taken = [side for side in files[path][1] if side[0] not in skipped]
        lines, lines_run = lines + len(ran), lines_run + sum(ran.values())
        sides, sides_taken = sides + len(taken), sides_taken + sum(side[2] for side in taken)
        if uncovered:
            name = path.relative_to(ROOT)
            for line in sorted(line for line in ran if not ran[line]):
                print(f"{name}:{line}: never run: {text[line - 1].strip()}", file=uncovered)
            for line, side, is_taken in taken:
                if not is_taken and ran.get(line, True):
                    never = f"never {'false' if side % 2 else 'true'}"
                    print(f"{name}:{line}: condition {side // 2 + 1} {never}: {text[line - 1].strip()}", file=uncovered)
    return f"| `{folder}` | {lines} | {lines_run} | {share(lines_run, lines)} | {sides} | {sides_taken} | {share(sides_taken, sides)} |"


def share(part, whole):
    """Rounded down, so that 100 % is all."""
    return f"{part * 1000 // whole / 10} %" if whole else ""


def test_modules(source):
    """The files of the modules that a file declares under #[cfg(test)], and the folders of their own modules."""
    inside = source.parent if source.name == "lib.rs" else source.with_suffix("")
    names = re.findall(r"#\[cfg\(test\)\]\n(?:pub\S* )?mod (\w+);", source.read_text())
    return [inside / f"{name}{suffix}" for name in names for suffix in (".rs", "")]


def under_cfg_test(text):
    """The numbers of the lines of items and statements under #[cfg(test)]; the form is that of rustfmt."""
    skipped = set()
    for at, line in enumerate(text):
        if line.strip() != "#[cfg(test)]":
            continue
        margin = line[: len(line) - len(line.lstrip())]
        last = at + 1
        if not text[last].endswith(";"):
            last = next(n for n in range(at + 2, len(text)) if re.match(margin + r"[})]", text[n]))
        skipped.update(range(at + 1, last + 2))
    return skipped


if __name__ == "__main__":
    main()
