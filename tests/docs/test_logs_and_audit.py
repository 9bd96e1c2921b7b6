"""docs/logs-and-audit.md, followed: its commands, and the account of its own that reads the trail."""
import subprocess

import pymysql
import pytest

from gate import PASSWORD, granted, plain_environment, refused, wait_until
from page import blocks

PAGE = "logs-and-audit.md"


@pytest.fixture(scope="module", name="ada")
def fixture_ada(site):
    """The page's user, with a login and a wrong password behind them."""
    site.ctl("user", "delete", "ada@example.org", "--yes")
    user = site.register("ada@example.org")
    user.login()
    refused(user.try_login("wrong horse 8 nail"), "invalid_credentials")
    wait_until(lambda: run(site, "gatehousectl --json audit --since 5m").stdout.count(
        '"ada@example.org"') >= 3, 10)
    yield user
    site.ctl("user", "delete", "ada@example.org", "--yes")


def run(site, commands):
    """As root's shell; the program and its configuration are where an installation has them."""
    shell = ('gatehousectl() { "$BIN_DIR/gatehousectl" -c "$CONF" "$@"; }\n'
             "export GATEHOUSE_MARIADB_URL=mariadb://root@localhost/gatehouse "
             "GATEHOUSE_MARIADB_PASSWORD_FILE=\n" + commands)
    env = {**plain_environment(), "BIN_DIR": site.env["BIN_DIR"], "CONF": site.env["CONF"]}
    return subprocess.run(["bash", "-euc", shell], env=env, capture_output=True, text=True, timeout=60,
                          check=False)


def test_the_commands(site, ada):
    reading, pruning = [block for block in blocks(PAGE) if block.language == "sh"]
    setting, *commands = reading.text.splitlines()
    assert len(commands) == 4
    shown = []
    for command in commands:
        done = run(site, setting + "\n" + command)
        assert done.returncode == 0 and not done.stderr, (command, done.stderr)
        shown.append(done.stdout)
    assert all(ada.email in text for text in shown)
    assert " login_refused " in shown[2] and " login " not in shown[2]
    done = run(site, setting + "\n" + pruning.text)
    assert done.returncode == 0 and "removed" in done.stdout


def test_the_account(site, ada):
    """It reads and cuts short, and may not so much as change an event."""
    sql, = [block.text for block in blocks(PAGE) if block.language == "sql"]
    try:
        for statement in sql.replace("VIA unix_socket", "BY 'for the test'").split(";\n"):
            if statement.strip():
                site.sql(statement)
        link = pymysql.connect(unix_socket=site.env["MARIADB_SOCKET"], user="auditor",
                               password="for the test", database="gatehouse", autocommit=True)
        with link, link.cursor() as cursor:
            for statement in ("UPDATE audit SET actor = ''", "DELETE FROM users",
                              "UPDATE users SET disabled_at = NULL", "SELECT * FROM clients"):
                with pytest.raises(pymysql.err.OperationalError) as raised:
                    cursor.execute(statement)
                assert raised.value.args[0] == 1142, statement
        as_auditor = "GATEHOUSE_MARIADB_URL='mariadb://auditor:for%20the%20test@localhost/gatehouse' "
        done = run(site, as_auditor + "gatehousectl audit --user ada@example.org")
        assert done.returncode == 0 and "login_refused" in done.stdout, done.stderr
        done = run(site, as_auditor + "gatehousectl audit prune --older-than 3650d")
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert run(site, as_auditor + "gatehousectl user disable ada").returncode != 0
    finally:
        site.sql("DROP USER IF EXISTS 'auditor'@'localhost'")
    granted(ada.try_login(PASSWORD))
