"""A Redis that drops keys when it is full may drop the index of a user's sessions and keep the sessions:
whatever ends or renames all of them finds them all the same."""
import contextlib
import threading

import pytest
import redis as redis_client

from gate import PASSWORD, alive, at_once, dead, granted, refused, run_instance, wait_until


@pytest.fixture(scope="module", name="instance")
def fixture_instance():
    yield from run_instance(session__touch="0s", pool__web__workers="1")


@pytest.fixture(scope="module", name="site")
def fixture_site(instance):
    site = instance.site()
    site.redis.config_set("maxmemory", "1gb")
    site.redis.config_set("maxmemory-policy", "allkeys-lru")
    # More than a page of keys (see sessions_sweep.lua), of ours and of others.
    for number in range(3000):
        site.redis.set(f"others:{number}", "x")
    return site


class Person:
    """With three sessions; the last one is known by its refresh token alone, as if it had idled out."""

    def __init__(self, site):
        self.site, self.user = site, site.register()
        self.here, self.there, self.idle = (self.user.login() for _ in range(3))
        assert site.redis.delete(site.key("session", self.idle.sid)) == 1

    def indexed(self):
        return self.site.redis.zrange(self.site.key("user_sessions", self.user.id), 0, -1)

    def drop_index(self):
        assert self.site.redis.delete(self.site.key("user_sessions", self.user.id)) == 1

    def others_are_dead(self):
        dead(self.site, self.there.access)
        dead(self.site, self.there.session)
        for login in (self.there, self.idle):
            refused(login.refresh(), "refresh_invalid")

    def is_alive_here(self):
        alive(self.site, self.here.access)
        granted(self.here.refresh())


@pytest.fixture(name="person")
def fixture_person(site):
    person = Person(site)
    person.drop_index()
    return person


def test_the_others(site, person):
    assert granted(site.delete("/sessions", token=person.here.access))["revoked"] == 2
    person.others_are_dead()
    person.is_alive_here()


def test_another_password(site, person):
    granted(site.post("/password", {"oldPassword": PASSWORD, "newPassword": "another horse 9 battery"},
                      token=person.here.access))
    person.others_are_dead()
    person.is_alive_here()


def test_everywhere(site, person):
    granted(site.post("/logout", {"everywhere": True}, token=person.here.session))
    person.others_are_dead()
    dead(site, person.here.session)
    dead(site, person.here.access)
    refused(person.here.refresh(), "refresh_invalid")


@pytest.mark.parametrize("words", [["user", "disable"], ["user", "delete", "--yes"],
                                   ["session", "revoke", "--user"]])
def test_by_an_administrator(site, person, words):
    site.ctl_ok(*words, person.user.email)
    person.others_are_dead()
    dead(site, person.here.access)
    refused(person.here.refresh(), "refresh_invalid")


def test_roles(site, person):
    site.set_roles(person.user.email, "admin", "user")
    roles = granted(site.get("/userinfo", token=person.there.access))["roles"]
    assert roles == ["admin", "user"]
    # That use put the session back, after its answer.
    wait_until(person.indexed, 10)
    person.drop_index()
    site.ctl_ok("user", "role", person.user.email, "-admin")
    for login in (person.here, person.there):
        answer = site.get("/verify", token=login.access)
        assert (answer.status_code, answer.headers["Remote-Groups"]) == (204, "user")
    granted(person.idle.refresh())
    assert site.get("/verify", token=person.idle.session).headers["Remote-Groups"] == "user"


def test_whoever_asks_is_listed(site, person):
    assert granted(site.get("/session", token=person.here.access))["current"] is True
    listed = granted(site.get("/sessions", token=person.here.session))["sessions"]
    assert person.here.sid in [item["id"] for item in listed]


def test_use_and_refresh_bring_a_session_back_into_the_index(site, person):
    assert not person.indexed()
    granted(site.get("/verify", token=person.here.access), 204)
    # What a use writes is written after its answer.
    wait_until(lambda: person.indexed() == [person.here.sid], 10)
    left = site.redis.pttl(site.key("user_sessions", person.user.id))
    assert 0 < left <= 30 * 86400 * 1000
    granted(person.idle.refresh())
    assert sorted(person.indexed()) == sorted([person.here.sid, person.idle.sid])


def scans(site):
    return site.redis.info("commandstats").get("cmdstat_scan", {}).get("calls", 0)


def test_without_eviction_nobody_looks_at_all_keys(site, person):
    site.redis.config_set("maxmemory-policy", "noeviction")
    try:
        site.get("/verify", token=person.here.access)
        before = scans(site)
        granted(site.delete("/sessions", token=person.here.access))
        site.ctl_ok("user", "role", person.user.email, "x")
        assert scans(site) == before
    finally:
        site.redis.config_set("maxmemory-policy", "allkeys-lru")
    granted(site.delete("/sessions", token=person.here.access))
    assert scans(site) > before


def test_where_redis_does_not_say_whether_it_drops_keys(site, person):
    site.redis.execute_command("ACL", "SETUSER", "default", "-info")
    try:
        granted(site.delete("/sessions", token=person.here.access))
    finally:
        site.redis.execute_command("ACL", "SETUSER", "default", "+info")
    person.others_are_dead()


def test_nobody_else_is_signed_out(site):
    person, other = Person(site), Person(site)
    for one in (person, other):
        one.drop_index()
    granted(site.delete("/sessions", token=person.here.access))
    person.others_are_dead()
    for login in (other.here, other.there):
        alive(site, login.session)
    granted(other.idle.refresh())
    site.set_roles(person.user.email, "admin")
    for login in (other.here, other.there, other.idle):
        assert site.get("/verify", token=login.session).headers["Remote-Groups"] == ""


@contextlib.contextmanager
def many_keys(site):
    site.redis.eval("for i = 1, 300000 do redis.call('set', 'ballast:' .. i, '') end", 0)
    try:
        yield
    finally:
        site.redis.eval("for i = 1, 300000 do redis.call('del', 'ballast:' .. i) end", 0)


@pytest.mark.parametrize("way", ["others", "everywhere"])
def test_others_are_served_while_all_keys_are_looked_at(site, person, way):
    """By the one worker there is."""
    ended, served = [], 0
    bystander = site.register().login()

    def run():
        if way == "others":
            ended.append(site.delete("/sessions", token=person.here.access))
        else:
            ended.append(site.post("/logout", {"everywhere": True}, token=person.here.access))
    with many_keys(site):
        thread = threading.Thread(target=run)
        thread.start()
        while not ended:
            granted(site.get("/verify", token=bystander.access), 204)
            served += not ended
        thread.join()
    granted(ended[0])
    # Of a worker that does not let them in between, the one before and the one that waits.
    assert served >= 3
    person.others_are_dead()


def test_one_look_at_all_keys_at_a_time(site, person):
    """What users may ask for themselves: however many ask, one is done, and others are told to come again."""
    with many_keys(site):
        answers = at_once(6, lambda _: site.delete("/sessions", token=person.here.access))
        codes = [answer.status_code for answer in answers]
        assert set(codes) <= {200, 503} and 200 in codes, codes
        for answer in answers:
            if answer.status_code == 503:
                refused(answer, "unavailable")
        # Whoever was told to come again is served then.
        granted(site.delete("/sessions", token=person.here.access))
    person.others_are_dead()


def test_where_redis_has_dropped_keys_before(site):
    """The last one here: it leaves another policy behind."""
    site.redis.config_set("maxmemory", "1mb")
    try:
        with contextlib.suppress(redis_client.exceptions.ResponseError):  # it drops what it may
            site.redis.set("others", "x")
    finally:
        site.redis.config_set("maxmemory", "0")
        site.redis.config_set("maxmemory-policy", "noeviction")
    assert site.redis.info("stats")["evicted_keys"] > 0
    person = Person(site)
    person.drop_index()
    granted(site.delete("/sessions", token=person.here.access))
    person.others_are_dead()
