"""The audit trail: each event is in it, with who, when and from where; nothing of it is a secret; and
what becomes of sign-in when it cannot be written.
"""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pymysql
import pytest

from gate import (PASSWORD, alive, at_once, basic, claims_of, dead, fresh_email, fresh_name, granted,
                  moment, plain_environment, refused, run_instance, wait_until)
from test_log import Log, from_logfmt, whole_flow

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "house"))
from test_sql import statements  # noqa: E402

ANOTHER = "another horse 9 staple"
WRONG = "wrong horse 8 nail"
OWNER = {"GATEHOUSE_MARIADB_URL": "mariadb://root@localhost/gatehouse",
         "GATEHOUSE_MARIADB_PASSWORD_FILE": ""}


def ctl(site, *words, stdin="", env=None):
    """gatehousectl with other settings; as the database's owner unless they say otherwise."""
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    return subprocess.run([tool, "-c", site.env["CONF"], *words], input=stdin, capture_output=True,
                          text=True, timeout=30, check=False,
                          env=plain_environment() | (OWNER if env is None else env))


def told(site, *words):
    done = ctl(site, "--json", "audit", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def trail(site, *words):
    """What was recorded, the oldest first."""
    return told(site, *words, "--limit", "1000")["events"][::-1]


def events_of(user):
    return trail(user.site, "--user", user.id)


def names(events):
    return [event["event"] for event in events]


def last_id(site):
    return (site.sql("SELECT COALESCE(MAX(id), 0) FROM audit"))[0][0]


def since(site, before):
    return [event for event in trail(site) if int(event["id"]) > before]


def eventually(question):
    """The answer, once there is one: what is recorded after the reply may come a moment later."""
    found = []

    def there():
        found[:] = [question()]
        return bool(found[0])
    wait_until(there, 10)
    return found[0]


def recorded(user, *wanted):
    """The events of a user, once they are exactly these."""
    eventually(lambda: len(events_of(user)) >= len(wanted))
    events = events_of(user)
    assert names(events) == list(wanted)
    return events


@pytest.fixture(scope="module")
def lax_instance():
    yield from run_instance(mariadb__timeout="2s")


@pytest.fixture(scope="module")
def lax(lax_instance):
    """A site of its own that goes on without the trail."""
    return lax_instance.site()


@pytest.fixture(scope="module")
def strict_instance():
    yield from run_instance(audit__mode="strict", audit__refreshes="yes", refresh__grace="1s",
                            limit__enabled="yes", limit__login_address="1000/1m",
                            limit__register_address="1000/1h", limit__login_account="3/15m",
                            limit__client_address="3/1m")


@pytest.fixture(scope="module")
def strict(strict_instance):
    """A site that does nothing that it cannot record."""
    return strict_instance.site()


@pytest.fixture
def client(site):
    name = fresh_name()
    return name, json.loads(site.ctl_ok("--json", "client", "add", name))["secret"]


# What users do.


def test_from_register_to_logout(site):
    before = time.time() - 1
    name = fresh_name()
    user = site.register(username=name)
    login = user.login(user_agent="an agent/1.0")
    out = site.post("/logout", {}, token=login.access)
    granted(out)
    register, signed_in, signed_out = recorded(user, "register", "login", "logout")
    for event in (register, signed_in, signed_out):
        assert (event["user"], event["email"], event["actor"], event["address"]) == \
            (user.id, user.email, "user:" + user.id, "127.0.0.1")
        assert before < moment(event["at"]) < time.time() + 1
        assert event["requestId"]
    assert signed_in["requestId"] == login.answer.headers["X-Request-Id"]
    assert signed_out["requestId"] == out.headers["X-Request-Id"]
    assert [event["session"] for event in (register, signed_in, signed_out)] == \
        [None, login.sid, login.sid]
    assert register["details"] == {"username": name}
    assert signed_in["details"] == {"name": "email", "userAgent": "an agent/1.0"}
    assert signed_out["details"] is None


def test_what_a_check_finds_is_not_recorded(site, login):
    recorded(login.user, "register", "login")
    asked = int(site.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")[0][1])
    for _ in range(20):
        granted(site.get("/verify", token=login.access), 204)
        granted(site.get("/verify", token=login.session), 204)
        refused(site.get("/verify", token="x"), "token_invalid")
    assert int(site.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")[0][1]) == asked
    recorded(login.user, "register", "login")


def test_a_login_pays_for_one_insert(site, user):
    def asked():
        return {name: int(value) for name, value in
                site.sql("SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_stmt_execute', "
                         "'Com_begin', 'Com_commit')")}
    user.login()
    recorded(user, "register", "login")
    wait_until(lambda: site.sql(f"SELECT last_login_at FROM users WHERE id = {user.id}")[0][0], 10)
    before = asked()
    for _ in range(5):
        user.login()
    wait_until(lambda: site.sql(f"SELECT COUNT(*) FROM audit WHERE user_id = {user.id}")[0][0] == 7, 10)
    # Who is it; they were here; and it is recorded, without a transaction where it is alone.  A worker that
    # is slow to look may have two or three, and records them by one statement; that they were here is written
    # later, once for several of one user's.
    paid = {name: count - before[name] for name, count in asked().items()}
    assert paid["Com_begin"] == paid["Com_commit"] <= 2
    assert 10 - 2 * paid["Com_begin"] <= paid["Com_stmt_execute"] <= 15 - paid["Com_begin"]


def login_in_a_crowd(user, count):
    """So many logins at once, which have come before the first is looked at."""
    workers = [pid for pid in user.site.workers() if os.getpriority(os.PRIO_PROCESS, pid) > 0]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        thread = threading.Thread(target=at_once, args=(count, lambda _: user.login()))
        thread.start()
        time.sleep(1)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    thread.join()


def test_many_at_once_share_a_commit(site, user):
    """Whoever still waits for an answer waits for no event of another's."""
    def transactions():
        return int(site.sql("SHOW GLOBAL STATUS LIKE 'Com_begin'")[0][1])
    before = transactions()
    login_in_a_crowd(user, 30)
    events = recorded(user, "register", *["login"] * 30)
    assert len({event["session"] for event in events}) == 31
    assert len({event["requestId"] for event in events}) == 31
    assert 1 <= transactions() - before < 30


def test_each_way_to_fail_at_the_door(site, user):
    recorded(user, "register")
    before = last_id(site)
    refused(user.try_login(WRONG), "invalid_credentials")
    refused(site.post("/login", {"email": "nobody." + user.email, "password": PASSWORD}),
            "invalid_credentials")
    site.disable(user.email)
    refused(user.try_login(), "invalid_credentials")
    events = eventually(lambda: (lambda found: found if len(found) >= 4 else None)(
        [event for event in since(site, before)]))
    wrong, unknown, disabled, shut = events
    assert names(events) == ["login_refused", "login_refused", "user_disable", "login_refused"]
    assert [event["details"]["reason"] for event in (wrong, unknown, shut)] == \
        ["wrong password", "unknown user", "disabled"]
    assert [(event["user"], event["email"]) for event in (wrong, unknown, shut)] == \
        [(user.id, user.email), (None, None), (user.id, user.email)]
    for event in (wrong, unknown, shut):
        assert (event["actor"], event["address"], event["session"]) == ("", "127.0.0.1", None)
    assert disabled["actor"] == "cli:root" and disabled["address"] is None


def test_what_users_change(site):
    name = fresh_name()
    user = site.register()
    login, other = user.login(), user.login()
    granted(site.patch("/profile", {"username": name, "displayName": "X"}, token=login.access))
    refused(site.post("/password", {"oldPassword": WRONG, "newPassword": ANOTHER},
                      token=login.access), "invalid_credentials")
    granted(site.delete("/sessions/" + other.sid, token=login.access), 204)
    third = user.login()
    assert granted(site.delete("/sessions", token=login.access)) == {"revoked": 1}
    granted(site.post("/password", {"oldPassword": PASSWORD, "newPassword": ANOTHER},
                      token=login.access))
    granted(site.delete("/profile", {"password": ANOTHER}, token=login.access), 204)
    events = recorded(user, "register", "login", "login", "profile_change", "confirm_refused",
                      "session_revoke", "login", "session_revoke", "password_change", "user_delete")
    assert {event["actor"] for event in events} == {"user:" + user.id}
    assert events[3]["details"] == {"displayName": "changed", "username": name}
    assert (events[5]["session"], events[5]["details"]) == (other.sid, {"by": login.sid})
    assert (events[7]["session"], events[7]["details"]) == (login.sid, {"count": 1})
    assert {event["session"] for event in events[8:]} == {login.sid}
    dead(site, third.session)


def test_out_everywhere(site, user):
    login, _ = user.login(), user.login()
    granted(site.post("/logout", {"everywhere": True}, token=login.access))
    assert recorded(user, "register", "login", "login", "logout")[-1]["details"] == {"count": 2}


def test_refreshes_and_theft(site, strict):
    login = site.register().login()
    granted(login.refresh())
    recorded(login.user, "register", "login")
    login = strict.register().login()
    granted(login.refresh())
    time.sleep(1.2)
    refused(login.refresh(), "refresh_reused")
    *_, refresh, theft = recorded(login.user, "register", "login", "refresh", "refresh_reused")
    assert refresh["session"] == theft["session"] == login.sid
    assert (refresh["actor"], theft["actor"]) == ("user:" + login.user.id, "")


def test_limits(strict):
    before = last_id(strict)
    user = strict.register()
    codes = [user.try_login(WRONG).status_code for _ in range(6)]
    assert codes == [401] * 3 + [429] * 3
    limited = eventually(lambda: [event for event in since(strict, before)
                                  if event["event"] == "limited"])
    assert limited[0]["details"]["route"] == "/login" and limited[0]["address"] == "127.0.0.1"


# Clients, administrators, keys.


def test_clients(site, strict, client):
    name, secret = client
    login = site.register().login()
    granted(site.raw("POST", "/auth/revoke", data={"token": login.access},
                     headers={"Authorization": basic(name, secret)}))
    assert site.raw("POST", "/auth/revoke", data={"token": login.access},
                    headers={"Authorization": basic(name, "x" * 32)}).status_code == 401
    # Somebody who has put the secret into the wrong place.
    assert site.raw("POST", "/auth/revoke", data={"token": login.access},
                    headers={"Authorization": basic(secret, name)}).status_code == 401
    site.ctl_ok("client", "delete", name, "--yes")
    revoked = recorded(login.user, "register", "login", "token_revoke")[-1]
    assert (revoked["actor"], revoked["session"]) == ("client:" + name, login.sid)
    assert revoked["details"] == {"kind": "access", "jti": claims_of(login.access)["jti"]}
    about = eventually(lambda: (lambda found: found if len(found) >= 3 else None)(
        [event for event in trail(site, "--since", "5m")
         if (event["details"] or {}).get("client") == name]))
    assert [(event["event"], event["actor"]) for event in about] == \
        [("client_add", "cli:root"), ("client_refused", ""), ("client_delete", "cli:root")]
    assert secret not in json.dumps(trail(site))
    assert any(event["event"] == "client_refused" and event["details"] == {}
               for event in trail(site, "--since", "5m"))


def test_administrators(site):
    email = fresh_email()
    site.ctl_ok("user", "add", email, "--role", "editor", stdin=PASSWORD + "\n")
    user = json.loads(site.ctl_ok("--json", "user", "show", email))
    site.ctl_ok("user", "passwd", email, stdin=ANOTHER + "\n")
    site.ctl_ok("user", "role", email, "+admin", "-editor")
    site.ctl_ok("user", "role", email, "+admin")  # has it already
    site.ctl_ok("user", "disable", email)
    site.ctl_ok("user", "enable", email)
    login = granted(site.post("/login", {"email": email, "password": ANOTHER}))
    site.ctl_ok("session", "revoke", "--user", email)
    login = granted(site.post("/login", {"email": email, "password": ANOTHER}))
    sid, jti = (claims_of(login["accessToken"])[name] for name in ("sid", "jti"))
    site.ctl_ok("token", "revoke", stdin=login["accessToken"] + "\n")
    site.ctl_ok("session", "revoke", sid)
    site.ctl_ok("user", "delete", email, "--yes")
    eventually(lambda: len(trail(site, "--user", user["id"], "--event", "login")) == 2)
    events = trail(site, "--user", user["id"])
    assert names(events) == ["register", "role_change", "password_change", "role_change",
                             "role_change", "user_disable", "user_enable", "login",
                             "session_revoke", "login", "token_revoke", "session_revoke",
                             "user_delete"]
    for event in events:
        if event["event"] != "login":
            assert (event["actor"], event["address"], event["requestId"]) == ("cli:root", None, None)
            # Of tokens and sessions it is not known without a question more.
            assert event["email"] in (email, None)
    assert [event["details"] for event in events if event["event"] == "role_change"] == [
        {"role": "editor", "change": "given"}, {"role": "admin", "change": "given"},
        {"role": "editor", "change": "taken"}]
    assert events[8]["details"] == {"count": 1}
    assert (events[10]["session"], events[10]["details"]) == (sid, {"jti": jti})
    assert (events[11]["session"], events[11]["details"]) == (sid, None)


def test_imports(site, strict):
    for where in (site, strict):
        before = last_id(where)
        lines = [f'{{"email": "{fresh_email()}", "password": "{PASSWORD}"}}\n' for _ in range(3)]
        where.ctl_ok("user", "import", "-", stdin="".join(lines))
        where.ctl_ok("user", "import", "-", stdin="".join(lines))  # who is there already
        where.ctl_ok("user", "import", "-", "--dry-run", stdin=lines[0].replace("@", "2@"))
        event, = [event for event in since(where, before) if event["event"] == "user_import"]
        assert (event["actor"], event["details"]) == ("cli:root", {"count": 3})
    with Without(strict, "table"):
        assert ctl(strict, "user", "import", "-", env={},
                   stdin=lines[0].replace("@", "3@")).returncode == 69
    email = json.loads(lines[0])["email"].replace("@", "3@")
    assert ctl(strict, "user", "show", email, env={}).returncode == 1


def test_behind_sudo(site, user):
    assert ctl(site, "user", "disable", user.email, env={"SUDO_USER": "anna"}).returncode == 0
    assert recorded(user, "register", "user_disable")[-1]["actor"] == "cli:root (anna)"


def test_keys(site, tmp_path):
    before = last_id(site)
    # No service goes by these.
    env = {"GATEHOUSE_TOKEN_KEYS": str(tmp_path / "keys"), "GATEHOUSE_SERVER_STATUS_DIR": str(tmp_path)}
    kids = []
    for _ in range(2):
        done = ctl(site, "--json", "key", "new", env=env)
        assert done.returncode == 0 and not done.stderr, done.stderr
        kids.append(json.loads(done.stdout)["kid"])
    for words in (["rotate"], ["rotate", kids[1]], ["retire", kids[0]], ["retire", kids[0]]):
        assert ctl(site, "key", *words, env=env).returncode == 0
    events = [event for event in since(site, before) if event["event"].startswith("key_")]
    assert [(event["event"], event["details"]) for event in events] == [
        ("key_new", {"kid": kids[0], "alg": "HS256"}), ("key_new", {"kid": kids[1], "alg": "HS256"}),
        ("key_rotate", {"kid": kids[1], "before": kids[0]}), ("key_retire", {"kid": kids[0]})]
    assert {event["actor"] for event in events} == {"cli:root"}


def test_the_first_steps_are_recorded_too(lax):
    assert [(event["event"], event["actor"]) for event in trail(lax)[:2]] == \
        [("db_migrate", "cli:root"), ("key_new", "cli:root")]


def test_no_secret_is_in_it(strict):
    """Whatever a whole flow has typed, made or handed out."""
    strict.redis.delete(*strict.redis.keys("gh:ratelimit:*") or ["none"])
    user, login, secrets = whole_flow(strict)
    rows = strict.sql("SELECT * FROM audit")
    assert len([row for row in rows if row[3] == int(user.id)]) > 8
    text = "\n".join(str(value) for row in rows for value in row)
    for secret in [*secrets, "$2y$"]:
        assert secret not in text and json.dumps(secret)[1:-1] not in text, secret
    assert login.sid in text


def test_many_at_once(site):
    users = [site.register() for _ in range(8)]

    def work(number):
        user = users[number // 2]
        if number % 2:
            user.login()
        else:
            user.try_login(WRONG)
    at_once(16, work)
    for user in users:
        eventually(lambda: len(events_of(user)) >= 3)
        assert sorted(names(events_of(user))) == ["login", "login_refused", "register"]


# Reading it.


def test_pages_and_filters(site):
    user, other = site.register(), site.register()
    for _ in range(4):
        user.login()
    refused(user.try_login(WRONG), "invalid_credentials")
    other.login()
    everything = recorded(user, "register", *["login"] * 4, "login_refused")
    ids = [event["id"] for event in everything][::-1]
    seen, words = [], []
    while True:
        page = told(site, "--user", user.email, "--limit", "2", *words)
        assert len(page["events"]) <= 2
        seen += [event["id"] for event in page["events"]]
        if page["next"] is None:
            break
        words = ["--before", page["next"]]
    assert seen == ids
    logins = trail(site, "--user", user.id, "--event", "login")
    assert [event["id"] for event in logins] == [event["id"] for event in everything[1:5]]
    assert names(trail(site, "--user", user.id, "--since", everything[2]["at"],
                       "--until", everything[4]["at"])) == ["login"] * 3
    assert trail(site, "--user", user.id, "--until", "2020-01-01T00:00:00Z") == []
    assert len(trail(site, "--user", user.id, "--since", "10m")) == 6
    assert {event["event"] for event in trail(site, "--event", "register", "--since", "10m")} == \
        {"register"}
    shown = ctl(site, "audit", "--user", user.id, "--limit", "2").stdout
    assert user.email in shown and other.email not in shown
    assert f"--before {ids[1]}" in shown
    assert "no events" in ctl(site, "audit", "--user", user.id, "--until", "1000d").stdout


@pytest.mark.parametrize("words,code", [
    (["--limit", "0"], 2), (["--limit", "1001"], 2), (["--limit", "x"], 2), (["--event", "x"], 2),
    (["--since", "soon"], 2), (["--until", "1w"], 2), (["--since", "99999999999d"], 2),
    (["--before", "x"], 2), (["--before", "1", "--until", "1d"], 2),
    (["--follow", "--before", "1"], 2), (["--follow", "--until", "1d"], 2), (["x"], 2),
    (["prune"], 2), (["prune", "--older-than", "x"], 2), (["prune", "--older-than", "7"], 2),
    (["prune", "1d"], 2), (["--user", "nobody@nowhere.example"], 1),
    (["--before", "1000000000000000"], 1),
])
def test_wrong_usage(site, words, code):
    done = ctl(site, "audit", *words)
    assert done.returncode == code and done.stderr and not done.stdout, done


def test_it_is_not_for_the_services_account(site, user):
    for words in (["audit"], ["audit", "prune", "--older-than", "9999d"]):
        done = ctl(site, *words, env={})
        assert done.returncode == 1 and "GATEHOUSE_MARIADB_URL" in done.stderr, done
    with open(site.conf("mariadb", "password_file"), encoding="utf-8") as file:
        link = pymysql.connect(unix_socket=site.env["MARIADB_SOCKET"], database="gatehouse",
                               user=site.env["MARIADB_USER"], password=file.read().strip())
    with link, link.cursor() as cursor:
        for statement in ("SELECT event FROM audit", "DELETE FROM audit",
                          "UPDATE audit SET email = ''", "DROP TABLE audit", "TRUNCATE audit",
                          "DELETE FROM schema_migrations"):
            with pytest.raises(pymysql.err.OperationalError) as raised:
                cursor.execute(statement)
            assert raised.value.args[0] == 1142, statement


def test_the_database_out_of_reach(site, tmp_path):
    env = OWNER | {"GATEHOUSE_MARIADB_SOCKET": str(tmp_path / "none.sock")}
    for words in (["audit"], ["audit", "--follow"], ["audit", "prune", "--older-than", "1d"]):
        assert ctl(site, *words, env=env).returncode == 69
    # A key can be made without; that it was not recorded is said.
    env["GATEHOUSE_TOKEN_KEYS"] = str(tmp_path / "keys")
    done = ctl(site, "key", "new", env=env)
    assert done.returncode == 0 and "not recorded in the audit trail" in done.stderr
    # But not where it has to be recorded.
    env["GATEHOUSE_AUDIT_MODE"] = "strict"
    env["GATEHOUSE_TOKEN_KEYS"] = str(tmp_path / "others")
    assert ctl(site, "key", "new", env=env).returncode == 69
    assert not (tmp_path / "others").exists()


def test_follow(site, user):
    login = user.login()
    recorded(user, "register", "login")
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    words = [tool, "-c", site.env["CONF"], "--json", "audit", "--follow", "--user", user.id]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True,
                          env=plain_environment() | OWNER) as child:
        try:
            first = [json.loads(child.stdout.readline()) for _ in range(2)]
            granted(site.post("/logout", {}, token=login.access))
            site.register()
            refused(user.try_login(WRONG), "invalid_credentials")
            more = [json.loads(child.stdout.readline()) for _ in range(2)]
        finally:
            child.terminate()
    assert names(first) == ["register", "login"]
    assert names(more) == ["logout", "login_refused"]


def test_plain_lines_while_following(site, user):
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    words = [tool, "-c", site.env["CONF"], "audit", "--follow", "--limit", "1", "--user", user.id]
    recorded(user, "register")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True,
                          env=plain_environment() | OWNER) as child:
        try:
            line = child.stdout.readline()
        finally:
            child.terminate()
    assert re.match(rf"^\S+Z register user={user.id} email={re.escape(user.email)} "
                    rf"actor=user:{user.id} address=127\.0\.0\.1 session=- ", line), line


def test_prune(lax):
    kept = lax.register()
    recorded(kept, "register")
    lax.sql("INSERT INTO audit (at, event, actor) SELECT UTC_TIMESTAMP(6) - INTERVAL 91 DAY + "
            "INTERVAL seq SECOND, 'login', '' FROM seq_1_to_2500")
    lax.sql("INSERT INTO audit (at, event, actor) VALUES (UTC_TIMESTAMP(6) - INTERVAL 89 DAY, "
            "'logout', '')")
    before = len(lax.sql("SELECT id FROM audit"))
    done = ctl(lax, "--json", "audit", "prune", "--older-than", "90d")
    assert json.loads(done.stdout) == {"removed": 2500} and done.returncode == 0
    assert len(lax.sql("SELECT id FROM audit")) == before - 2500 + 1
    event = trail(lax, "--event", "audit_prune")[-1]
    assert event["actor"] == "cli:root" and event["details"]["count"] == 2500
    recorded(kept, "register")
    assert ctl(lax, "audit", "prune", "--older-than", "90d").stdout == "0 events removed\n"
    assert trail(lax, "--event", "audit_prune")[-1] == event


@pytest.fixture(scope="module")
def large(lax):
    """A trail as after months: 40 users, 24 kinds of event."""
    lax.sql("INSERT INTO audit (at, event, user_id, actor) SELECT UTC_TIMESTAMP(6) - INTERVAL seq * 600 "
            "SECOND, CONCAT('event', seq %% 24), 1000000 + seq %% 40, '' FROM seq_1_to_20000")
    lax.sql("ANALYZE TABLE audit")
    yield lax
    lax.sql("DELETE FROM audit WHERE user_id >= 1000000")


PLANS = {
    "STMT_AUDIT_LIST": ("audit_at", []),
    "STMT_AUDIT_LIST_USER": ("audit_user", [1000007]),
    "STMT_AUDIT_LIST_EVENT": ("audit_event", ["event3"]),
    "STMT_AUDIT_LIST_USER_EVENT": ("audit_user", [1000007, "event7"]),
}
PAGE = 20


def asked(site, name, *params):
    """(what EXPLAIN says of a statement, how many rows it then looked at, how many it looked for)"""
    link = pymysql.connect(unix_socket=site.env["MARIADB_SOCKET"], user="root",
                           database=site.env["MARIADB_DATABASE"], charset="utf8mb4",
                           cursorclass=pymysql.cursors.DictCursor)
    statement = statements()[name].replace("%", "%%").replace("?", "%s")
    with link, link.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement, params)
        plan, = cursor.fetchall()
        cursor.execute("FLUSH STATUS")
        found = cursor.execute(statement, params)
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return plan, sum(int(row["Value"]) for row in cursor.fetchall()), found


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("span", ["all", "a week", "what is old"])
def test_no_question_reads_the_whole_table(large, name, span):
    key, params = PLANS[name]
    then = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(days=60)
    first, last = {"all": ("1000-01-01", "9999-12-31"), "a week": (then, then + timedelta(days=7)),
                   "what is old": ("1000-01-01", then)}[span]
    plan, read, found = asked(large, name, *params, first, last, last, 2 ** 62, PAGE)
    assert plan["key"] == key and plan["type"] in ("range", "ref", "index"), plan
    assert "filesort" not in (plan["Extra"] or ""), plan
    # Of a user and a kind of event one looks at all that the user did.
    assert found == PAGE or name.endswith("USER_EVENT") or span == "a week" and found > 10
    assert read <= (1 if name != "STMT_AUDIT_LIST_USER_EVENT" else 30) * PAGE + 5, (plan, read)


def test_pruning_reads_what_it_removes(large):
    plan, read, removed = asked(large, "STMT_AUDIT_PRUNE", "2020-01-01", 1000)
    assert plan["key"] == "audit_at" and removed == 0 and read <= 2, (plan, read)
    then = large.sql("SELECT at FROM audit ORDER BY at LIMIT 1 OFFSET 50")[0][0]
    plan, read, removed = asked(large, "STMT_AUDIT_PRUNE", then, 30)
    assert plan["key"] == "audit_at" and removed == 30 and read <= 3 * 30, (plan, read)


# When it cannot be written.


class Without:
    """While it lasts, rows cannot be added: the table is away, or the right to it, or it is locked."""

    def __init__(self, site, how):
        self.site, self.how, self.link = site, how, None
        self.account = f"'{site.env['MARIADB_USER']}'@'localhost'"

    def __enter__(self):
        if self.how == "table":
            self.site.sql("RENAME TABLE audit TO audit_away")
        elif self.how == "right":
            self.site.sql(f"REVOKE INSERT ON audit FROM {self.account}")
        else:
            self.link = pymysql.connect(unix_socket=self.site.env["MARIADB_SOCKET"], user="root",
                                        database="gatehouse")
            self.link.cursor().execute("LOCK TABLES audit WRITE")

    def __exit__(self, *_):
        if self.how == "table":
            self.site.sql("RENAME TABLE audit_away TO audit")
        elif self.how == "right":
            self.site.sql(f"GRANT INSERT ON audit TO {self.account}")
        else:
            self.link.close()


def lost_of(site):
    text = site.get("/metrics").text
    return int(re.search(r"^gatehouse_audit_lost_total (\d+)$", text, re.M)[1])


@pytest.mark.parametrize("how", ["table", "right", "lock"])
def test_without_the_trail_sign_in_goes_on(lax, how):
    """… and what would have been recorded is in the log, and counted."""
    workers, log, lost = lax.workers(), Log(lax), lost_of(lax)
    user = lax.register()
    recorded(user, "register")
    with Without(lax, how):
        login = user.login(user_agent='an "agent"')
        refused(user.try_login(WRONG), "invalid_credentials")
        granted(lax.post("/logout", {}, token=login.access))
        wait_until(lambda: lost_of(lax) >= lost + 3, 20)
        done = lax.ctl("user", "disable", user.email)
        assert done.returncode == 0 and "not recorded in the audit trail" in done.stderr
    lax.enable(user.email)
    again = lax.register()
    if how == "lock":
        # What was slow is left alone for a while.
        wait_until(lambda: again.login() and "login" in names(events_of(again)), 30)
    else:
        again.login()
        recorded(again, "register", "login")
    recorded(user, "register", "user_enable")
    lines = [from_logfmt(line) for line in log.text().splitlines()]
    lines = [line for line in lines if line.get("event") == "audit_lost" and
             line["user"] == user.id]
    # Each worker gives up its own when it has tried: which of them does so first is chance.
    lines.sort(key=lambda line: line["lost"])
    assert [line["lost"] for line in lines] == ["login", "login_refused", "logout"]
    for line in lines:
        assert line["level"] == "warning" and line["reason"] and "doctor" in line["cure"]
        assert (line["email"], line["from"]) == (user.email, "127.0.0.1")
    assert lines[0]["request"] == login.answer.headers["X-Request-Id"]
    assert lines[0]["session"] == lines[2]["session"] == login.sid
    assert json.loads(lines[0]["details"]) == {"name": "email", "userAgent": 'an "agent"'}
    for secret in (PASSWORD, WRONG, login.access, login.refresh_token, login.session):
        assert secret not in log.text()
    assert lax.workers() == workers


def test_an_import_says_what_was_not_recorded(lax):
    rows = f"email,password\n{fresh_email()},{PASSWORD}\n"
    with Without(lax, "table"):
        done = lax.ctl("user", "import", "-", stdin=rows)
    assert done.returncode == 0 and "not recorded in the audit trail" in done.stderr
    done = lax.ctl("user", "import", "-", stdin=rows.replace("@", "2@"))
    assert done.returncode == 0 and "not recorded" not in done.stderr


def test_a_slow_trail_takes_no_more_than_a_moment(lax):
    """Each row takes long, none too long: the rest is in the log, and nobody waits for all of them."""
    user, lost = lax.register(), lost_of(lax)
    recorded(user, "register")
    lax.sql("CREATE TRIGGER slow BEFORE INSERT ON audit FOR EACH ROW SET @slept = SLEEP(0.4)")
    try:
        login_in_a_crowd(user, 24)
        wait_until(lambda: len(events_of(user)) - 1 + lost_of(lax) - lost == 24, 20)
        assert lost_of(lax) > lost
    finally:
        lax.sql("DROP TRIGGER slow")

    def all_record_again():
        before, again = lost_of(lax), lax.register()
        login_in_a_crowd(again, 8)
        wait_until(lambda: len(events_of(again)) - 1 + lost_of(lax) - before >= 8, 20)
        return lost_of(lax) == before
    wait_until(all_record_again, 30)


def test_where_it_must_be_recorded_nothing_else_is_done(strict):
    """Sign-in answers 503, and nothing has changed; but what ends a session ends it."""
    user = strict.register()
    login, other = user.login(), user.login()
    email = fresh_email()
    with Without(strict, "table"):
        refused(user.try_login(), "unavailable")
        refused(user.try_login(WRONG), "unavailable")
        refused(strict.post("/login", {"email": email, "password": WRONG}), "unavailable")
        refused(strict.post("/register", {"email": email, "password": PASSWORD}), "unavailable")
        refused(strict.patch("/profile", {"displayName": "X"}, token=login.access), "unavailable")
        refused(login.refresh(), "unavailable")
        refused(strict.post("/password", {"oldPassword": PASSWORD, "newPassword": ANOTHER},
                            token=login.access), "unavailable")
        granted(strict.get("/verify", token=login.access), 204)
        refused(strict.post("/logout", {}, token=login.access), "unavailable")
        assert ctl(strict, "user", "role", user.email, "+admin", env={}).returncode == 69
        assert ctl(strict, "user", "disable", user.email, env={}).returncode == 69
        assert ctl(strict, "client", "add", "nobody", env={}).returncode == 69
        assert ctl(strict, "user", "add", email, env={}, stdin=PASSWORD + "\n").returncode == 69
    dead(strict, login.access, "token_revoked")
    dead(strict, other.session)
    refused(strict.post("/login", {"email": email, "password": PASSWORD}), "invalid_credentials")
    assert strict.redis.zcard(strict.key("user_sessions", user.id)) == 0
    shown = json.loads(strict.ctl_ok("--json", "user", "show", user.email))
    assert (shown["displayName"], shown["roles"], shown["disabled"]) == (None, [], False)
    assert "nobody" not in strict.ctl_ok("client", "list")
    strict.redis.delete(*strict.redis.keys("gh:ratelimit:*") or ["none"])
    alive(strict, user.login().session)
    recorded(user, "register", "login", "login", "login")


def test_a_refresh_that_could_not_be_recorded_may_be_tried_again(strict):
    """… after longer than the grace, too: a client that was told 503 keeps its token."""
    login = strict.register().login()
    with Without(strict, "table"):
        refused(login.refresh(), "unavailable")
        time.sleep(1.2)
        refused(login.refresh(), "unavailable")
    first = granted(login.refresh())
    alive(strict, first["accessToken"])
    granted(login.refresh(first["refreshToken"]))


@pytest.mark.parametrize("how", ["it has its successor", "somebody has used that"])
def test_and_is_spent_when_its_client_has_got_on(strict, how):
    login = strict.register().login()
    with Without(strict, "table"):
        refused(login.refresh(), "unavailable")
    spent, = strict.redis.keys(strict.key("refresh_spent", login.sid) + ":*")
    assert strict.redis.pttl(spent) > 86400 * 1000
    first = granted(login.refresh())
    if how == "somebody has used that":
        # As if the client had got it from another request of that moment.
        strict.redis.pexpire(spent, 86400 * 1000)
        strict.redis.hset(strict.key("refresh", login.sid), "kept", spent.rpartition(":")[2])
        granted(login.refresh(first["refreshToken"]))
    wait_until(lambda: not strict.redis.exists(spent), 5)
    refused(login.refresh(), "refresh_reused")
    refused(strict.get("/verify", token=first["accessToken"]), "session_expired")


def test_a_connection_that_breaks_leaves_nothing_half_done(strict):
    """Where a change and its record are one, an old connection is noticed before either."""
    user = strict.register()
    login = user.login()
    for number, in strict.sql("SELECT id FROM information_schema.processlist WHERE user = %s",
                              strict.env["MARIADB_USER"]):
        strict.sql(f"KILL {number}")
    granted(strict.patch("/profile", {"displayName": "X"}, token=login.access))
    recorded(user, "register", "login", "profile_change")


def test_nothing_is_recorded_where_it_is_off(site, user):
    recorded(user, "register")
    before = last_id(site)
    assert ctl(site, "user", "disable", user.email,
               env={"GATEHOUSE_AUDIT_MODE": "off"}).returncode == 0
    assert [event for event in since(site, before) if event["user"] == user.id] == []
    refused(user.try_login(), "invalid_credentials")


def test_a_service_that_records_nothing(lax):
    with open(lax.env["CONF"], "a", encoding="utf-8") as file:
        file.write("[audit]\nmode = off\n")
    workers = set(lax.workers())
    os.kill(int(lax.env["MASTER_PID"]), signal.SIGHUP)
    wait_until(lambda: not workers & set(lax.workers()) and len(lax.workers()) == len(workers), 30)
    before, lost = last_id(lax), lost_of(lax)
    login = lax.register().login()
    refused(login.user.try_login(WRONG), "invalid_credentials")
    granted(lax.post("/logout", {}, token=login.access))
    with Without(lax, "table"):
        granted(login.user.try_login())
    assert last_id(lax) == before and lost_of(lax) == lost
