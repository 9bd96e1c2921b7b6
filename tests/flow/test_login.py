"""POST /auth/login."""
import crypt
import json
from pathlib import Path

import jwt
import pytest

from gate import (CLAIMS, HEX64, LOGIN_KEYS, PASSWORD, alive, claims_of, fresh_email, fresh_name,
                  granted, header_of, moment, refused, shows_user, sid_of)


def test_answers_tokens_and_user(site, user):
    body = granted(user.try_login(), keys=LOGIN_KEYS)
    assert body["message"] == "Logged in"
    assert body["tokenType"] == "Bearer"
    assert body["expiresIn"] == 900
    assert body["refreshExpiresIn"] == 7 * 86400
    assert shows_user(body["user"])["id"] == user.id
    alive(site, body["accessToken"])
    alive(site, body["sessionId"])


def test_roles_are_all_there_and_in_the_order_of_their_bytes(site):
    name = fresh_name()
    user = site.register(username=name)
    roles = ["user", "b.2", "B", "b:10", "b", "a-b_c", *(f"team{i}" for i in range(20))]
    site.set_roles(user.email, *roles)
    by_name = site.post("/login", {"username": name, "password": PASSWORD})
    for body in granted(user.try_login()), granted(by_name):
        assert body["user"]["roles"] == sorted(roles)
        assert claims_of(body["accessToken"])["roles"] == sorted(roles)
        assert granted(site.get("/profile", token=body["accessToken"]))["roles"] == sorted(roles)


def test_every_login_is_a_session_of_its_own(user):
    first, second = user.login(), user.login()
    for name in ("access", "refresh_token", "session", "sid"):
        assert getattr(first, name) != getattr(second, name)


def test_session_token_holds_256_bits(login):
    assert len(login.session) >= 43
    assert len(login.refresh_token) >= 43


def test_claims_of_the_access_token(site, user, login, key):
    claims = jwt.decode(login.access, key.secret, algorithms=["HS256"],
                        issuer=site.conf("token", "issuer", "gatehouse"),
                        audience=site.conf("token", "audience", "gatehouse"))
    assert set(claims) == CLAIMS
    assert claims["sub"] == user.id
    assert claims["email"] == user.email
    assert claims["roles"] == []
    assert claims["sid"] == sid_of(login.session)
    assert HEX64.match(claims["sid"])
    assert type(claims["iat"]) is int and type(claims["exp"]) is int
    assert claims["exp"] - claims["iat"] == 900
    assert header_of(login.access)["kid"] == key.kid
    assert header_of(login.access)["alg"] == "HS256"


def test_every_access_token_has_its_own_jti(user):
    assert claims_of(user.login().access)["jti"] != claims_of(user.login().access)["jti"]


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
def test_email_is_compared_without_case(site, user, change):
    body = {"email": change(user.email), "password": PASSWORD}
    assert granted(site.post("/login", body))["user"]["email"] == user.email


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_login_by_username(site, change):
    name = fresh_name()
    site.register(username=name)
    body = {"username": change(name), "password": PASSWORD}
    assert granted(site.post("/login", body))["user"]["username"] == name


def test_both_names_or_neither_are_refused(site):
    name = fresh_name()
    user = site.register(username=name)
    both = {"email": user.email, "username": name, "password": PASSWORD}
    refused(site.post("/login", both), "invalid_request")
    refused(site.post("/login", {"password": PASSWORD}), "invalid_request")


@pytest.mark.parametrize("fields", [{"email": 5}, {"email": None}, {"email": ["x"]}])
def test_email_of_a_wrong_type(site, fields):
    refused(site.post("/login", {"password": PASSWORD, **fields}), "invalid_request")


@pytest.mark.parametrize("password", [None, 5, True, [PASSWORD]])
def test_password_of_a_wrong_type(site, user, password):
    body = {"email": user.email, "password": password}
    refused(site.post("/login", body), "invalid_request", {"password"})


def test_missing_password(site, user):
    refused(site.post("/login", {"email": user.email}), "invalid_request", {"password"})


def same_refusal(first, second):
    """Nothing but the request's own id and the time tells two refusals apart."""
    own = {"X-Request-Id", "Date"}
    heads = [{name: value for name, value in answer.headers.items() if name not in own}
             for answer in (first, second)]
    bodies = [refused(answer, "invalid_credentials") for answer in (first, second)]
    for body in bodies:
        del body["requestId"]
    assert bodies[0] == bodies[1]
    assert heads[0] == heads[1]


def test_unknown_user_and_wrong_password_look_the_same(site, user):
    unknown = site.post("/login", {"email": fresh_email(), "password": PASSWORD})
    same_refusal(user.try_login("wrong password"), unknown)


def test_disabled_user_looks_like_a_wrong_password(site, user):
    wrong = user.try_login("wrong password")
    site.disable(user.email)
    same_refusal(wrong, user.try_login())
    site.enable(user.email)
    granted(user.try_login())


@pytest.mark.parametrize("password", ["wrong password", PASSWORD + " ", PASSWORD.upper(), "",
                                      PASSWORD[:-1], "x" * 5000])
def test_wrong_password(user, password):
    body = {"email": user.email, "password": password}
    answer = user.site.post("/login", body)
    if password == "":
        assert answer.status_code in (400, 401)
    else:
        refused(answer, "invalid_credentials")


def test_password_is_never_cut(site):
    user = site.register(password="p" * 72)
    granted(user.try_login())
    refused(user.try_login("p" * 73), "invalid_credentials")
    refused(user.try_login("p" * 71 + "q"), "invalid_credentials")


def test_password_spellings_that_look_the_same_are_the_same(site):
    user = site.register(password="cafe\u0301 ﬁnance")
    granted(user.try_login("caf\u00e9 finance"))


@pytest.mark.parametrize("hostile", ["' OR '1'='1", "admin'--", "\" OR 1=1 --", "%", "_"])
def test_quotes_are_only_characters(site, hostile):
    refused(site.post("/login", {"email": hostile, "password": hostile + PASSWORD}),
            "invalid_credentials")
    refused(site.post("/login", {"username": hostile, "password": hostile + PASSWORD}),
            "invalid_credentials")


def test_last_login_appears_with_the_first_login(site, user):
    assert user.shown["lastLoginAt"] is None
    login = user.login()
    shown = granted(site.get("/profile", token=login.access))
    assert moment(shown["lastLoginAt"]) >= moment(shown["createdAt"]) - 1


@pytest.mark.parametrize("info", [
    {}, {"name": "Pixel 9", "os": {"name": "Android", "version": [17, 0, 1.5]}, "ok": None},
    {"text": "ü\n\"quoted\" \\ / 😀"}, {"large": 9007199254740993},
    {"pad": "x" * 2000},
])
def test_device_info_comes_back_as_given(site, user, info):
    login = user.login(deviceInfo=info)
    assert granted(site.get("/session", token=login.access))["deviceInfo"] == info


def test_device_info_is_null_when_not_given(site, login):
    assert granted(site.get("/session", token=login.access))["deviceInfo"] is None


@pytest.mark.parametrize("info", ["Pixel", 5, ["Pixel"], True, {"pad": "x" * 2050}])
def test_bad_device_info(user, info):
    refused(user.try_login(deviceInfo=info), "invalid_request", {"deviceInfo"})


@pytest.mark.parametrize("transport", ["", "header", "BOTH", 5, ["both"]])
def test_bad_transport(user, transport):
    refused(user.try_login(transport=transport), "invalid_request", {"transport"})


def stored_hash(site, user):
    return site.sql("SELECT password_hash FROM users WHERE id = %s", user.id)[0][0]


def store_hash(site, user, value):
    site.sql("UPDATE users SET password_hash = %s WHERE id = %s", value, user.id)


def test_new_hashes_are_bcrypt_in_the_form_of_php(site, user):
    assert stored_hash(site, user).startswith("$2y$04$")


@pytest.mark.parametrize("salt", [
    "$6$rounds=1000$abcdefghijklmnop$", "$5$rounds=1000$abcdefghijklmnop$",
    "$2a$04$abcdefghijklmnopqrstuu", "$2b$05$abcdefghijklmnopqrstuu",
    "$y$j75$abcdefghijklmnopqrstu.$",
])
def test_an_older_hash_logs_in_and_is_replaced(site, user, salt):
    old = crypt.crypt(PASSWORD, salt)
    assert old and not old.startswith("*")
    store_hash(site, user, old)
    refused(user.try_login("wrong password"), "invalid_credentials")
    assert stored_hash(site, user) == old
    granted(user.try_login())
    assert stored_hash(site, user).startswith("$2y$04$")
    granted(user.try_login())


@pytest.mark.parametrize("value", ["", "*", "!", "x", "*0", "*1", "$2y$04$short", "$nosuch$ab$cd",
                                   # Minutes or gigabytes are not begun: the test would end late.
                                   "$6$rounds=999999999$abcdefghijklmnop$" + "x" * 86,
                                   "$5$rounds=999999999$abcdefghijklmnop$" + "x" * 43,
                                   "$2y$31$abcdefghijklmnopqrstuu" + "x" * 31,
                                   "$y$jzT$abcdefghijklmnopqrstu.$" + "x" * 43,
                                   "$7$zU..../....abcdefghijklmnop$" + "x" * 43,
                                   # 256 MiB.
                                   "$y$jDT$abcdefghijklmnopqrstu.$" + "x" * 43,
                                   "$7$EU..../....abcdefghijklmnop$" + "x" * 43])
def test_a_hash_that_is_none_never_logs_in(site, user, value):
    store_hash(site, user, value)
    log = Path(site.env["LOG"])
    start = log.stat().st_size
    for password in (PASSWORD, "x", "foob"):
        refused(user.try_login(password), "invalid_credentials")
    # Whoever keeps the users finds out that it is not the passwords.
    text = log.read_bytes()[start:].decode("utf-8")
    lines = [line for line in text.splitlines() if f"user={user.id}" in line]
    assert len(lines) == 3 and all("kind or cost that is not accepted" in line for line in lines)


def test_todays_hash_is_left_alone(site, user):
    before = stored_hash(site, user)
    granted(user.try_login())
    assert stored_hash(site, user) == before


def test_no_secret_is_kept_in_redis(site, user):
    login = user.login(deviceInfo={"a": 1})
    record = site.redis.hgetall if site.redis.type(site.key("session", login.sid)) == "hash" else \
        site.redis.get
    kept = json.dumps(record(site.key("session", login.sid)), default=str)
    for secret in (login.session, login.refresh_token, login.access, PASSWORD):
        assert secret not in kept


def test_a_disabled_user_stays_out_when_word_of_it_is_gone(site, user):
    """Redis keeps word of a change for ten minutes; a user is disabled for longer."""
    site.disable(user.email)
    assert site.redis.delete(site.key("user_changed", user.id)) == 1
    refused(user.try_login(), "invalid_credentials")
    assert site.redis.zrange(site.key("user_sessions", user.id), 0, -1) == []
