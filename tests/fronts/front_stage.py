"""The instance behind which the fronts change, and what is to be found on its pages."""
import re
from pathlib import Path

from gate import Instance

TOP = Path(__file__).resolve().parents[2]
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


LISTED = "https://app.example.org"

PLACES = [(front, way) for front in FRONTS for way in ways(front)]


class Stage(Instance):
    def __init__(self, directory):
        super().__init__(directory, {"redis.timeout": "2s", "pool.web.workers": "2",
                                     "pool.login.workers": "1", "cookie.origins": LISTED})
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


MARK = "NOT-FOR-EVERYBODY"


def furnish(www):
    """What a folder may hold beside an index: a page, a program, a folder without an index."""
    for folder in ("members", "admin", "app"):
        (www / folder / "bare").mkdir(parents=True, exist_ok=True)
        (www / folder / "bare" / "page.txt").write_text(MARK)
        (www / folder / "page.txt").write_text(MARK)
        (www / folder / "page.php").write_text(f'<?php echo "{MARK}";')
        (www / folder / "kept.php").write_text('<?php header("Cache-Control: private, max-age=60");')
