"""TLS to the stores: spoken with whoever shows a certificate of ours for the name that was asked for,
and with nobody else; a peer that says nothing holds no worker beyond its timeout."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest
import redis as redis_client

import test_mariadb_hosts
from certificates import Authority
from gate import (alive, free_ports, granted, plain_environment, refused, run_instance, wait_until)

SECRET = "only-of-this-test-2718"


class World:
    """The files of two authorities; the second is not trusted."""

    def __init__(self, folder):
        folder.chmod(0o755)
        self.folder = folder
        self.ours, self.theirs = Authority(folder, "ours"), Authority(folder, "theirs")
        self.good = self.ours.issue("good", "localhost", "127.0.0.1")
        self.other = self.ours.issue("other", "store.example.org")
        self.expired = self.ours.issue("expired", "localhost", "127.0.0.1", days=(-2, -1))
        self.foreign = self.theirs.issue("foreign", "localhost", "127.0.0.1")
        self.client = self.ours.issue("client")
        self.foreign_client = self.theirs.issue("foreign-client")


class Redis:
    def __init__(self, world):
        self.world = world
        self.port, self.plain = free_ports(2)
        self.folder = world.folder / "redis"
        self.folder.mkdir()
        self.process = None

    def start(self):
        world = self.world
        self.process = subprocess.Popen(
            ["redis-server", "--port", self.plain, "--tls-port", self.port, "--bind", "127.0.0.1", "127.0.0.2",
             "--tls-cert-file", world.good.cert, "--tls-key-file", world.good.key,
             "--tls-ca-cert-file", world.ours.cert, "--tls-auth-clients", "no",
             "--dir", self.folder, "--appendonly", "yes", "--maxmemory-policy", "noeviction"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, 30)

    def client(self):
        return redis_client.Redis(port=int(self.plain), socket_timeout=5, decode_responses=True)

    def answers(self):
        try:
            return self.client().ping()
        except redis_client.RedisError:
            return False

    def show(self, pair, clients="no"):
        self.client().execute_command("CONFIG", "SET", "tls-cert-file", str(pair.cert), "tls-key-file",
                                      str(pair.key), "tls-auth-clients", clients)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(20)


class MariaDB(test_mariadb_hosts.Server):
    def __init__(self, world):
        self.world = world
        folder = world.folder / "mariadb"
        folder.mkdir()
        super().__init__(folder, 1, int(free_ports(1)[0]))
        self.pair = folder / "server.pem", folder / "server.key"
        self.put(world.good)
        self.more = [f"--ssl-cert={self.pair[0]}", f"--ssl-key={self.pair[1]}",
                     f"--ssl-ca={world.ours.cert}"]

    def put(self, pair):
        shutil.copy(pair.cert, self.pair[0])
        shutil.copy(pair.key, self.pair[1])

    def show(self, pair):
        self.put(pair)
        self.run("FLUSH SSL")


@pytest.fixture(scope="module")
def world():
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-tls."))
    try:
        yield World(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def redis_server(world):
    server = Redis(world)
    try:
        server.start()
        yield server
    finally:
        server.end()


@pytest.fixture(scope="module")
def mariadb(site, world):
    server = MariaDB(world)
    try:
        server.install()
        server.start()
        test_mariadb_hosts.prepare(site, server)
        server.run(f"CREATE USER strict@'127.0.0.1' IDENTIFIED BY '{SECRET}' REQUIRE X509",
                   "GRANT ALL ON gatehouse.* TO strict@'127.0.0.1'")
        yield server
    finally:
        server.end()


def check(site, **settings):
    """gatehouse -t with other settings, by the environment; (exit code, what it says, seconds)"""
    begun = time.monotonic()
    names = {"GATEHOUSE_" + name.upper().replace("__", "_"): str(value)
             for name, value in settings.items()}
    done = subprocess.run([os.path.join(site.env["BIN_DIR"], "gatehouse"), "-c", site.env["CONF"], "-t"],
                          env={**plain_environment(), **names}, capture_output=True, text=True,
                          timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - begun


def good(answer):
    assert answer[0] == 0, answer
    assert "both stores can be reached" in answer[1]


def bad(answer, store, *words):
    """Refused, and the sentence says why."""
    assert answer[0] == 69, answer
    line, = [line for line in answer[1].splitlines() if f"gatehouse: {store}" in line]
    for word in words:
        assert word.lower() in line.lower(), line


def is_gone(answer, words):
    """A file that is not there is the configuration's mistake, and no store is asked."""
    code, said, _ = answer
    assert code == 78 and f"{words}: No such file" in said, answer


def settings_redis(world, server, host="localhost", **more):
    return {"redis__url": f"rediss://{host}:{server.port}/0", "redis__tls_ca": world.ours.cert, **more}


def settings_mariadb(world, server, host="127.0.0.1", user="gatehouse", **more):
    secret = test_mariadb_hosts.SECRET if user == "gatehouse" else SECRET
    return {"mariadb__url": f"mariadb://{user}:{secret}@{host}:{server.port}/gatehouse",
            "mariadb__socket": "", "mariadb__password_file": "", "mariadb__tls": "yes",
            "mariadb__tls_ca": world.ours.cert, **more}


# Who is let pass for Redis


def test_redis(site, world, redis_server):
    good(check(site, **settings_redis(world, redis_server)))
    good(check(site, **settings_redis(world, redis_server, host="127.0.0.1")))


def test_redis_of_another_authority(site, world, redis_server):
    redis_server.show(world.foreign)
    try:
        bad(check(site, **settings_redis(world, redis_server)), "Redis", "certificate for localhost",
            "unable to get local issuer")
        bad(check(site, **{**settings_redis(world, redis_server), "redis__tls_ca": ""}), "Redis",
            "certificate for localhost is refused")
        good(check(site, redis__url=f"rediss://localhost:{redis_server.port}", redis__tls_verify="no"))
    finally:
        redis_server.show(world.good)


def test_redis_of_another_name(site, world, redis_server):
    bad(check(site, **settings_redis(world, redis_server, host="127.0.0.2")), "Redis",
        "certificate for 127.0.0.2", "address mismatch")
    redis_server.show(world.other)
    try:
        bad(check(site, **settings_redis(world, redis_server)), "Redis", "certificate for localhost",
            "hostname mismatch")
        good(check(site, **settings_redis(world, redis_server, redis__tls_name="store.example.org")))
        bad(check(site, **settings_redis(world, redis_server, redis__tls_name="xstore.example.org")),
            "Redis", "hostname mismatch")
    finally:
        redis_server.show(world.good)


def test_redis_that_expired(site, world, redis_server):
    redis_server.show(world.expired)
    try:
        bad(check(site, **settings_redis(world, redis_server)), "Redis", "expired")
    finally:
        redis_server.show(world.good)


def test_redis_without_tls(site, world, redis_server):
    bad(check(site, redis__url=f"rediss://localhost:{redis_server.plain}",
              redis__tls_ca=world.ours.cert, redis__timeout="1s"), "Redis", "speak")
    # And the other way round: a plain word to a port that wants TLS.
    bad(check(site, redis__url=f"redis://localhost:{redis_server.port}", redis__timeout="1s"), "Redis")


def test_redis_that_wants_a_certificate(site, world, redis_server):
    redis_server.show(world.good, clients="yes")
    try:
        own = {"redis__tls_cert": world.client.cert, "redis__tls_key": world.client.key}
        foreign = {"redis__tls_cert": world.foreign_client.cert,
                   "redis__tls_key": world.foreign_client.key}
        good(check(site, **settings_redis(world, redis_server, **own)))
        bad(check(site, **settings_redis(world, redis_server)), "Redis", "certificate required")
        bad(check(site, **settings_redis(world, redis_server, **foreign)), "Redis", "alert")
    finally:
        redis_server.show(world.good)


def test_files_that_are_wrong(site, world, redis_server):
    gone, empty = world.folder / "gone.pem", world.folder / "empty.pem"
    empty.write_text("")
    own = {"redis__tls_cert": world.client.cert, "redis__tls_key": world.client.key}
    for name in ("tls_ca", "tls_cert", "tls_key"):
        is_gone(check(site, **{**settings_redis(world, redis_server), **own, f"redis__{name}": gone}),
                f"[redis] {name}: {gone}")
        bad(check(site, **{**settings_redis(world, redis_server), **own, f"redis__{name}": empty}),
            "Redis", f"[redis] {name}: {empty}", "PEM")
    bad(check(site, **{**settings_redis(world, redis_server), **own,
                       "redis__tls_key": world.foreign_client.key}), "Redis", "tls_key", "mismatch")


@pytest.mark.parametrize("settings, words", [
    ({"redis__tls_ca": "/etc/ssl/x.pem"}, "[redis] tls_ca: it means nothing while TLS is off"),
    ({"redis__tls_verify": "no"}, "[redis] tls_verify: it means nothing"),
    ({"redis__tls_name": "redis.example.org"}, "[redis] tls_name: it means nothing"),
    ({"redis__url": "rediss://h", "redis__tls_cert": "/x.pem"}, "tls_cert and tls_key"),
    ({"redis__url": "rediss://h", "redis__tls_name": "a b"}, "[redis] tls_name: it must be"),
    ({"mariadb__tls_ca": "/etc/ssl/x.pem"}, "[mariadb] tls_ca: it means nothing while TLS is off"),
    ({"mariadb__tls": "yes", "mariadb__socket": "", "mariadb__tls_key": "/x.pem"}, "tls_cert and tls_key"),
])
def test_settings_that_contradict(site, settings, words):
    code, said, _ = check(site, **settings)
    assert code == 78 and words in said, said


# Who is let pass for MariaDB


def test_mariadb(site, world, mariadb):
    good(check(site, **settings_mariadb(world, mariadb)))
    mariadb.run("ALTER USER gatehouse@'127.0.0.1' REQUIRE SSL")
    try:
        good(check(site, **settings_mariadb(world, mariadb)))
        plain = settings_mariadb(world, mariadb, mariadb__tls="no")
        del plain["mariadb__tls_ca"]
        bad(check(site, **plain), "MariaDB", "Access denied")
    finally:
        mariadb.run("ALTER USER gatehouse@'127.0.0.1' REQUIRE NONE")


@pytest.mark.parametrize("pair, words", [
    ("foreign", ("unable to get local issuer",)), ("expired", ("expired",)),
    ("other", ("validation", "failed"))])
def test_mariadb_with_another_certificate(site, world, mariadb, pair, words):
    mariadb.show(getattr(world, pair))
    try:
        bad(check(site, **settings_mariadb(world, mariadb)), "MariaDB", *words)
        # Encrypted, and believed whoever it is.
        unverified = settings_mariadb(world, mariadb, mariadb__tls_verify="no")
        good(check(site, **unverified))
    finally:
        mariadb.show(world.good)


def test_mariadb_with_the_authorities_of_the_system(site, world, mariadb):
    bad(check(site, **settings_mariadb(world, mariadb, mariadb__tls_ca="")), "MariaDB",
        "TLS/SSL error", "certificate")


def test_mariadb_that_wants_a_certificate(site, world, mariadb):
    own = {"mariadb__tls_cert": world.client.cert, "mariadb__tls_key": world.client.key}
    good(check(site, **settings_mariadb(world, mariadb, user="strict", **own)))
    bad(check(site, **settings_mariadb(world, mariadb, user="strict")), "MariaDB", "Access denied")


def test_files_of_mariadb_that_are_wrong(site, world, mariadb):
    gone = world.folder / "gone.pem"
    own = {"mariadb__tls_cert": world.client.cert, "mariadb__tls_key": world.client.key}
    for name in ("tls_ca", "tls_cert", "tls_key"):
        is_gone(check(site, **{**settings_mariadb(world, mariadb), **own, f"mariadb__{name}": gone}),
                f"[mariadb] {name}: {gone}")


# Peers that are not what they should be


@contextmanager
def peer(talk):
    """A listener that gives each connection to talk, in a thread; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_links, done = [], threading.Event()

    def serve():
        while not done.is_set():
            try:
                link, _ = listener.accept()
            except OSError:
                return
            open_links.append(link)
            threading.Thread(target=lambda: swallow(talk, link), daemon=True).start()

    def swallow(talk, link):
        try:
            talk(link)
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for link in open_links:
            link.close()
        thread.join(5)


def greeting(server):
    """What a MariaDB says first."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as link:
        return link.recv(4096)


def without_tls(packet):
    """The same greeting of somebody who wants the password in the clear: without CLIENT_SSL (0x800)."""
    at = 4 + 1 + packet[5:].index(b"\0") + 1 + 4 + 8 + 1
    low, = struct.unpack_from("<H", packet, at)
    assert low & 0x800
    return packet[:at] + struct.pack("<H", low & ~0x800) + packet[at + 2:]


def test_nobody_gets_the_password_in_the_clear(site, world, mariadb):
    heard = []

    def talk(link):
        link.sendall(without_tls(greeting(mariadb)))
        link.settimeout(5)
        heard.append(link.recv(4096))

    class Thief:
        pass

    with peer(talk) as port:
        Thief.port = port
        bad(check(site, **settings_mariadb(world, Thief)), "MariaDB", "SSL is required")
        wait_until(lambda: heard, 10)
    assert heard == [b""]


def drip(link):
    """A byte now and then: the beginning of a handshake record that never ends."""
    link.sendall(b"\x16\x03\x03\x3f\xff\x02")
    while True:
        time.sleep(0.05)
        link.sendall(b"\0")


@pytest.mark.parametrize("talk", [lambda link: time.sleep(20), drip], ids=["silent", "dripping"])
def test_a_peer_that_never_ends_the_handshake_of_redis(site, world, talk):
    with peer(talk) as port:
        class Silent:
            pass
        Silent.port = port
        answer = check(site, **settings_redis(world, Silent, redis__timeout="400ms"))
        bad(answer, "Redis", "no TLS handshake within [redis] timeout")
        plain = check(site)
        assert answer[2] < plain[2] + 0.4 + 1


def test_a_peer_that_never_ends_the_handshake_of_mariadb(site, world, mariadb):
    def talk(link):
        link.sendall(greeting(mariadb))
        time.sleep(20)

    with peer(talk) as port:
        class Silent:
            pass
        Silent.port = port
        answer = check(site, **settings_mariadb(world, Silent, mariadb__timeout="1s"))
        bad(answer, "MariaDB")
        assert answer[2] < 1 + 2, answer


# Sentinels


class Sentinel:
    """One that speaks TLS alone, and watches the Redis of this module."""

    def __init__(self, world, server):
        self.port, = free_ports(1)
        folder = world.folder / f"sentinel-{self.port}"
        folder.mkdir()
        conf = folder / "sentinel.conf"
        conf.write_text(
            f"port 0\ntls-port {self.port}\nbind 127.0.0.1\ndir {folder}\ntls-replication yes\n"
            f"tls-cert-file {world.good.cert}\ntls-key-file {world.good.key}\n"
            f"tls-ca-cert-file {world.ours.cert}\ntls-auth-clients no\n"
            f"sentinel monitor ours 127.0.0.1 {server.port} 1\n")
        self.process = subprocess.Popen(["redis-server", str(conf), "--sentinel"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.tls = {"port": int(self.port), "ssl": True, "ssl_ca_certs": str(world.ours.cert)}

    def client(self):
        return redis_client.Redis(decode_responses=True, **self.tls)

    def answers(self):
        try:
            return self.client().ping()
        except redis_client.RedisError:
            return False

    def show(self, pair):
        self.client().execute_command("CONFIG", "SET", "tls-cert-file", str(pair.cert), "tls-key-file",
                                      str(pair.key))

    def end(self):
        self.process.terminate()
        self.process.wait(20)


def test_sentinels(site, world, redis_server):
    sentinel = Sentinel(world, redis_server)
    settings = {**settings_redis(world, redis_server),
                "redis__url": f"rediss+sentinel://127.0.0.1:{sentinel.port}/ours/0"}
    try:
        wait_until(sentinel.answers, 20)
        good(check(site, **settings))
        bad(check(site, **{**settings, "redis__tls_ca": world.theirs.cert}), "Redis",
            "no sentinel names a primary", "certificate for 127.0.0.1")
        # The sentinel is who it should be, and the one that it names is not.
        redis_server.show(world.other)
        bad(check(site, **settings), "Redis", ": the certificate for 127.0.0.1", "mismatch")
        redis_server.show(world.good)
        bad(check(site, **{**settings, "redis__url": f"redis+sentinel://127.0.0.1:{sentinel.port}/ours",
                           "redis__tls_ca": ""}), "Redis", "no sentinel names a primary")
    finally:
        redis_server.show(world.good)
        sentinel.end()


# A whole site


@pytest.fixture(scope="module")
def instance(world, redis_server, mariadb):
    yield from run_instance(**{name: str(value) for name, value in {
        **settings_redis(world, redis_server), **settings_mariadb(world, mariadb)}.items()},
        redis__timeout="400ms", mariadb__timeout="1s", pool__web__workers="2")


@pytest.fixture
def safe(instance):
    return instance.site()


def test_a_whole_life(safe, redis_server, mariadb):
    user = safe.register()
    login = user.login()
    alive(safe, login.access)
    sessions = granted(safe.get("/sessions", token=login.access))["sessions"]
    assert [session["id"] for session in sessions] == [login.sid]
    assert login.refresh().status_code == 200
    assert redis_server.client().exists("gh:session:" + login.sid)
    assert mariadb.run(f"SELECT COUNT(*) FROM gatehouse.users WHERE email = '{user.email}'")[0][0] == 1
    granted(safe.post("/logout", token=login.access))
    refused(safe.get("/verify", token=login.access), "token_revoked")


def test_the_command_line(safe, world, redis_server):
    user = safe.register()
    login = user.login()
    assert user.email in safe.ctl_ok("user", "show", user.email)
    assert login.sid[:12] in safe.ctl_ok("session", "list", user.email)


def test_stores_that_start_again(safe, redis_server, mariadb):
    user = safe.register()
    login = user.login()
    redis_server.end()
    refused(safe.get("/verify", token=login.access), "unavailable")
    redis_server.start()
    wait_until(lambda: safe.get("/verify", token=login.access).status_code == 204, 10)
    mariadb.end()
    mariadb.start()
    wait_until(lambda: user.try_login().status_code == 200, 10)
    # Every worker finds out for itself.
    for _ in range(10):
        answer = user.try_login()
        assert answer.status_code == 200, Path(safe.env["LOG"]).read_text()[-1500:]


def test_stores_that_hang(safe, redis_server, mariadb):
    user = safe.register()
    login = user.login()
    for process, ask, limit in (
            (redis_server.process, lambda: safe.get("/verify", token=login.access), 0.4),
            (mariadb.process, user.try_login, 1)):
        process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(3):
                begun = time.monotonic()
                refused(ask(), "unavailable")
                assert time.monotonic() - begun < limit + 1
        finally:
            process.send_signal(signal.SIGCONT)
        wait_until(lambda ask=ask: ask().status_code in (200, 204), 10)
