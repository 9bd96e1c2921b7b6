"""README.md and docs/keys.md: their commands, as they stand."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gate import plain_environment
from page import DOCS, blocks

README = "../README.md"


def run(site, script, **environment):
    """What a script prints; each answer of curl on a line, and an error of any command is a fault."""
    bin_dir, conf = site.env["BIN_DIR"], site.env["CONF"]
    tools = (f'curl() {{ command curl -sSf --noproxy "*" "$@"; echo; }}\n'
             f'gatehousectl() {{ {bin_dir}/gatehousectl -c {conf} "$@"; }}\n')
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", tools + script], text=True, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, env=plain_environment() | environment)
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


def test_the_ways_in(site):
    """One shell, from sign-up to sign-out: each block goes on with what the one before has set."""
    ways, clients = blocks(README, "The four ways in")
    script = (ways.text + clients.text).replace("B=http://127.0.0.1:8080/auth", f"B={site.url}{site.base}")
    assert site.url in script
    for made in (["user", "delete", "ada@example.org"], ["client", "delete", "shop"]):
        site.ctl(*made, "--yes")
    try:
        said = run(site, script).splitlines()
    finally:
        site.ctl("client", "delete", "shop", "--yes")
    registered, profile, sessions, introspected, revoked, out = map(json.loads, said)
    assert registered["message"] == "Registered" and profile["email"] == "ada@example.org"
    assert len(sessions["sessions"]) == 1 and introspected["active"] and not revoked
    assert out["message"] == "Logged out successfully"


def test_the_packages_are_those_of_the_manual_page():
    def packages(block):
        return set(re.findall(r"[a-z][a-z0-9-]+(?:-dev|-essential|-config)\b", block.text))
    readme, page = blocks(README, "Install it")[0], blocks("install.md", "Packages")[0]
    assert packages(readme) == packages(page) and len(packages(page)) > 9


def test_what_is_linked_is_there():
    for page in [*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


@pytest.fixture
def keys(site, tmp_path):
    """A copy of the instance's keys: everybody else goes on with its own."""
    shutil.copytree(Path(site.env["CONF"]).parents[1] / "keys", tmp_path / "keys")
    (tmp_path / "keys").chmod(0o700)
    return tmp_path / "keys"


def test_keys_are_rotated(site, keys):
    rotating, *_, verifying = blocks("keys.md")
    assert rotating.section == "Rotating" and "--jws" in verifying.text
    where = {"GATEHOUSE_TOKEN_KEYS": str(keys)}
    listed = run(site, "gatehousectl key list", **where)
    old = re.search(r"^(\S+)\s.*signing", listed, re.M)[1]
    run(site, re.sub(r"\bOLD\b", old, rotating.text), **where)
    listed = run(site, "gatehousectl key list", **where)
    new = re.search(r"^(\S+)\s.*ES256.*signing", listed, re.M)[1]
    assert not re.search(rf"^{old}\s.*(signing|verify-only|published)", listed, re.M)
    halves = run(site, f"openssl pkey -in {keys}/{new}.es256.pem -pubout")
    assert halves.startswith("-----BEGIN PUBLIC KEY-----")
    (keys / f"{new}.es256.pem").chmod(0o644)
    done = subprocess.run([site.env["BIN_DIR"] + "/gatehousectl", "-c", site.env["CONF"], "key", "list"],
                          env=plain_environment() | where, capture_output=True, timeout=30, check=False)
    assert done.returncode == os.EX_CONFIG
