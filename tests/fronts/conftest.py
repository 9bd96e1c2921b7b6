"""One instance, whose web server and whose way to start are changed from test to test.

Its stores stay: whoever has signed in through one server is signed in behind the next.
"""
import os
import re
import sys
import tempfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "flow"))
from gate import Instance  # noqa: E402  pylint: disable=wrong-import-position

WAYS = ["direct", "init", "spawn-fcgi", "spawn-fcgi-single", "systemd-socket"]


def front_file(name):
    return TOP / "tools" / "dev" / f"front_{name.replace('-', '_')}.sh"


# Every front that ./dev knows; nginx first, with which the others are compared.
FRONTS = sorted((path.stem[len("front_"):].replace("_", "-")
                 for path in (TOP / "tools" / "dev").glob("front_*.sh")),
                key=lambda name: (name != "nginx", name))


def ways(front):
    """A server that starts gatehouse by itself leaves no choice."""
    own = re.search(r"^front_\w+_serves\(\)", front_file(front).read_text(), re.MULTILINE)
    return ["direct"] if own else WAYS


PLACES = [(front, way) for front in FRONTS for way in ways(front)]


class Stage(Instance):
    def __init__(self, directory):
        super().__init__(directory, {"redis.timeout": "300ms", "pool.web.workers": "2",
                                     "pool.login.workers": "1"})
        self.place = None
        self._site = None

    def at(self, front, way="direct"):
        """The site, behind this server and started in this way."""
        if self.place != (front, way):
            self.place = None
            self.heal(front, way)
            self.place = (front, way)
        return self._site

    def heal(self, front, way):
        pairs = [word for item in self.settings.items() for word in ("--set", "=".join(item))]
        self._run("up", "--dir", self.directory, "--port", self.port, "--tls-port", self.tls_port,
                  "--php", "--front", front, "--start", way, *pairs)
        self._site = self.site()
        assert self._site.env["GATEHOUSE_FRONT"] == front
        assert self._site.env["GATEHOUSE_START"] == way
        assert self._site.env["FRONT_PID"]


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


MARK = "NOT-FOR-EVERYBODY"


def furnish(www):
    """What a folder may hold beside an index: a page, a program, a folder without an index."""
    for folder in ("members", "admin", "app"):
        (www / folder / "bare").mkdir(parents=True, exist_ok=True)
        (www / folder / "bare" / "page.txt").write_text(MARK)
        (www / folder / "page.txt").write_text(MARK)
        (www / folder / "page.php").write_text(f'<?php echo "{MARK}";')


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
