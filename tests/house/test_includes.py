"""Rooms include what is to their left, and each library has one door."""
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SRC = TOP / "src"

# What each room may include besides itself.  "" is main.c and serve, where the lines meet.
LEFT_OF = {
    "base": set(),
    "store": {"base"},
    "domain": {"base", "store"},
    "fcgi": {"base"},
    "api": {"base", "store", "domain", "fcgi"},
    "pool": {"base"},
    "ctl": {"base", "store", "domain"},
    "": {"base", "store", "domain", "fcgi", "api", "pool"},
}

# Made by the build, included as rows of a table.
GENERATED = {"store/embedded_lua.inc", "store/embedded_sql.inc", "domain/common_passwords.inc"}

DOORS = {
    r"json-c/.*|json\.h|json_.*\.h": {"base/json.c"},
    r"openssl/.*": {"base/secret.c", "base/pkey.c", "store/tls.c"},
    r"hiredis.*|hiredis/.*|sds\.h": {"store/redis_wire.c"},
    r"mysql.*|mysql/.*|mariadb.*|errmsg\.h": {"store/db.c", "store/db_bind.c",
                                                   "store/db_bind.h", "store/db_link.c"},
    r"jwt\.h": {"domain/token.c"},
    r"crypt\.h": {"domain/password.c"},
    r"utf8proc\.h": {"domain/canon.c"},
    # Only numbers: nothing of libfcgi is linked.
    r"fastcgi\.h": {"fcgi/record.c"},
    r"fcgi.*\.h": set(),
}

FILES = sorted(path for path in SRC.rglob("*") if path.suffix in (".c", ".h"))


def name(path):
    return str(path.relative_to(SRC))


def room(name_):
    return name_.split("/")[0] if "/" in name_ else ""


def includes(path):
    """[(quoted or angular, what)]"""
    found = re.findall(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', path.read_text("utf-8"), re.M)
    assert len(found) == len(re.findall(r"^[ \t]*#[ \t]*include\b", path.read_text("utf-8"), re.M))
    return found


def test_there_are_files_in_each_room():
    assert {room(name(path)) for path in FILES} == set(LEFT_OF)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_direction(path):
    here = room(name(path))
    for quote, what in includes(path):
        if quote != '"':
            continue
        assert re.fullmatch(r"([a-z]+/)?[a-z0-9_]+\.(h|inc)", what), f"{what}: not room/file.h"
        assert (SRC / what).is_file() or what in GENERATED, f"{what}: not in the tree"
        assert what.endswith(".h") or what in GENERATED
        assert room(what) == here or room(what) in LEFT_OF[here], \
            f"{what} is not to the left of {here or 'main'}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_own_header_comes_first(path):
    """… so that every header is complete in itself."""
    own = name(path)[:-2] + ".h"
    if path.suffix == ".c" and (SRC / own).is_file():
        assert includes(path)[0] == ('"', own)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_doors(path):
    for quote, what in includes(path):
        if quote == "<":
            for header, doors in DOORS.items():
                if re.fullmatch(header, what):
                    assert name(path) in doors, f"<{what}> has another door"
                    break


def test_doors_are_in_use():
    used = {(door, what) for path in FILES for quote, what in includes(path) if quote == "<"
            for door in [name(path)]}
    for header, doors in DOORS.items():
        assert not doors or any(door in doors and re.fullmatch(header, what)
                                for door, what in used), header


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".h"], ids=name)
def test_guards(path):
    """conf_options.h alone is included several times."""
    if name(path) == "base/conf_options.h":
        return
    guard = name(path).replace("/", "_").replace(".", "_").upper()
    text = path.read_text("utf-8")
    assert f"#ifndef {guard}\n#define {guard}\n" in text
    assert text.endswith("#endif\n")


def test_private_to_files():
    """Headers that two files share, and nobody else."""
    shared = {
        "base/conf_table.h": {"base/conf.c", "base/conf_table.c", "base/conf_value.c",
                              "base/conf_check.c", "base/conf_print.c"},
        "base/json_scan.h": {"base/json.c", "base/json_scan.c"},
        "store/embedded.h": {"store/scripts.c", "store/embedded.c", "store/migrate.c"},
        "store/sql.h": {"store/sql.c", "store/db.h"},
        "store/db_bind.h": {"store/db.c", "store/db_bind.c"},
        "store/db_link.h": {"store/db.c", "store/db_link.c"},
            "store/db_bind.h": {"store/db.c", "store/db_bind.c"},
        "store/db_link.h": {"store/db.c", "store/db_link.c"},
            "store/redis_link.h": {"store/redis_link.c", "store/cache.c", "store/mark.c"},
        "fcgi/conn.h": {"fcgi/conn.c", "fcgi/loop.c"},
        "domain/account_check.h": {"domain/account.c", "domain/account_check.c"},
    }
    for header, users in shared.items():
        assert {name(path) for path in FILES if ('"', header) in includes(path)} <= users, header


@pytest.mark.parametrize("path", sorted((TOP / "tests/unit").glob("*.[ch]")),
                         ids=lambda path: path.name)
def test_tests_are_written_the_same_way(path):
    for quote, what in includes(path):
        if quote == '"' and "/" in what:
            assert (SRC / what).is_file() or what in GENERATED, what
        elif quote == '"':
            assert (path.parent / what).is_file(), what
