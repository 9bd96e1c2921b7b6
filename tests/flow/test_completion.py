"""bash completion, as bash-completion runs it."""
import os
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
FILES = TOP / "conf" / "bash-completion"

COMPLETE = """
. /usr/share/bash-completion/bash_completion
. "$FILE"
COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_TYPE=9 COMP_KEY=9
eval "COMP_WORDS=($LINE)"
[[ $LINE != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"_$NAME" "$NAME" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(site, line):
    name = line.split()[0]
    env = {"FILE": str(FILES / name), "LINE": line, "NAME": name,
           "PATH": site.env["BIN_DIR"] + os.pathsep + os.environ["PATH"]}
    done = subprocess.run(["bash", "-c", COMPLETE], env=env, capture_output=True, text=True,
                          timeout=30, check=True)
    assert done.stderr == ""
    return {word for word in done.stdout.split("\n") if word}


@pytest.fixture(scope="module")
def verbs():
    """The table of verbs: {(noun, word): options}."""
    table = (TOP / "src" / "ctl" / "main.c").read_text()
    rows = re.findall(r'\{"([a-z]+)", "([a-z]*)", verb_\w+,(.*?)\},?\n', table, re.S)
    verbs = {(noun, word): set(re.findall(r"--[a-z-]+", rest)) for noun, word, rest in rows}
    assert len(verbs) > 15
    return verbs


def test_verbs(site, verbs):
    nouns = {noun for noun, _ in verbs}
    always = {"help", "-c", "--json", "--help", "--version"}
    assert complete(site, "gatehousectl ") == nouns | always
    for start in ("--json ", "-c /some.conf ", "help "):
        assert nouns <= complete(site, "gatehousectl " + start)
    for noun in nouns:
        words = {word for other, word in verbs if other == noun and word}
        options = verbs.get((noun, ""), set()) | ({"--help"} if (noun, "") in verbs else set())
        assert complete(site, f"gatehousectl -c /some.conf {noun} ") == words | options
        for word in words:
            assert word in complete(site, f"gatehousectl {noun} {word[:2]}") <= words


def test_options(site, verbs):
    for (noun, word), options in verbs.items():
        start = f"{noun} {word}".strip()
        assert complete(site, f"gatehousectl {start} -") == options | {"--help"}
    assert complete(site, "gatehousectl password hash --scheme ") == {"bcrypt", "yescrypt"}
    assert complete(site, "gatehousectl user list --limit ") == set()
    assert complete(site, "gatehousectl audit --user ") == set()
    assert "--since" in complete(site, "gatehousectl audit --user anna --")


def test_files(site, tmp_path):
    (tmp_path / "gatehouse.conf").touch()
    for start in ("gatehousectl -c ", "gatehouse -c "):
        assert complete(site, f"{start}{tmp_path}/gat") == {f"{tmp_path}/gatehouse.conf"}
    assert complete(site, f"gatehousectl user import {tmp_path}/") == {f"{tmp_path}/gatehouse.conf"}


def test_the_service(site):
    source = (TOP / "src" / "main.c").read_text()
    letters = re.search(r'getopt_long\(argc, argv, "([a-zA-Z:]+)"', source)[1].replace(":", "")
    assert complete(site, "gatehouse ") == {"-" + letter for letter in letters}
