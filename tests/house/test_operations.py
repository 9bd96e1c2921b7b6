"""What docs/operations.md names exists: log lines word by word, metrics, links; and whatever is an error
says what to do about it."""
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs/operations.md").read_text(encoding="utf-8")
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted((TOP / "src").rglob("*.c"))}
LITERAL = r'"(?:[^"\\]|\\.)*"'
CALL = re.compile(r'log_(error|warning|info|event|alarm|debug)\(\s*((?:[^;"]|' + LITERAL + r')*?)\);', re.S)
MESSAGES = sorted(set(re.findall(r'`msg="([^"`]+)"`', PAGE)))
# Says that a bug was found; what to do is to report it.
NO_CURE = {"broken invariant"}


def joined(text):
    """Adjacent string literals as one."""
    return re.sub(r'"\s*"', "", text)


CALLS = [(level, joined(call)) for text in SOURCES.values() for level, call in CALL.findall(text)]


def test_there_is_something():
    assert len(MESSAGES) > 20
    assert len(CALLS) > 50


def test_no_line_has_a_field_twice():
    """The logger itself writes the first ones; a reader of JSON keeps the last of a name alone."""
    for _, call in CALLS:
        fields = re.findall(r'\bF_[A-Z]+\("([a-z_]+)"', call)
        assert len(fields) == len(set(fields)), call
        assert not {"time", "level", "who", "msg", "request_id", "address"} & set(fields), call


@pytest.mark.parametrize("message", MESSAGES)
def test_log_lines(message):
    calls = [(level, call) for level, call in CALLS if f'"{message}"' in call]
    if not calls:  # chosen by a condition, or written with its level
        assert any(f'"{message}"' in joined(text) for text in SOURCES.values()), message
    for level, call in calls:
        if level == "error" and message not in NO_CURE:
            assert '"cure"' in call or '"hint"' in call, f"nothing says what to do: {message}"


def test_metrics():
    families = set(re.findall(r'family\(\w+, "([a-z_]+)"', SOURCES[TOP / "src/api/handle_metrics.c"]))
    named = set(re.findall(r"`gatehouse_([a-z_]+)`", PAGE))
    assert len(named) > 12
    assert not named - families


def test_options():
    """[section] key, as written in the page."""
    options = (TOP / "src/base/conf_options.h").read_text(encoding="utf-8")
    named = re.findall(r"`\[(\w+)\] (\w+)`", PAGE)
    assert named
    for section, key in named:
        assert re.search(rf"\({section}, {key},", options), f"[{section}] {key}"


@pytest.mark.parametrize("page", ["operations.md", "scale.md"])
def test_links(page):
    text = (TOP / "docs" / page).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([\w./-]*)#?([\w-]*)\)", text):
        there = (TOP / "docs" / target).read_text(encoding="utf-8") if target else text
        titles = [re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
                  for title in re.findall(r"^#+ (.*)$", there, re.M)]
        assert not anchor or anchor in titles, f"{target}#{anchor}"
