"""Who may speak to a pool's socket: users, addresses, and whoever knows the secret."""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from fastcgi import PARAMS, STDIN, pair, receive, record
from gate import free_ports, plain_environment, run_instance, wait_until

SECRET = "a secret that is long enough"
EX_CONFIG = 78


@pytest.fixture(scope="module")
def guarded():
    """A site with a pool for root alone, and one on TCP that wants a secret."""
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-peers."))
    folder.chmod(0o755)
    secret = folder / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    port, = free_ports(1)
    settings = {"pool.root.listen": f"{folder}/root.sock", "pool.root.mode": "0666",
                "pool.root.peers": "root", "pool.root.workers": "1",
                "pool.tcp.listen": f"127.0.0.1:{port}", "pool.tcp.secret_file": str(secret),
                "pool.tcp.peers": "127.0.0.1 127.0.0.4/31", "pool.tcp.workers": "1"}
    for instance in run_instance(**settings):
        site = instance.site()
        site.root_socket, site.tcp_port = f"{folder}/root.sock", int(port)
        yield site
    shutil.rmtree(folder)


def request(*params, keep=0):
    begin = record(1, struct.pack(">HBxxxxx", 1, keep))
    fixed = [("REQUEST_METHOD", "GET"), ("DOCUMENT_URI", "/auth/verify"), *params]
    block = b"".join(pair(name, value) for name, value in fixed)
    return begin + record(PARAMS, block) + record(PARAMS) + record(STDIN)


def status_of(answer):
    return int(re.search(rb"Status: (\d+)", answer)[1])


def ask(link, *params, keep=0):
    """The status of an answer; None: the connection was closed without one."""
    try:
        link.sendall(request(*params, keep=keep))
        return status_of(receive(link))
    except (AssertionError, ConnectionError):
        return None


def over_unix(site):
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(10)
    link.connect(site.root_socket)
    return link


def over_tcp(site, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", site.tcp_port), 10, (source, 0))


def as_nobody(site):
    """What ask() returns to the user nobody, whom the socket's mode lets in."""
    program = "import socket, sys; link = socket.socket(socket.AF_UNIX); link.connect(sys.argv[1])\n" \
              "try: link.sendall(sys.stdin.buffer.read())\n" \
              "except OSError: pass\n" \
              "try: print(link.recv(65536).hex())\n" \
              "except OSError: print()"
    done = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                           "/usr/bin/python3", "-I", "-c", program, site.root_socket],
                          input=request(), capture_output=True, timeout=30, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    answer = bytes.fromhex(done.stdout.decode())
    return status_of(answer) if answer else None


def logged(site, words):
    return [line for line in Path(site.env["LOG"]).read_text().splitlines() if words in line]


def test_a_user_on_the_list_is_served_and_another_is_not(guarded):
    with over_unix(guarded) as link:
        assert ask(link) == 401
    for _ in range(3):
        assert as_nobody(guarded) is None
    with over_unix(guarded) as link:
        assert ask(link) == 401
    lines = logged(guarded, "not on the pool's list")
    assert lines and "user 65534" in lines[0], lines
    # One line in ten seconds for each worker, however many come.
    assert len(lines) < 3


@pytest.mark.parametrize("source,served", [
    ("127.0.0.1", True), ("127.0.0.4", True), ("127.0.0.5", True), ("127.0.0.6", False),
    ("127.0.0.2", False), ("127.1.0.1", False),
])
def test_addresses(guarded, source, served):
    with over_tcp(guarded, source) as link:
        assert ask(link, ("GATEHOUSE_SECRET", SECRET)) == (401 if served else None)


@pytest.mark.parametrize("params", [
    [], [("GATEHOUSE_SECRET", "")], [("GATEHOUSE_SECRET", SECRET[:-1])],
    [("GATEHOUSE_SECRET", SECRET + "x")], [("GATEHOUSE_SECRET", SECRET + "\n")],
    [("GATEHOUSE_SECRET", SECRET.upper())], [("gatehouse_secret", SECRET)],
    [("HTTP_GATEHOUSE_SECRET", SECRET)], [("REDIRECT_GATEHOUSE_SECRET", SECRET)],
    [("GATEHOUSE_SECRET", SECRET), ("GATEHOUSE_SECRET", SECRET)],
    [("GATEHOUSE_SECRET", SECRET), ("GATEHOUSE_SECRET", "other")],
    [("GATEHOUSE_SECRET", "other"), ("GATEHOUSE_SECRET", SECRET)],
])
def test_without_the_secret_nothing_is_answered_but_403(guarded, params):
    with over_tcp(guarded) as link:
        assert ask(link, *params) == 403


def test_health_wants_the_secret_too(guarded):
    with over_tcp(guarded) as link:
        link.sendall(request().replace(b"/auth/verify", b"/auth/health"))
        assert status_of(receive(link)) == 403


def test_each_request_of_a_kept_connection_has_to_show_it(guarded):
    with over_tcp(guarded) as link:
        assert ask(link, ("GATEHOUSE_SECRET", SECRET), keep=1) == 401
        assert ask(link, keep=1) == 403
        assert ask(link, ("GATEHOUSE_SECRET", SECRET), keep=1) == 401


def test_the_log_says_so_and_never_the_secret(guarded):
    with over_tcp(guarded) as link:
        assert ask(link, ("GATEHOUSE_SECRET", "wrong-wrong-wrong")) == 403
    assert logged(guarded, "without the pool's secret")
    text = Path(guarded.env["LOG"]).read_text()
    assert SECRET not in text and "wrong-wrong-wrong" not in text


def reload(site, change):
    """A reload with a changed configuration: the log's lines about it."""
    conf = Path(site.env["CONF"])
    before = len(logged(site, "reload"))
    conf.write_text(change(conf.read_text()))
    os.kill(int(site.env["MASTER_PID"]), signal.SIGHUP)
    wait_until(lambda: [line for line in logged(site, "reload")[before:]
                        if "reload done" in line or "refused" in line], 30)
    return logged(site, "reload")[before:]


def test_a_reload_brings_new_lists_and_refuses_open_doors(guarded):
    original = Path(guarded.env["CONF"]).read_text()
    kept = over_unix(guarded)
    assert ask(kept, keep=1) == 401
    try:
        lines = reload(guarded, lambda text: text.replace("peers = root", "peers = nobody"))
        assert any("reload done" in line for line in lines), lines
        # Retired workers pass kept connections on; they are looked at again.
        time.sleep(0.2)
        assert ask(kept, keep=1) is None
        with over_unix(guarded) as link:
            assert ask(link) is None
        assert as_nobody(guarded) == 401

        for change in (lambda text: text.replace("peers = nobody", "peers = no-such-user-here"),
                       lambda text: re.sub("secret_file.*", "", text).replace(
                           "127.0.0.4/31", "0.0.0.0/0")):
            good = Path(guarded.env["CONF"]).read_text()
            lines = reload(guarded, change)
            assert not any("reload done" in line for line in lines), lines
            assert as_nobody(guarded) == 401
            Path(guarded.env["CONF"]).write_text(good)
    finally:
        kept.close()
        reload(guarded, lambda text: original)
    with over_unix(guarded) as link:
        assert ask(link) == 401


@pytest.mark.parametrize("settings,words", [
    ({"LISTEN": "0.0.0.0:9999"}, "where other machines can connect"),
    ({"LISTEN": "[::]:9999"}, "where other machines can connect"),
    ({"PEERS": "no-such-user-here"}, "no user of this system"),
    ({"PEERS": "10.0.0.0/8"}, "of a Unix socket these are users"),
    ({"SECRET_FILE": "/no/such/file"}, "/no/such/file"),
    ({"SECRET_FILE": "short"}, "less than 16 bytes"),
])
def test_what_is_wrong_is_named_before_anything_is_opened(site, tmp_path, settings, words):
    short = tmp_path / "short"
    short.write_text("short\n")
    short.chmod(0o600)
    variables = {"GATEHOUSE_POOL_WEB_" + name: str(short) if value == "short" else value
                 for name, value in settings.items()}
    done = subprocess.run([os.path.join(site.env["BIN_DIR"], "gatehouse"), "-c", site.env["CONF"],
                           "-T"], capture_output=True, text=True, timeout=30, check=False,
                          env={**plain_environment(), **variables})
    assert done.returncode == EX_CONFIG, done.stderr
    assert words in done.stderr
