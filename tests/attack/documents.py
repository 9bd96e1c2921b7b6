#!/usr/bin/env python3
"""JSONTestSuite through `gatehousectl json check`.

usage: tests/attack/documents.py DIRECTORY     test_parsing of https://github.com/nst/JSONTestSuite

No document that must be refused (n_) is accepted, as it is or as a member of an object.  One that must be
accepted (y_) is, as a body if it is an object and else as a member; refused are those that a limit of ours
is about.
"""
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from figures import attack

# What RFC 8259 allows and the manual excludes: the same name twice, and a NUL in a text.
LIMITS = {
    "y_object_duplicated_key.json": "the same name twice",
    "y_object_duplicated_key_and_value.json": "the same name twice",
    "y_object_escaped_null_in_key.json": "a NUL",
    "y_string_null_escape.json": "a NUL",
}


def check(site, document):
    """Whether it is accepted; only yes and no are answers, whatever the bytes."""
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    done = subprocess.run([tool, "-c", site.env["CONF"], "json", "check"], input=document,
                          capture_output=True, timeout=60, check=False)
    return {0: "accepted", 1: "refused"}.get(done.returncode, f"exit {done.returncode}")


def forms(document):
    """As it came, and inside an object, where what is no object may stand too."""
    return document, b'{"x":' + document + b"}"


def judge(site, path):
    document = path.read_bytes()
    alone, inside = (check(site, form) for form in forms(document))
    if path.name.startswith("n_"):
        return path.name, alone, inside, alone == inside == "refused"
    if path.name.startswith("i_"):
        return path.name, alone, inside, {alone, inside} <= {"accepted", "refused"}
    wanted = "refused" if path.name in LIMITS else "accepted"
    is_object = document.lstrip(b" \t\r\n").startswith(b"{")
    return path.name, alone, inside, inside == wanted and alone == (
        wanted if is_object else "refused")


def run(site, figures):
    if len(sys.argv) < 2:
        figures.skip("no directory of documents was given (--json-suite)")
    paths = sorted(Path(sys.argv[1]).glob("[nyi]_*.json"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda path: judge(site, path), paths))
    kinds = {letter: [one for one in results if one[0].startswith(letter + "_")] for letter in "nyi"}
    figures.least("documents that must be refused", len(kinds["n"]), 180)
    figures.none("of them accepted", [one for one in kinds["n"] if not one[3]])
    figures.least("that must be accepted", len(kinds["y"]), 90)
    figures.none("of them refused", [one for one in kinds["y"] if not one[3]])
    limited = sorted({LIMITS[one[0]] for one in kinds["y"] if one[0] in LIMITS})
    figures.note(f"but for {sum(one[0] in LIMITS for one in kinds['y'])} with {', '.join(limited)}")
    figures.note(f"of {len(kinds['i'])} that may be either {sum(one[2] == 'accepted' for one in kinds['i'])}"
                 " accepted")
    figures.none("neither yes nor no", [one for one in kinds["i"] if not one[3]])


if __name__ == "__main__":
    attack(run)
