"""SIGHUP and SIGUSR2 while requests run: none fails, over kept connections and others."""
import os
import signal
import threading
import time

import pytest

from gate import alive, wait_until

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
