"""Every option is in the example that the program prints, and what it prints it reads back."""
import base64
import os
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def gatehouse():
    places = [Path(os.environ["BIN_DIR"])] if "BIN_DIR" in os.environ else \
        [TOP / "build", TOP, *sorted(TOP.glob("build*"))]
    for place in places:
        if (place / "gatehouse").is_file():
            return str(place / "gatehouse")
    pytest.skip("gatehouse is not built; set BIN_DIR to the folder that holds it")
    return None


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}


def run(*arguments, **variables):
    return subprocess.run([gatehouse(), *arguments], env=environment() | variables, text=True,
                          capture_output=True, timeout=30, check=False)


def options():
    """{section: {key: its whole row}}; the rows of pools are in both pools."""
    found = {}
    source = (TOP / "src/base/conf_options.h").read_text("utf-8")
    for pool, kind, row in re.findall(
            r'^(OPT|POOL)_([A-Z]+)\(((?:[^"()]|"[^"]*")*)\)', source, re.M):
        words = [word.strip() for word in row.split(",")]
        names = [(section, words[0]) for section in ("pool.web", "pool.login")] \
            if pool == "POOL" else [(words[0], words[1])]
        for section, key in names:
            assert key not in found.setdefault(section, {}), "twice"
            found[section][key] = kind, row
    return found


def ini(text, comment=""):
    """{section: {key: value}} of lines that begin with comment."""
    found, section = {}, None
    for line in text.splitlines():
        if line.startswith("["):
            section = line[1:-1]
            found[section] = {}
        else:
            item = re.match(rf"^{comment}(\w+) =(?: (.*))?$", line)
            if item:
                assert item[1] not in found[section], f"[{section}] {item[1]} is there twice"
                found[section][item[1]] = item[2] or ""
    return found


@pytest.fixture(name="world")
def fixture_world(tmp_path):
    """A folder with a key, and a configuration that needs nothing else of the machine."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for name, text in (("k.hs256.key", base64.urlsafe_b64encode(bytes(33)).decode()),
                       ("signing", "k\n")):
        (keys / name).write_text(text)
        (keys / name).chmod(0o600)
    return tmp_path


def base(world):
    return (f"[token]\nkeys = {world}/keys\n"
            f"[pool.web]\nlisten = {world}/web.sock\n[pool.login]\nlisten = {world}/login.sock\n")


def effective(world, text):
    path = world / "gatehouse.conf"
    path.write_text(text)
    path.chmod(0o600)
    done = run("-c", str(path), "-T")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_has_every_option():
    done = run("-E")
    assert done.returncode == 0 and done.stderr == ""
    example, wanted = ini(done.stdout, "#"), options()
    assert len(sum(([*keys] for keys in wanted.values()), [])) > 40
    assert {section: list(keys) for section, keys in example.items()} == \
        {section: list(keys) for section, keys in wanted.items()}
    # Everything but sections is a comment, so that the file as it stands changes nothing.
    assert all(not line or line[0] in "#[" for line in done.stdout.splitlines())
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_the_example_explains_every_option():
    text = re.sub(r"\n# ", " ", run("-E").stdout)
    for keys in options().values():
        for key, (_, row) in keys.items():
            explanation = "".join(re.findall(r'"([^"]*)"', row.rsplit(",\n", 1)[-1])) \
                if ",\n" in row else re.findall(r'"([^"]*)"', row)[-1]
            assert explanation and explanation in re.sub(r"\s+", " ", text), key


def test_the_values_are_those_of_the_example(world):
    """Comment signs taken away, the example is a file that says what holds without it."""
    example = run("-E").stdout
    told = re.sub(r"^#(\w+ =)", r"\1", example, flags=re.M)
    told = told.replace("keys = /etc/gatehouse/keys", f"keys = {world}/keys")
    for pool in ("web", "login"):
        told = told.replace(f"listen = /run/gatehouse/{pool}.sock", f"listen = {world}/{pool}.sock")
    assert effective(world, told) == effective(world, base(world))


def test_every_option_is_printed(world):
    assert {section: list(keys) for section, keys in ini(effective(world, base(world))).items()} == \
        {section: list(keys) for section, keys in options().items()}


# One other value for each option that the base does not set.
OTHER = """
[server]
base_path = /sign/in
max_body = 128k
shutdown = 3s
request_timeout = 1500ms
[redis]
url = unix:///run/redis/redis.sock?db=3
prefix = other:
timeout = 1s
[mariadb]
url = mariadb://someone@db.example:3307/site
socket = /run/mysqld/mysqld.sock
timeout = 5s
[token]
access_ttl = 90s
issuer = https://a.example/
audience = "  spaces # and ; signs  "
leeway = 5s
[session]
idle = 36h
max = 60d
touch = 5m
per_user = 20
[refresh]
ttl = 14d
grace = 0s
[cookie]
enabled = no
name = __Secure-sid
domain = example.org
secure = no
carries = jwt
origins = https://app.example https://b.example:8443
[login]
transport = bearer
[password]
scheme = yescrypt
cost = 5
min_length = 10
[register]
mode = closed
[limit]
enabled = no
login_address = 3/7s
login_account = 5/1d
register_address = 1/1h
refresh_address = 999/1m
profile_user = 7/1h
[log]
target = syslog
format = json
level = debug
[pool.web]
workers = 3
batch = 7
idle_timeout = 9s
backlog = 99
mode = 0666
[pool.third]
listen = 127.0.0.1:{port}
"""


def test_what_is_printed_is_read_back(world):
    other = OTHER.replace("{port}", "29417")
    printed = effective(world, base(world) + other)
    assert effective(world, printed) == printed
    for section, keys in ini(other).items():
        for key, value in keys.items():
            assert ini(printed)[section][key] == value, (section, key)


def test_every_option_has_a_variable(world):
    """… that counts for more than the file."""
    printed = ini(effective(world, base(world) + OTHER.replace("{port}", "29417")))
    path = world / "gatehouse.conf"
    path.write_text(base(world))
    before = ini(run("-c", str(path), "-T").stdout)
    for section, keys in options().items():
        for key in keys:
            value = printed[section][key]
            name = "GATEHOUSE_" + f"{section}_{key}".replace(".", "_").upper()
            # One that is not what it was already; names of accounts would have to exist.
            if value == before[section][key] or not value:
                continue
            # Quotes are the file's.
            done = run("-c", str(path), "-T", **{name: value.strip('"')})
            if done.returncode != 0:  # some values are good only together: cost with its scheme
                assert key in ("cost", "scheme"), (name, done.stderr)
                continue
            assert ini(done.stdout)[section][key] == value, name


def test_passwords_are_not_printed(world):
    printed = effective(world, base(world) + "[redis]\nurl = redis://u:s3cret@h.example/1\n"
                        "[mariadb]\nurl = mariadb://u:s3cret@h.example/d\n")
    assert "s3cret" not in printed
    assert "url = redis://u:***@h.example/1\n" in printed
    assert "url = mariadb://u:***@h.example/d\n" in printed
