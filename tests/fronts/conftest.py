"""One instance, whose web server and whose way to start are changed from test to test.

Its stores stay: whoever has signed in through one server is signed in behind the next.
"""
import sys
import tempfile
from pathlib import Path

import pytest

# What the flow tests share is shared here, too.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
from front_stage import (FRONTS, PLACES, Stage, furnish,  # pylint: disable=wrong-import-position
                         ways)


def pytest_configure(config):
    config.addinivalue_line("markers", "masters: where gatehouse is not the web server's child")


def pytest_collection_modifyitems(items):
    """Who is started by the web server is reloaded by it; there is no master to send a signal to."""
    items[:] = [item for item in items if not (item.get_closest_marker("masters") and
                                               len(ways(item.callspec.params["place_name"][0])) == 1)]


@pytest.fixture(scope="session")
def stage():
    with tempfile.TemporaryDirectory(prefix="gatehouse-fronts.") as name:
        directory = Path(name)
        directory.chmod(0o755)
        instance = Stage(directory / "run")
        try:
            yield instance
        finally:
            instance.down()


@pytest.fixture(scope="session")
def people(stage):
    """Two who are signed in, one of them with the role admin; the same behind every server."""
    site = stage.at("nginx")
    member = site.register(username="member-1", displayName="Ada Lovelace")
    admin = site.register()
    site.set_roles(member.email, "editor")
    site.set_roles(admin.email, "admin")
    furnish(Path(stage.directory) / "www")
    return {"member": member.login(), "admin": admin.login(), None: None}


# The parameters belong to the session, so that tests are sorted by them and the server changes
# seldom; the site is asked for anew each time, because a test may have started something afresh.


@pytest.fixture(scope="session", params=FRONTS)
def front_name(request):
    return request.param


@pytest.fixture
def front(front_name, stage, people):
    return stage.at(front_name)


@pytest.fixture(scope="session", params=PLACES, ids="-".join)
def place_name(request):
    return request.param


@pytest.fixture
def place(place_name, stage, people):
    return stage.at(*place_name)
