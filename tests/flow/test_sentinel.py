"""Redis with sentinels: the primary may go, and another is elected.  What was replicated holds, nothing
is answered wrongly meanwhile, and whoever was demoted is neither asked nor believed."""
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
import redis as redis_client

from gate import (alive, dead, free_ports, granted, plain_environment, refused, run_instance,
                  wait_until)

NAME = "gatehouse-primary"
DOWN_AFTER_MS = 700


class Server:
    def __init__(self, folder, name, text, *flags):
        self.folder, self.conf = folder, folder / f"{name}.conf"
        self.log = folder / f"{name}.log"
        self.flags = flags
        self.conf.write_text(text + f'logfile "{self.log}"\ndir "{folder}"\n')
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["redis-server", str(self.conf), *self.flags],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(10)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


class Group:
    """Two Redis, the second a replica of the first, and three sentinels that watch them."""

    def __init__(self, folder):
        self.ports = [int(port) for port in free_ports(5)]
        first, second, *watchers = self.ports
        self.servers = {}
        for port, more in ((first, ""), (second, f"replicaof 127.0.0.1 {first}\n")):
            self.servers[port] = Server(
                folder, f"redis-{port}",
                f'port {port}\nbind 127.0.0.1\nappendonly yes\nappenddirname "aof-{port}"\n'
                f'dbfilename dump-{port}.rdb\nmaxmemory-policy noeviction\nrepl-diskless-sync-delay 0\n'
                + more)
        self.sentinels = {
            port: Server(folder, f"sentinel-{port}",
                         f"port {port}\nbind 127.0.0.1\n"
                         f"sentinel monitor {NAME} 127.0.0.1 {first} 2\n"
                         f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n"
                         f"sentinel failover-timeout {NAME} 3000\n", "--sentinel")
            for port in watchers}
        self.url = ("redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in watchers) +
                    f"/{NAME}/0")

    def client(self, port):
        return redis_client.Redis(port=port, socket_timeout=2, decode_responses=True)

    def start(self):
        for server in self.servers.values():
            server.start()
        wait_until(lambda: self.replicas(self.ports[0]) == 1, 30)
        for sentinel in self.sentinels.values():
            sentinel.start()
        wait_until(self.agreed, 30)

    def replicas(self, port):
        try:
            return int(self.client(port).info("replication")["connected_slaves"])
        except redis_client.RedisError:
            return 0

    def agreed(self):
        """Each sentinel knows the others and the replica: only then is an election possible."""
        try:
            views = [self.client(port).sentinel_master(NAME) for port in self.sentinels]
        except redis_client.RedisError:
            return False
        return all(view["num-other-sentinels"] == 2 and view["num-slaves"] >= 1 for view in views)

    def primary(self):
        port = next(iter(self.sentinels))
        return int(self.client(port).sentinel_get_master_addr_by_name(NAME)[1])

    def whole(self):
        """Two servers, one of them the other's replica and in step with it."""
        try:
            primary = self.primary()
            state = self.client(primary).info("replication")
            return (state["role"] == "master" and state["connected_slaves"] == 1 and
                    state["slave0"]["state"] == "online" and
                    state["slave0"]["offset"] >= state["master_repl_offset"] - 200)
        except (redis_client.RedisError, KeyError):
            return False

    def end(self):
        for server in (*self.sentinels.values(), *self.servers.values()):
            server.end()


@pytest.fixture(scope="module")
def group():
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-sentinel."))
    group = Group(folder)
    try:
        group.start()
        yield group
    finally:
        group.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def instance(group):
    yield from run_instance(redis__url=group.url, redis__timeout="500ms", pool__web__workers="3")


@pytest.fixture(scope="module")
def watched(instance, group):
    return instance.site()


@pytest.fixture(autouse=True)
def both_are_there(group):
    yield
    for server in group.servers.values():
        if server.process.poll() is not None:
            server.start()
        server.signal(signal.SIGCONT)
    wait_until(group.whole, 60)
    wait_until(group.agreed, 60)


class Traffic:
    """One client that verifies all the time; how it was answered, and when."""

    def __init__(self, site, token):
        self.site, self.token = site, token
        self.answers = []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopped.is_set():
            status = self.site.get("/verify", token=self.token).status_code
            self.answers.append((time.monotonic(), status))

    def stop(self):
        self.stopped.set()
        self.thread.join(30)
        return self.answers

    @property
    def last(self):
        return self.answers[-1][1] if self.answers else None


def replicated(group):
    """Whatever was acknowledged so far is on both."""
    client = group.client(group.primary())
    assert client.wait(1, 5000) >= 0
    wait_until(group.whole, 20)


def election(group, before):
    wait_until(lambda: group.primary() != before, 30)
    return time.monotonic()


def test_it_serves(watched, group):
    login = watched.register().login()
    alive(watched, login.access)
    assert group.client(group.primary()).exists("gh:session:" + login.sid)
    granted(watched.post("/logout", {}, token=login.access))
    dead(watched, login.access, "token_revoked")


def test_the_primary_is_killed_in_the_middle_of_traffic(watched, group):
    user = watched.register()
    staying, leaving = user.login(), user.login()
    granted(watched.post("/logout", {}, token=leaving.access))
    replicated(group)
    traffic = Traffic(watched, staying.access)
    wait_until(lambda: traffic.last == 204, 10)
    before = group.primary()
    group.servers[before].kill()
    wait_until(lambda: traffic.last == 503, 10)
    elected = election(group, before)
    wait_until(lambda: traffic.last == 204, 10)
    followed = time.monotonic() - elected
    answers = traffic.stop()
    # Not one of them was told that the session is gone.
    assert {status for _, status in answers} == {204, 503}
    assert followed < 1 + 2, followed  # a second, and what a slow machine needs
    # What was replicated holds: the session, and the logout.
    alive(watched, staying.access)
    for _ in range(20):
        dead(watched, leaving.access, "token_revoked")
        dead(watched, leaving.session)
    granted(watched.post("/refresh", {"refreshToken": staying.refresh_token}))
    watched.register().login()


def test_a_demoted_primary_is_not_believed(watched, group):
    login = watched.register().login()
    for _ in range(30):
        alive(watched, login.access)  # every worker has its connection
    replicated(group)
    before = group.primary()
    old = group.servers[before]
    old.signal(signal.SIGSTOP)
    election(group, before)
    # It comes back and still takes itself for the primary, with every old connection open.
    wait_until(lambda: watched.get("/verify", token=login.access).status_code == 204, 15)
    granted(watched.post("/logout", {}, token=login.access))
    old.signal(signal.SIGCONT)
    until = time.monotonic() + 3
    asked = 0
    while time.monotonic() < until:
        answer = watched.get("/userinfo", token=login.access)
        assert answer.status_code in (401, 503), answer.text
        asked += 1
    assert asked > 20
    wait_until(group.whole, 60)
    dead(watched, login.access, "token_revoked")


def test_a_sentinel_less(watched, group):
    login = watched.register().login()
    sentinel = next(iter(group.sentinels.values()))
    sentinel.kill()
    try:
        workers = watched.workers()
        os.kill(int(watched.env["MASTER_PID"]), signal.SIGHUP)
        wait_until(lambda: not set(workers) & set(watched.workers()), 20)
        # Connected anew, by what the others say.
        for _ in range(20):
            alive(watched, login.access)
    finally:
        sentinel.start()


def test_no_sentinel_at_all(watched, group):
    """Whoever is connected stays so: without sentinels nobody can have been elected."""
    login = watched.register().login()
    for sentinel in group.sentinels.values():
        sentinel.signal(signal.SIGSTOP)
    try:
        for _ in range(20):
            alive(watched, login.access)
    finally:
        for sentinel in group.sentinels.values():
            sentinel.signal(signal.SIGCONT)


def check(site, tmp_path, url):
    program = os.path.join(site.env["BIN_DIR"], "gatehouse")
    return subprocess.run([program, "-c", site.env["CONF"], "-t"], capture_output=True, text=True,
                          timeout=30, check=False,
                          env={**plain_environment(), "GATEHOUSE_REDIS_URL": url})


def test_a_replica_is_refused(watched, group, tmp_path):
    primary = group.primary()
    replica, = set(group.servers) - {primary}
    done = check(watched, tmp_path, f"redis://127.0.0.1:{replica}/0")
    assert done.returncode == 69 and "replica" in done.stderr, done.stderr
    assert check(watched, tmp_path, f"redis://127.0.0.1:{primary}/0").returncode == 0


def test_what_sentinels_do_not_know_is_named(watched, group, tmp_path):
    done = check(watched, tmp_path, group.url.replace(NAME, "another"))
    assert done.returncode == 69, done.stderr
    assert "no sentinel names a primary" in done.stderr and "No such master" in done.stderr


def test_sessions_of_an_outage_are_refused_as_unknown(watched, group):
    login = watched.register().login()
    for server in group.servers.values():
        server.signal(signal.SIGSTOP)
    try:
        refused(watched.get("/userinfo", token=login.access), "unavailable")
    finally:
        for server in group.servers.values():
            server.signal(signal.SIGCONT)
    wait_until(lambda: watched.get("/verify", token=login.access).status_code == 204, 30)
