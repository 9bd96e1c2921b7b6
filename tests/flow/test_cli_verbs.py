"""Every verb of gatehousectl, each by its name: done, refused, wrongly used, without its stores, with a
configuration that is wrong; and the exit code of each.  The tables are complete, which a test of the
house looks at.
"""
import json
import os
import re
import subprocess
from functools import cached_property
from pathlib import Path

import pytest

from gate import PASSWORD, fresh_email, fresh_name, plain_environment

TOP = Path(__file__).resolve().parents[2]
DONE_CODE, REFUSED_CODE, USAGE_CODE, STORE_CODE, CONF_CODE = 0, 1, 2, 69, 78


def table():
    """{"user add": (needs, least operands, most, options)} of main.c."""
    text = (TOP / "src/ctl/main.c").read_text("utf-8")
    text = re.sub(r'"\n +"', "", text.split("const struct verb verbs[] = {\n")[1])
    rows = re.findall(r'\{"(\w+)", "(\w*)", verb_\w+, ([^"{}]*?), (-?\d+), (-?\d+),\s*"([^"]*)"', text)
    return {f"{noun} {word}".strip(): (needs, int(least), int(most), options.split())
            for noun, word, needs, least, most, options in rows}


VERBS = table()


class World:
    """A user who is signed in, a client, keys of its own; and gatehousectl."""

    def __init__(self, site, folder):
        self.site, self.folder = site, folder
        self.owner = {"GATEHOUSE_MARIADB_URL": "mariadb://root@localhost/gatehouse",
                      "GATEHOUSE_MARIADB_PASSWORD_FILE": ""}
        self.own_keys = {"GATEHOUSE_TOKEN_KEYS": str(folder / "keys")}

    @cached_property
    def user(self):
        return self.site.add_user()

    @property
    def email(self):
        return self.user.email

    def run(self, words, stdin="", env=None, conf=None):
        tool = os.path.join(self.site.env["BIN_DIR"], "gatehousectl")
        return subprocess.run([tool, "-c", conf or self.site.env["CONF"], *words], input=stdin,
                              capture_output=True, text=True, timeout=30, check=False,
                              env=plain_environment() | (env or {}))

    def login(self):
        return self.user.login()

    def client(self):
        name = fresh_name()
        self.site.ctl_ok("client", "add", name)
        return name

    def keys(self, count):
        """The names of so many keys, of which the first one signs."""
        made = [self.run(["--json", "key", "new"], env=self.own_keys) for _ in range(count)]
        return [json.loads(done.stdout)["kid"] for done in made]


@pytest.fixture
def world(site, tmp_path):
    return World(site, tmp_path)


# What each does: its further words, standard input, settings.

DONE = {
    "audit": lambda w: (["--user", w.email], "", w.owner),
    "audit prune": lambda w: (["--older-than", "36500d"], "", w.owner),
    "client add": lambda w: ([fresh_name()], "", {}),
    "client list": lambda w: ([], "", {}),
    "client delete": lambda w: ([w.client(), "--yes"], "", {}),
    "db migrate": lambda w: ([], "", {}),
    "db status": lambda w: ([], "", {}),
    "doctor": lambda w: (["--web", "none"], "", {}),
    "key new": lambda w: (["--alg", "ES256"], "", w.own_keys),
    "key list": lambda w: ([], "", {}),
    "key rotate": lambda w: (w.keys(2)[1:], "", w.own_keys),
    "key retire": lambda w: (w.keys(2)[1:], "", w.own_keys),
    "user add": lambda w: ([fresh_email()], PASSWORD + "\n", {}),
    "user import": lambda w: (["-"], f"email,password\n{fresh_email()},{PASSWORD}\n", {}),
    "user list": lambda w: (["--limit", "2"], "", {}),
    "user show": lambda w: ([w.email], "", {}),
    "user passwd": lambda w: ([w.email], "another horse 9 staple\n", {}),
    "user disable": lambda w: ([w.email], "", {}),
    "user enable": lambda w: ([w.email], "", {}),
    "user role": lambda w: ([w.email, "+editor"], "", {}),
    "user delete": lambda w: ([w.email, "--yes"], "", {}),
    "session list": lambda w: ([w.email], "", {}),
    "session revoke": lambda w: ([w.login().sid], "", {}),
    "status": lambda w: ([], "", {}),
    "token inspect": lambda w: ([], w.login().access + "\n", {}),
    "token revoke": lambda w: ([], w.login().session + "\n", {}),
    "token verify": lambda w: ([], w.login().access + "\n", {}),
    "password hash": lambda w: ([], PASSWORD + "\n", {}),
    "password verify": lambda w: ([w.site.ctl_ok("password", "hash", stdin=PASSWORD + "\n").strip()],
                                  PASSWORD + "\n", {}),
    "json check": lambda w: ([], "{}", {}),
}

NOBODY = "nobody@nowhere.example"

REFUSED = {
    "audit": lambda w: ([], "", {}),
    "audit prune": lambda w: (["--older-than", "1d"], "", {}),
    "client add": lambda w: ([w.client()], "", {}),
    "client delete": lambda w: ([fresh_name(), "--yes"], "", {}),
    "db migrate": lambda w: ([], "", {}),
    "db status": lambda w: ([], "", {}),
    "key rotate": lambda w: (["none"], "", w.own_keys | {"": "".join(w.keys(1))}),
    "key retire": lambda w: (w.keys(1), "", w.own_keys),
    "user add": lambda w: ([w.email], PASSWORD + "\n", {}),
    "user import": lambda w: (["-"], f"email,password\nnobody,{PASSWORD}\n", {}),
    "user show": lambda w: ([NOBODY], "", {}),
    "user passwd": lambda w: ([w.email], "short\n", {}),
    "user disable": lambda w: ([NOBODY], "", {}),
    "user enable": lambda w: ([NOBODY], "", {}),
    "user role": lambda w: ([w.email, "+no role"], "", {}),
    "user delete": lambda w: ([NOBODY, "--yes"], "", {}),
    "session list": lambda w: ([NOBODY], "", {}),
    "session revoke": lambda w: (["0" * 64], "", {}),
    "status": lambda w: ([], "", {"GATEHOUSE_SERVER_STATUS_DIR": str(w.folder)}),
    "token inspect": lambda w: ([], "no token\n", {}),
    "token revoke": lambda w: ([], "no token\n", {}),
    "token verify": lambda w: ([], "no token\n", {}),
    "password hash": lambda w: ([], "x" * 73 + "\n", {}),
    "password verify": lambda w: (["$2y$04$" + "a" * 53], PASSWORD + "\n", {}),
    "json check": lambda w: ([], "[]", {}),
}

# What is no use of a verb, beyond what the table of verbs says of all of them.
WRONG = {
    "audit": ["--limit", "0"], "audit prune": ["--older-than", "long ago"],
    "client add": ["a b"], "client delete": ["a b", "--yes"], "key new": ["--alg", "none"],
    "user list": ["--limit", "0"], "user role": ["x@example.org", "+a", "b"],
    "session revoke": [], "token revoke": ["no id"], "token verify": ["--at", "soon"],
    "password hash": ["--scheme", "md5"],
}


def checked(done, code):
    assert done.returncode == code, (done.args, done.returncode, done.stdout, done.stderr)
    for word in ("Sanitizer", "Assertion", "invariant"):
        assert word not in done.stderr
    if code not in (DONE_CODE, REFUSED_CODE):
        assert done.stderr.startswith("gatehousectl: ") and not done.stdout, done
    return done


@pytest.mark.parametrize("verb", DONE)
def test_done(world, verb):
    words, stdin, env = DONE[verb](world)
    told = checked(world.run(verb.split() + words, stdin, env), DONE_CODE)
    assert told.stdout
    assert "not recorded" not in told.stderr


@pytest.mark.parametrize("verb", DONE)
def test_done_as_json(world, verb):
    words, stdin, env = DONE[verb](world)
    answer = checked(world.run(["--json", *verb.split(), *words], stdin, env), DONE_CODE).stdout
    assert isinstance(json.loads(answer), dict) and answer.count("\n") == 1


@pytest.fixture
def newer(site):
    """A step of the schema that this program does not know."""
    site.sql("INSERT INTO schema_migrations (name, applied_at) VALUES ('9999_later', UTC_TIMESTAMP())")
    yield
    site.sql("DELETE FROM schema_migrations WHERE name = '9999_later'")


@pytest.mark.parametrize("verb", REFUSED)
def test_refused(world, verb, request):
    if verb.startswith("db "):
        request.getfixturevalue("newer")
    words, stdin, env = REFUSED[verb](world)
    env.pop("", None)
    told = checked(world.run(verb.split() + words, stdin, env), REFUSED_CODE)
    assert told.stderr.strip() or told.stdout.strip()
    assert PASSWORD not in told.stderr + told.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_wrong_usage(world, verb):
    _, least, most, options = VERBS[verb]
    attempts = [["--nonsense"], ["--pass", "x"]]
    attempts += [["x"] * (most + 1)] if most >= 0 else []
    attempts += [["x"] * (least - 1)] if least > 0 else []
    attempts += [[option.rstrip("=")] for option in options if option.endswith("=")]
    attempts += [[option + "=x"] for option in options if not option.endswith("=")]
    attempts += [WRONG[verb]] if verb in WRONG else []
    for words in attempts:
        checked(world.run(verb.split() + words), USAGE_CODE)
    told = checked(world.run(verb.split() + ["--help"]), DONE_CODE).stdout
    assert f"  {verb}" in told and "example:" in told
    assert told == world.run(["help", *verb.split()]).stdout or verb in ("audit", "status")


STORES = {"GATEHOUSE_MARIADB_SOCKET": ("NEEDS_DATABASE", "STORES"),
          "GATEHOUSE_REDIS_URL": ("NEEDS_REDIS", "STORES")}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("verb", [verb for verb, (needs, *_) in VERBS.items()
                                  if re.search("DATABASE|REDIS|STORES", needs)] + ["token verify"])
def test_without_a_store(world, verb, store):
    needs = VERBS[verb][0] if verb != "token verify" else "NEEDS_REDIS"
    words, stdin, env = DONE[verb](world)
    away = f"{world.folder}/none.sock"
    env = env | {store: away if "SOCKET" in store else "unix://" + away}
    needed = any(word in needs.split(" | ") for word in STORES[store])
    done = world.run(verb.split() + words, stdin, env)
    checked(done, STORE_CODE if needed else DONE_CODE)


# What doctor finds in one, test_doctor.py knows.
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "doctor"])
def test_a_wrong_configuration(world, verb):
    words, stdin, env = DONE[verb](world)
    path = world.folder / "wrong.conf"
    path.write_text("[server]\nnonsense = 1\n")
    done = world.run(verb.split() + words, stdin, env, conf=str(path))
    checked(done, CONF_CODE if VERBS[verb][0] != "0" else DONE_CODE)
    assert f"{path}:2:" in done.stderr or VERBS[verb][0] == "0"
