"""docs/security.md: each file and each test that its table names exists, and no row claims nothing.  The
runs of ./dev attack are all there are."""
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
TEXT = (TOP / "docs/security.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")]
        for line in TEXT.splitlines() if re.match(r"\| [A-Z]{2}-\d+ \|", line)]
HELPERS = {"figures", "flows", "masters", "naughty", "wire"}


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_ids_are_counted():
    seen = {}
    for number in (row[0] for row in ROWS):
        kind, count = number.split("-")
        seen.setdefault(kind, []).append(int(count))
    assert set(seen) == {"PW", "SE", "AT", "RE", "OP"}
    for kind, counts in seen.items():
        assert counts == list(range(1, len(counts) + 1)), kind


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_claim_has_a_file_and_a_test(row):
    assert len(row) == 5 and row[1] and row[2], row
    if row[3].startswith("does not apply: "):
        assert row[4] == ""
        return
    files, tests = names(row[3]), names(row[4])
    assert files and tests
    for name in files:
        assert (TOP / name).is_file(), name
        assert name.split("/")[0] in ("src", "sql", "conf"), name
    for name in tests:
        exists(name)


def exists(name):
    path, _, function = name.partition("::")
    text = (TOP / path).read_text("utf-8")
    if path.startswith("tests/attack/"):
        assert not function and Path(path).stem in runs(), name
    elif path.endswith(".py"):
        assert re.search(rf"^def {function}\(", text, re.M), name
    else:
        assert re.search(rf"(cmocka_unit_test\w*|TEST)\({function}\b", text), name


def runs():
    """What ./dev attack knows."""
    text = (TOP / "tools/dev/attack.sh").read_text("utf-8")
    return set(re.search(r"^ATTACKS=\(([^)]*)\)", text, re.M)[1].split())


def test_every_run_is_known():
    files = {path.stem for path in (TOP / "tests/attack").glob("*.py")}
    assert files == runs() | HELPERS
    assert {Path(name).stem for row in ROWS for name in names(row[4])
            if name.startswith("tests/attack/")} == runs()


def test_an_unknown_run_is_refused():
    done = subprocess.run([str(TOP / "dev"), "attack", "nosuchrun"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 2 and "there is no nosuchrun" in done.stderr
