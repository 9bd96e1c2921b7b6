"""What MariaDB does for the questions that are asked all day: by an index, however many users there are."""
import re
import time

import pytest

from gate import PASSWORD, fresh_name


@pytest.fixture(scope="module")
def crowd(site):
    """Enough users that a scan would not be the cheapest plan, gone afterwards."""
    mark = fresh_name()
    site.sql("INSERT INTO users (email, email_canonical, username, username_canonical, password_hash, "
             f"created_at) SELECT CONCAT(seq, '@{mark}'), CONCAT(seq, '@{mark}'), "
             f"CONCAT('{mark}', seq), CONCAT('{mark}', seq), '*', UTC_TIMESTAMP(3) FROM seq_1_to_5000")
    site.sql("ANALYZE TABLE users")
    yield mark
    site.sql("DELETE FROM users WHERE email LIKE %s", "%@" + mark)


@pytest.fixture(scope="module")
def statements(site, crowd):
    """What was sent to the server while users signed in, looked at themselves and were listed."""
    name = fresh_name()
    user = site.register(username=name)
    site.sql("TRUNCATE TABLE mysql.general_log")
    site.sql("SET GLOBAL log_output = 'TABLE'")
    site.sql("SET GLOBAL general_log = 1")
    # What was prepared before the log was on is logged without its values.
    for (link,) in site.sql("SELECT id FROM information_schema.processlist WHERE user = %s",
                            site.env["MARIADB_USER"]):
        site.sql(f"KILL {link}")
    try:
        user.login()
        login = site.post("/login", {"username": name, "password": PASSWORD}).json()
        assert site.get("/sessions", token=login["accessToken"]).status_code == 200
        assert site.get("/profile", token=login["accessToken"]).status_code == 200
        assert site.get("/verify", token=login["accessToken"]).status_code == 204
        site.ctl_ok("user", "list", "--after", "1", "--limit", "1000")
        site.ctl_ok("user", "import", "-", stdin="email,username,password_hash\n"
                    f"{name}2@example.org,{name}2,*\n")
        time.sleep(0.1)
    finally:
        site.sql("SET GLOBAL general_log = 0")
    rows = site.sql("SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log "
                    "WHERE command_type = 'Execute' ORDER BY event_time")
    return [row[0] for row in rows]


def plan(site, statement):
    """[(table, access, key, rows)]"""
    return [(row[2], row[3], row[5], row[8]) for row in site.sql("EXPLAIN " + statement.replace("%", "%%"))]


@pytest.mark.parametrize("what,key", [
    (r"FROM users u LEFT JOIN .* WHERE u\.email_canonical = ", "users_email"),
    (r"FROM users u LEFT JOIN .* WHERE u\.username_canonical = ", "users_username"),
    (r"FROM users u LEFT JOIN .* WHERE u\.id = ", "PRIMARY"),
    (r"FROM users u WHERE u\.id > \d+ ORDER BY u\.id LIMIT", "PRIMARY"),
    (r"FROM users WHERE email_canonical IN", "users_email"),
    (r"FROM users WHERE username_canonical IN", "users_username"),
    (r"^UPDATE users SET last_login_at", "PRIMARY"),
])
def test_it_is_found_by_an_index(site, statements, what, key):
    found = [statement for statement in statements if re.search(what, statement)]
    assert found, statements
    tables = plan(site, found[0])
    assert tables[0][2] == key and tables[0][1] in ("const", "ref", "eq_ref", "range"), tables
    for table, access, used, rows in tables[1:]:
        assert used is not None and access != "ALL", (table, access, rows)


def test_nothing_looks_at_every_row(site, statements):
    """… not even what is not listed above."""
    looked = 0
    for statement in statements:
        if not statement.startswith(("SELECT", "UPDATE", "DELETE")) or " FROM users" not in statement:
            continue
        looked += 1
        for table, access, key, rows in plan(site, statement):
            assert access not in ("ALL", "index"), (statement, table, key, rows)
    assert looked >= 4


def test_a_session_list_asks_for_the_users_own_alone(site, crowd):
    """It is Redis's: neither a scan of keys, nor more with more users."""
    site.redis.config_resetstat()
    login = site.register().login()
    for _ in range(3):
        assert site.get("/sessions", token=login.access).status_code == 200
    used = set(site.redis.info("commandstats"))
    assert not used & {"cmdstat_keys", "cmdstat_scan", "cmdstat_sscan", "cmdstat_hscan", "cmdstat_sort"}
    assert used & {"cmdstat_zrange", "cmdstat_zrevrange", "cmdstat_smembers", "cmdstat_zrangebyscore"}, used
