"""Starting: what is wrong is named with its place and its cure, before any socket is opened."""
import base64
import grp
import os
import re
import subprocess
from pathlib import Path

import pytest

from gate import plain_environment

EX_UNAVAILABLE, EX_IOERR, EX_CONFIG = 69, 74, 78


def gatehouse(site, *args, **environment):
    return subprocess.run([os.path.join(site.env["BIN_DIR"], "gatehouse"), *args],
                          capture_output=True, text=True, timeout=30, check=False,
                          env={**plain_environment(), **environment})


def refused(done, code, *words):
    assert done.returncode == code, (done.returncode, done.stderr)
    for word in words:
        assert word in done.stderr, (word, done.stderr)


@pytest.fixture
def keys(tmp_path):
    """A directory with one good key that signs; a place to spoil it."""
    directory = tmp_path / "keys"
    directory.mkdir(mode=0o700)
    write(directory / "k1.hs256.key", base64.urlsafe_b64encode(b"k" * 32).rstrip(b"=") + b"\n")
    write(directory / "signing", b"k1\n")
    return directory


def write(path, content, mode=0o600):
    path.write_bytes(content)
    path.chmod(mode)


def check(site, keys, **environment):
    return gatehouse(site, "-c", site.env["CONF"], "-T", GATEHOUSE_TOKEN_KEYS=str(keys),
                     **environment)


def test_a_good_configuration_is_printed_and_can_be_read_back(site, tmp_path):
    done = gatehouse(site, "-c", site.env["CONF"], "-T")
    assert done.returncode == 0, done.stderr
    again = tmp_path / "again.conf"
    again.write_text(done.stdout)
    assert gatehouse(site, "-c", str(again), "-T").stdout == done.stdout


def test_good_stores_are_reached(site):
    done = gatehouse(site, "-c", site.env["CONF"], "-t")
    # A warning may stand there: not every machine has a user of the service's name.
    assert done.returncode == 0 and "level=error" not in done.stderr, done.stderr
    assert "both stores can be reached" in done.stdout


def test_a_good_key_is_taken(site, keys):
    assert check(site, keys).returncode == 0


@pytest.mark.parametrize("content,word", [
    (b"", "k1.hs256.key"),
    (base64.urlsafe_b64encode(b"k" * 16).rstrip(b"="), "128 bits"),
    (b"not base64url at all!", "base64url"),
    (os.urandom(32) + b"\xff", "base64url"),
    (b"-----BEGIN PUBLIC KEY-----\n", "base64url"),
])
def test_a_spoiled_key_is_refused(site, keys, content, word):
    write(keys / "k1.hs256.key", content)
    refused(check(site, keys), EX_CONFIG, str(keys), word)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o620])
def test_a_key_that_others_may_touch_is_refused(site, keys, mode):
    (keys / "k1.hs256.key").chmod(mode)
    refused(check(site, keys), EX_CONFIG, "k1.hs256.key", "chmod")


def test_no_key_is_refused(site, keys, tmp_path):
    (keys / "k1.hs256.key").unlink()
    refused(check(site, keys), EX_CONFIG, "gatehousectl key new")
    refused(check(site, tmp_path / "nowhere"), EX_CONFIG, "gatehousectl key new")


@pytest.mark.parametrize("directory_mode,key_mode", [(0o700, 0o600), (0o750, 0o640),
                                                     (0o755, 0o600), (0o710, 0o600)])
def test_a_new_key_is_for_whom_its_directory_is_for(site, tmp_path, directory_mode, key_mode):
    """A service that is started as a user of its own reads keys as a member of the group."""
    directory = tmp_path / "keys"
    directory.mkdir()
    group = grp.getgrnam("www-data").gr_gid
    os.chown(directory, -1, group)
    directory.chmod(directory_mode)
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    subprocess.run([tool, "-c", site.env["CONF"], "key", "new"], timeout=30, check=True,
                   capture_output=True,
                   env=plain_environment() | {"GATEHOUSE_TOKEN_KEYS": str(directory)})
    made = [path.stat() for path in directory.iterdir()]
    assert len(made) == 2
    assert {one.st_mode & 0o7777 for one in made} == {key_mode}
    assert {one.st_gid for one in made} == ({group} if key_mode == 0o640 else {os.getegid()})


def test_a_key_that_signs_and_is_not_there_is_refused(site, keys):
    write(keys / "signing", b"k2\n")
    refused(check(site, keys), EX_CONFIG, "k2")
    (keys / "signing").unlink()
    refused(check(site, keys), EX_CONFIG, "signing")


@pytest.mark.parametrize("line,words", [
    ("[server]\nbase_pat = /auth\n", [":2:", "base_path"]),
    ("[serve]\n", [":1:", "server"]),
    ("[redis]\ntimeout = 500\n", [":2:", "500ms"]),
    ("[redis]\nurl = http://localhost\n", [":2:", "redis://"]),
    ("[session]\nidle = never\n", [":2:", "idle"]),
    ("[cookie]\ncarries = everything\n", [":2:", "session", "jwt"]),
    ("[password]\ncost = 99\n", ["cost"]),
    ("[server]\nmax_body = 1k\nmax_body = 2k\n", [":3:", "max_body"]),
    ("[cookie]\nenabled = no\n[login]\ntransport = cookie\n", [":4:", "transport", "enabled"]),
    ("nonsense\n", [":1:"]),
])
def test_a_mistake_is_named_with_its_line(site, tmp_path, line, words):
    path = tmp_path / "wrong.conf"
    path.write_text(line)
    refused(gatehouse(site, "-c", str(path), "-t"), EX_CONFIG, str(path), *words)


@pytest.mark.parametrize("section,key,value,words", [
    ("mariadb", "password_file", "/nonexistent/pw", ["No such file"]),
    ("mariadb", "password_file", "/dev/null", ["not a regular file"]),
    ("redis", "password_file", "/nonexistent/pw", ["No such file"]),
    ("redis", "sentinel_password_file", "/nonexistent/pw", ["No such file"]),
    ("token", "keys", "/nonexistent/keys", ["gatehousectl key new"]),
    ("server", "user", "nosuchuser", ["nosuchuser", "no user of this system"]),
    ("server", "user", "root", ["workers never run as root"]),
    ("server", "group", "nosuchgroup", ["nosuchgroup", "no group of this system"]),
    ("pool.web", "owner", "nosuchuser", ["no user of this system"]),
    ("pool.login", "group", "nosuchgroup", ["no group of this system"]),
    ("pool.web", "peers", "nosuchuser", ["nosuchuser"]),
    ("pool.web", "secret_file", "/nonexistent/secret", ["No such file"]),
])
def test_what_a_value_leads_to_is_named_with_its_line(site, tmp_path, section, key, value, words):
    """A file that cannot be read, a user who is not there: found by -t, before any socket is opened."""
    text = Path(site.env["CONF"]).read_text(encoding="utf-8")
    text = re.sub(rf"(?ms)^(\[{section}\].*?)^{key} *=[^\n]*\n", r"\1", text, count=1)
    path = tmp_path / "wrong.conf"
    path.write_text(text + f"\n[{section}]\n{key} = {value}\n", encoding="utf-8")
    line = path.read_text(encoding="utf-8").count("\n")
    for way in ("-t", "-T"):
        refused(gatehouse(site, "-c", str(path), way), EX_CONFIG, f"{path}:{line}: [{section}] {key}: ",
                *words)
    name = f"GATEHOUSE_{section}_{key}".upper().replace(".", "_")
    refused(gatehouse(site, "-c", site.env["CONF"], "-t", **{name: value}), EX_CONFIG,
            f"{name}: [{section}] {key}: ", *words)


def test_a_password_file_without_a_password(site, tmp_path):
    path = tmp_path / "pw"
    path.write_text("\nsecond line\n", encoding="utf-8")
    path.chmod(0o600)
    refused(gatehouse(site, "-c", site.env["CONF"], "-t", GATEHOUSE_MARIADB_PASSWORD_FILE=str(path)),
            EX_CONFIG, "GATEHOUSE_MARIADB_PASSWORD_FILE", "first line", "empty")


def test_a_certificate_that_is_not_there(site):
    refused(gatehouse(site, "-c", site.env["CONF"], "-T", GATEHOUSE_REDIS_URL="rediss://127.0.0.1:1",
                      GATEHOUSE_REDIS_TLS_CA="/nonexistent/ca.pem"), EX_CONFIG,
            "GATEHOUSE_REDIS_TLS_CA: [redis] tls_ca: /nonexistent/ca.pem: No such file")


def test_a_variable_that_names_no_option_is_told(site):
    done = gatehouse(site, "-c", site.env["CONF"], "-t", GATEHOUSE_LIMT_ENABLED="no")
    assert done.returncode == 0 and "GATEHOUSE_LIMT_ENABLED" in done.stderr
    done = gatehouse(site, "-c", site.env["CONF"], "-t", GATEHOUSE_LIMIT_ENABLED="no")
    assert done.returncode == 0 and "GATEHOUSE" not in done.stderr


def test_a_missing_file_is_named(site, tmp_path):
    refused(gatehouse(site, "-c", str(tmp_path / "none.conf"), "-f"), EX_CONFIG, "none.conf")


def test_a_variable_is_checked_like_a_line(site):
    refused(gatehouse(site, "-c", site.env["CONF"], "-T", GATEHOUSE_REDIS_TIMEOUT="soon"),
            EX_CONFIG, "GATEHOUSE_REDIS_TIMEOUT")


def test_stores_that_cannot_be_reached(site, tmp_path):
    nowhere = {"GATEHOUSE_REDIS_URL": f"unix://{tmp_path}/redis.sock"}
    refused(gatehouse(site, "-c", site.env["CONF"], "-t", **nowhere), EX_UNAVAILABLE, "Redis")
    nowhere = {"GATEHOUSE_MARIADB_SOCKET": f"{tmp_path}/mariadb.sock"}
    refused(gatehouse(site, "-c", site.env["CONF"], "-t", **nowhere), EX_UNAVAILABLE, "MariaDB")


def test_a_schema_of_a_later_program(site):
    site.sql("INSERT INTO schema_migrations (name, applied_at) VALUES ('9999_later', UTC_TIMESTAMP())")
    try:
        done = gatehouse(site, "-c", site.env["CONF"], "-t")
    finally:
        site.sql("DELETE FROM schema_migrations WHERE name = '9999_later'")
    refused(done, EX_UNAVAILABLE, "9999_later", "install the gatehouse that made it")
    # It would refuse.
    assert "db migrate" not in done.stderr


def test_a_second_master_on_the_same_sockets_is_refused(site):
    done = gatehouse(site, "-c", site.env["CONF"], "-f")
    assert done.returncode != 0
    assert "level=error" in done.stderr + open(site.env["LOG"], encoding="utf-8").read()
    assert site.get("/health").status_code == 200


@pytest.mark.parametrize("args", [["-x"], ["-t", "more"], ["-c"]])
def test_wrong_usage(site, args):
    done = gatehouse(site, *args)
    assert done.returncode == 2
    assert "usage" in done.stderr


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(site, option):
    done = gatehouse(site, option)
    assert done.returncode == 0
    assert done.stdout.startswith("gatehouse ")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(site, option):
    done = gatehouse(site, option)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: gatehouse ") and "-t " in done.stdout


@pytest.mark.parametrize("option", ["-E", "-h", "-T", "-V"])
def test_what_cannot_be_written_was_not_said(site, option):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([os.path.join(site.env["BIN_DIR"], "gatehouse"), "-c", site.env["CONF"], option],
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False,
                              env=plain_environment())
    assert done.returncode == EX_IOERR and "No space left" in done.stderr


def proc_status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":", 1) for line in file)


def test_workers_can_do_nothing_but_serve(site):
    sanitized = "-asan" in site.env["BIN_DIR"]
    assert len(site.workers()) > 1
    for pid in site.workers():
        status = {name: value.strip() for name, value in proc_status(pid).items()}
        assert "0" not in status["Uid"].split(), status["Uid"]
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[kind], 16) == 0, (kind, status[kind])
        assert status["NoNewPrivs"] == "1"
        # A filter (2); AddressSanitizer needs what it forbids.
        assert status["Seccomp"] == ("0" if sanitized else "2")


def test_nobody_looks_into_the_master(site):
    # Undumpable: what belongs to its user would show here as that user's.
    pid = site.env["MASTER_PID"]
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat",
                           f"/proc/{pid}/environ"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "denied" in done.stderr
