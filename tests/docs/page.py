"""The pages of docs/: what their fenced blocks tell the reader to do, taken apart.

A block that follows a paragraph ending in "`/a/path`:" is the content of that file.  Other blocks
of language sh are commands, those of language console are commands with what they print.
"""
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


class Block:
    def __init__(self, page, section, language, text, file):
        self.page = page
        self.section = section
        self.language = language
        self.text = text
        self.file = file

    def __repr__(self):
        return f"{self.page}, {self.section}: {self.file or self.text.splitlines()[0]}"

    def commands(self):
        """[(command, the lines it prints)] of a console block."""
        found = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and found[-1][0].endswith("\\"):
                found[-1] = (found[-1][0] + "\n" + line, [])
            else:
                found[-1][1].append(line)
        return found


def blocks(name, *sections):
    """The blocks of a page in order; sections: those under these headings only."""
    section, before, found, fence = "", "", [], None
    for line in (DOCS / name).read_text("utf-8").splitlines():
        if fence is not None:
            if line == "```":
                found.append(Block(name, section, fence[0], "\n".join(fence[1]) + "\n", fence[2]))
                fence = None
            else:
                fence[1].append(line)
        elif line.startswith("```"):
            file = re.search(r"`(/[^`]+)`:$", before)
            fence = line[3:].strip(), [], file and file[1]
            before = ""
        elif line.startswith("#"):
            section, before = line.lstrip("# "), ""
        elif line:
            before = line
    assert fence is None, "a fence is not closed"
    assert not sections or {block.section for block in found} >= set(sections), "a section is gone"
    return [block for block in found if not sections or block.section in sections]


def matches(printed, expected):
    """Whether the lines are these; "..." alone stands for any number of lines, also none."""
    pattern = "".join("(?:.*\n)*" if line == "..." else
                      ".*".join(re.escape(part) for part in line.split("...")) + "\n"
                      for line in expected)
    return re.fullmatch(pattern, printed if printed.endswith("\n") or not printed
                        else printed + "\n") is not None
