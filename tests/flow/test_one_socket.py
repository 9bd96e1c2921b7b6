"""One socket for everything, as spawn-fcgi and mod_fcgid give it: checks and logins share workers, and
logins stand in line.  Workers are stopped (SIGSTOP) where the order of what happens is looked at.
"""
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import fastcgi
from gate import fresh_email, plain_environment, wait_until

PASSWORD = "correct horse 7 battery"
JSON = {"Content-Type": "application/json"}


class Service:
    """A gatehouse on a socket of its own as descriptor 0, with the stores of the site."""

    def __init__(self, site, folder, **settings):
        self.path = str(folder / "web.sock")
        self.log = folder / "log"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        os.chmod(self.path, 0o666)
        listener.listen(1024)
        settings = {"SERVER_PID_FILE": "", "SERVER_SHUTDOWN": "60s", "PASSWORD_COST": "8",
                    "LOG_TARGET": "stderr", "LOG_LEVEL": "info", "POOL_WEB_PEERS": "", **settings}
        environment = {"GATEHOUSE_" + name: value for name, value in settings.items()}
        with self.log.open("w") as log:
            self.master = subprocess.Popen(
                [os.path.join(site.env["BIN_DIR"], "gatehouse"), "-c", site.env["CONF"]],
                stdin=listener, stdout=log, stderr=log, env={**plain_environment(), **environment})
        listener.close()
        self.email = fresh_email()
        assert self.ask("POST", "/register", self.body())[0] == 201

    def body(self):
        return json.dumps({"email": self.email, "password": PASSWORD}).encode()

    def ask(self, method, path, body=b"", token=None):
        headers = {**JSON, **({"Authorization": "Bearer " + token} if token else {})}
        return fastcgi.ask(self.path, method, "/auth" + path, headers, body)

    def token(self):
        status, body = self.ask("POST", "/login", self.body())
        assert status == 200
        return json.loads(body)["accessToken"]

    def send(self, method, path, body=b"", token=None):
        """A request whose answer is read later, by receive."""
        headers = {**JSON, **({"Authorization": "Bearer " + token} if token else {})}
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(60)
        link.connect(self.path)
        link.sendall(fastcgi.request(method, "/auth" + path, headers, body))
        return link

    def send_logins(self, count):
        return [self.send("POST", "/login", self.body()) for _ in range(count)]

    def wait_until_taken(self):
        """All that was sent before is in the hands of a worker: connections are taken in their order."""
        assert self.ask("GET", "/verify")[0] == 401

    def events(self):
        """What was logged of logins and logouts, in the order in which it happened."""
        lines = self.log.read_text("utf-8").splitlines()
        return [word for line in lines for word in line.split()
                if word in ("event=login", "event=logout")]

    def workers(self):
        pid = self.master.pid
        return [int(word) for word in
                Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]

    def stop(self):
        self.master.send_signal(signal.SIGTERM)
        assert self.master.wait(60) == 0


def receive(link):
    """Status and body."""
    with link:
        head, _, body = fastcgi.receive(link).partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))
    return int(lines.get("Status", "200").split()[0]), body


@pytest.fixture
def start(site, tmp_path):
    started = []
    tmp_path.chmod(0o755)

    def start_one(**settings):
        started.append(Service(site, tmp_path, **settings))
        return started[0]

    yield start_one
    for service in started:
        if service.master.poll() is None:
            service.master.kill()
            service.master.wait()


class Frozen:
    """A worker that does nothing meanwhile."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        stat = Path(f"/proc/{self.pid}/stat")
        wait_until(lambda: stat.read_text("ascii").rpartition(")")[2].split()[0] == "T", 10)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def test_a_check_waits_for_one_hash_at_most(start):
    service = start(POOL_WEB_WORKERS="1", PASSWORD_COST="11")
    token = service.token()
    worker, = service.workers()
    logins = service.send_logins(10)
    service.wait_until_taken()
    with Frozen(worker):
        done = len(service.events())
        check = service.send("GET", "/verify", token=token)
        logout = service.send("POST", "/logout", b"{}", token=token)
    assert receive(check)[0] == 204
    assert receive(logout)[0] == 200
    # The log says in which order it happened, however late this process was to look.
    events = service.events()
    assert done < 10, "all logins were over before the check came"
    assert events.index("event=logout") <= done + 1
    assert [receive(link)[0] for link in logins] == [200] * 10
    service.stop()


def test_nothing_is_lost_between_several_workers(start):
    service = start(POOL_WEB_WORKERS="3")
    token = service.token()
    logins, checks = [], []
    for _ in range(10):
        logins += service.send_logins(3)
        checks.append(service.send("GET", "/verify", token=token))
        logins.append(service.send("POST", "/login", b"{}"))
    answers = [receive(link)[0] for link in logins]
    assert [receive(link)[0] for link in checks] == [204] * 10
    assert answers == [200, 200, 200, 400] * 10
    service.stop()


def test_a_worker_that_dies_with_a_hash_holds_nobody_up(start):
    service = start(POOL_WEB_WORKERS="2", PASSWORD_COST="10")
    token = service.token()
    before = len(service.events())
    first = service.send_logins(6)
    wait_until(lambda: len(service.events()) > before, 60)
    for worker in service.workers():
        os.kill(worker, signal.SIGKILL)
    # Those that the dead had in hand have no answer; whoever comes now does not notice.
    assert service.ask("GET", "/verify", token=token)[0] == 204
    assert [receive(link)[0] for link in service.send_logins(4)] == [200] * 4
    for link in first:
        link.close()
    service.stop()


def test_a_stop_answers_all_that_stand_in_line(start):
    service = start(POOL_WEB_WORKERS="2")
    logins = service.send_logins(20)
    service.wait_until_taken()
    service.master.send_signal(signal.SIGTERM)
    assert [receive(link)[0] for link in logins] == [200] * 20
    assert service.master.wait(60) == 0


def test_a_reload_answers_all_that_stand_in_line(start):
    service = start(POOL_WEB_WORKERS="2")
    token = service.token()
    before = set(service.workers())
    logins = service.send_logins(20)
    service.wait_until_taken()
    service.master.send_signal(signal.SIGHUP)
    later = service.send_logins(5)
    assert service.ask("GET", "/verify", token=token)[0] == 204
    assert [receive(link)[0] for link in logins + later] == [200] * 25
    wait_until(lambda: len(service.workers()) == 2 and not before & set(service.workers()), 30)
    assert service.ask("POST", "/login", service.body())[0] == 200
    service.stop()


def test_a_line_that_is_too_long_refuses_at_once(start):
    service = start(POOL_WEB_WORKERS="1", POOL_WEB_BATCH="4")
    token = service.token()
    worker, = service.workers()
    with Frozen(worker):
        logins = service.send_logins(12)
        check = service.send("GET", "/verify", token=token)
    answers = [receive(link) for link in logins]
    statuses = [status for status, _ in answers]
    assert receive(check)[0] == 204
    assert set(statuses) == {200, 503} and statuses[:4] == [200] * 4
    assert all(json.loads(body)["code"] == "unavailable" for status, body in answers
               if status == 503)
    assert "too many passwords" in service.log.read_text("utf-8")
    service.stop()


def test_nobody_hashes_for_a_client_that_left(start):
    service = start(POOL_WEB_WORKERS="1", PASSWORD_COST="11")
    worker, = service.workers()
    gone = service.send_logins(10)
    service.wait_until_taken()
    with Frozen(worker):
        done = len(service.events())
        for link in gone:
            link.close()
        last = service.send("POST", "/login", service.body())
    assert receive(last)[0] == 200
    assert done < 9, "all logins were over before their clients left"
    # One was just being hashed; and the last.
    assert len(service.events()) <= done + 2
    service.stop()
