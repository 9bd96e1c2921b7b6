"""Fixtures for docs/ and examples/: the running site, hosts beside it, and a browser."""
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "flow"):
    sys.path.insert(0, str(folder))

from gate import Site  # noqa: E402
from host import Host  # noqa: E402


@pytest.fixture(scope="session")
def site():
    return Site(dict(os.environ))


@pytest.fixture(scope="module")
def host(site):
    top = Path(tempfile.mkdtemp(prefix="gatehouse-docs."))
    top.chmod(0o755)
    host = None
    try:
        host = Host(site, top)
        for name in ("ada", "grace"):
            host.forget_user(name + "@example.org")
        yield host
    finally:
        if host:
            host.stop()
        shutil.rmtree(top, ignore_errors=True)
