"""Each fault of `./dev faults`, for a moment: what harms the service never lets anybody in."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "faults"))

# pylint: disable=wrong-import-position
from lab import FAULTS, new_lab  # noqa: E402
import catalogue  # noqa: E402,F401  pylint: disable=unused-import

SHORT = [name for name, function in FAULTS.items() if function.short]


@pytest.fixture(scope="module")
def lab():
    yield from new_lab(True)


def test_there_are_faults():
    assert len(SHORT) > 20


@pytest.mark.parametrize("name", SHORT)
def test_fault(lab, name, capsys):
    failures = lab.run(name)
    assert not failures, capsys.readouterr().out
