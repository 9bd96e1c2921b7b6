#!/usr/bin/env python3
"""common-list.py DJANGO ZXCVBN ZXCVBN_TS: makes data/common-passwords.txt, on standard output.

The lists as their packages have them (data/README.md): common-passwords.txt.gz, frequency_lists.coffee
and passwords.json.
"""
import gzip
import json
import re
import sys
from pathlib import Path

# Known to every guesser, and left out by the lists: they know a word in other letters by rule.
MORE = ["administrator1", "lkjhgfds", "p@ssw0rd!", "p@ssw0rd1", "passw0rd!"]


def django(path):
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def zxcvbn(path):
    return re.search(r"^ *passwords: *(['\"])(.*)\1\.split", path.read_text(), re.M)[2].split(",")


def is_listed(password):
    """Others are too short for every configuration, or compared in another form."""
    return len(password) >= 8 and password.isascii() and password.isprintable()


def main(arguments):
    first, second, third = map(Path, arguments)
    passwords = {*django(first), *zxcvbn(second), *json.loads(third.read_text()), *MORE}
    print(*sorted({password.lower() for password in passwords if is_listed(password)}), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
