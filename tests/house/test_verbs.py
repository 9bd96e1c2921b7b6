"""Every verb of gatehousectl is driven by tests, by its name: once to be done, and where the manual says
that it may refuse, once to be refused.
"""
import ast
import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def names_of(table):
    """The keys of a dict in tests/flow/test_cli_verbs.py, without running it."""
    tree = ast.parse((TOP / "tests/flow/test_cli_verbs.py").read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == table:
            return [key.value for key in node.value.keys]
    raise AssertionError(table)


def verbs():
    rows = re.findall(r'\{"(\w+)", "(\w*)", verb_\w+', (TOP / "src/ctl/main.c").read_text("utf-8"))
    assert len(rows) > 25
    return [f"{noun} {word}".strip() for noun, word in rows]


def verbs_that_refuse():
    page = (TOP / "man/gatehousectl.8").read_text("utf-8").split(".Sh VERBS\n")[1].split("\n.Sh ")[0]
    _, *parts = re.split(r"^\.It Cm (\w+(?: (?!O[op] |Ar |Fl )\w+)?)\b.*\n", page, flags=re.M)
    return [name for name, below in zip(parts[::2], parts[1::2])
            if re.search(r"^Exits with 1\b", below, re.M)]


def test_every_verb_is_done_in_a_test():
    assert names_of("DONE") == verbs()


def test_every_verb_that_refuses_is_refused_in_a_test():
    assert names_of("REFUSED") == verbs_that_refuse()
