"""The number by which a service finds out a Redis that has gone back (store/mark.h). What it finds, and what
then becomes of sessions, is in tests/faults/stores_redis.py."""
import re

import pytest

from costs import room
from gate import alive, dead, granted, run_instance, wait_until
from own_service import Service

DAY = 86400 * 10 ** 6


def marks(site):
    return {name: int(value) for name, value in site.redis.hgetall(site.prefix + "marks").items()}


def now(site):
    seconds, microseconds = site.redis.time()
    return seconds * 10 ** 6 + microseconds


@pytest.fixture(name="service")
def fixture_service(site):
    """A service of its own, whose start drops what others have left behind."""
    for name, days in (("old", 9), ("young", 7.5)):
        site.redis.hset(site.prefix + "marks", name, int(now(site) - days * DAY))
    before = set(marks(site))
    with room() as directory:
        service = Service(site, directory)
        service.token = service.sign_in()["accessToken"]
        service.name, = set(marks(site)) - before
        yield service
        assert service.stop() == 0
    site.redis.hdel(site.prefix + "marks", "young")


def test_a_service_has_one_of_its_own(site, service):
    assert re.fullmatch("[0-9a-f]{16}", service.name)
    assert abs(marks(site)[service.name] - now(site)) < 60 * 10 ** 6
    assert not {"old"} & set(marks(site)) and "young" in marks(site)


def test_it_moves_with_what_is_ended_and_while_it_is_used(site, service):
    before = marks(site)[service.name]

    def moved():
        assert service.call("GET", "/verify", token=service.token)[0] == 204
        return marks(site)[service.name] > before
    wait_until(moved, 10)
    before = marks(site)[service.name]
    assert service.call("POST", "/logout", {}, service.token)[0] == 200
    assert marks(site)[service.name] > before


def test_what_gatehousectl_ends_moves_nobodys(site, service):
    names = set(marks(site))
    site.ctl_ok("session", "revoke", "--user", site.register().login().user.email)
    assert set(marks(site)) == names


def test_one_that_is_behind_goes_on_from_where_it_was(site, service):
    """A clock of Redis's that was set back."""
    ahead = now(site) + DAY
    site.redis.hset(site.prefix + "marks", service.name, ahead)
    assert service.call("POST", "/logout", {}, service.token)[0] == 200
    assert 0 < marks(site)[service.name] - ahead < 10


def test_a_theft_moves_it(site):
    before = set(marks(site))
    with room() as directory:
        service = Service(site, directory, "env", "GATEHOUSE_REFRESH_GRACE=0s")
        try:
            login = service.sign_in()
            name, = set(marks(site)) - before
            begun = marks(site)[name]

            def moved():
                assert service.call("GET", "/verify", token=login["sessionId"])[0] == 204
                return marks(site)[name] > begun
            spent = {"refreshToken": login["refreshToken"]}
            assert service.call("POST", "/refresh", spent)[0] == 200
            wait_until(moved, 10)  # by itself, once a second: right after that it does not
            last = marks(site)[name]
            assert service.call("POST", "/refresh", spent)[0] == 401
            assert marks(site)[name] > last
        finally:
            service.stop()


def lose_the_last_move(site, name):
    """As if Redis had been started anew, and its file lacked the last moment."""
    site.redis.hset(site.prefix + "marks", name, marks(site)[name] - 1)
    for since in (field for field in marks(site) if field.startswith("since:")):
        site.redis.hdel(site.prefix + "marks", since)
    site.redis.client_kill_filter(_type="normal", skipme=True)


def test_with_an_append_only_file_an_end_is_missed_however_young():
    """Such a file may lack the last second: moves of the mark alone are let pass, ends are not."""
    for instance in run_instance():
        site = instance.site()
        site.redis.config_set("appendonly", "yes")
        user = site.register()
        login, other = user.login(), user.login()
        before = marks(site)
        wait_until(lambda: site.get("/verify", token=login.session).status_code == 204 and
                   marks(site) != before, 10)
        name, = {name for name, value in marks(site).items() if value != before.get(name)}
        lose_the_last_move(site, name)
        alive(site, login.session)
        granted(site.post("/logout", token=other.session))
        lose_the_last_move(site, name)
        dead(site, login.session)
