"""The machine: descriptors, memory, disk and clock run out or jump, and system calls fail."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import fastcgi
from gate import wait_until
from lab import fault
from test_hostile import connect
from own_service import Service

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="gatehouse-machine.")
    os.chmod(path, 0o777)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def own_service(lab, path, *wrapper):
    """A master of its own on the lab's stores, in a folder that the caller has made ready."""
    service = Service(lab.site, path, *wrapper)
    try:
        yield service
    finally:
        service.stop()


def metric_of(service, name):
    with_headers = fastcgi.ask(service.sockets["web"], "GET", "/auth/metrics")[1].decode()
    return float(re.search(rf"^gatehouse_{name} (\d+)$", with_headers, re.M)[1])


def guesses(service, login, ended):
    """One good check and two bad ones: their statuses, 0 where there was no answer."""
    seen = []
    for token in (login.access, ended.session, "x.y.z"):
        status = 0
        with contextlib.suppress(AssertionError, OSError, ValueError):
            status = service.call("GET", "/verify", None, token)[0]
        seen.append(status)
    return seen


def one_in_one_out(lab):
    login, ended = lab.fresh_login(), lab.fresh_login()
    lab.site.post("/logout", {}, token=ended.access)
    return login, ended


@fault("descriptors", seconds=5, brief=0.5)
def descriptors(lab):
    """peers take every file descriptor of a worker"""
    login, ended = one_in_one_out(lab)
    with folder() as path, own_service(lab, path, "prlimit", "--nofile=48:48") as service:
        peers, seen = [], []
        try:
            for _ in range(80):
                peers.append(connect(service.sockets["web"]))
            until = time.monotonic() + lab.seconds
            while time.monotonic() < until:
                seen.append(guesses(service, login, ended))
        finally:
            for peer in peers:
                peer.close()
        took = wait_until(lambda: guesses(service, login, ended) == [204, 401, 401], 10)
        given_up = metric_of(service, "descriptors_exhausted_total")
        text = Path(path, "log").read_text(encoding="utf-8")
    good = sum(statuses == [204, 401, 401] for statuses in seen)
    lab.show(f"while they were there: {len(seen)} rounds, {good} of them answered")
    lab.verdict(all(status not in range(200, 300) for _, *bad in seen for status in bad), "wrong yes: 0")
    lab.verdict(took < 1, f"recovered in {took:.2f} s")
    lab.verdict(given_up > 0 and "out of file descriptors" in text,
                f"counted: gatehouse_descriptors_exhausted_total {given_up:g}, and the log says so")


def virtual_size(pid):
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0]) * \
        os.sysconf("SC_PAGE_SIZE")


@fault("memory", seconds=10, brief=0.5)
def memory(lab):
    """workers get next to no memory: one ends rather than guess, and another follows"""
    login, ended = one_in_one_out(lab)
    with folder() as path, own_service(lab, path) as service:
        size = max(virtual_size(pid) for pid in service.workers())
    seen, sizes = [], [b'{"a": [' + b"1," * 30000 + b"1]}", b'{"a": "' + b"x" * 60000 + b'"}']
    with folder() as path, own_service(lab, path, "prlimit", f"--as={size + 2000000}") as service:
        until = time.monotonic() + lab.seconds
        log = Path(path, "log")
        # Deaths that follow each other slow the next birth: enough is enough.
        while time.monotonic() < until and log.read_text("utf-8").count("worker died") < lab.seconds * 2:
            seen.append(guesses(service, login, ended))
            peers = []
            with contextlib.suppress(AssertionError, OSError, ValueError):
                peers = [connect(service.sockets["web"]) for _ in range(120)]
                for peer in peers:
                    peer.sendall(fastcgi.request("POST", "/auth/refresh", {
                        "Content_Type": "application/json"}, sizes[len(seen) % 2])[:-8])
            with contextlib.suppress(AssertionError, OSError, ValueError):
                service.call("PATCH", "/profile", sizes[len(seen) % 2], login.access)
            for peer in peers:
                peer.close()
        took = wait_until(lambda: guesses(service, login, ended) == [204, 401, 401], 15)
        text = log.read_text(encoding="utf-8")
    good = sum(statuses == [204, 401, 401] for statuses in seen)
    lab.show(f"{len(seen)} rounds, {good} of them answered; workers that died: "
             f"{text.count('worker died')}")
    lab.verdict(all(status not in range(200, 300) for _, *bad in seen for status in bad), "wrong yes: 0")
    lab.verdict(took < 6, f"recovered in {took:.2f} s")


@fault("disk-full", seconds=3, brief=0.3)
def disk_full(lab):
    """the disk that the log is on is full: requests go on, and lines that were lost are counted"""
    login = lab.fresh_login()
    with folder() as path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", path], check=True)
        try:
            with own_service(lab, path) as service:
                ballast = Path(path, "ballast")
                with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
                    while file.write(b"x" * 4096):
                        pass
                until, asked, bad = time.monotonic() + lab.seconds, 0, 0
                while time.monotonic() < until or asked < 50:
                    good = service.call("GET", "/verify", None, login.access)[0]
                    guess = service.call("POST", "/login", {"email": login.user.email,
                                                            "password": "wrong horse 8"})[0]
                    bad += (good, guess) != (204, 401)
                    asked += 2
                lost = metric_of(service, "log_lost_total")
                ballast.unlink()
                size = os.path.getsize(f"{path}/log")
                service.call("POST", "/login", {"email": login.user.email, "password": "wrong horse 9"})
                grown = os.path.getsize(f"{path}/log") - size
        finally:
            subprocess.run(["umount", "-l", path], check=True)
    lab.verdict(bad == 0, f"requests that were answered wrongly: {bad} of {asked}")
    lab.verdict(lost > 0, f"lines that were lost, by gatehouse_log_lost_total: {lost:g}")
    lab.verdict(grown > 0, "lines are written again when there is room")


@fault("clock", seconds=120, brief=3)
def clock(lab):
    """the clock is set: forth, back, beyond the end of a token"""
    with folder() as path:
        stamp = Path(path, "clock")
        stamp.write_text("+0\n", encoding="ascii")
        # The sanitizers' own library, where that is linked, would want to be the first.
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        with own_service(lab, path, "env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={stamp}",
                         "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
                         "ASAN_OPTIONS=" + options) as service:
            pids = [service.process.pid, *service.workers()]
            begun = time.monotonic()
            login = service.call("POST", "/login", login_body(lab))[1]
            ttl, seen, wrong = login["expiresIn"], [], []
            steps = [-60, -30, 0, 30, 60, -3600, ttl - 30, ttl + 1 + lab.seconds, 0, -3600, 86400, 0]
            for step in steps:
                stamp.write_text(f"{step:+d}\n", encoding="ascii")
                time.sleep(0.3 if lab.brief else 8)
                access = service.call("GET", "/verify", None, login["accessToken"])[0]
                session = service.call("GET", "/verify", None, login["sessionId"])[0]
                age = step + time.monotonic() - begun
                # A token from an hour ahead is nobody's; a minute apart may be two hosts' clocks.
                expected = 401 if age >= ttl + 1 or step < -60 else 204
                seen.append(f"{step:+d} s: {access}")
                if abs(age - ttl) > 2 and (access, session) != (expected, 204):
                    wrong.append((step, access, session))
            set_by = metric_of(service, "clock_set_total")
            alive = pids == [service.process.pid, *service.workers()]
            text = Path(path, "log").read_text(encoding="utf-8")
    lab.show(", ".join(seen))
    lab.verdict(not wrong, f"let in too long or refused too early: {wrong or 0}")
    lab.verdict(alive, "nobody died")
    lab.verdict(set_by >= 5 and "the system's clock was set" in text,
                f"counted: gatehouse_clock_set_total {set_by:g}, and the log says so")


def login_body(lab):
    user = lab.site.register()
    return {"email": user.email, "password": user.password, "transport": "bearer"}


# What fails, and how often. A start makes thousands of allocations: with one in a hundred none succeeds.
SHAKY = (("reading and writing", "posix/io/rw/*", "0.01"), ("networking", "posix/io/net/*", "0.01"),
         ("memory", "libc/mm/*", "0.0002"))


@fault("calls-fail", seconds=600, brief=6, short=False)
def calls_fail(lab):
    """one system call in a hundred fails, and allocations do"""
    user, (_, ended) = lab.site.register(), one_in_one_out(lab)
    body = {"email": user.email, "password": user.password, "transport": "bearer"}
    for what, name, part in SHAKY:
        seen, wrong, slowest, starts = {}, 0, 0, 0
        until = time.monotonic() + lab.seconds / len(SHAKY)
        while time.monotonic() < until:
            starts += 1
            # A start that fails says so and is made again, as a service manager does.
            with contextlib.suppress(AssertionError, OSError), folder() as path, own_service(
                    lab, path, "fiu-run", "-x", "-c",
                    f"enable_random name={name},probability={part}") as service:
                while time.monotonic() < until and service.process.poll() is None:
                    for token, method, route, data in (
                            (ended.access, "GET", "/verify", None), ("x.y.z", "GET", "/verify", None),
                            (ended.session, "GET", "/verify", None), (None, "POST", "/login", body)):
                        begun, status = time.monotonic(), 0
                        with contextlib.suppress(AssertionError, OSError, ValueError, KeyError):
                            status = service.call(method, route, data, token)[0]
                        if status != 0:  # else the only worker died, and its successor is waited for
                            slowest = max(slowest, time.monotonic() - begun)
                        seen[route, status] = seen.get((route, status), 0) + 1
                        wrong += route == "/verify" and 200 <= status < 300
        lab.show(f"{what}: {starts} starts; {seen}")
        lab.verdict(wrong == 0, f"wrong yes: {wrong}")
        lab.verdict(seen.get(("/login", 200), 0) > 0, f"sign-ins: {seen.get(('/login', 200), 0)}")
        lab.verdict(slowest < 5, f"slowest answer {slowest:.2f} s")
    lab.works()
