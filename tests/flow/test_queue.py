"""A pool that hashes has a queue with an end: who stands too far behind is told so at once."""
import json
import os
import select
import signal
import socket
import time

import pytest

import fastcgi
from costs import room
from gate import PASSWORD, fresh_email, wait_until
from own_service import Service

QUEUE = 4


@pytest.fixture(name="service")
def fixture_service(site):
    with room() as directory:
        service = Service(site, directory, settings={"login": f"queue = {QUEUE}\n"})
        yield service
        assert service.stop() == 0


@pytest.fixture(name="account")
def fixture_account(service):
    account = {"email": fresh_email(), "password": PASSWORD}
    assert service.call("POST", "/register", account)[0] == 201
    return account


def send(service, method, path, body=b""):
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(60)
    link.connect(service.sockets["login"])
    link.sendall(fastcgi.request(method, "/auth" + path, {"Content-Type": "application/json"}, body))
    return link


def answer(link):
    with link:
        head, _, body = fastcgi.receive(link).decode().partition("\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.split("\r\n"))
    return int(lines["Status"].split()[0]), lines, body


def login_worker(service):
    for pid in service.workers():
        with open(f"/proc/{pid}/comm", encoding="ascii") as name:
            if name.read().strip() == "gatehouse:login":
                return pid
    raise AssertionError("no worker hashes")


def at_once(service, requests):
    """Answers to requests that all wait before the first is looked at, in their order."""
    worker = login_worker(service)
    time.sleep(0.05)  # a worker that was just asked knows its queue for ten milliseconds
    os.kill(worker, signal.SIGSTOP)
    try:
        links = [send(service, *request) for request in requests]
    finally:
        os.kill(worker, signal.SIGCONT)
    return [answer(link) for link in links]


def test_more_than_may_wait(service, account):
    login = ("POST", "/login", json.dumps(account).encode())
    answers = at_once(service, [login] * 12)
    # The last five were served: one, and behind it as many as may wait.
    assert [status for status, _, _ in answers] == [503] * 7 + [200] * (QUEUE + 1)
    for status, headers, body in answers:
        if status == 503:
            assert int(headers["Retry-After"]) > 0
            assert json.loads(body)["code"] == "unavailable"
    with open(service.log.name, encoding="utf-8") as log:
        assert "too many passwords" in log.read()
    assert at_once(service, [login])[0][0] == 200


def test_as_many_as_may_wait(service, account):
    login = ("POST", "/login", json.dumps(account).encode())
    assert [status for status, _, _ in at_once(service, [login] * (QUEUE + 1))] == [200] * 5


def test_what_hashes_nothing_is_answered_all_the_same(service):
    answers = at_once(service, [("GET", "/health")] * 12)
    assert [status for status, _, _ in answers] == [200] * 12


def test_others_do_not_notice(service, account):
    """Verification goes on in its own pool while logins queue up, more than will be served."""
    status, login = service.call("POST", "/login", account)
    assert status == 200
    body = json.dumps(account).encode()
    worker = login_worker(service)
    os.kill(worker, signal.SIGSTOP)
    try:
        links = [send(service, "POST", "/login", body) for _ in range(40)]
        for _ in range(200):
            assert service.call("GET", "/verify", None, login["accessToken"])[0] == 204
    finally:
        os.kill(worker, signal.SIGCONT)
    assert {answer(link)[0] for link in links} == {200, 503}


@pytest.fixture(name="narrow")
def fixture_narrow(site):
    """Three workers, of which one at a time may hash; and a hash takes long."""
    with room() as directory:
        service = Service(site, directory, "env", "GATEHOUSE_PASSWORD_COST=14",
                          "GATEHOUSE_PASSWORD_CONCURRENCY=1", "GATEHOUSE_POOL_LOGIN_WORKERS=3")
        yield service
        service.stop()


def ticks(pid):
    """What a process has had of a processor, in hundredths of a second."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])


def who_hashes(service, count):
    """Logins of so many, of which one is being looked at: (who does, the others, links)."""
    account = {"email": fresh_email(), "password": PASSWORD}
    assert service.call("POST", "/register", account)[0] == 201
    workers = [pid for pid in service.workers() if os.getpriority(os.PRIO_PROCESS, pid) > 0]
    assert len(workers) == 3
    before = {pid: ticks(pid) for pid in workers}
    links = [send(service, "POST", "/login", json.dumps(account).encode()) for _ in range(count)]
    wait_until(lambda: any(ticks(pid) - before[pid] >= 20 for pid in workers), 30)
    first = max(workers, key=lambda pid: ticks(pid) - before[pid])
    others = [pid for pid in workers if pid != first]
    assert all(ticks(pid) - before[pid] <= 5 for pid in others)
    return first, others, links


def everything(link):
    with link:
        return b"".join(iter(lambda: link.recv(65536), b""))


def test_whoever_dies_while_it_hashes_holds_up_nobody(narrow):
    first, others, links = who_hashes(narrow, 3)
    os.kill(first, signal.SIGSTOP)
    before = [ticks(pid) for pid in others]
    time.sleep(1)
    assert all(ticks(pid) - was <= 5 for pid, was in zip(others, before))
    os.kill(first, signal.SIGKILL)
    answers = [everything(link) for link in links]
    assert [len(text) for text in answers].count(0) == 1
    assert [b"Status: 200" in text for text in answers].count(True) == 2
    wait_until(lambda: len(narrow.workers()) == 4, 30)


def test_whoever_is_stuck_while_it_hashes_does_not_hold_up_others_for_long(narrow):
    first, _, links = who_hashes(narrow, 2)
    os.kill(first, signal.SIGSTOP)
    try:
        assert select.select(links, [], [], 60)[0]
    finally:
        os.kill(first, signal.SIGCONT)
    assert [answer(link)[0] for link in links] == [200, 200]
