"""Fixtures: the running site, fresh users and logins, and instances with other settings."""
import os

import pytest

from gate import SigningKey, Site, run_instance


@pytest.fixture(scope="session")
def site():
    site = Site(dict(os.environ))
    # From one address come thousands of logins, and each is hashed twice at least.
    assert site.conf("limit", "enabled") == "no", "./dev up --set limit.enabled=no"
    assert site.conf("password", "cost") == "4", "./dev up --set password.cost=4"
    return site


@pytest.fixture
def user(site):
    return site.register()


@pytest.fixture
def login(user):
    return user.login()


@pytest.fixture(scope="session")
def key(site):
    return SigningKey(site)


@pytest.fixture
def redis(site):
    return site.redis


@pytest.fixture(scope="session")
def brief_instance():
    yield from run_instance(session__idle="3s", refresh__grace="2s", refresh__ttl="6s",
                            session__max="20s", token__access_ttl="2s", session__touch="0s")


@pytest.fixture(scope="session")
def brief(brief_instance):
    """A site where everything ends within seconds."""
    return brief_instance.site()


@pytest.fixture(scope="session")
def other_instance():
    yield from run_instance(server__base_path="/account", cookie__carries="jwt",
                            register__mode="closed", login__transport="cookie",
                            password__scheme="yescrypt",
                            cookie__origins="https://app.example.org", token__jwks_max_age="5m")


@pytest.fixture(scope="session")
def other(other_instance):
    """A site where every choice is the other one."""
    return other_instance.site()


@pytest.fixture(scope="module")
def frail_instance():
    yield from run_instance(redis__timeout="300ms", mariadb__timeout="1s")


@pytest.fixture(scope="module")
def frail(frail_instance):
    """A site whose stores may be stopped and killed."""
    return frail_instance.site()
