"""docker-compose.yml as it is: up, the way from sign-up to sign-out, what holds the containers in,
and down. Run by `./dev test-docker`, which has an engine and images; the order matters."""
import json
import os
import re
import secrets
import subprocess
import time
from pathlib import Path

import pytest
import requests

TOP = Path(__file__).resolve().parents[2]
URL = "http://127.0.0.1:8080"
PROJECT = "gatehousetest"
LASTING = ("nginx", "gatehouse", "mariadb", "redis")
ONCE = ("secrets", "migrate")
PASSWORD = "spoon-lantern-42"
VOLUMES = "mariadb redis keys sockets root-secret owner-secret mariadb-secret redis-secret"


def run(*words, check=True, **more):
    done = subprocess.run(words, text=True, capture_output=True, timeout=600, check=False, **more)
    assert not check or done.returncode == 0, \
        f"{words}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def compose(*words, folder=TOP, **more):
    return run("docker-compose", "-f", str(folder / "docker-compose.yml"), "--project-directory",
               str(folder), "-p", PROJECT, *words, **more)


def name(service):
    return f"{PROJECT}_{service}_1"


def inspect(service):
    return json.loads(run("docker", "inspect", name(service)).stdout)[0]


def inside(service, script, check=True):
    return run("docker", "exec", name(service), "sh", "-c", script, check=check)


def wait(what, seconds=180):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.5)


def health(service):
    return inspect(service)["State"]["Health"]["Status"]


def all_healthy():
    return all(health(service) == "healthy" for service in LASTING)


def fingerprints():
    """What must be the same tomorrow and must never be the same elsewhere."""
    return inside("mariadb", "cat /secrets/root/password; echo; cat /secrets/owner/password; echo; "
                  "cat /secrets/mariadb/password").stdout.split() + \
        inside("gatehouse", "cat /secrets/redis/password; echo; cat /etc/gatehouse/keys/*.key"
               ).stdout.split()


def post(path, token=None, **body):
    return requests.post(URL + path, json=body, timeout=30,
                         headers={"Authorization": f"Bearer {token}"} if token else {})


def get(path, method="GET", **headers):
    return requests.request(method, URL + path, timeout=30, headers=headers, allow_redirects=False)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def login(email):
    answer = post("/auth/login", email=email, password=PASSWORD)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="session", name="up", autouse=True)
def fixture_up():
    """Nothing is left of an earlier run, and nothing of this one."""
    compose("down", "-v", "--remove-orphans")
    run("docker", "image", "rm", "-f", "gatehouse")
    compose("up", "-d")
    yield
    (TOP / "build-docker/compose.log").write_text(compose("logs", "--no-color").stdout)
    compose("down", "-v", "--remove-orphans")


@pytest.fixture(scope="session", name="email")
def fixture_email():
    email = f"{secrets.token_hex(6)}@example.org"
    assert post("/auth/register", email=email, password=PASSWORD).status_code == 201
    return email


def test_all_of_it_becomes_healthy():
    wait(all_healthy)
    for service in ONCE:
        state = inspect(service)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 0), service


def test_from_register_to_logout():
    done = run(str(TOP / "dev"), "smoke", "--url", f"{URL}/auth")
    assert "every answer was as it should be" in done.stdout


def test_protected_pages(email):
    assert get("/").status_code == 200
    for page in "/login.html", "/register.html", "/gatehouse.css", "/gatehouse.js":
        assert get(page).status_code == 200, page
    assert get("/members/").status_code == 401
    led = get("/members/", Accept="text/html")
    assert (led.status_code, led.headers["Location"]) == (302, "/login.html?next=/members/")
    forged = {"Remote-User": email, "X-Remote-User": email, "REMOTE_USER": email,
              "Remote-Groups": "admin"}
    for path in "/members/", "/members/index.html", "/admin/", "/admin/index.html":
        assert get(path, **forged).status_code == 401, path
        assert get(path, Authorization="Bearer no.such.token").status_code == 401, path
        for other in path, path + "missing", path + "?/login.html", path + "%2e/", "/" + path:
            for method in "HEAD", "POST", "OPTIONS", "PROPFIND":
                assert get(other, method).status_code == 401, (method, other)
            assert get(other, Range="bytes=0-3").status_code == 401, other
    answer = login(email)
    assert get("/members/", **bearer(answer["accessToken"])).status_code == 200
    assert get("/members/", Cookie=f"__Host-session={answer['sessionId']}").status_code == 200
    assert get("/members/", Range="bytes=0-3", **bearer(answer["accessToken"])).status_code == 206
    for method in "GET", "HEAD", "POST":
        assert get("/admin/", method, **bearer(answer["accessToken"]), **forged).status_code == 403
    done = run("docker", "exec", name("gatehouse"), "gatehousectl", "user", "role", email, "+admin")
    assert "admin" in done.stdout
    assert get("/admin/", **bearer(answer["accessToken"])).status_code == 200
    assert post("/auth/logout", answer["accessToken"]).status_code == 200
    assert get("/members/", **bearer(answer["accessToken"])).status_code == 401


def test_the_commands_of_the_documentation(email):
    """Each that asks nothing of its reader, as it is written; there is no terminal here."""
    text = (TOP / "docs/docker.md").read_text("utf-8")
    token = login(email)["accessToken"]
    asked = [line.split("#")[0].replace("ada@example.org", email).split() for line in
             re.findall(r"^docker compose ((?:exec|run|kill) .*)$", text, re.M)]
    assert len(asked) == 5
    said = [compose(words[0], *["-T"] * (words[0] in ("exec", "run")), *words[1:]).stdout
            for words in asked]
    assert email in said[0] and "admin" in said[1] and "verifies" in said[2]
    assert "login" in said[3] and email in said[3] and "0 events removed" in said[4]
    wait(lambda: 'msg="keys taken up"' in compose("logs", "--no-color", "gatehouse").stdout)
    assert get("/members/", **bearer(token)).status_code == 200
    keys = inside("gatehouse", "ls /etc/gatehouse/keys").stdout.split()
    assert len([one for one in keys if one.endswith(".key")]) == 2


@pytest.mark.parametrize("service", LASTING)
def test_is_held_in(service):
    box = inspect(service)
    host = box["HostConfig"]
    assert host["ReadonlyRootfs"] and not host["Privileged"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert 0 < host["Memory"] <= 1 << 30 and 0 < host["PidsLimit"] <= 2000
    for line in inside(service, "cat /proc/1/status").stdout.splitlines():
        if line.startswith("Cap"):
            assert int(line.split()[1], 16) == 0, line
        if line.startswith("NoNewPrivs"):
            assert line.split()[1] == "1"
    processes = run("docker", "top", name(service), "-eo", "pid,uid,gid,comm").stdout
    assert len(processes.splitlines()) > 1
    for line in processes.splitlines()[1:]:
        assert int(line.split()[1]) > 0 and int(line.split()[2]) > 0, line
    # The root cannot be written to, whoever would be allowed to.
    mounts = inside(service, "cat /proc/mounts").stdout.splitlines()
    root, = [line.split()[3].split(",") for line in mounts if line.split()[1] == "/"]
    assert "ro" in root
    assert "Read-only" in inside(service, "touch /tried; touch /etc/tried", check=False).stderr


@pytest.mark.parametrize("service, folder", [
    ("gatehouse", "/etc/gatehouse/keys"), ("gatehouse", "/secrets/redis"),
    ("gatehouse", "/secrets/mariadb"), ("mariadb", "/secrets/root"), ("redis", "/secrets/redis"),
    ("nginx", "/run/gatehouse")])
def test_what_is_shared_cannot_be_changed(service, folder):
    assert inside(service, f"ls {folder}").stdout
    assert "Read-only" in inside(service, f"touch {folder}/tried", check=False).stderr


def test_each_sees_its_own_secrets_only():
    # Some have no such folder at all, which is as good as an empty one.
    seen = {service: inside(service, "ls /secrets 2>/dev/null || true").stdout.split()
            for service in LASTING}
    assert seen["mariadb"] == ["mariadb", "owner", "root"]
    assert seen["redis"] == ["redis"]
    assert seen["nginx"] == []
    # The folders of its image are there, and empty.
    assert inside("gatehouse", "cat /secrets/root/* /secrets/owner/* 2>&1", check=False).returncode
    for service in "mariadb", "redis", "nginx":
        assert inside(service, "cat /etc/gatehouse/keys/signing", check=False).returncode


def test_secrets_are_files_for_few():
    lines = inside("gatehouse", "stat -c '%a %U %n' /secrets/*/* /etc/gatehouse/keys/*").stdout
    assert len(lines.splitlines()) >= 5
    for line in lines.splitlines():
        mode, owner, _ = line.split()
        assert owner == "gatehouse" and mode in ("440", "600"), line


def test_secrets_show_nowhere():
    prints = fingerprints()
    assert len(set(prints)) == len(prints) == 6 and all(len(one) >= 43 for one in prints)
    shown = "".join(run("docker", "inspect", name(service)).stdout for service in LASTING + ONCE)
    shown += compose("logs", "--no-color").stdout
    shown += "".join(inside(service, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
                     for service in LASTING)
    assert "mariadbd" in shown and not [one for one in prints if one in shown]


def test_stores_want_a_password():
    assert "NOAUTH" in inside("redis", "redis-cli ping").stdout
    for password in "", "gatehouse", "root", "mariadb":
        for user in "root", "gatehouse", "gatehouse_owner":
            done = inside("mariadb", f"MYSQL_PWD={password} mariadb -h 127.0.0.1 -u {user} "
                          "-e 'SELECT 1'", check=False)
            assert "Access denied" in done.stderr, (user, password, done.stderr)


def test_the_service_may_not_change_tables():
    ask = "MYSQL_PWD=$(cat /secrets/mariadb/password) " \
        "mariadb -h 127.0.0.1 -u gatehouse gatehouse -e "
    assert inside("mariadb", ask + "'SELECT COUNT(*) FROM users'").stdout
    for statement in "DROP TABLE users", "CREATE TABLE t (i INT)", "SELECT * FROM mysql.user":
        assert "denied" in inside("mariadb", f"{ask} '{statement}'", check=False).stderr, statement


def test_only_nginx_is_reached_and_reaches_out():
    """… and from this machine alone."""
    published = {service: {port: where for port, where in
                           inspect(service)["NetworkSettings"]["Ports"].items() if where}
                 for service in LASTING}
    assert published == {"gatehouse": {}, "mariadb": {}, "redis": {}, "nginx":
                         {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}}
    # The engine's name server is outside.
    ask = "import socket; socket.create_connection(('10.0.2.3', 53), 3)"
    for service in LASTING:
        done = run("nsenter", "--target", str(inspect(service)["State"]["Pid"]), "--net", "--",
                   "/usr/bin/python3", "-c", ask, check=False)
        assert (done.returncode == 0) == (service == "nginx"), (service, done.stderr)
        assert service == "nginx" or re.search("unreachable|timed out", done.stderr), done.stderr


def test_an_outage_is_told_and_ends(email):
    token = login(email)["accessToken"]
    compose("stop", "redis")
    answer = get("/auth/profile", **bearer(token))
    assert answer.status_code == 503 and answer.json()["code"] == "unavailable"
    assert get("/members/", **bearer(token)).status_code == 503
    wait(lambda: health("gatehouse") == "unhealthy" and health("nginx") == "unhealthy")
    compose("start", "redis")
    wait(all_healthy)
    assert get("/members/", **bearer(token)).status_code == 200


@pytest.mark.parametrize("service", LASTING)
def test_a_restart_is_survived(service, email):
    token = login(email)["accessToken"]
    compose("restart", service)
    wait(all_healthy)
    assert get("/members/", **bearer(token)).status_code == 200
    assert login(email)["user"]["email"] == email


@pytest.mark.parametrize("service", LASTING)
def test_what_dies_is_started_again(service, email):
    token = login(email)["accessToken"]
    before = inspect(service)["State"]
    os.kill(before["Pid"], 9)
    wait(lambda: inspect(service)["State"]["Pid"] not in (0, before["Pid"]))
    wait(all_healthy)
    assert get("/members/", **bearer(token)).status_code == 200


def test_up_again_changes_nothing(email):
    prints, token = fingerprints(), login(email)["accessToken"]
    ids = {service: inspect(service)["Id"] for service in LASTING}
    compose("up", "-d")
    wait(all_healthy)
    assert ids == {service: inspect(service)["Id"] for service in LASTING}
    assert prints == fingerprints()
    assert get("/members/", **bearer(token)).status_code == 200


def test_data_outlives_down(email):
    prints, token = fingerprints(), login(email)["accessToken"]
    compose("stop", "gatehouse")
    assert inspect("gatehouse")["State"]["ExitCode"] == 0
    assert 'msg="stopped"' in compose("logs", "--no-color", "gatehouse").stdout.splitlines()[-1]
    compose("down")
    with pytest.raises(requests.ConnectionError):
        get("/")
    compose("up", "-d")
    wait(all_healthy)
    assert prints == fingerprints()
    assert get("/members/", **bearer(token)).status_code == 200
    assert login(email)["user"]["email"] == email


def project_has(kind, *words):
    return run("docker", kind, "ls", "-q", *words, "--filter",
               f"label=com.docker.compose.project={PROJECT}").stdout.split()


def test_down_with_volumes_leaves_nothing_and_the_next_is_another(email):
    prints = fingerprints()
    assert len(project_has("volume")) == len(VOLUMES.split())
    compose("down", "-v")
    assert not project_has("container", "-a") and not project_has("network")
    assert not project_has("volume")
    compose("up", "-d", env=os.environ | {"GATEHOUSE_PORT": "8123"})
    wait(all_healthy)
    assert not set(prints) & set(fingerprints())
    with pytest.raises(requests.ConnectionError):
        get("/")
    answer = requests.post("http://127.0.0.1:8123/auth/login", timeout=30,
                           json={"email": email, "password": PASSWORD})
    assert answer.status_code == 401 and answer.json()["code"] == "invalid_credentials"


def test_half_made_secrets_are_refused():
    """A password cut short by a full disk would be easy to guess."""
    done = run("docker", "run", "--rm", "--entrypoint", "sh", "gatehouse", "-c",
               "echo abc >/secrets/owner/password && /usr/local/libexec/gatehouse/make-secrets",
               check=False)
    assert done.returncode == 1 and "too short" in done.stderr
    done = run("docker", "run", "--rm", "--entrypoint", "sh", "gatehouse", "-c",
               "/usr/local/libexec/gatehouse/make-secrets && ls /etc/gatehouse/keys && "
               "cat /secrets/*/password")
    assert "signing" in done.stdout and len(re.findall(r"[0-9a-f]{48}", done.stdout)) == 4


def test_the_image_says_what_is_wrong():
    """Alone, without secrets and stores, it ends with a sentence, and 78: configuration."""
    done = run("docker", "run", "--rm", "--read-only", "gatehouse", check=False)
    assert done.returncode == 78 and "/secrets/redis/password" in done.stderr


def test_a_release_has_all_that_it_needs():
    release = Path(os.environ["GATEHOUSE_RELEASE"])
    compose("config", "-q", folder=release)
    for line in (release / "docker-compose.yml").read_text().splitlines():
        for source in re.findall(r"^ +- (\./[^:]+):", line):
            assert (release / source).exists(), source
    run("docker", "build", "-t", "gatehouse:release", str(release))
    assert run("docker", "run", "--rm", "gatehouse:release", "gatehouse", "-V").stdout.strip() == \
        run("docker", "run", "--rm", "gatehouse", "gatehouse", "-V").stdout.strip()
