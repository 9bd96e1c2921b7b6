"""The number by which a service finds out a Redis that has gone back (store/mark.h). What it finds, and what
then becomes of sessions, is in tests/faults/stores_redis.py."""
import re

import pytest

from costs import room
from gate import PASSWORD, fresh_email, wait_until
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
        status, body = service.call("POST", "/register", {"email": fresh_email(), "password": PASSWORD})
        assert status == 201
        status, body = service.call("POST", "/login", {"email": body["user"]["email"],
                                                       "password": PASSWORD})
        assert status == 200
        service.token = body["accessToken"]
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
