"""gatehousectl user import: what is taken, what is refused and why, and that it can be gone on with."""
import crypt  # pylint: disable=deprecated-module
import json
import os
import pty
import subprocess

import pytest

from gate import PASSWORD, fresh_name, granted, plain_environment, refused
from test_cli import (CONFIGURATION, DONE, REFUSED, STORE, USAGE,  # noqa: F401
                      conf, exits, shown)

HASH = crypt.crypt(PASSWORD, "$2b$04$" + "a" * 22)


@pytest.fixture
def domain():
    """Of this test's users alone."""
    return fresh_name() + ".example"


def run(site, text, *options, name="-"):
    """(exit code, summary, {line: (outcome, reason)})"""
    done = site.ctl("--json", "user", "import", name, *options, stdin=text)
    assert done.returncode in (DONE, REFUSED, STORE), done.stderr
    *rows, summary = map(json.loads, done.stdout.splitlines())
    return done.returncode, summary, {row["line"]: (row["outcome"], row["reason"]) for row in rows}


def count(site, domain):
    return site.sql("SELECT COUNT(*) FROM users WHERE email LIKE %s", "%@" + domain)[0][0]


def log_in(site, **names):
    return site.post("/login", {"password": PASSWORD, **names})


def test_csv_of_every_column(site, domain):
    name = fresh_name()
    text = ("email,username,displayName,passwordHash,roles,emailVerified,disabled\r\n"
            f"A@{domain},{name},\"Ada, \"\"B\"\"\nÄ\",{HASH},editor;admin,yes,no\r\n"
            f"b@{domain},,,{HASH},,0,true\r\n")
    code, summary, rows = run(site, text)
    assert (code, summary["imported"], rows[2][0]) == (REFUSED, 1, "refused")
    assert "one line" in rows[2][1] and 4 not in rows
    code, summary, rows = run(site, text.replace("\nÄ", " Ä"), "--each")
    assert (code, summary["imported"], summary["there"]) == (DONE, 1, 1)
    assert rows[2] == ("imported", None) and rows[3][0] == "there"
    user = shown(site, name)
    assert (user["email"], user["displayName"]) == (f"A@{domain}", "Ada, \"B\" Ä")
    assert user["roles"] == ["admin", "editor"]
    assert user["emailVerified"] and not user["disabled"]
    granted(log_in(site, email=f"a@{domain}"))
    assert shown(site, f"b@{domain}")["disabled"]
    refused(log_in(site, email=f"b@{domain}"), "invalid_credentials")


def test_json_of_every_member(site, domain):
    lines = [{"email": f"a@{domain}", "password": PASSWORD, "roles": ["a", "b"], "displayName": "Ö"},
             {"email": f"b@{domain}", "passwordHash": "*", "username": None, "emailVerified": True}]
    code, summary, _ = run(site, "\n\n".join(json.dumps(line) for line in lines))
    assert (code, summary["imported"], summary["dryRun"]) == (DONE, 2, False)
    assert granted(log_in(site, email=f"a@{domain}"))["user"]["roles"] == ["a", "b"]
    refused(log_in(site, email=f"b@{domain}"), "invalid_credentials")


@pytest.mark.parametrize("salt", ["$2y$04$" + "b" * 21 + "u", "$2a$04$" + "b" * 21 + "u", "$5$rounds=1000$salt",
                                  "$6$rounds=1000$salt", "$y$j75$salt......"])
def test_hashes_of_others_log_in(site, domain, salt):
    made = crypt.crypt(PASSWORD, salt)
    assert made
    code, summary, _ = run(site, f"email,password_hash\nx@{domain},{made}\n")
    assert (code, summary["imported"]) == (DONE, 1), made
    granted(log_in(site, email=f"x@{domain}"))


@pytest.mark.parametrize("row,reason", [
    ("nobody,,,*,", "must be an email address"),
    (",,,*,", "email is missing"),
    ("a@{d},a,,*,", "3 to 32"),
    ("a@{d},,,,", "neither a password nor a hash"),
    ("a@{d},,good enough 7,*,", "which of them counts"),
    ("a@{d},,short,,", "too short"),
    ("a@{d},,password1,,", "most common"),
    ("a@{d},,,$1$salt$abcdefghijklmnopqrstuv,", "no kind that is accepted"),
    ("a@{d},,,$2y$31$" + "a" * 53 + ",", "too costly"),
    ("a@{d},,,$2y$04$" + "a" * 52 + ",", "cut short"),
    ("a@{d},,,$6$salt$abc,", "cut short"),
    ("a@{d},,,plain,", "no kind that is accepted"),
    ("a@{d},,,*,a/b", "role"),
    ("a@{d},,,*", "fewer fields"),
    ("a@{d},,,*,,x", "more fields"),
    ("a@{d},,,*,\"x", "never closed"),
    ("a@{d},,,*,\"x\"y", "behind a closing quote"),
    ("a@{d},,,*,x\"y", "does not begin with one"),
    ("a@{d},,,*,x\0y", "NUL"),
    ("a@{d},,,*," + "x" * 70000, "64 KiB"),
    ("a\xff@{d},,,*,", "UTF-8"),
])
def test_a_bad_row_is_named_and_the_others_go_on(site, domain, row, reason):
    text = f"email,username,password,password_hash,roles\n{row.format(d=domain)}\nok@{domain},,,*,\n"
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    done = subprocess.run([tool, "-c", site.env["CONF"], "user", "import", "-"], timeout=30, check=False,
                          input=text.encode("latin-1"), capture_output=True, env=plain_environment())
    told = done.stdout.decode()
    assert done.returncode == REFUSED, told
    assert "line 2: " in told and reason in told.split("\n")[0], told
    # A quote that is never closed takes all that is behind it.
    good = 0 if reason == "never closed" else 1
    assert f"{good} imported, 0 there already, 1 refused" in told
    assert count(site, domain) == good
    assert "mend these" in done.stderr.decode()


@pytest.mark.parametrize("line,reason", [
    ('nonsense', "JSON"), ('[]', "no object"), ('{"email": 3}', "wrong type"),
    ('{"email": "a@x.example", "passwd": "x"}', "none of email"),
    ('{"email": "a@x.example", "email": "b@x.example"}', "twice"),
    ('{"email": "a@x.example", "roles": [1]}', "texts"),
    ('{"email": "a@x.example", "roles": ["a b"]}', 'the role "a b" must have 1 to 64 letters'),
    ('{"email": "a@x.example", "roles": ["a/b"]}', 'the role "a/b" must have 1 to 64 letters'),
    ('{"email": "a@x.example", "roles": ["%s"]}' % '","'.join(["a" * 64] * 200), "longer than 1 KiB"),
    ('{"email": "a@x.example", "disabled": "yes"}', "wrong type"),
])
def test_a_bad_line_of_json(site, domain, line, reason):
    good = json.dumps({"email": f"ok@{domain}", "passwordHash": "*"})
    code, summary, rows = run(site, f"{good}\n{line}\n")
    assert (code, summary["imported"], summary["refused"]) == (REFUSED, 1, 1)
    assert rows[2][0] == "refused" and reason in rows[2][1]


@pytest.mark.parametrize("head,reason", [
    ("name,phone", "\"name\" is none of"), ("username,roles", "email is not among them"),
    ("email,Email", "twice"), ("", "must name the columns"), ("email,\"x", "never closed"),
])
def test_a_bad_head_imports_nobody(site, head, reason):
    done = site.ctl("user", "import", "-", stdin=head + "\nx@y.example,*\n" if head else "")
    exits(done, REFUSED)
    assert reason in done.stderr and done.stdout == ""


def test_duplicates(site, domain):
    one, two = fresh_name(), fresh_name()
    text = ("email,username,password_hash\n"
            f"a@{domain},{one},*\n"        # 2: taken
            f"A@{domain},{one.upper()},*\n"  # 3: the same once more
            f"a@{domain},{two},*\n"        # 4: the same email, somebody else
            f"b@{domain},{one},*\n"        # 5: the same username
            f"c@{domain},{two},*\n")
    code, summary, rows = run(site, text)
    assert (code, summary["imported"], summary["there"], summary["refused"]) == (REFUSED, 2, 1, 2)
    assert rows[3][0] == "there" and "line 2" in rows[3][1]
    assert "line 2 has the same email" in rows[4][1] and "line 2 has the same username" in rows[5][1]
    # And against who is in the database.
    code, summary, rows = run(site, f"email,username,password_hash\na@{domain},x{one},*\n"
                              f"d@{domain},{one},*\nc@{domain},{two},*\n")
    assert rows == {2: ("refused", "another user has this email address"),
                    3: ("refused", "another user has this username"),
                    4: ("there", "is left as they are")}
    assert (code, summary["imported"]) == (REFUSED, 0)


def test_a_dry_run_changes_nothing_and_says_the_same(site, domain):
    text = "email,username,password_hash\n" + "".join(
        f"u{i % 1100}@{domain},{domain[:7]}{i % 1100},*\n" for i in range(1101)) + f"x@{domain},a,*\n"
    code, summary, rows = run(site, text, "--dry-run")
    assert (code, summary["imported"], summary["refused"], summary["dryRun"]) == (REFUSED, 1100, 2, True)
    assert "earlier line" in rows[1102][1] and count(site, domain) == 0
    code, summary, rows = run(site, text)
    assert (code, summary["imported"], summary["there"], summary["refused"]) == (REFUSED, 1100, 1, 1)
    assert count(site, domain) == 1100


def test_it_can_be_gone_on_with(site, domain):
    lines = [f"u{i}@{domain},*\n" for i in range(1200)]
    run(site, "email,password_hash\n" + "".join(lines[:700]))
    code, summary, _ = run(site, "email,password_hash\n" + "".join(lines))
    assert (code, summary["imported"], summary["there"]) == (DONE, 500, 700)


def test_a_file_with_a_mark_and_its_end(site, domain, tmp_path):
    path = tmp_path / "users.csv"
    path.write_bytes(b"\xef\xbb\xbfEMAIL,Password_Hash\r\n\r\n" + f"a@{domain},*".encode())
    assert run(site, "", name=str(path))[:2][0] == DONE
    assert count(site, domain) == 1
    done = site.ctl("user", "import", str(tmp_path / "none.csv"))
    exits(done, REFUSED)
    assert "No such file" in done.stderr


def test_progress_is_for_terminals(site, domain):
    """… and the report is not mixed with it."""
    master, slave = pty.openpty()
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    text = "email,password\n" + "".join(f"u{i}@{domain},spoon-lantern-{i}\n" for i in range(1600))
    done = subprocess.run([tool, "-c", site.env["CONF"], "user", "import", "-"], input=text.encode(),
                          stdout=subprocess.PIPE, stderr=slave, timeout=60, check=False,
                          env=plain_environment())
    told = os.read(master, 4096).decode()
    os.close(slave)
    os.close(master)
    assert done.returncode == DONE and "rows, " in told and "a second" in told
    assert done.stdout.decode().startswith("1600 imported")


def test_a_list_of_many_is_turned_page_by_page(site, domain):
    run(site, "email,password_hash\n" + "".join(f"u{i}@{domain},*\n" for i in range(450)))
    seen, after = [], "0"
    while after is not None:
        page = json.loads(site.ctl_ok("--json", "user", "list", "--after", after, "--limit", "1000"))
        seen += [user["email"] for user in page["users"] if user["email"].endswith("@" + domain)]
        after = page["next"]
    assert len(seen) == len(set(seen)) == 450


def test_exit_codes(site, conf, tmp_path):  # noqa: F811
    for words in (["user", "import"], ["user", "import", "a", "b"], ["user", "import", "-", "--fast"]):
        exits(site.ctl(*words), USAGE)
    exits(site.ctl("user", "import", "-", conf=conf(f"mariadb.socket={tmp_path}/none")), STORE)
    exits(site.ctl("user", "import", "-", conf=str(tmp_path / "none.conf")), CONFIGURATION)
