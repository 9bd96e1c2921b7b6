"""Tests of several folders run in one Python, which imports a module by its bare name: the second of one name would
be the first, and what is in it would never run."""
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_modules_have_names_of_their_own():
    names = Counter(path.name for path in TESTS.rglob("*.py") if path.name != "conftest.py")
    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1] == []
