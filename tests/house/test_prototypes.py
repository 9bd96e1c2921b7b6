"""A header can be read standing: each function has a comment directly above it, above the prototypes
that stand together with it (no blank line between), or beside it."""
import re
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"
# conf_options.h holds rows of a table, which look like calls.
HEADERS = sorted(path for path in SRC.rglob("*.h") if path.name != "conf_options.h")
# What names a part of the header, and says nothing of any function.
TITLE = re.compile(r"/\*[^*]*-{10,}\s*\*/|/\* \w+\.c \*/")


def tokens(text):
    """("comment" or "code", its text, the number of its line), and ("blank", …) for empty lines; the
    bodies of structs, enums and inline functions are left out."""
    depth, line, at = 0, 1, 0
    pieces = re.compile(r"/\*.*?\*/|\n[ \t]*(?=\n)|#(?:[^\n]*\\\n)*[^\n]*|[{};]|[^/#{};\n]+|\n|/", re.S)
    code = ""
    while at < len(text):
        piece = pieces.match(text, at)[0]
        if piece.startswith("/*"):
            if depth == 0:
                yield "comment", piece, line
        elif piece.startswith("\n"):
            if len(piece) > 1 or text[at + 1:at + 2] == "\n":
                if depth == 0 and not code.strip():
                    yield "blank", "", line
            code += " "
        elif piece == "{":
            depth += 1
        elif piece == "}":
            depth -= 1
            if depth == 0:
                code += "{}"
                if re.search(r"\)\s*\{\}$", code):
                    yield "code", code.strip(), line
                    code = ""
        elif depth == 0 and not piece.startswith("#"):
            code += piece
            if piece == ";":
                yield "code", code.strip(), line
                code = ""
        line += piece.count("\n")
        at += len(piece)


def is_function(code):
    return re.search(r"\w\s*\(", re.sub(r"__attribute__.*", "", code)) is not None and \
        not code.startswith("typedef") and "(*" not in code.split(")")[0]


def undocumented(text):
    covered, waiting, last, missing = False, [], 0, []
    for kind, what, line in tokens(text):
        if kind == "comment" and waiting and line == last:
            waiting.pop()  # beside it
            continue
        missing += waiting
        waiting = []
        if kind == "comment":
            covered = TITLE.fullmatch(what) is None
        elif kind == "blank":
            covered = False
        elif is_function(what):
            last = line
            if not covered:
                waiting = [re.search(r"(\w+)\s*\(", what)[1]]
        elif not re.fullmatch(r"struct \w+;", what):
            covered = False  # the comment was about a struct, an enum or a variable
    return missing + waiting


def test_the_test_sees_what_is_missing():
    sample = """
/*
 * sample: of this test.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

struct one {
    void (*callback)(int); /* is no function */
};
struct two;

/* Two functions that stand together. */
int first(void);
int second(const char *text, void (*then)(int),
           int more) __attribute__((format(printf, 1, 2)));

int third(void);
int fourth(void); /* beside it */
/* About the enum. */
enum { A, B };
int fifth(void);

/* Part of a file --------------------------------------------------- */
int sixth(void);

/* part.c */
int seventh(void);
typedef int kind(int);
/* Inline. */
static inline int eighth(int x) {
    return (x);
}

static inline int ninth(int x) {
    return x;
}
#endif
"""
    assert undocumented(sample) == ["third", "fifth", "sixth", "seventh", "ninth"]


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: str(path.relative_to(SRC)))
def test_each_function_is_explained(path):
    assert undocumented(path.read_text("utf-8")) == []
