"""What the attacks share: an instance of their own, made by ./dev, and a verdict at the end."""
import os
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/flow"))
os.environ.setdefault("GATEHOUSE_DEV", str(TOP / "dev"))

# pylint: disable=wrong-import-position,unused-import
from gate import PASSWORD, fresh_email, run_instance  # noqa: E402

FAILED = []


def verdict(good, text):
    """One line of the report; a bad one makes the exit code 1."""
    print(("  pass  " if good else "  FAIL  ") + text, flush=True)
    if not good:
        FAILED.append(text)


def login(site, email, password, **headers):
    """The status of one login."""
    return site.post("/login", {"email": email, "password": password},
                     headers=headers).status_code


def finish():
    sys.exit(1 if FAILED else 0)
