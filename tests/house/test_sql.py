"""The schema explains itself, and statements are prepared, never put together."""
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
STEPS = sorted((TOP / "sql").glob("[0-9]*.sql"))


def text(path):
    return (TOP / path).read_text("utf-8")


def without_comments(sql):
    return re.sub(r"^--.*$", "", sql, flags=re.M)


def definitions(body):
    """What stands between the commas of a table's outer brackets."""
    parts, depth, quoted, part = [], 0, False, ""
    for char in body:
        if char == "'":
            quoted = not quoted
        if not quoted:
            depth += (char == "(") - (char == ")")
        if char == "," and depth == 0 and not quoted:
            parts.append(part.strip())
            part = ""
        else:
            part += char
    return parts + [part.strip()]


def tables(sql):
    """{table: ({column: definition}, options)}"""
    found = {}
    for name, body, options in re.findall(
            r"^CREATE TABLE(?: IF NOT EXISTS)? (\w+) \(\n(.*?)\n\)(.*?);$", sql, re.M | re.S):
        columns = {part.split()[0]: part for part in definitions(body)
                   if not re.match(r"(PRIMARY|UNIQUE|KEY|CONSTRAINT|CHECK|INDEX)\b", part)}
        found[name] = columns, options
    return found


def all_tables():
    joined = {}
    for step in STEPS:
        joined |= tables(without_comments(step.read_text("utf-8")))
    return joined


def test_there_are_steps():
    assert STEPS
    assert [step.name[:4] for step in STEPS] == [f"{i + 1:04}" for i in range(len(STEPS))]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_every_column_has_a_comment(step):
    sql = without_comments(step.read_text("utf-8"))
    found = tables(sql)
    assert len(found) == len(re.findall(r"\bCREATE TABLE\b", sql))
    for table, (columns, options) in found.items():
        assert re.search(r"COMMENT '[^']+'", options), table
        assert "COLLATE utf8mb4_nopad_bin" in options and "ENGINE=InnoDB" in options, table
        for column, definition in columns.items():
            assert re.search(r"COMMENT '[^']+'$", definition), f"{table}.{column}"
    for column in re.findall(r"\b(?:ADD|MODIFY|CHANGE)(?: COLUMN)? [^;]*?(?=,\n|;)", sql, re.S):
        if not re.match(r"ADD (PRIMARY|UNIQUE|KEY|CONSTRAINT|INDEX|FOREIGN)", column):
            assert "COMMENT '" in column, column


def test_the_programs_own_table_too():
    source = re.search(r"static const char table\[\] =(.*?);\n\n", text("src/store/migrate.c"), re.S)
    sql = "".join(re.findall(r'"([^"]*)"', source[1])).replace("\\n", "\n")
    (columns, options), = tables(sql).values()
    assert "COMMENT '" in options
    assert all("COMMENT '" in definition for definition in columns.values())


def statements():
    """{STMT_…: its text}, macros and adjacent strings joined."""
    source = re.sub(r"/\*.*?\*/", "", text("src/store/sql.c"), flags=re.S)
    macros = dict(re.findall(r"^#define (\w+)\s+((?:.*\\\n)*.*)$", source, re.M))
    rows = re.findall(r"^    \[(STMT_\w+)\] = \{(.*?),\s*(?:true|false)\}", source, re.M | re.S)
    assert len(rows) == len(dict(rows)) == source.count("[STMT_") - source.count("[STMT_COUNT]")

    def joined(words):
        return "".join(quoted if quoted or not macro else joined(macros[macro]) for quoted, macro in
                       re.findall(r'"((?:[^"\\]|\\.)*)"|\b([A-Z_]{4,})\b', words))
    return {name: joined(words) for name, words in rows}


def wide_statements():
    """{WIDE_…: its text for one row}"""
    source = text("src/store/sql.c").split("sql_wides[WIDE_COUNT] = {")[1]
    rows = re.findall(r"^    \[(WIDE_\w+)\] = \{(.*?)\},$", source, re.M | re.S)
    assert len(rows) == source.count("[WIDE_")
    return {name: "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', words)) for name, words in rows}


EVERY = statements() | wide_statements()


def test_enum_and_array_of_wide_ones_agree():
    enum = re.search(r"enum wide_statement \{(.*?)\};", text("src/store/sql.h"), re.S)[1]
    names = re.findall(r"WIDE_\w+", enum)
    assert names == [*wide_statements(), "WIDE_COUNT"]


def test_the_account_may_do_what_the_service_does():
    """And nothing else: rights are given table by table, and CREATE is taken back."""
    verbs = {"SELECT": {"SELECT"}, "INSERT": {"INSERT"}, "UPDATE": {"UPDATE"}, "DELETE": {"DELETE"}}
    of_service = text("src/store/sql.h").split("SQL_FIRST_OF_ADMINISTRATOR ")[1].split()[0]
    needed = {}
    for name, sql in statements().items():
        if name == of_service:
            break
        for table in re.findall(r"\b(?:FROM|UPDATE|INTO|JOIN) (\w+)", sql):
            needed.setdefault(table, set()).update(verbs[sql.split()[0]])
    grants = without_comments(text("sql/grants.sql"))
    given = {table: set(rights.split(", ")) for rights, table in
             re.findall(r"^GRANT ([A-Z, ]+) ON `@DATABASE@`\.(\w+) TO", grants, re.M)}
    taken = set(re.findall(r"^REVOKE CREATE ON `@DATABASE@`\.(\w+) FROM", grants, re.M))
    assert set(given) == taken == set(all_tables()) | {"schema_migrations"}
    assert given["audit"] == {"CREATE", "INSERT"} == needed["audit"] | {"CREATE"}
    assert given["schema_migrations"] == {"CREATE", "SELECT"}
    for table, rights in needed.items():
        assert rights <= given[table], table
    whole = re.findall(r"^(GRANT|REVOKE) ([A-Z, ]+) ON `@DATABASE@`\.\*", grants, re.M)
    assert [kind for kind, _ in whole] == ["GRANT", "REVOKE"] and whole[0][1] == whole[1][1]


def test_enum_and_array_agree():
    enum = re.search(r"enum statement \{(.*?)\};", text("src/store/sql.h"), re.S)[1]
    names = re.findall(r"STMT_\w+", enum)
    assert names[-1] == "STMT_COUNT"
    assert names[:-1] == list(statements())


def test_every_statement_is_used():
    source = "".join(path.read_text("utf-8") for path in (TOP / "src").rglob("*.c")
                     if path.name != "sql.c")
    for name in EVERY:
        assert re.search(rf"\b{name}\b", source), name


@pytest.mark.parametrize("name", EVERY)
def test_values_are_bound(name):
    sql = EVERY[name]
    # The formats of DATE_FORMAT are the database's, the separator is one of ours.
    bare = re.sub(r"DATE_FORMAT\(([\w.]+), '%Y-%m-%d[T ]%H:%i:%S(?:\.%f)?Z?'\)", r"\1", sql)
    bare = bare.replace("SEPARATOR ','", "")
    assert "%" not in bare and "'" not in bare and '"' not in bare, bare
    assert ";" not in bare and "--" not in bare and "/*" not in bare
    # Nothing is compared with, or set to, what is written out, but to null and counted up.
    for value in re.findall(r"(?:[<>]=|[=<>]|LIKE|LIMIT)\s*([^\s,)]+)", bare):
        assert value in ("?", "NULL", "version", "u.id", "UTC_TIMESTAMP(3", "COALESCE(disabled_at"), \
            f"{value} in {bare}"


@pytest.mark.parametrize("name", EVERY)
def test_tables_and_columns_are_there(name):
    known = all_tables()
    sql = EVERY[name]
    aliases = {}
    for table, alias in re.findall(r"\b(?:FROM|UPDATE|INTO|JOIN) (\w+)(?: (?!SET|WHERE)(\w))?\b", sql):
        assert table in known, table
        aliases[alias or table] = table
    for alias, column in re.findall(r"\b([a-z])\.(\w+)", sql):
        assert column in known[aliases[alias]][0], f"{alias}.{column}"
    if len(aliases) == 1:
        columns = known[next(iter(aliases.values()))][0]
        for column in re.findall(r"\b([a-z_]+)\b(?= = )", sql):
            assert column in columns, column


def test_sql_is_on_its_page():
    """Statements are in sql.c; what else speaks SQL is listed here, and binds nothing of a stranger."""
    speaks = {str(path.relative_to(TOP / "src")) for path in (TOP / "src").rglob("*.[ch]")
              if re.search(r'"[^"\n]*\b(SELECT [\w(]|INSERT INTO |UPDATE \w+ SET |DELETE FROM |CREATE TABLE )',
                           path.read_text("utf-8"))}
    assert speaks <= {"store/sql.c", "store/db.c", "store/db_link.c", "store/migrate.c", "ctl/verb_db.c",
                      "ctl/doctor_stores.c"}
    assert "printf" not in text("src/store/sql.c")
    assert not re.search(r"mysql_(real_)?query|mysql_real_escape",
                         "".join(path.read_text("utf-8") for path in (TOP / "src").rglob("*.c")
                                 if path.name not in ("db.c", "db_link.c")))
