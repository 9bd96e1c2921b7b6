"""The first start, with one thing missing at a time: what is said names the file or the line, and the
command that mends it."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from gate import plain_environment
from test_cli import conf  # noqa: F401  (a fixture)

CONFIGURATION, STORE = 78, 69


@pytest.fixture
def starts(site, conf, tmp_path):  # noqa: F811
    """Starts gatehouse on sockets of its own; (exit code, what it said).  Where it goes on it is stopped once
    it has said until."""
    def start(*changes, extra="", until=None, options=("-f",), **environment):
        path = conf(f"pool.web.listen={tmp_path}/web.sock", f"pool.login.listen={tmp_path}/login.sock",
                    f"server.pid_file={tmp_path}/pid", f"server.status_dir={tmp_path}", *changes, extra=extra)
        tool = os.path.join(site.env["BIN_DIR"], "gatehouse")
        log = tmp_path / "log"
        with open(log, "wb") as out, subprocess.Popen(
                [tool, "-c", path, *options], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env={**plain_environment(), **environment}) as child:
            end = time.monotonic() + 20
            while child.poll() is None and time.monotonic() < end:
                if until and re.search(until, log.read_text()):
                    child.send_signal(signal.SIGTERM)
                    until = None
                time.sleep(0.02)
            if child.poll() is None:
                child.kill()
            code = child.wait()
        return code, log.read_text().replace(path, "FILE")
    return start


def database(site, name):
    """An empty one that the service's account may use."""
    site.sql(f"CREATE DATABASE {name}")
    site.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO "
             f"'{site.env['MARIADB_USER']}'@'localhost'")


def test_no_configuration(site, tmp_path):
    for tool, words in (("gatehouse", ["-f"]), ("gatehousectl", ["user", "list"])):
        done = subprocess.run([os.path.join(site.env["BIN_DIR"], tool), "-c", f"{tmp_path}/none.conf", *words],
                              capture_output=True, text=True, timeout=30, check=False,
                              env=plain_environment())
        assert done.returncode == CONFIGURATION
        assert f"{tmp_path}/none.conf" in done.stderr and "gatehouse -E" in done.stderr


@pytest.mark.parametrize("extra,words", [
    ("[sever]\n", [r"FILE:\d+: ", "server"]),
    ("[session]\nidel = 1h\n", [r"FILE:\d+: ", "idle"]),
    ("[session]\nidle = 1\n", [r"FILE:\d+: ", r"\[session\] idle", "24h|15m|30d"]),
    ("[pool.third]\nlisten = third.sock\n", [r"FILE:\d+: ", "listen", "/path"]),
])
def test_a_typing_mistake(starts, extra, words):
    code, said = starts(extra=extra)
    assert code == CONFIGURATION
    for word in words:
        assert re.search(word, said), said


def test_no_key(starts, tmp_path):
    code, said = starts(f"token.keys={tmp_path}/keys")
    assert code == CONFIGURATION and f"{tmp_path}/keys" in said and "gatehousectl key new" in said


@pytest.mark.parametrize("changes,words", [
    (["redis.url=unix:///nowhere/redis.sock"], ["Redis cannot be reached at /nowhere/redis.sock", r"mend \[redis\] url in FILE"]),
    (["mariadb.socket=/nowhere/mariadb.sock"], ["MariaDB cannot be asked", r"mend \[mariadb\] in FILE"]),
])
def test_a_store_that_is_away(starts, changes, words):
    code, said = starts(*changes, options=("-t",))
    assert code == STORE
    for word in [*words, "start it", "gatehousectl doctor"]:
        assert re.search(word, said), said
    # The service itself starts: the store may come later.
    code, said = starts(*changes, until='cannot be asked.* cure="start it')
    assert code == 0 and "worker died" not in said, said


def test_a_password_that_redis_does_not_take(site, starts, tmp_path):
    password = tmp_path / "password"
    password.write_text("of another Redis\n")
    password.chmod(0o600)
    code, said = starts(f"redis.password_file={password}", options=("-t",))
    assert code == STORE and "AUTH" in said and "start it" not in said
    assert "mend the password, [redis] password_file or url, in FILE" in said


def test_no_schema(site, starts, conf):  # noqa: F811
    name = "first_" + os.urandom(4).hex()
    database(site, name)
    try:
        url = f"mariadb.url=mariadb://{site.env['MARIADB_USER']}@localhost/{name}"
        code, said = starts(url, options=("-t",))
        assert code == STORE and "gatehousectl db migrate" in said
        code, said = starts(url, until="db migrate")
        assert code == 0 and len(re.findall(r"level=error.* cure=.*db migrate", said)) == 1, said
        for words in (["user", "list"], ["user", "show", "anna"], ["session", "revoke", "--user", "anna"],
                      ["client", "list"], ["user", "import", "-"], ["audit"]):
            done = site.ctl(*words, stdin="email,passwordHash\nanna@example.org,*\n", conf=conf(url))
            assert done.returncode == STORE and "run gatehousectl db migrate" in done.stderr, done
            assert "again" not in done.stderr
    finally:
        site.sql(f"DROP DATABASE {name}")
        site.sql(f"REVOKE ALL PRIVILEGES ON {name}.* FROM '{site.env['MARIADB_USER']}'@'localhost'")


def test_a_socket_in_use(starts, tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "web.sock"))
        other.listen(1)
        code, said = starts()
    assert code != 0
    for word in ("web.sock", "already served", "stop that process", "pool=web"):
        assert word in said, said


def test_a_socket_without_a_folder(starts, tmp_path):
    code, said = starts(f"pool.web.listen={tmp_path}/none/web.sock")
    assert code != 0 and "/none/web.sock" in said and "create the directory" in said


@pytest.mark.parametrize("changes,words", [
    (["server.user=nobody-here"], ["[server] user", "nobody-here is no user", "create it"]),
    (["server.user=root"], ["[server] user", "never run as root", "set user"]),
    (["pool.web.owner=nobody-here"], ["[pool.web] owner", "nobody-here is no user", "create it"]),
    (["pool.login.group=nobody-here"], ["[pool.login] group", "nobody-here is no group", "create it"]),
])
def test_a_user_that_is_not_there(starts, changes, words):
    code, said = starts(*changes)
    assert code == CONFIGURATION, said
    for word in words:
        assert word in said, said
