"""When users last signed in is written after the answer, many together; whoever asks sees it at once."""
import time

import pytest

from gate import at_once, granted, moment, wait_until


def stored(site, user):
    """Seconds since 1970, or None."""
    seconds = site.sql(f"SELECT UNIX_TIMESTAMP(CONVERT_TZ(last_login_at, '+00:00', @@time_zone)) "
                       f"FROM users WHERE id = {user.id}")[0][0]
    return None if seconds is None else int(seconds)


def shown(login):
    return login.body["user"]["lastLoginAt"]


@pytest.fixture(name="hindered")
def fixture_hindered(site, user):
    """A function that hinders MariaDB from writing this user's row, until the test is over."""
    def hinder(how):
        site.sql(f"CREATE TRIGGER hindered BEFORE UPDATE ON users FOR EACH ROW BEGIN "
                 f"IF NEW.id = {user.id} THEN {how}; END IF; END")
    yield hinder
    site.sql("DROP TRIGGER IF EXISTS hindered")


def test_it_is_the_moment_of_the_login(site, user):
    login = user.login()
    assert abs(moment(shown(login)) - time.time()) <= 2
    wait_until(lambda: stored(site, user) == moment(shown(login)), 10)


def test_nobody_waits_for_it(site, user, hindered):
    """Neither the login, nor whoever looks at the profile: the session knows it before MariaDB does."""
    hindered("DO SLEEP(1)")
    begun = time.monotonic()
    login = user.login()
    for path in ("/profile", "/userinfo"):
        assert granted(site.get(path, token=login.access))["lastLoginAt"] == shown(login)
    assert time.monotonic() - begun < 0.8
    assert stored(site, user) is None
    wait_until(lambda: stored(site, user) == moment(shown(login)), 10)


def test_an_older_session_shows_the_newer_login(site, user):
    old = user.login()
    time.sleep(1.1)
    new = user.login()
    wait_until(lambda: stored(site, user) == moment(shown(new)), 10)
    for login in (old, new):
        assert granted(site.get("/profile", token=login.access))["lastLoginAt"] == shown(new)


def test_what_mariadb_does_not_take_is_tried_again(site, user, hindered):
    hindered("SIGNAL SQLSTATE '45000'")
    login = user.login()
    other = site.register()
    other.login()
    time.sleep(1.5)
    assert stored(site, user) is None
    assert granted(site.get("/profile", token=login.access))["lastLoginAt"] == shown(login)
    site.sql("DROP TRIGGER hindered")
    # By a worker that has nothing else to do when it looks round next: a quarter of hang, at the latest.
    wait_until(lambda: stored(site, user) == moment(shown(login)), 40)
    wait_until(lambda: stored(site, other) is not None, 40)


def test_a_later_one_that_is_there_stays(site, user):
    site.sql(f"UPDATE users SET last_login_at = '2099-01-01 00:00:00' WHERE id = {user.id}")
    login = user.login()
    time.sleep(0.5)
    assert granted(site.get("/profile", token=login.access))["lastLoginAt"] == "2099-01-01T00:00:00Z"
    assert site.sql(f"SELECT YEAR(last_login_at) FROM users WHERE id = {user.id}")[0][0] == 2099


def test_everybody_of_a_crowd_gets_their_own(site):
    """Two of them, each below what one worker of nginx lets in at once (max_conns of gatehouse-http.conf):
    it may get them all."""
    crowd = 24
    users = [site.register() for _ in range(2 * crowd)]
    logins = [login for first in (0, crowd)
              for login in at_once(crowd, lambda number, first=first: users[first + number].login())]
    for user, login in zip(users, logins):
        wait_until(lambda user=user, login=login: stored(site, user) == moment(shown(login)), 10)
