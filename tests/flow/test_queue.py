"""A pool that hashes has a queue with an end: who stands too far behind is told so at once."""
import json
import os
import signal
import socket

import pytest

import fastcgi
from costs import room
from gate import PASSWORD, fresh_email
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
