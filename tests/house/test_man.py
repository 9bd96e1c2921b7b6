"""The man pages say what the source says: options, their defaults and bounds, flags, verbs, routes
and error codes; nothing is missing, and nothing is left of what is gone.
"""
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGES = sorted(path.name for path in (TOP / "man").iterdir() if path.suffix[1:].isdigit())


def text(path):
    return (TOP / path).read_text(encoding="utf-8")


def plain(page):
    """A page without the macros that the comparisons below do not need."""
    return text("man/" + page).replace("\\&", "")


# gatehouse.conf(5)


def arguments(row):
    """The arguments of a macro call, adjacent strings joined."""
    parts = re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", row)
    return ["".join(re.findall(r'"([^"]*)"', part)) if '"' in part else part.strip()
            for part in parts]


def options_of_source():
    """{(section, key): (type, default, what else its row holds)}"""
    rows = re.findall(r'^(OPT|POOL)_([A-Z]+)\(((?:[^"()]|"[^"]*")*)\)',
                      text("src/base/conf_options.h"), re.M)
    options = {}
    for macro, kind, row in rows:
        section, key, default, *rest = \
            (["pool.NAME"] if macro == "POOL" else []) + arguments(row)
        options[section, key] = kind, default, rest
    return options


def options_of_page():
    """{(section, key): (default, paragraph)}"""
    options, section, key = {}, None, None
    page = plain("gatehouse.conf.5").split(".Sh OPTIONS\n")[1].split("\n.Sh ")[0]
    for line in page.splitlines():
        if line.startswith(".Ss "):
            section, key = line[4:].strip("[]"), None
        item = re.match(r'^\.It Li "(\w+) =(?: (.*))?"$', line)
        if item:
            key = item[1]
            assert (section, key) not in options, "twice"
            options[section, key] = item[2] or "", ""
        elif key:
            default, paragraph = options[section, key]
            options[section, key] = default, paragraph + line + "\n"
    return options


def test_every_option_is_explained():
    source = options_of_source()
    assert len(source) == len(re.findall(r"^(?:OPT|POOL)_", text("src/base/conf_options.h"), re.M))
    page = options_of_page()
    assert set(page) == set(source)
    assert {name: default for name, (default, _) in page.items()} == \
        {name: default for name, (_, default, _) in source.items()}


@pytest.mark.parametrize("name", options_of_source(), ids=".".join)
def test_bounds_and_example(name):
    kind, default, rest = options_of_source()[name]
    paragraph = options_of_page()[name][1]
    if kind in ("DURATION", "SIZE", "INT"):
        assert f"From {rest[0]} to {rest[1]}.\n" in paragraph
    if kind == "CHOICE":
        words = re.search(r"One of\n((?:\.Li .*\n|and\n)+)", paragraph)[1]
        assert re.findall(r"^\.Li (\w+)", words, re.M) == rest[0].split("|")
    example = re.search(rf'Example:\n\.Li "{name[1]} = (.+)"\n', paragraph)
    assert example and example[1] != default


# gatehouse(8)


def test_every_flag_is_explained():
    flags = re.search(r'getopt_long\(argc, argv, "([^"]*)"', text("src/main.c"))[1].replace(":", "")
    page = plain("gatehouse.8")
    assert sorted(re.findall(r"^\.It Fl (\w)", page, re.M)) == sorted(flags)
    synopsis = page.split(".Sh SYNOPSIS\n")[1].split(".Sh ")[0]
    usage = re.search(r'"usage: gatehouse (.*)\\n"', text("src/main.c"))[1]
    assert re.sub(r"\.(Op|Nm)|Fl|Ar|-|file|\W", "", synopsis) == \
        re.sub(r"FILE|\W", "", usage)


def test_every_event_is_explained():
    names = re.findall(r'\[AUDIT_\w+\] = "(\w+)",', text("src/domain/audit.c"))
    page = plain("gatehouse.8").split(".Sh AUDIT TRAIL\n")[1].split("\n.Sh ")[0]
    assert len(names) > 20 and re.findall(r"^\.It Li (\w+)$", page, re.M) == names


# gatehousectl(8)


def verbs_of_source():
    """{"user add": (options, synopsis, example)} of the table in main.c."""
    table = text("src/ctl/main.c").split("const struct verb verbs[] = {\n")[1].split("    {0},")[0]
    row = re.compile(r'\{"(\w+)", "(\w*)", (verb_\w+), [^"{}]*?, -?\d+, -?\d+,\s*'
                     r'"([^"]*)",\s*"([^"]*)",\s*"([^"]*)",')
    table = re.sub(r'"\n +"', "", table)
    verbs = {f"{noun} {word}".strip(): (options.split(), synopsis, example)
             for noun, word, _, options, synopsis, example in row.findall(table)}
    assert len(verbs) == len(re.findall(r"\bverb_\w+", table)) > 10
    return verbs


def verbs_of_page():
    """{"user add": (synopsis, what stands below it)}"""
    page = plain("gatehousectl.8").replace("\\\n", "")
    page = page.split(".Sh VERBS\n")[1].split("\n.Sh ")[0]
    _, *parts = re.split(r"^\.It Cm (\w+(?: (?!O[op] |Ar |Fl )\w+)?)\b(.*)\n", page, flags=re.M)
    names = parts[::3]
    assert len(set(names)) == len(names), "twice"
    return {name: (synopsis, below)
            for name, synopsis, below in zip(names, parts[1::3], parts[2::3])}


def synopsis_without_macros(words):
    words = re.sub(r"\bFl -", "--", words.replace("Oo", "[").replace("Oc", "]"))
    return re.sub(r"\b(Ar|Cm|Ns)\b|\s", "", words).upper()


def test_every_verb_is_explained():
    assert list(verbs_of_page()) == list(verbs_of_source())


VERBS = sorted(verbs_of_source())


@pytest.mark.parametrize("verb", VERBS)
def test_verb(verb):
    """Its synopsis, each of its options and no other, its example, and what --json answers."""
    options, synopsis, example = verbs_of_source()[verb]
    shown, below = verbs_of_page()[verb]
    assert synopsis_without_macros(shown) == re.sub(r"\s", "", synopsis).upper()
    tags = re.findall(r"^\.It Fl -([\w-]+)( \S.*)?$", below, re.M)
    assert [f"--{name}" + ("=" if value else "") for name, value in tags] == options
    assert f"\n$ {example}\n" in below
    assert examples_of_json(below) or "With\n.Fl -json :\nthe user" in below


def examples_of_json(page):
    return [json.loads(block) for block in
            re.findall(r"^\$ gatehousectl --json .*\n(\{(?:.*\n)*?)\.Ed$", page, re.M)]


def names_in(value, outside=("header", "claims", "times", "deviceInfo", "details")):
    """The names of members, but not of what a token or a client says."""
    if isinstance(value, list):
        return set().union(*(names_in(item) for item in value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(names_in(item) for name, item in value.items()
                              if name not in outside))


def test_every_member_of_json_is_shown():
    speak = [*(TOP / "src/ctl").glob("*.c"), TOP / "src/pool/status.c", TOP / "src/main.c"]
    source = "".join(text(path.relative_to(TOP)) for path in speak)
    names = re.findall(r'json_add\w*\(\w+, "(\w+)"', source)
    assert names_in(examples_of_json(plain("gatehousectl.8"))) == set(names)


def test_every_option_of_all_verbs_is_explained():
    words = set(re.findall(r'strcmp\(word, "(-[^"]+)"\)',
                           text("src/ctl/args.c").split("int args_begin")[1].split("\n}")[0]))
    assert len(words) > 4
    page = plain("gatehousectl.8").split(".Sh VERBS\n")[0]
    tags = " ".join(re.findall(r"^\.It (Fl .*)$", page, re.M))
    assert {"-" + name for name in re.findall(r"Fl (\S+)", tags)} == words


def test_exit_codes_are_explained():
    enum = re.search(r"enum \{\n    CTL_DONE.*?\}", text("src/ctl/ctl.h"), re.S)[0]
    status = plain("gatehousectl.8").split(".Sh EXIT STATUS\n")[1].split(".Sh ")[0]
    assert re.findall(r"^\.It (\d+)$", status, re.M) == re.findall(r"CTL_\w+ = (\d+)", enum)


# gatehouse-api(7)


def test_every_route_is_explained():
    rows = re.findall(r'^    \{([A-Z]+), +"([^"]+)", ', text("src/api/routes.c"), re.M)
    assert len(rows) > 10
    page = re.findall(r"^\.It Li ([A-Z]+) /auth(/\S*)$", plain("gatehouse-api.7"), re.M)
    assert sorted(page) == sorted(rows)


def test_every_error_is_explained():
    rows = re.findall(r'\[ERROR_\w+\] = \{(\d+), "(\w+)",', text("src/api/reply.c"))
    assert len(rows) > 10
    page = re.findall(r"^\.It (\d+) Li (\w+)$", plain("gatehouse-api.7"), re.M)
    assert sorted(page) == sorted(rows)


# Their form.


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("page", PAGES)
def test_form(page):
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(TOP / "man" / page)],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout
