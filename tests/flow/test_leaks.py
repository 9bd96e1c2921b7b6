"""Memory: valgrind finds nothing wrong, and a worker does not grow with what it serves.

Each test runs a master of its own, with one worker for each pool, on the stores of the site.
"""
import os
import re
import tempfile
from pathlib import Path

import pytest

from gate import PASSWORD, fresh_email, granted, refused
from own_service import Service


@pytest.fixture(autouse=True)
def plain_build(site):
    """The sanitizers' own memory would be measured, and valgrind cannot run them."""
    if b"__asan_init" in Path(site.env["BIN_DIR"], "gatehouse").read_bytes():
        pytest.skip("a build with AddressSanitizer looks for the same faults itself")


@pytest.fixture
def directory():
    """A short path that unprivileged workers may write to."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-leaks.") as path:
        os.chmod(path, 0o777)
        yield path


def life(service, reads):
    """Everything that can be asked, good and bad, from registration to deletion; how many
    requests that was.  reads: how often each reading route is asked."""
    count = 0

    def expect(status, method, path, *args, **headers):
        nonlocal count
        count += 1
        got, answer = service.call(method, path, *args, **headers)
        assert got == status, (method, path, got, answer)
        return answer

    email = fresh_email()
    account = {"email": email, "password": PASSWORD}
    expect(201, "POST", "/register", {**account, "displayName": "Ada ü"})
    expect(409, "POST", "/register", account)
    expect(400, "POST", "/register", {"email": "x", "password": "short"})
    expect(401, "POST", "/login", {**account, "password": "not this one"})
    expect(400, "POST", "/login", b'{"email": ')
    login = expect(200, "POST", "/login", {**account, "deviceInfo": {"name": "a phone"}})
    other = expect(200, "POST", "/login", account)
    token, session = login["accessToken"], login["sessionId"]
    bad_json = (b"", b"[]", b'{"a": 1, "a": 2}', b'{"a": "\xff"}', b"[" * 40, b'{"a": "\\u0000"}')
    for number in range(reads):
        for credential in (token, session):
            for path in ("/profile", "/userinfo", "/session", "/sessions"):
                expect(200, "GET", path, None, credential)
            expect(204, "GET", "/verify", None, credential)
        expect(200, "GET", "/profile", None, None, Cookie="__Host-session=" + session)
        for spoiled in ("x", token[:-4], token + "A", "a.b.c", session[:-1], "A" * 5000,
                        "e30." + token.partition(".")[2]):
            expect(401, "GET", "/verify", None, spoiled)
        expect(401, "GET", "/verify")
        expect(404, "GET", "/nowhere")
        expect(405, "PUT", "/profile")
        expect(415, "POST", "/refresh", b"a=b", None, Content_Type="text/plain")
        for body in bad_json:
            expect(400, "PATCH", "/profile", body, token)
        expect(200, "PATCH", "/profile", {"displayName": f"Ada {number}"}, token)
    login = expect(200, "POST", "/refresh", {"refreshToken": login["refreshToken"]})
    expect(401, "POST", "/refresh", {"refreshToken": "unknown"})
    expect(200, "POST", "/password", {"oldPassword": PASSWORD, "newPassword": PASSWORD + "!"},
           token)
    expect(401, "GET", "/verify", None, other["accessToken"])
    account["password"] += "!"
    third, fourth = (expect(200, "POST", "/login", account) for _ in range(2))
    expect(404, "DELETE", "/sessions/" + "0" * 64, None, token)
    listed = expect(200, "GET", "/sessions", None, third["accessToken"])["sessions"]
    mine = next(one["id"] for one in listed if one["current"])
    expect(204, "DELETE", "/sessions/" + mine, None, fourth["accessToken"])
    expect(200, "DELETE", "/sessions", None, fourth["accessToken"])
    expect(200, "POST", "/logout", {}, fourth["accessToken"])
    expect(401, "GET", "/verify", None, fourth["accessToken"])
    last = expect(200, "POST", "/login", account)["accessToken"]
    expect(204, "DELETE", "/profile", {"password": account["password"]}, last)
    return count


# Growth ------------------------------------------------------------------------------------------


def anonymous_kib(pid):
    """What the process has in memory that is of no file: pages of libraries come and go with whoever
    else uses them."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Anonymous: +(\d+)", rollup, re.M).group(1))


def fill_token_caches(service):
    """Each worker keeps what it has verified, in a cache of half a MiB; 16 entries to a page."""
    account = {"email": fresh_email(), "password": PASSWORD}
    assert service.call("POST", "/register", account)[0] == 201
    tokens = service.call("POST", "/login", account)[1]
    for _ in range(1200):
        status, tokens = service.call("POST", "/refresh", {"refreshToken": tokens["refreshToken"]})
        assert status == 200
        for pool in service.sockets:
            status, _ = service.call("GET", "/verify", None, tokens["accessToken"], pool)
            assert status == 204


def test_workers_do_not_grow(site, directory):
    service = Service(site, directory)
    try:
        fill_token_caches(service)
        served, sizes = 0, []
        for end in (2000, 22000):
            while served < end:
                served += life(service, 8)
            sizes.append({pid: anonymous_kib(pid) for pid in service.workers()})
        before, after = sizes
        assert len(before) == 2 and before.keys() == after.keys()
        # Pages that are touched for the first time are part of it.
        assert all(after[pid] - size < 80 for pid, size in before.items()), sizes
    finally:
        assert service.stop() == 0


# Errors ------------------------------------------------------------------------------------------


def test_valgrind_finds_nothing(site, directory):
    service = Service(site, directory, "valgrind", "--tool=memcheck", "--trace-children=yes",
                      "--leak-check=full", "--show-leak-kinds=definite,indirect",
                      "--errors-for-leak-kinds=definite,indirect", "--num-callers=25",
                      "--vgdb=no", f"--log-file={directory}/valgrind.%p")
    try:
        served = 0
        while served < 900:
            served += life(service, 3)
        pids = [service.process.pid, *service.workers()]
    finally:
        status = service.stop()
    assert status == 0
    assert len(pids) == 3
    for pid in pids:
        report = Path(directory, f"valgrind.{pid}").read_text(encoding="utf-8")
        assert "ERROR SUMMARY: 0 errors" in report, report
        assert not re.search(r"(definitely|indirectly) lost: [1-9]", report), report


def in_memory_of(pid, words):
    """Which of words stand in what a process may write to."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or line.rstrip().endswith("[vvar]"):
                continue
            start, end = (int(number, 16) for number in span.split("-"))
            memory.seek(start)
            try:
                bytes_ = memory.read(end - start)
            except OSError:
                continue
            found |= {word for word in words if word.encode() in bytes_}
    return found


def test_no_password_stays_in_memory(site):
    """Neither a right one nor a wrong one, a new one or one for a name that nobody has."""
    passwords = [f"memory-{number}-{os.urandom(6).hex()}" for number in range(4)]
    right, wrong, new, nobodys = passwords
    user = site.register(password=right)
    refused(site.post("/login", {"email": user.email, "password": wrong}), "invalid_credentials")
    refused(site.post("/login", {"email": "x" + user.email, "password": nobodys}), "invalid_credentials")
    login = granted(site.post("/login", {"email": user.email, "password": right}))
    granted(site.post("/password", {"oldPassword": right, "newPassword": new}, token=login["accessToken"]))
    granted(site.post("/login", {"email": user.email, "password": new}))
    left = {pid: in_memory_of(pid, passwords) for pid in site.workers()}
    assert not any(left.values()), left
