"""The tree says nothing of what is still to be done, and nothing of where it was made."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

# Put together, or this file would hold them.
WORDS = [r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bX{3}\b", r"\bHA" + r"CK\b",
         r"(?i)\bfor" + r" now\b", r"(?i)\bst" + r"ub(s|bed)?\b",
         r"(?i)\bplace" + r"holders?\b(?!\s*=)",
         r"(?<![\w.-])/wo" + r"rk/", r"(?<![\w.-])/home/\w", r"(?<![\w.-])/ro" + r"ot/"]

# Words that people choose, and texts of others.
EXCEPT = {"data/common-passwords.txt", "LICENSE", "bench/peers/fastify/package-lock.json"}
# Inputs of fuzzers are bytes, not texts.
EXCEPT_BELOW = ("tests/fuzz/corpus/",)
BUILT = {"build", "build-aux", "run", "autom4te.cache", "__pycache__", ".pytest_cache", ".git",
         "node_modules", ".deps"}


def files():
    """What is, or would be, committed; in a release every file."""
    if (TOP / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "-C", str(TOP), "-c", f"safe.directory={TOP}", "ls-files", "-z", "--cached",
             "--others", "--exclude-standard"],
            capture_output=True, text=True, timeout=60, check=False)
        if listed.returncode == 0:
            return sorted(name for name in listed.stdout.split("\0")
                          if name and (TOP / name).is_file())
    generated = {"configure", "aclocal.m4", "config.h.in", "Makefile.in", "Makefile", "config.log",
                 "config.status", "config.h", "libtool", "stamp-h1"}
    return sorted(str(path.relative_to(TOP)) for path in TOP.rglob("*")
                  if path.is_file() and path.name not in generated
                  and not BUILT & set(path.relative_to(TOP).parts)
                  and not any(part.startswith("build") for part in path.relative_to(TOP).parts[:-1]))


FILES = [name for name in files()
         if name not in EXCEPT and not name.startswith(EXCEPT_BELOW)]


def content(name):
    return (TOP / name).read_bytes()


def test_there_are_files():
    assert len(FILES) > 100
    assert "src/main.c" in FILES


@pytest.mark.parametrize("word", WORDS)
def test_words(word):
    found = []
    for name in FILES:
        data = content(name)
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if re.search(word, line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def test_texts_are_utf8_and_end_with_a_line():
    for name in FILES:
        data = content(name)
        if b"\0" in data or not data:
            continue
        data.decode("utf-8")
        assert data.endswith(b"\n"), name
        assert b"\r\n" not in data, name


def test_sources_have_no_white_space_at_the_end():
    for name in FILES:
        if name.endswith((".c", ".h", ".py", ".lua", ".sh", ".sql", ".am", ".ac")):
            for number, line in enumerate(content(name).decode("utf-8").split("\n"), 1):
                assert line == line.rstrip(), f"{name}:{number}"
                assert "\t" not in line or name.endswith((".am", ".sh")), f"{name}:{number}: a tab"
