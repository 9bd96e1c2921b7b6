"""A store that is stopped or gone: 503 in time, nothing wrongly allowed or refused, and recovery.

The frail instance gives Redis 300 ms and MariaDB 1 s.  A slow machine gets some slack on top.
"""
import os
import signal
import time
from contextlib import contextmanager

import pytest

from gate import PRIVATE, alive, dead, granted, refused, run_instance, wait_until
from test_introspect import Client

REDIS_LIMIT = 0.3 + 0.1
MARIADB_LIMIT = 1.0 + 0.1
SLACK = 0.4


@pytest.fixture
def login(frail):
    return frail.register().login()


def threads_stand_still(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/stat", encoding="latin-1") as stat:
                if stat.read().rpartition(")")[2].split()[0] != "T":
                    return False
        except OSError:
            pass  # it ended meanwhile
    return True


@contextmanager
def stopped(site, store):
    """The store hangs: its sockets accept, and nothing answers."""
    pid = int(site.env[store])
    os.kill(pid, signal.SIGSTOP)
    try:
        # The signal takes effect in each thread when that is scheduled next.
        wait_until(lambda: threads_stand_still(pid), 5)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def unavailable(ask, limit):
    """503 with Retry-After, within the limit."""
    begun = time.monotonic()
    answer = ask()
    took = time.monotonic() - begun
    refused(answer, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert took < limit + SLACK, took


def recovers(site, question):
    """A second at most, and a slow machine's slack."""
    assert wait_until(question, 3) < 1 + 3 * SLACK
    granted(site.get("/health"))


def processes(site):
    return int(site.env["MASTER_PID"]), site.workers()


REDIS_ROUTES = [
    ("verify", lambda site, login: site.get("/verify", token=login.access)),
    ("verify by session", lambda site, login: site.get("/verify", token=login.session)),
    ("profile", lambda site, login: site.get("/profile", token=login.access)),
    ("sessions", lambda site, login: site.get("/sessions", token=login.access)),
    ("refresh", lambda site, login: login.refresh()),
    ("logout", lambda site, login: site.post("/logout", token=login.access)),
    ("end others", lambda site, login: site.delete("/sessions", token=login.access)),
    ("login", lambda site, login: login.user.try_login()),
]


@pytest.mark.parametrize("ask", [ask for _, ask in REDIS_ROUTES], ids=[n for n, _ in REDIS_ROUTES])
def test_redis_hangs(frail, login, ask):
    before = processes(frail)
    with stopped(frail, "REDIS_PID"):
        for _ in range(3):  # the first breaks the connection, the next ones find it broken
            unavailable(lambda: ask(frail, login), REDIS_LIMIT)
    recovers(frail, lambda: frail.get("/verify", token=login.session).status_code == 204)
    assert processes(frail) == before


@pytest.fixture(scope="module", name="counting")
def fixture_counting():
    for instance in run_instance(limit__enabled="yes", redis__timeout="300ms"):
        yield instance.site()


@pytest.mark.parametrize("ask", [
    lambda site, login: login.refresh(),
    lambda site, login: login.user.try_login(),
    lambda site, login: site.patch("/profile", {"displayName": "x"}, token=login.access),
    lambda site, login: site.post("/register", {"email": "x" + login.user.email,
                                                "password": "long enough"}),
], ids=["refresh", "login", "change", "register"])
def test_no_quota_is_told_of_a_limit_that_could_not_be_asked(counting, ask):
    login = counting.register().login()
    with stopped(counting, "REDIS_PID"):
        answer = ask(counting, login)
        refused(answer, "unavailable")
        assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]
    recovers(counting, lambda: counting.get("/health").status_code == 200)


def test_a_logout_that_could_not_be_kept_was_no_logout(frail, login):
    with stopped(frail, "REDIS_PID"):
        unavailable(lambda: frail.post("/logout", token=login.access), REDIS_LIMIT)
    recovers(frail, lambda: frail.get("/health").status_code == 200)
    # Redis may still have found the command in its socket; either way it is never half done.
    if frail.get("/verify", token=login.access).status_code == 204:
        alive(frail, login.session)
        granted(frail.post("/logout", token=login.access))
    dead(frail, login.session)
    assert frail.get("/verify", token=login.access).status_code == 401


def test_a_refresh_that_could_not_be_answered_may_be_tried_again(frail, login):
    with stopped(frail, "REDIS_PID"):
        unavailable(login.refresh, REDIS_LIMIT)
    recovers(frail, lambda: frail.get("/health").status_code == 200)
    alive(frail, granted(login.refresh())["accessToken"])


def test_a_protected_page_while_redis_hangs(frail, login):
    """nginx makes 500 of the check's 503; the shipped snippet makes 503 of that again."""
    headers = {"Authorization": "Bearer " + login.access}
    with stopped(frail, "REDIS_PID"):
        answer = frail.raw("GET", PRIVATE, headers=headers)
        assert answer.status_code == 503
        assert set(answer.json()) == {"error", "code", "requestId"}
        assert answer.json()["code"] == "unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
    recovers(frail, lambda: frail.raw("GET", PRIVATE, headers=headers).status_code == 200)


def test_health_while_redis_hangs(frail):
    with stopped(frail, "REDIS_PID"):
        answer = frail.get("/health")
        assert int(answer.headers["Retry-After"]) >= 1
        assert granted(answer, 503) == {"status": "down", "redis": "down", "database": "ok"}
    recovers(frail, lambda: frail.get("/health").status_code == 200)


@pytest.mark.parametrize("ask", [
    lambda site, login: login.user.try_login(),
    lambda site, login: site.get("/profile", token=login.access),
    lambda site, login: site.patch("/profile", {"displayName": "x"}, token=login.access),
    lambda site, login: site.post("/register", {"email": "x" + login.user.email,
                                                "password": "long enough"}),
], ids=["login", "profile", "change", "register"])
def test_mariadb_hangs(frail, login, ask):
    before = processes(frail)
    with stopped(frail, "MARIADB_PID"):
        for _ in range(2):
            unavailable(lambda: ask(frail, login), MARIADB_LIMIT)
    recovers(frail, lambda: frail.get("/profile", token=login.access).status_code == 200)
    assert processes(frail) == before


def test_verification_needs_no_mariadb(frail, login):
    with stopped(frail, "MARIADB_PID"):
        begun = time.monotonic()
        for _ in range(50):
            granted(frail.get("/verify", token=login.access), 204)
            granted(frail.get("/verify", token=login.session), 204)
        assert time.monotonic() - begun < 1.0 + SLACK  # less than one timeout for a hundred
        granted(login.refresh())
        granted(frail.post("/logout", token=login.access))
        refused(frail.get("/verify", token=login.access), "token_revoked")


def test_health_while_mariadb_hangs(frail):
    with stopped(frail, "MARIADB_PID"):
        answer = frail.get("/health")
        assert int(answer.headers["Retry-After"]) >= 1
        assert granted(answer, 503) == {"status": "down", "redis": "ok", "database": "down"}
    recovers(frail, lambda: frail.get("/health").status_code == 200)


def kill(site, store):
    pid = int(site.env[store])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not running(pid), 5)


def running(pid):
    """Whether the process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def restart(instance, site):
    """Brings killed stores back; the new process ids are in the site's environment afterwards."""
    instance.up()
    site.env.update(instance.site().env)


def test_redis_is_killed_and_comes_back(frail_instance, frail, login):
    before = processes(frail)
    kill(frail, "REDIS_PID")
    for _, ask in REDIS_ROUTES:
        unavailable(lambda ask=ask: ask(frail, login), REDIS_LIMIT)
    answer = frail.get("/health")
    assert granted(answer, 503) == {"status": "down", "redis": "down", "database": "ok"}
    restart(frail_instance, frail)
    recovers(frail, lambda: frail.get("/health").status_code == 200)
    # What Redis has lost is refused; what it has kept is good; a new login works either way.
    assert frail.get("/verify", token=login.access).status_code in (204, 401)
    alive(frail, login.user.login().access)
    assert processes(frail) == before


def test_mariadb_is_killed_and_comes_back(frail_instance, frail, login):
    before = processes(frail)
    kill(frail, "MARIADB_PID")
    unavailable(login.user.try_login, MARIADB_LIMIT)
    unavailable(lambda: frail.get("/profile", token=login.access), MARIADB_LIMIT)
    granted(frail.get("/verify", token=login.access), 204)
    answer = frail.get("/health")
    assert granted(answer, 503) == {"status": "down", "redis": "ok", "database": "down"}
    restart(frail_instance, frail)
    recovers(frail, lambda: frail.get("/profile", token=login.access).status_code == 200)
    alive(frail, login.user.login().access)
    assert processes(frail) == before


def test_no_password_is_looked_at_while_nobody_counts(counting):
    user = counting.register()
    with stopped(counting, "REDIS_PID"):
        for _ in range(2):
            refused(user.try_login("wrong password"), "unavailable")
    recovers(counting, lambda: counting.get("/health").status_code == 200)


@pytest.fixture(scope="module", name="client")
def fixture_client(frail):
    return Client(frail)


def test_redis_hangs_and_nobody_can_tell(frail, client, login):
    asks = [lambda: frail.delete("/sessions/" + login.sid, token=login.access),
            lambda: frail.get("/session", token=login.access),
            lambda: frail.post("/logout", {"everywhere": True}, token=login.access)]
    for kind in ("access", "session", "refresh_token"):
        for way in (client.introspect, client.revoke):
            asks.append(lambda way=way, kind=kind: way(getattr(login, kind)))
    with stopped(frail, "REDIS_PID"):
        for ask in asks:
            for _ in range(2):
                unavailable(ask, REDIS_LIMIT)
    recovers(frail, lambda: frail.get("/health").status_code == 200)


def test_mariadb_hangs_and_nobody_knows_the_client(frail, client, login):
    with stopped(frail, "MARIADB_PID"):
        for way in (client.introspect, client.revoke):
            for _ in range(2):
                unavailable(lambda way=way: way(login.access), MARIADB_LIMIT)
    recovers(frail, lambda: client.revoke(login.access).status_code == 200)


ENDS = {
    "one": lambda site, here, there: site.delete("/sessions/" + there.sid, token=here.access),
    "others": lambda site, here, there: site.delete("/sessions", token=here.access),
    "logout": lambda site, here, there: site.post("/logout", token=here.access),
    "everywhere": lambda site, here, there: site.post("/logout", {"everywhere": True}, token=here.access),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_redis_refuses_was_not_done(frail, end):
    """It answers, so that the credential is good, and refuses the script."""
    user = frail.register()
    here, there = user.login(), user.login()
    frail.redis.execute_command("ACL", "SETUSER", "default", "-zrem")
    try:
        unavailable(lambda: end(frail, here, there), REDIS_LIMIT)
    finally:
        frail.redis.execute_command("ACL", "SETUSER", "default", "+zrem")
