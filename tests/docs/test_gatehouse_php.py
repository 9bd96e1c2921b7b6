"""examples/php/gatehouse.php by itself: what it makes of the variables of a request."""
import json
import subprocess
from pathlib import Path

import pytest

PHP = Path(__file__).resolve().parents[2] / "examples/php"

ADA = {"REMOTE_USER": "ada", "AUTH_USER_ID": "7", "AUTH_EMAIL": "ada@example.org",
       "AUTH_NAME": "Ada", "AUTH_GROUPS": "editor,admin", "AUTH_SESSION_ID": "5e55"}
USER = {"id": "7", "username": "ada", "email": "ada@example.org", "name": "Ada",
        "groups": ["editor", "admin"], "session": "5e55"}
EMPTY = dict.fromkeys(ADA, "")


def run(code, server):
    script = f"$_SERVER = json_decode(stream_get_contents(STDIN), true); " \
             f"require '{PHP}/gatehouse.php'; {code}"
    done = subprocess.run(["php", "-d", "display_errors=stderr", "-r", script], text=True,
                          input=json.dumps(server), capture_output=True, timeout=30, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def user(server):
    return json.loads(run("echo json_encode(gatehouse_user());", server))


def prefixed(prefix, server=None):
    return {prefix + name: value for name, value in (server or ADA).items()}


@pytest.mark.parametrize("server", [
    ADA, prefixed("REDIRECT_"), prefixed("REDIRECT_REDIRECT_"), {**EMPTY, **prefixed("REDIRECT_")},
    {"REMOTE_USER": "ada", **prefixed("REDIRECT_")}, {**ADA, **prefixed("REDIRECT_", EMPTY)},
])
def test_somebody(server):
    assert user(server) == USER


@pytest.mark.parametrize("server", [
    {"X": "y"}, EMPTY, prefixed("REDIRECT_", EMPTY), prefixed("HTTP_"),
    # A Basic login that gatehouse knows nothing of.
    {"REMOTE_USER": "ada", "AUTH_GROUPS": "admin"}, {**ADA, "AUTH_USER_ID": ""},
])
def test_nobody(server):
    assert user(server) is None
    assert run("gatehouse_require_user(); echo 'passed';", server) == "Please sign in.\n"
    assert run("gatehouse_require_role('admin'); echo 'passed';", server) == "Please sign in.\n"


def test_two_users_are_never_mixed():
    server = {**prefixed("REDIRECT_"), **ADA, "AUTH_USER_ID": "8", "AUTH_GROUPS": ""}
    assert user(server)["groups"] == []


def test_without_a_name_or_roles():
    assert user({**ADA, "AUTH_NAME": "", "AUTH_GROUPS": ""}) == {**USER, "name": "ada",
                                                                  "groups": []}


@pytest.mark.parametrize("roles,passes", [
    ("'admin'", True), ("'x', 'editor'", True), ("'x'", False), ("'adm'", False), ("''", False),
    ("", False), ("'editor,admin'", False), ("'Admin'", False), ("'0'", False),
])
def test_roles(roles, passes):
    shown = run(f"gatehouse_require_role({roles}); echo 'passed';", ADA)
    assert shown == ("passed" if passes else "You may not see this page.\n")
