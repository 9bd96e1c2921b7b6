"""SIGHUP and SIGUSR2 while requests run: none fails, over kept connections and others."""
import json
import os
import re
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

import fastcgi
from gate import PASSWORD, alive, fresh_email, wait_until
from own_service import Service

RELOADS, UPGRADES = 12, 3


def ask_until(stop, question, failures, counts):
    done = 0
    while not stop.is_set():
        answer = question()
        if not answer.ok:
            failures.append((answer.status_code, answer.text))
        done += 1
    counts.append(done)


@pytest.fixture
def load(site, user, login):
    """Checks, profiles and logins without a pause; how many were made, and which failed."""
    stop, failures, counts = threading.Event(), [], []
    questions = [lambda: site.get("/verify", token=login.access),
                 lambda: site.get("/verify", token=login.session),
                 lambda: site.raw("GET", "/members/", headers={"X-Session-Id": login.session}),
                 lambda: site.get("/profile", token=login.access),
                 lambda: site.post("/login", {"email": user.email, "password": user.password})]
    threads = [threading.Thread(target=ask_until, args=(stop, question, failures, counts))
               for question in questions]
    for thread in threads:
        thread.start()
    yield failures
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    # Each thread lived to the end, on a slow machine too.
    assert len(counts) == len(questions) and all(counts), counts


def told(site, signal_number, word):
    """Sends a signal and waits until the log says that it was followed."""
    def count():
        with open(site.env["LOG"], encoding="utf-8") as log:
            return log.read().count(word)
    before = count()
    os.kill(int(site.env["MASTER_PID"]), signal_number)
    assert wait_until(lambda: count() > before, 30)


def test_reloads_fail_no_request(site, load):
    workers = site.workers()
    for _ in range(RELOADS):
        told(site, signal.SIGHUP, "reload done")
    assert wait_until(lambda: not set(workers) & set(site.workers()), 15)
    assert load == []


def test_upgrades_fail_no_request(site, load):
    for _ in range(UPGRADES):
        told(site, signal.SIGUSR2, "taken over from the program before")
        told(site, signal.SIGHUP, "reload done")
    assert load == []


def test_overlapping_signals(site, load):
    for _ in range(25):
        os.kill(int(site.env["MASTER_PID"]), signal.SIGHUP)
        time.sleep(0.01)
    told(site, signal.SIGHUP, "reload done")
    assert load == []


@pytest.fixture
def service(site, tmp_path):
    one = Service(site, tmp_path)
    yield one
    one.stop()


def lines(service):
    return Path(service.log.name).read_text(encoding="utf-8").splitlines()


def reload_with(service, change, word):
    """The lines from then on, once one of them holds the word."""
    conf = Path(service.log.name).parent / "gatehouse.conf"
    conf.write_text(change(conf.read_text(encoding="utf-8")), encoding="utf-8")
    before = len(lines(service))
    service.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: any(word in line for line in lines(service)[before:]), 30)
    return lines(service)[before:]


def log_of(format_, **more):
    """The configuration with another log, and lines for a section."""
    def change(text):
        text = re.sub(r"(?ms)^\[log\].*?(?=^\[|\Z)", "", text)
        return text + f"\n[log]\nformat = {format_}\nlevel = info\n" + "".join(
            f"[{section}]\n{setting}\n" for section, setting in more.items())
    return change


def refused_login(service):
    """A worker's line about it."""
    before = len(lines(service))
    service.call("POST", "/login", {"email": "nobody@example.org", "password": "spoon-lantern-42"})
    assert wait_until(lambda: any("login_refused" in line for line in lines(service)[before:]), 30)
    return [line for line in lines(service)[before:] if "login_refused" in line][0]


def test_a_refused_reload_leaves_the_log_as_it_was(service, tmp_path):
    """… whether it is the configuration that is refused, or its sockets cannot be had."""
    assert not refused_login(service).startswith("{")
    nowhere = f"listen = {tmp_path}/missing/x.sock\nworkers = 1"
    told_ = reload_with(service, log_of("json", **{"pool.more": nowhere}), "reload refused")
    assert not [line for line in told_ if line.startswith("{")]
    victim = service.workers()[0]
    os.kill(victim, signal.SIGKILL)
    assert wait_until(lambda: len(service.workers()) == 2 and victim not in service.workers(), 30)
    assert not refused_login(service).startswith("{")
    told_ = reload_with(service, lambda text: text.replace(f"[pool.more]\n{nowhere}\n", ""),
                        "reload done")
    assert [line for line in told_ if "reload done" in line][0].startswith("{")
    assert wait_until(lambda: refused_login(service).startswith("{"), 30)


def test_a_program_without_its_sockets_is_refused(service, tmp_path):
    """… where a reload is; and what its check has to say stands in the service's log, in its format."""
    reload_with(service, log_of("json"), "reload done")
    missing = service.sockets["web"].replace("web.sock", "missing/web.sock")
    told_ = reload_with(service, lambda text: text.replace(service.sockets["web"], missing), "reload refused")
    before = len(lines(service))
    service.process.send_signal(signal.SIGUSR2)
    assert wait_until(lambda: any("new program refused" in line for line in lines(service)[before:]), 60)
    told_ += lines(service)[before:]
    refusals = [json.loads(line) for line in told_ if "socket cannot be opened" in line]
    assert [(one["who"], one["pool"], one["listen"]) for one in refusals] == [
        (who, "web", missing) for who in ("master", "check")]
    assert service.call("GET", "/health")[0] == 200


def test_a_stop_answers_who_waits(service):
    """Logins that no worker has accepted: the socket is the service's own, and nobody comes after."""
    worker, = [pid for pid in service.workers()
               if Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "gatehouse:login\n"]
    os.kill(worker, signal.SIGSTOP)
    links = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for link in links:
        link.settimeout(60)
        link.connect(service.sockets["login"])
        link.sendall(fastcgi.request("POST", "/auth/login", {"Content-Type": "application/json"}, json.dumps(
            {"email": fresh_email(), "password": PASSWORD}).encode()))
    service.process.send_signal(signal.SIGTERM)
    assert wait_until(lambda: not os.path.exists(service.sockets["login"]), 30)
    os.kill(worker, signal.SIGCONT)
    for link in links:
        with link:
            assert fastcgi.receive(link).startswith(b"Status: 401 ")
    assert service.process.wait(60) == 0


def settled(site):
    """The workers, once those of earlier generations are gone."""
    for _ in range(20):
        workers = site.workers()
        time.sleep(1)
        if site.workers() == workers:
            return workers
    raise AssertionError("workers come and go")


def test_a_refused_configuration_changes_nothing(site, login):
    workers = settled(site)
    with open(site.env["CONF"], encoding="utf-8") as conf:
        good = conf.read()
    try:
        with open(site.env["CONF"], "a", encoding="utf-8") as conf:
            conf.write("\n[session]\nidle = never\n")
        told(site, signal.SIGHUP, "the configuration is refused")
    finally:
        with open(site.env["CONF"], "w", encoding="utf-8") as conf:
            conf.write(good)
    assert site.workers() == workers
    alive(site, login.access)
