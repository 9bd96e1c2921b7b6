"""PHP's own password functions and ours know each other's hashes."""
import json
import subprocess

import pytest

from gate import PASSWORD, fresh_email, granted, refused
from test_login import store_hash, stored_hash

PASSWORDS = [PASSWORD, "ünïcödé Pferd 7", "пароль и лошадь", "x" * 72, "a'b\"c\\d$e `f`",
             "\U0001f40e\U0001f40e\U0001f40e\U0001f40e\U0001f40e\U0001f40e\U0001f40e\U0001f40e"]


def php(code, *values):
    """What PHP answers; the values are $argv[1] and so on, as JSON."""
    code = "$v = array_map('json_decode', array_slice($argv, 1)); echo json_encode(" + code + ");"
    done = subprocess.run(["php", "-n", "-r", code, "--", *map(json.dumps, values)],
                          capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("password", PASSWORDS)
def test_php_knows_our_hashes(site, password):
    user = site.register(password=password)
    ours = stored_hash(site, user)
    assert php("password_get_info($v[0])", ours)["algoName"] == "bcrypt"
    assert php("password_verify($v[0], $v[1])", password, ours) is True
    assert php("password_verify($v[0], $v[1])", password + "x", ours) is (len(password) == 72)
    assert php("password_needs_rehash($v[0], PASSWORD_BCRYPT, ['cost' => 4])", ours) is False


@pytest.mark.parametrize("password", PASSWORDS)
def test_hashes_of_php_log_in_and_are_replaced(site, user, password):
    theirs = php("password_hash($v[0], PASSWORD_DEFAULT, ['cost' => 5])", password)
    assert theirs.startswith("$2y$05$")
    store_hash(site, user, theirs)
    refused(user.try_login(password[:-1]), "invalid_credentials")
    refused(user.try_login(password + "x"), "invalid_credentials")
    assert stored_hash(site, user) == theirs
    granted(user.try_login(password))
    ours = stored_hash(site, user)
    assert ours.startswith("$2y$04$")
    assert php("password_verify($v[0], $v[1])", password, ours) is True
    granted(user.try_login(password))


def test_the_command_line_makes_hashes_for_php(site):
    ours = site.ctl_ok("password", "hash", "--cost", "6", stdin=PASSWORD + "\n").strip()
    assert php("password_verify($v[0], $v[1])", PASSWORD, ours) is True
    theirs = php("password_hash($v[0], PASSWORD_BCRYPT, ['cost' => 6])", PASSWORD)
    assert site.ctl("password", "verify", theirs, stdin=PASSWORD + "\n").returncode == 0
    assert site.ctl("password", "verify", theirs, stdin="another\n").returncode == 1


def test_argon2_is_nobody(site):
    """What crypt(5) does not know never logs in, and is left as it is."""
    user = site.register(fresh_email())
    theirs = "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b0D8g"
    store_hash(site, user, theirs)
    refused(user.try_login(), "invalid_credentials")
    assert stored_hash(site, user) == theirs
