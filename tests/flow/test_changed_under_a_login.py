"""A user who is changed while a login of theirs hashes: what was read before the hash is not believed
after it, however the change, the hash and the stores' answers fall."""
import os
import signal
import threading
import time

import pytest

from costs import room
from gate import PASSWORD, claims_of, fresh_email, fresh_name, granted, refused, wait_until
from own_service import Service
from test_queue import ticks

NEW_PASSWORD = "another horse 9 battery"


@pytest.fixture(name="slow", scope="module")
def fixture_slow(site):
    """A service whose hashes take half a second, so that there is time to change something under one."""
    with room() as directory:
        service = Service(site, directory, "env", "GATEHOUSE_PASSWORD_COST=13")
        yield service
        assert service.stop() == 0


class Account:
    def __init__(self, service, site):
        self.service, self.site = service, site
        self.email, self.username = fresh_email(), fresh_name()
        status, body = service.call("POST", "/register", {
            "email": self.email, "username": self.username, "password": PASSWORD})
        assert status == 201, body
        self.id = body["user"]["id"]

    def login(self):
        return self.service.call("POST", "/login", {"email": self.email, "password": PASSWORD})

    def login_with(self, change):
        """A login under which change() is made; (status, body)."""
        # Those that hash step back, whatever the service itself was started with.
        worker = max(self.service.workers(), key=lambda pid: os.getpriority(os.PRIO_PROCESS, pid))
        before, answers = ticks(worker), []
        thread = threading.Thread(target=lambda: answers.append(self.login()))
        thread.start()
        # It hashes: so it has read the user.
        wait_until(lambda: ticks(worker) - before >= 8, 30)
        os.kill(worker, signal.SIGSTOP)
        try:
            change()
            assert answers == []
        finally:
            os.kill(worker, signal.SIGCONT)
        thread.join()
        return answers[0]

    def sessions(self):
        return self.site.redis.zrange(self.site.key("user_sessions", self.id), 0, -1)


@pytest.fixture(name="account")
def fixture_account(slow, site):
    return Account(slow, site)


CHANGES = {
    "disable": lambda site, account: site.disable(account.email),
    "delete": lambda site, account: site.ctl_ok("user", "delete", "--yes", account.email),
    "passwd": lambda site, account: site.ctl_ok("user", "passwd", account.email,
                                                stdin=NEW_PASSWORD + "\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whoever_may_no_longer_sign_in_does_not(site, account, change):
    status, body = account.login_with(lambda: CHANGES[change](site, account))
    assert (status, body["code"]) == (401, "invalid_credentials")
    assert account.sessions() == []


@pytest.mark.parametrize("change", CHANGES)
def test_not_even_where_redis_has_forgotten_it(site, account, change):
    """Word of the change is lost with the connection that the login asked Redis over before."""
    # The worker has a connection before it begins.
    assert account.login()[0] == 200

    def forget():
        CHANGES[change](site, account)
        assert site.redis.delete(site.key("user_changed", account.id)) == 1
        site.redis.client_kill_filter(_type="normal", skipme=True)
    status, body = account.login_with(forget)
    assert (status, body["code"]) == (401, "invalid_credentials")
    assert account.sessions() == []


def test_roles_and_names_are_those_after_the_change(site, account, slow):
    def change():
        site.set_roles(account.email, "editor")
        site.ctl_ok("user", "role", account.email, "-user")
    site.set_roles(account.email, "user")
    status, body = account.login_with(change)
    assert status == 200
    assert body["user"]["roles"] == claims_of(body["accessToken"])["roles"] == ["editor"]
    shown = slow.call("GET", "/profile", None, body["accessToken"])[1]
    assert shown["roles"] == ["editor"]


def test_a_disabled_user_who_is_enabled_again_signs_in(site, account):
    def change():
        site.disable(account.email)
        site.enable(account.email)
    assert account.login_with(change)[0] == 200
    assert account.login()[0] == 200


def executed(site):
    return int(site.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")[0][1])


def test_mariadb_is_asked_again_only_after_a_change(site, account):
    """A login reads the user, and writes when it was, and that it was; after a change it
    confirms what it read."""
    def paid():
        before = executed(site)
        assert account.login()[0] == 200
        wait_until(lambda: executed(site) - before >= 3, 10)
        time.sleep(0.5)
        return executed(site) - before
    paid()  # what was written behind the answers before is not counted
    assert [paid(), paid()] == [3, 3]
    site.ctl_ok("session", "revoke", "--user", account.email)
    assert paid() == 4
    site.redis.delete(site.key("user_changed", account.id))
    assert paid() == 3


def test_a_host_that_takes_no_writes_is_not_believed(site, user):
    """It may be the primary of before, where users are as they were: neither its yes nor its no."""
    before = user.login()
    site.sql("SET GLOBAL read_only = 1")
    try:
        refused(user.try_login(), "unavailable")
        refused(user.try_login(NEW_PASSWORD), "unavailable")
        refused(site.post("/login", {"email": fresh_email(), "password": PASSWORD}), "unavailable")
        granted(site.get("/profile", token=before.access))
    finally:
        site.sql("SET GLOBAL read_only = 0")
    wait_until(lambda: user.try_login().status_code == 200, 10)
