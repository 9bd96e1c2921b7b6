"""The pictures of docs/: what they name exists, and nothing in them is known to stop a forge from drawing."""
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PICTURES = [(page.name, text) for page in sorted((TOP / "docs").glob("*.md"))
            for text in re.findall(r"^```mermaid\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)]
ROUTES = set(re.findall(r'"(/[a-z./-]+)', (TOP / "src/api/routes.c").read_text("utf-8")))
CODES = re.findall(r'\{\d{3}, "([a-z_]+)"', (TOP / "src/api/reply.c").read_text("utf-8"))


def test_there_are_some():
    assert len([text for name, text in PICTURES if name == "architecture.md"]) == 6


@pytest.mark.parametrize("name, text", PICTURES, ids=[f"{name}-{i}" for i, (name, _) in
                                                      enumerate(PICTURES)])
def test_picture(name, text):
    del name
    kind = text.split()[0]
    assert kind in ("flowchart", "sequenceDiagram", "stateDiagram-v2")
    for path in re.findall(r"src/[a-z_/]+\.c", text):
        assert (TOP / path).is_file(), path
    for route in re.findall(r"/auth(/[a-z]+)", text):
        assert route in ROUTES, route
    for code in re.findall(r"\b401 (\w+_\w+)", text):
        assert code in CODES, code
    # A semicolon ends a statement in a sequence, "end" by itself closes a box.
    if kind == "sequenceDiagram":
        assert ";" not in text
    opened = re.findall(r"^ *(?:subgraph|loop|opt)\b", text, re.M)
    assert len(opened) == len(re.findall(r"^ *end$", text, re.M))
    for left, right in ("()", "[]", "{}"):
        if kind == "flowchart":
            assert text.count(left) == text.count(right)
