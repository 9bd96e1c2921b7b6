"""Fixtures for docs/ and examples/: the running site, hosts beside it, and a browser."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "flow"):
    sys.path.insert(0, str(folder))

from gate import Instance, Site, free_ports, plain_environment, run_instance  # noqa: E402
from browser import Browser  # noqa: E402
from host import make_host  # noqa: E402


@pytest.fixture(scope="session")
def site():
    return Site(dict(os.environ))


@pytest.fixture(scope="session")
def installed(site, tmp_path_factory):
    """What make install puts beside the programs; it knows the examples' list."""
    folder = tmp_path_factory.mktemp("installed")
    done = subprocess.run(
        ["make", "-s", "-C", site.env["BIN_DIR"], "install-data", f"DESTDIR={folder}",
         "prefix=/usr/local"], capture_output=True, text=True, timeout=300, check=False,
        env=plain_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def host(site, installed):
    yield from make_host(site, installed)


@pytest.fixture(scope="session")
def apache_instance():
    """Apache's children are not root, and its checks go over TCP."""
    yield from run_instance(pool__apache__listen="127.0.0.1:" + free_ports(1)[0],
                            pool__web__mode="0666", pool__login__mode="0666")


@pytest.fixture(scope="module")
def apache_host(apache_instance, installed):
    yield from make_host(apache_instance.site(), installed)


@pytest.fixture(scope="session")
def chromium():
    browser = Browser()
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture
def browser(chromium):
    chromium.forget()
    return chromium


@pytest.fixture(scope="session")
def lab():
    """A site where tokens last two seconds (one at least: they end at a full one) and an idle session four,
    which serves the examples; pages of https://app.example.org may use it too."""
    directory = Path(tempfile.mkdtemp(prefix="gatehouse-lab."))
    directory.chmod(0o755)
    instance = Instance(directory, {"token.access_ttl": "2s", "session.idle": "4s",
                                    "session.touch": "0s", "redis.timeout": "2s",
                                    # A refresh that Redis carries out after an outage counts from
                                    # when it was asked for.
                                    "refresh.grace": "60s"})
    instance.settings["cookie.origins"] = f"https://app.example.org:{instance.tls_port}"
    try:
        instance.up()
        shutil.copytree(HERE.parents[1] / "examples/spa", directory / "www/spa")
        site = instance.site()
        site.www = directory / "www"
        site.tls = f"https://www.example.org:{instance.tls_port}"
        site.tls_port = instance.tls_port
        yield site
    finally:
        instance.down()
        shutil.rmtree(directory, ignore_errors=True)
