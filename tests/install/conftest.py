"""The machine that all of these tests share: bare, or with the packages of this one, and on it what
docs/install.md says, up to the web server."""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from machine import Machine, cgroup_top
from steps import TOP, files, follow

ROOT = os.environ.get("GATEHOUSE_INSTALL_ROOT", "/")
BEFORE = ("Build", "A user", "The database", "The configuration", "The web server")

CACHE = "/srv/config.cache"

# Only for a machine that has the server's program and not the package around it.
MARIADB = """\
[Service]
Type=notify
RuntimeDirectory=mysqld
StateDirectory=machine-mariadb
ExecStart=/usr/sbin/mariadbd --no-defaults --user=root --datadir=/var/lib/machine-mariadb \
    --socket=/run/mysqld/mysqld.sock --skip-networking --innodb-flush-log-at-trx-commit=0
"""


def quicker(script):
    """The build as it is to be is for the bare machine; here the rest of the page is what counts, and
    what configure found out on this host holds there too."""
    script = script.replace("\nmake\n", "\nmake -s -j2\n")
    if ROOT == "/":
        script = script.replace("-j2\n", "-j2 CFLAGS=-O0\n").replace(
            "/configure ", f"/configure --cache-file={CACHE} ")
    return script


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}


@pytest.fixture(scope="session")
def tarball(tmp_path_factory):
    """What make dist makes, out of the source tree."""
    build = tmp_path_factory.mktemp("dist")
    done = subprocess.run([TOP / "configure", "-q", "-C"], cwd=build, env=environment(), timeout=300,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(["make", "-j2", "dist", "XZ_OPT=-1"], cwd=build, env=environment(), timeout=300,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found, = build.glob("gatehouse-*.tar.*")
    return found


def start_stores(machine):
    if not machine.path("/lib/systemd/system/mariadb.service").exists():
        machine.write("/etc/systemd/system/mariadb.service", MARIADB)
        machine.run("mariadb-install-db --no-defaults --force --user=root --skip-test-db "
                    "--datadir=/var/lib/machine-mariadb --auth-root-authentication-method=socket "
                    "--auth-root-socket-user=root >/dev/null && systemctl daemon-reload")
    machine.run("systemctl start mariadb redis-server nginx")


@pytest.fixture(scope="session")
def booted():
    """With stores that are starting, while the tarball is being made."""
    if os.geteuid() != 0 or cgroup_top() is None:
        # A container may have neither to give; ./dev test-install is where this has to run.
        pytest.skip("a machine needs root and a cgroup2 file system")
    made = Machine(ROOT)
    try:
        with ThreadPoolExecutor(1) as aside:
            made.stores = aside.submit(start_stores, made)
            yield made
    finally:
        made.off()


@pytest.fixture(scope="session")
def machine(booted, tarball):
    booted.stores.result()
    booted.copy(tarball, "/srv/" + tarball.name)
    booted.copy(tarball.parent / "config.cache", CACHE)
    booted.before = files(booted)
    follow(booted, "install.md", *BEFORE, changed=quicker)
    booted.after = files(booted)
    conf = booted.path("/etc/gatehouse/gatehouse.conf")
    conf.write_text(conf.read_text("utf-8") + "\n[password]\ncost = 4\n", "utf-8")
    return booted
