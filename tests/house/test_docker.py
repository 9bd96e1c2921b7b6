"""docker-compose.yml, Dockerfile and the stand-ins of ./dev test-docker for official images agree
with each other and with the tree; what holds the containers in is there for each of them."""
import re
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((TOP / "docker-compose.yml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
DOCKERFILE = (TOP / "Dockerfile").read_text("utf-8")
HARNESS = (TOP / "tools/dev/docker.sh").read_text("utf-8")
ONCE = {"secrets", "migrate"}

each_service = pytest.mark.parametrize("name", SERVICES)


def mounts(service):
    """(source, target, whether it is read-only)"""
    for line in service.get("volumes", []):
        source, target, *mode = line.split(":")
        yield source, target, mode == ["ro"]


def instructions(word):
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M))
    return re.findall(rf"^{word} (.*)$", joined, re.M)


@each_service
def test_is_held_in(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "devices" not in service
    assert re.fullmatch(r"\d+m", service["mem_limit"]) and service["pids_limit"] > 0
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert service["logging"]["options"]["max-size"]
    # Our own image names its user itself.
    assert service["image"] == "gatehouse" or service["user"] not in ("root", "0", 0)


@each_service
def test_health_is_watched(name):
    service = SERVICES[name]
    if name in ONCE:
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["image"] == "gatehouse" or service["healthcheck"]["test"]


@each_service
def test_mounts_are_there(name):
    for source, target, read_only in mounts(SERVICES[name]):
        if source.startswith("."):
            assert (TOP / source).exists(), source
            assert read_only, "the tree is nobody's to write to"
        else:
            assert source in COMPOSE["volumes"], source
        assert target.startswith("/")


def test_every_volume_and_network_is_used():
    used = {source for service in SERVICES.values() for source, _, _ in mounts(service)}
    assert set(COMPOSE["volumes"]) == {one for one in used if not one.startswith(".")}
    assert set(COMPOSE["networks"]) == {net for one in SERVICES.values()
                                        for net in one.get("networks", [])}


def test_who_writes_what():
    """One writer for each volume; secrets have theirs before anybody reads."""
    writers = {}
    for name, service in SERVICES.items():
        for source, _, read_only in mounts(service):
            if source in COMPOSE["volumes"] and not read_only:
                writers.setdefault(source, []).append(name)
    assert writers == {"mariadb": ["mariadb"], "redis": ["redis"], "sockets": ["gatehouse"]} | {
        one: ["secrets"] for one in COMPOSE["volumes"] if one.endswith("-secret") or one == "keys"}


def test_networks():
    assert COMPOSE["networks"]["stores"] == {"internal": True}
    for name, service in SERVICES.items():
        wanted = {"nginx": ["front"], "secrets": None}.get(name, ["stores"])
        assert service.get("networks") == wanted, name
        assert ("ports" in service) == (name == "nginx")
    assert SERVICES["secrets"]["network_mode"] == "none"
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["nginx"]["ports"])


def test_no_password_is_written_down():
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY", key):
                assert key.endswith("_FILE"), (name, key)
                assert value == "" or value.startswith("/secrets/"), (name, key)
    for path in ("docker-compose.yml", "Dockerfile", "conf/docker/gatehouse.conf",
                 "conf/docker/redis.conf"):
        text = (TOP / path).read_text("utf-8")
        assert not re.search(r"(?i)\b(password|requirepass|identified by)\b[ ='\":]+[a-z0-9]{4,}$",
                             text, re.M), path


def test_the_order_of_the_start():
    wanted = {"secrets": {}, "mariadb": {"secrets": "completed_successfully"},
              "redis": {"secrets": "completed_successfully"}, "migrate": {"mariadb": "healthy"},
              "gatehouse": {"migrate": "completed_successfully", "redis": "healthy"},
              "nginx": {"gatehouse": "healthy"}}
    assert wanted == {name: {other: how["condition"].removeprefix("service_") for other, how in
                             service.get("depends_on", {}).items()}
                      for name, service in SERVICES.items()}


def test_stand_ins_have_the_names_that_are_asked_for():
    stand_ins = dict(pair.split("=") for pair in
                     re.search(r"^DOCKER_STAND_INS=\((.*)\)$", HARNESS, re.M)[1].split())
    assert set(stand_ins.values()) == {one["image"] for one in SERVICES.values()} - {"gatehouse"}
    base = re.search(r"^DOCKER_BASE=(.*)$", HARNESS, re.M)[1]
    for folder in stand_ins:
        text = (TOP / "tools/dev/docker" / folder / "Dockerfile").read_text("utf-8")
        assert re.findall(r"^FROM (\S+)", text, re.M) == [base]
    assert {one.split()[0] for one in instructions("FROM")} == {base}


def test_one_service_builds_the_image():
    """… that the others use, and it is the first that runs."""
    assert [name for name, one in SERVICES.items() if "build" in one] == ["secrets"]
    assert {name for name, one in SERVICES.items() if one["image"] == "gatehouse"} == \
        ONCE | {"gatehouse"}


def test_dockerfile():
    assert instructions("USER") == ["10000:10000"] and instructions("STOPSIGNAL") == ["SIGTERM"]
    assert instructions("CMD") == ['["gatehouse", "-f"]'] and not instructions("ENTRYPOINT")
    health, = instructions("HEALTHCHECK")
    assert health.endswith('CMD ["gatehouse", "-t"]')
    for words in instructions("COPY"):
        *sources, _ = words.split()
        if not sources[0].startswith("--from"):
            assert all((TOP / source).exists() for source in sources), words
    assert not instructions("ADD") and not re.search(r"https?://", DOCKERFILE)
    group = re.search(r"groupadd --gid (\d+) gatehouse", DOCKERFILE)[1]
    for name in "mariadb", "redis", "nginx":
        assert SERVICES[name]["group_add"] == [group], name


def test_mounted_folders_of_our_image_are_made_in_it():
    """A volume takes over owner and mode from there."""
    made = set(re.findall(r"(?<= )/[\w/]+", " ".join(
        line for line in instructions("RUN") if "install -d" in line)))
    for name in ONCE | {"gatehouse"}:
        for source, target, _ in mounts(SERVICES[name]):
            assert source.startswith(".") or target in made, target


def test_what_git_leaves_out_the_image_does_too():
    lines = {one.strip("/") for one in (TOP / ".dockerignore").read_text("utf-8").splitlines()}
    for one in (TOP / ".gitignore").read_text("utf-8").splitlines():
        wanted = one.strip("/")
        assert {wanted, f"**/{wanted}", re.sub(r"\.gz$", ".*", wanted)} & lines, one
    assert {".git", "run", "build*"} <= lines
