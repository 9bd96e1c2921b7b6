"""gatehousectl: what it says, what it does to the running service, and its exit codes."""
import json
import os
import pty
import random
import re
import select
import stat
import subprocess
import time

import pytest

from gate import (PASSWORD, alive, claims_of, dead, fresh_email, fresh_name, granted, refused)

DONE, REFUSED, USAGE, STORE, CONFIGURATION = 0, 1, 2, 69, 78


def exits(done, code):
    """The exit code, and a word about it where it is not 0."""
    assert done.returncode == code, (done.args, done.returncode, done.stdout, done.stderr)
    if code != DONE:
        assert done.stderr.strip() or done.stdout.strip()
    for word in ("Sanitizer", "Assertion", "Traceback"):
        assert word not in done.stderr
    return done.stdout


@pytest.fixture
def conf(site, tmp_path):
    """Makes a copy of the site's configuration with lines replaced: conf("redis.url=...")."""
    def make(*changes, extra=""):
        with open(site.env["CONF"], encoding="utf-8") as file:
            lines = file.read().splitlines()
        for change in changes:
            name, value = change.split("=", 1)
            section, key = name.rsplit(".", 1)
            lines = replaced(lines, section, key, value)
        path = tmp_path / "gatehouse.conf"
        path.write_text("\n".join(lines) + "\n" + extra)
        return str(path)
    return make


def replaced(lines, section, key, value):
    """The lines of an INI file with one key of one section given another value."""
    result, inside = [], False
    for line in lines:
        if line.startswith("["):
            inside = line.strip() == f"[{section}]"
            result.append(line)
            if inside:
                result.append(f"{key} = {value}")
        elif not (inside and line.split("=")[0].strip() == key):
            result.append(line)
    return result


def shown(site, email):
    return json.loads(site.ctl_ok("--json", "user", "show", email))


# Usage, configuration, stores.


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["user"], ["user", "nonsense"], ["user", "add"], ["user", "show"],
    ["user", "disable"], ["session"], ["session", "nonsense"], ["token"], ["password"], ["db"],
    ["db", "nonsense"], ["json"], ["--nonsense"], ["user", "list", "--nonsense"],
    ["user", "show", "a@example.org", "b@example.org"],
])
def test_wrong_usage(site, words):
    exits(site.ctl(*words), USAGE)


def test_help(site):
    assert "user" in exits(site.ctl("--help"), DONE)


@pytest.mark.parametrize("words", [["help"], ["help", "user"], ["help", "user", "add"],
                                   ["user", "add", "--help"], ["--help", "user", "add"]])
def test_help_on_a_verb(site, words):
    told = exits(site.ctl(*words), DONE)
    assert "user add" in told
    assert words == ["help"] or "example:" in told


def test_help_on_nothing(site):
    exits(site.ctl("help", "nonsense"), USAGE)


def test_version(site):
    assert re.match(r"^gatehouse \d+\.\d+", exits(site.ctl("--version"), DONE))


def test_an_answer_that_cannot_be_written(site):
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    with open("/dev/full", "w", encoding="ascii") as full:
        assert subprocess.run([tool, "--help"], stdout=full, stderr=subprocess.DEVNULL,
                              check=False).returncode == REFUSED


@pytest.mark.parametrize("extra", ["[nosuchsection]\nx=1\n", "[token]\nnosuchkey=1\n",
                                   "[session]\nidle=soon\n", "nonsense\n"])
def test_bad_configuration(site, conf, extra):
    path = conf(extra=extra)
    done = site.ctl("user", "list", conf=path)
    exits(done, CONFIGURATION)
    assert re.search(re.escape(path) + r":\d+:", done.stderr), done.stderr


def test_no_configuration(site, tmp_path):
    exits(site.ctl("user", "list", conf=str(tmp_path / "none.conf")), CONFIGURATION)


def test_database_out_of_reach(site, conf, tmp_path):
    path = conf(f"mariadb.socket={tmp_path}/none.sock")
    exits(site.ctl("user", "list", conf=path), STORE)
    exits(site.ctl("db", "status", conf=path), STORE)


def test_redis_out_of_reach(site, conf, tmp_path, user, login):
    path = conf(f"redis.url=unix://{tmp_path}/none.sock")
    exits(site.ctl("session", "list", user.email, conf=path), STORE)
    # Whose sessions cannot be ended is not reported as disabled.
    exits(site.ctl("user", "disable", user.email, conf=path), STORE)
    alive(site, login.session)


def test_db_status(site):
    assert exits(site.ctl("db", "status"), DONE).strip()
    json.loads(exits(site.ctl("--json", "db", "status"), DONE))


# Users.


def test_add_a_user(site):
    email = fresh_email()
    exits(site.ctl("user", "add", email, stdin=PASSWORD + "\n"), DONE)
    login = granted(site.post("/login", {"email": email, "password": PASSWORD}))
    assert login["user"]["email"] == email
    assert login["user"]["roles"] == []


@pytest.mark.parametrize("password", ["short 7", "", "x" * 73, "password1"])
def test_add_keeps_the_rules_for_passwords(site, password):
    email = fresh_email()
    exits(site.ctl("user", "add", email, stdin=password + "\n"), REFUSED)
    exits(site.ctl("user", "show", email), REFUSED)


def test_add_keeps_emails_apart(site, user):
    exits(site.ctl("user", "add", user.email.upper(), stdin=PASSWORD + "\n"), REFUSED)


@pytest.mark.parametrize("email", ["nobody", "a b@example.org", ""])
def test_add_keeps_the_rules_for_emails(site, email):
    done = site.ctl("user", "add", email, stdin=PASSWORD + "\n")
    assert done.returncode in (REFUSED, USAGE), done.stderr


def test_add_with_everything(site):
    email, name = fresh_email(), fresh_name()
    exits(site.ctl("user", "add", email, "--username", name, "--name", "Änna Ü", "--role=b",
                   "--role", "a", stdin=PASSWORD + "\n"), DONE)
    user = shown(site, name)
    assert (user["username"], user["displayName"], user["roles"]) == (name, "Änna Ü", ["a", "b"])


@pytest.mark.parametrize("digits", [9, 18, 25])
def test_digits_are_an_id_and_nobodys_username(site, digits):
    """Anybody can choose them as a username, and wait for a role that was meant for somebody else."""
    number = "9" + "".join(random.choices("0123456789", k=digits - 1))
    stranger = site.register(username=number)
    exits(site.ctl("user", "role", number, "admin"), REFUSED)
    exits(site.ctl("user", "delete", number), REFUSED)
    for name in (stranger.email, stranger.id):
        user = shown(site, name)
        assert (user["username"], user["roles"]) == (number, [])


def test_add_without_a_password(site):
    email = fresh_email()
    exits(site.ctl("user", "add", email, "--no-password"), DONE)
    refused(site.post("/login", {"email": email, "password": "*"}), "invalid_credentials")


def test_a_role_that_cannot_be_adds_nobody(site):
    email = fresh_email()
    exits(site.ctl("user", "add", email, "--role", "a b", stdin=PASSWORD + "\n"), REFUSED)
    exits(site.ctl("user", "show", email), REFUSED)


def at_a_terminal(site, *words, answers):
    """Runs gatehousectl on a terminal and answers each prompt; its exit code, what it showed."""
    master, slave = pty.openpty()
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    with subprocess.Popen([tool, "-c", site.env["CONF"], *words], stdin=slave, stdout=slave,
                          stderr=subprocess.PIPE) as child:
        for answer in answers:
            while child.stderr.read(1) not in (b":", b""):
                pass
            os.write(master, answer.encode() + b"\n")
        code = child.wait(timeout=30)
    told = os.read(master, 4096).decode() if select.select([master], [], [], 0)[0] else ""
    os.close(slave)
    os.close(master)
    return code, told


def test_a_terminal_asks_twice_and_shows_nothing(site):
    email = fresh_email()
    code, told = at_a_terminal(site, "user", "add", email, answers=[PASSWORD, PASSWORD])
    assert code == DONE
    assert PASSWORD not in told and email in told
    granted(site.post("/login", {"email": email, "password": PASSWORD}))
    code, told = at_a_terminal(site, "user", "passwd", email, answers=["another horse 8", "x"])
    assert code == REFUSED
    assert "another" not in told
    granted(site.post("/login", {"email": email, "password": PASSWORD}))


def test_a_terminal_asks_before_it_deletes(site, user):
    assert at_a_terminal(site, "user", "delete", user.email, answers=["no"])[0] == REFUSED
    exits(site.ctl("user", "show", user.email), DONE)
    assert at_a_terminal(site, "user", "delete", user.email, answers=["yes"])[0] == DONE
    exits(site.ctl("user", "show", user.email), REFUSED)


def test_a_password_is_never_an_argument(site):
    email = fresh_email()
    exits(site.ctl("user", "add", email, PASSWORD), USAGE)
    done = site.ctl("user", "add", email, "--password", PASSWORD)
    exits(done, USAGE)
    assert "standard input" in done.stderr and PASSWORD not in done.stderr
    exits(site.ctl("user", "add", email, "--password=" + PASSWORD), USAGE)
    exits(site.ctl("user", "show", email), REFUSED)


def test_list_and_show(site, user):
    before = str(int(user.id) - 1)
    assert user.email in exits(site.ctl("user", "list", "--after", before), DONE)
    assert user.email in exits(site.ctl("user", "show", user.email), DONE)
    assert shown(site, user.email)["email"] == user.email
    assert shown(site, user.email.upper())["email"] == user.email


def test_no_hash_is_shown(site, user):
    for words in (["user", "list"], ["user", "show", user.email]):
        for form in ([], ["--json"]):
            assert "$2y$" not in exits(site.ctl(*form, *words), DONE)


def test_pages(site):
    for _ in range(3):
        site.add_user()
    seen, after = [], []
    while True:
        page = json.loads(site.ctl_ok("--json", "user", "list", "--limit", "2", *after))
        seen += [int(user["id"]) for user in page["users"]]
        if page["next"] is None or len(seen) >= 4:
            break
        assert page["next"] == page["users"][-1]["id"]
        after = ["--after", page["next"]]
    assert len(seen) >= 3 and seen == sorted(set(seen))
    assert "--after" in exits(site.ctl("user", "list", "--limit", "1"), DONE)


@pytest.mark.parametrize("words", [["show"], ["disable"], ["enable"], ["role", "admin"],
                                   ["delete"]])
def test_unknown_user(site, words):
    verb, *rest = words
    exits(site.ctl("user", verb, fresh_email(), *rest), REFUSED)
    exits(site.ctl("user", "passwd", fresh_email(), stdin=PASSWORD + "\n"), REFUSED)


def test_set_a_password(site, user, login):
    exits(site.ctl("user", "passwd", user.email, stdin="another horse 8\n"), DONE)
    dead(site, login.session)
    refused(login.refresh(), "refresh_invalid")
    refused(user.try_login(), "invalid_credentials")
    granted(user.try_login("another horse 8"))


def test_a_bad_password_is_not_set(site, user, login):
    exits(site.ctl("user", "passwd", user.email, stdin="short 7\n"), REFUSED)
    alive(site, login.session)
    granted(user.try_login())


def test_disable_and_enable(site, user, login):
    exits(site.ctl("user", "disable", user.email), DONE)
    dead(site, login.access)
    dead(site, login.session)
    refused(login.refresh(), "refresh_invalid")
    refused(user.try_login(), "invalid_credentials")
    exits(site.ctl("user", "enable", user.email), DONE)
    dead(site, login.session)
    granted(user.try_login())


def test_roles(site, user):
    exits(site.ctl("user", "role", user.email, "editor", "admin"), DONE)
    assert set(granted(user.try_login())["user"]["roles"]) == {"editor", "admin"}
    assert set(shown(site, user.email)["roles"]) == {"editor", "admin"}


def test_roles_are_added_and_removed(site, user, login):
    exits(site.ctl("user", "role", user.email, "editor"), DONE)
    exits(site.ctl("user", "role", user.email, "+admin", "-editor", "-nobody"), DONE)
    assert shown(site, user.email)["roles"] == ["admin"]
    assert site.get("/userinfo", token=login.access).json()["roles"] == ["admin"]
    exits(site.ctl("user", "role", user.email, "+x", "y"), USAGE)
    assert shown(site, user.email)["roles"] == ["admin"]
    assert "admin" in exits(site.ctl("user", "role", user.email), DONE)
    exits(site.ctl("user", "role", user.email, "-admin"), DONE)
    assert shown(site, user.email)["roles"] == []


@pytest.mark.parametrize("role", ["a,b", "a b", "", "a\nb", "r" * 65, "ü"])
def test_bad_roles(site, user, role):
    done = site.ctl("user", "role", user.email, role)
    assert done.returncode == REFUSED, done.stdout
    assert shown(site, user.email)["roles"] == []


def test_delete(site, redis, user, login):
    exits(site.ctl("user", "delete", user.email), DONE)
    exits(site.ctl("user", "show", user.email), REFUSED)
    assert site.get("/userinfo", token=login.access).status_code == 401
    dead(site, login.session)
    refused(user.try_login(), "invalid_credentials")
    assert not redis.exists(site.key("user_sessions", user.id))


def test_users_are_named_by_username_too(site):
    name = fresh_name()
    user = site.register(username=name)
    assert shown(site, name)["email"] == user.email


# Sessions.


def test_list_and_revoke_one(site, user):
    first, second = user.login(), user.login()
    listed = exits(site.ctl("session", "list", user.email), DONE)
    assert first.sid in listed and second.sid in listed
    for secret in (first.session, first.refresh_token):
        assert secret not in listed
    exits(site.ctl("session", "revoke", first.sid), DONE)
    dead(site, first.access)
    dead(site, first.session)
    refused(first.refresh(), "refresh_invalid")
    alive(site, second.session)
    exits(site.ctl("session", "revoke", first.sid), REFUSED)


def test_sessions_as_json(site, user, login):
    listed = json.loads(exits(site.ctl("--json", "session", "list", user.email), DONE))
    assert login.sid in json.dumps(listed)


def test_revoke_all(site, user):
    logins = [user.login() for _ in range(3)]
    told = json.loads(exits(site.ctl("--json", "session", "revoke", "--user", user.email), DONE))
    assert told == {"revoked": 3}
    for login in logins:
        dead(site, login.session)
    exits(site.ctl("session", "revoke", "--user", user.email), REFUSED)
    exits(site.ctl("session", "list", user.email), DONE)
    exits(site.ctl("session", "revoke"), USAGE)
    exits(site.ctl("session", "revoke", logins[0].sid, "--user", user.email), USAGE)


def test_a_user_agent_moves_no_cursor(site, user):
    user.login(user_agent="agent\u009b31m".encode())
    assert "\u009b" not in exits(site.ctl("session", "list", user.email), DONE)


def test_sessions_of_an_unknown_user(site):
    exits(site.ctl("session", "list", fresh_email()), REFUSED)


# Tokens.


def test_inspect(site, login):
    told = exits(site.ctl("token", "inspect", stdin=login.access + "\n"), DONE)
    claims = claims_of(login.access)
    for name in ("sub", "jti", "sid"):
        assert claims[name] in told


def test_inspect_what_is_no_token(site):
    exits(site.ctl("token", "inspect", stdin="garbage\n"), REFUSED)


def verify(site, token, *words):
    return site.ctl("token", "verify", *words, stdin=token + "\n").returncode


def test_verify_a_token(site, login, key):
    assert verify(site, login.access) == DONE
    forged = key.sign({"alg": "none"}, claims_of(login.access))
    assert verify(site, forged) == REFUSED
    assert verify(site, "garbage") == REFUSED
    granted(site.post("/logout", token=login.access))
    assert verify(site, login.access) == REFUSED


def at(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def test_verify_at_another_time(site, login):
    expiry = claims_of(login.access)["exp"]
    assert verify(site, login.access, "--at", at(expiry - 5)) == DONE
    assert verify(site, login.access, "--at", at(expiry)) == REFUSED
    assert verify(site, login.access, "--at", at(expiry + 5)) == REFUSED


@pytest.mark.parametrize("words", [["--at", "soon"], ["--at", "2026-02-30T00:00:00Z"], ["--at"],
                                   ["--at", "-1"]])
def test_verify_at_no_time(site, login, words):
    assert verify(site, login.access, *words) == USAGE


def verdict(site, token, *words):
    return json.loads(site.ctl("--json", "token", "verify", *words, stdin=token + "\n").stdout)


def test_verify_says_why(site, login):
    expiry = claims_of(login.access)["exp"]
    assert verdict(site, login.access)["valid"] is True
    assert verdict(site, login.access)["session"] == login.sid
    assert verdict(site, login.access, "--at", str(expiry))["code"] == "token_expired"
    assert verdict(site, "garbage")["code"] == "token_invalid"
    assert verdict(site, login.refresh_token)["code"] == "token_invalid"
    other = login.user.login()
    granted(site.post("/logout", token=login.access))
    assert verdict(site, login.access)["code"] == "token_revoked"
    exits(site.ctl("session", "revoke", other.sid), DONE)
    assert verdict(site, other.access)["code"] == "session_expired"


def test_verify_a_session_token(site, login):
    assert verify(site, login.session) == DONE
    exits(site.ctl("session", "revoke", login.sid), DONE)
    assert verify(site, login.session) == REFUSED


def test_verify_is_no_use_of_the_session(site, redis, login):
    key = site.key("session", login.sid)
    redis.hset(key, "last", 1)
    assert verify(site, login.session) == DONE
    assert redis.hget(key, "last") == "1"


def test_verify_without_redis(site, conf, tmp_path, login):
    path = conf(f"redis.url=unix://{tmp_path}/none.sock")
    exits(site.ctl("token", "verify", stdin=login.access + "\n", conf=path), STORE)


# Clients.


def test_clients(site):
    name = fresh_name()
    done = site.ctl("client", "add", name)
    assert exits(done, DONE)
    secret = re.search(r"^secret +([\w-]{43})$", done.stdout, re.M)[1]
    assert "once" in done.stderr
    assert name in site.ctl_ok("client", "list")
    listed = json.loads(site.ctl_ok("--json", "client", "list"))["clients"]
    assert [client for client in listed if client["id"] == name][0].keys() == {"id", "createdAt"}
    assert secret not in site.ctl_ok("--json", "client", "list")
    exits(site.ctl("client", "add", name), REFUSED)
    exits(site.ctl("client", "delete", name, "--yes"), DONE)
    exits(site.ctl("client", "delete", name, "--yes"), REFUSED)
    assert name not in site.ctl_ok("client", "list")


def test_a_secret_that_was_brought_is_not_shown(site):
    name, secret = fresh_name(), "0123456789abcdef" * 2
    said = json.loads(site.ctl_ok("--json", "client", "add", name, stdin=secret + "\n"))
    assert said == {"client": name}


@pytest.mark.parametrize("secret,guessable", [
    ("secret-8", True), ("x" * 31, True), ("abcdefgh" * 3, True), ("a" * 64, True), ("abcdefg" * 9, True),
    ("0123456789abcdef" * 2, False), ("0123456789abcdef" * 16, False)])
def test_of_a_secret_that_could_be_guessed_is_warned(site, secret, guessable):
    name = fresh_name()
    done = site.ctl("client", "add", name, stdin=secret + "\n")
    exits(done, DONE)
    assert ("guessable: use openssl rand -hex 32" in done.stderr) == guessable
    assert secret not in done.stdout + done.stderr
    assert name in site.ctl_ok("client", "list")


@pytest.mark.parametrize("secret", ["short 7", "0123456789abcdef" * 16 + "0", "0123456789abcde\t" * 2,
                                    "0123456789abcd\u00e4" * 3])
def test_what_is_no_secret(site, secret):
    name = fresh_name()
    done = site.ctl("client", "add", name, stdin=secret + "\n")
    exits(done, REFUSED)
    assert secret not in done.stderr
    assert name not in site.ctl_ok("client", "list")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "\u00e4", "x" * 65, "a'"])
def test_a_client_with_a_bad_name(site, name):
    exits(site.ctl("client", "add", name), USAGE)
    exits(site.ctl("client", "delete", name, "--yes"), USAGE)


# Passwords, documents, keys.


def test_hash_and_verify_a_password(site):
    value = exits(site.ctl("password", "hash", stdin=PASSWORD + "\n"), DONE).strip()
    assert re.match(r"^\$2y\$04\$[./A-Za-z0-9]{53}$", value)
    assert value != exits(site.ctl("password", "hash", stdin=PASSWORD + "\n"), DONE).strip()
    exits(site.ctl("password", "verify", value, stdin=PASSWORD + "\n"), DONE)
    exits(site.ctl("password", "verify", value, stdin=PASSWORD + "x\n"), REFUSED)
    exits(site.ctl("password", "verify", "*", stdin=PASSWORD + "\n"), REFUSED)


def test_hash_cuts_nothing(site):
    exits(site.ctl("password", "hash", stdin="x" * 73 + "\n"), REFUSED)


@pytest.mark.parametrize("words,pattern", [
    (["--cost", "5"], r"^\$2y\$05\$"), (["--scheme", "yescrypt", "--cost", "1"], r"^\$y\$"),
    (["--scheme", "bcrypt"], r"^\$2y\$04\$"),
])
def test_hash_as_asked(site, words, pattern):
    value = exits(site.ctl("password", "hash", *words, stdin=PASSWORD + "\n"), DONE)
    assert re.match(pattern, value)
    exits(site.ctl("password", "verify", value.strip(), stdin=PASSWORD + "\n"), DONE)


@pytest.mark.parametrize("words", [["--cost", "3"], ["--cost", "x"], ["--scheme", "md5"],
                                   ["--scheme", "yescrypt", "--cost", "12"]])
def test_no_hash_of_that_kind(site, words):
    exits(site.ctl("password", "hash", *words, stdin=PASSWORD + "\n"), USAGE)


@pytest.mark.parametrize("document,code", [
    ("{}", DONE), ('{"a": [1, 2, {"b": null}]}', DONE), ("[]", REFUSED), ("{", REFUSED),
    ('{"a": 1, "a": 2}', REFUSED), ('{"a": "\\u0000"}', REFUSED), ("{} x", REFUSED),
    ("", REFUSED), ('{"a": ' + "[" * 15 + "]" * 15 + "}", DONE),
    ('{"a": ' + "[" * 16 + "]" * 16 + "}", REFUSED),
    ('{"a": "' + "x" * 65600 + '"}', REFUSED),
])
def test_json_check(site, document, code):
    exits(site.ctl("json", "check", stdin=document), code)


@pytest.fixture
def keys(conf, tmp_path):
    """A key directory of its own: (the configuration that names it, the directory)."""
    directory = tmp_path / "keys"
    directory.mkdir(mode=0o700)
    return conf(f"token.keys={directory}"), directory


@pytest.mark.parametrize("alg", ["none", "HS1", "hs256", "MD5", "", "../x"])
def test_no_key_of_an_unknown_algorithm(site, keys, alg):
    path, directory = keys
    done = site.ctl("key", "new", "--alg", alg, conf=path)
    assert done.returncode in (REFUSED, USAGE)
    assert list(directory.iterdir()) == []


def test_a_new_key_is_for_nobody_else_to_read(site, keys):
    path, directory = keys
    exits(site.ctl("key", "new", conf=path), DONE)
    files = list(directory.iterdir())
    assert [file for file in files if file.name.endswith(".hs256.key")]
    for file in files:
        assert not stat.S_IMODE(file.stat().st_mode) & 0o007


def test_a_new_key_does_not_sign_before_its_turn(site, keys):
    path, directory = keys
    exits(site.ctl("key", "new", conf=path), DONE)
    signing = (directory / "signing").read_text()
    exits(site.ctl("key", "new", conf=path), DONE)
    assert (directory / "signing").read_text() == signing
    assert len(list(directory.glob("*.hs256.key"))) == 2


def test_a_new_key_makes_its_directory(site, conf, tmp_path):
    path = conf(f"token.keys={tmp_path}/none")
    exits(site.ctl("key", "new", conf=path), DONE)
    assert stat.S_IMODE((tmp_path / "none").stat().st_mode) == 0o700


def test_no_key_where_no_directory_can_be(site, conf, tmp_path):
    path = conf(f"token.keys={tmp_path}/none/keys")
    exits(site.ctl("key", "new", conf=path), CONFIGURATION)
