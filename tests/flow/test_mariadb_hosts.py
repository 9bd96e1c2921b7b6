"""Several MariaDB hosts: the first that can be written to is used, and when it goes, the next."""
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

from gate import (PASSWORD, alive, free_ports, fresh_email, granted, plain_environment, refused,
                  run_instance, wait_until)

SECRET = "only-of-this-test-3141"


class Server:
    def __init__(self, folder, number, port):
        self.port, self.number = port, number
        self.data, self.socket = folder / f"data{number}", folder / f"sock{number}"
        self.tmp, self.log = folder / f"tmp{number}", folder / f"log{number}"
        self.tmp.mkdir()
        self.process, self.more = None, []

    def install(self):
        subprocess.run(["mariadb-install-db", "--no-defaults", "--force", "--user=root",
                        f"--datadir={self.data}", f"--tmpdir={self.tmp}", "--skip-test-db",
                        "--skip-name-resolve", "--auth-root-authentication-method=socket",
                        "--auth-root-socket-user=root"], check=True, timeout=120,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["mariadbd", "--no-defaults", "--user=root", f"--datadir={self.data}",
                 f"--socket={self.socket}", f"--tmpdir={self.tmp}", f"--port={self.port}",
                 "--bind-address=127.0.0.1", "--skip-name-resolve", "--log-bin=bin",
                 f"--server-id={self.number}", "--character-set-server=utf8mb4",
                 "--innodb-use-native-aio=OFF", "--lc-messages-dir=/usr/share/mysql",
                 "--innodb-buffer-pool-size=32M", *self.more],
                stdout=log, stderr=log)
        wait_until(self.answers, 60)

    def answers(self):
        try:
            self.run("SELECT 1")
            return True
        except pymysql.Error:
            return False

    def run(self, *statements):
        link = pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)
        try:
            with link.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall()
        finally:
            link.close()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


@contextmanager
def primary_and_replica(site):
    """Two servers, the second a replica of the first, with accounts for the site's schema."""
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-hosts."))
    ports = free_ports(2)
    first, second = (Server(folder, i + 1, int(port)) for i, port in enumerate(ports))
    try:
        first.install()
        first.start()
        prepare(site, first)
        first.end()
        # The second begins as a copy of the first, and goes on as its replica.
        shutil.copytree(first.data, second.data)
        first.start()
        second.start()
        second.run("SET GLOBAL read_only = 1", "RESET MASTER",
                   f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={first.port}, "
                   f"MASTER_USER='copy', MASTER_PASSWORD='{SECRET}', "
                   f"MASTER_LOG_FILE='{first.run('SHOW MASTER STATUS')[0][0]}', "
                   f"MASTER_LOG_POS={first.run('SHOW MASTER STATUS')[0][1]}", "START SLAVE")
        yield first, second
    finally:
        first.end()
        second.end()
        shutil.rmtree(folder, ignore_errors=True)


def prepare(site, server):
    """Schema and accounts, as an administrator would make them."""
    top = Path(os.environ["GATEHOUSE_DEV"]).parent
    server.run("CREATE DATABASE gatehouse CHARACTER SET utf8mb4")
    environment = {**plain_environment(), "GATEHOUSE_MARIADB_URL": "mariadb://root@localhost/gatehouse",
                   "GATEHOUSE_MARIADB_SOCKET": str(server.socket),
                   "GATEHOUSE_MARIADB_PASSWORD_FILE": ""}
    done = subprocess.run([os.path.join(site.env["BIN_DIR"], "gatehousectl"), "-c", site.env["CONF"],
                           "db", "migrate"], env=environment, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    text = (top / "sql" / "grants.sql").read_text()
    for name, value in (("@DATABASE@", "gatehouse"), ("@USER@", "gatehouse"), ("@HOST@", "127.0.0.1"),
                        ("@PASSWORD@", SECRET)):
        text = text.replace(name, value)
    subprocess.run(["mariadb", "--no-defaults", "--user=root", f"--socket={server.socket}"],
                   input=text, text=True, check=True, timeout=60)
    server.run(f"CREATE USER copy@'127.0.0.1' IDENTIFIED BY '{SECRET}'",
               "GRANT REPLICATION SLAVE ON *.* TO copy@'127.0.0.1'")


def settings(servers):
    """For an instance that uses them."""
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return {"mariadb__url": f"mariadb://gatehouse:{SECRET}@{hosts}/gatehouse", "mariadb__socket": "",
            "mariadb__password_file": "", "mariadb__timeout": "2s"}


@pytest.fixture(scope="module")
def servers(site):
    with primary_and_replica(site) as both:
        yield both


@pytest.fixture(scope="module")
def several(servers):
    for instance in run_instance(**settings(servers)):
        yield instance.site()


def rows(server, email):
    return server.run(f"SELECT COUNT(*) FROM gatehouse.users WHERE email = '{email}'")[0][0]


def in_step(first, second):
    """The replica has what the primary had."""
    wait_until(lambda: first.run("SELECT MAX(id), COUNT(*) FROM gatehouse.users") ==
               second.run("SELECT MAX(id), COUNT(*) FROM gatehouse.users"), 30)


def registers(site):
    email = fresh_email()
    answer = site.post("/register", {"email": email, "password": PASSWORD})
    if answer.status_code == 201:
        return email
    refused(answer, "unavailable")
    return None


def registered(site):
    """Somebody who could register, in the end: each worker notices by itself where it may write."""
    emails = []

    def done():
        emails.append(registers(site))
        return emails[-1] is not None
    wait_until(done, 20)
    return emails[-1]


def test_the_next_host_takes_over(servers, several):
    first, second = servers
    user = several.register()
    login = user.login()
    in_step(first, second)
    assert rows(first, user.email) == rows(second, user.email) == 1
    first.end()
    # Nobody may write yet: sign-in waits, sessions do not.
    refused(user.try_login(), "unavailable")
    granted(several.get("/verify", token=login.access), 204)
    second.run("STOP SLAVE", "SET GLOBAL read_only = 0")
    wait_until(lambda: user.try_login().status_code == 200, 20)
    alive(several, user.login().access)
    email = registered(several)
    assert rows(second, email) == 1
    # The first comes back as what it is now, a server that takes no writes: it is passed over.
    first.start()
    first.run("SET GLOBAL read_only = 1")
    os.kill(int(several.env["MASTER_PID"]), signal.SIGHUP)
    email = registered(several)
    assert rows(second, email) == 1 and rows(first, email) == 0


def test_a_primary_that_turns_read_only_is_left(servers, several):
    first, second = servers
    first.run("SET GLOBAL read_only = 0")
    second.run("STOP SLAVE", "SET GLOBAL read_only = 1")
    email = registered(several)
    assert rows(first, email) == 1 and rows(second, email) == 0
