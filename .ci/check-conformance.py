#!/usr/bin/env python3
"""Judges runs of the conformance rig: check-conformance.py KNOWN-FAILURES RESULT.json ...

Fails when a case fails that is not in the list of known failures, when a case in the list passes in every run, and
when a run did not try everything: replays left out, cases that did not apply, a server that died, no result.
"""
import json
import os
import subprocess
import sys


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    known = read_known(sys.argv[1])
    for case in sorted(known - first_known(sys.argv[1])):
        sys.exit("conformance: %s was added to the list of known failures, which may only become shorter" % case)
    runs = {os.path.basename(path).removesuffix(".json"): read_result(path) for path in sys.argv[2:]}
    print_score(runs)
    complaints = judge(known, runs)
    for complaint in complaints:
        print("conformance: " + complaint)
    if complaints:
        sys.exit(1)
    print("conformance: no failure beside the %d known ones" % len(known))


def judge(known, runs):
    """All that is wrong, as sentences."""
    complaints, failed, seen = [], set(), set()
    for name, run in runs.items():
        if run is None or not run["rows"]:
            complaints.append("%s: the rig left no result" % name)
            continue
        if run["skipped"]:
            complaints.append("%s: %d replays were left out for lack of time" % (name, run["skipped"]))
        if run["died"]:
            complaints.append("%s: the server died %d times, first after %s" % (name, run["died"], run["crashes"][:3]))
        if run["na"]:
            complaints.append("%s: cases that did not apply: %s" % (name, ", ".join(sorted(run["na"]))))
        for row in run["rows"]:
            seen.add(row["id"])
            if not row["ok"]:
                failed.add(row["id"])
                if row["id"] not in known:
                    why = row["fails"][0]["why"] if row["fails"] else "?"
                    complaints.append("%s: %s fails: %s (%s)" % (name, row["id"], why, row["ref"]))
    for case in sorted(known):
        if case not in seen:
            complaints.append("%s is in the list of known failures, but there is no such case" % case)
        elif case not in failed:
            complaints.append("%s passes now: take it from the list of known failures" % case)
    return complaints


def print_score(runs):
    """Cases passed, a row per run and a column per level."""
    levels = ["MUST", "SHOULD", "MAY", "robustness", "all"]
    print("%-14s" % "passed of" + "".join("%-12s" % level for level in levels))
    for name, run in runs.items():
        rows = run["rows"] if run else []
        cells = []
        for level in levels:
            of_level = [row["ok"] for row in rows if level in ("all", row["level"])]
            cells.append("%d/%d" % (sum(of_level), len(of_level)))
        print("%-14s" % name + "".join("%-12s" % cell for cell in cells))


def first_known(path):
    """The list as it was committed first; without a history, the list as it is."""
    git = ["git", "-C", os.path.dirname(path) or "."]
    commits = subprocess.run(git + ["log", "--format=%H", "--reverse", "--", os.path.basename(path)],
                             capture_output=True, text=True).stdout.split()
    if not commits:
        return read_known(path)
    shown = subprocess.run(git + ["show", "%s:./%s" % (commits[0], os.path.basename(path))],
                           capture_output=True, text=True)
    return set(ids_of(shown.stdout.splitlines()))


def ids_of(lines):
    words = [line.split("#")[0].strip() for line in lines]
    return [word for word in words if word]


def read_known(path):
    with open(path, encoding="utf-8") as lines:
        ids = ids_of(lines)
    if len(set(ids)) != len(ids):
        sys.exit("a case is twice in " + path)
    return set(ids)


def read_result(path):
    try:
        with open(path, encoding="utf-8") as text:
            return json.load(text)
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    main()
