"""POST /auth/refresh: rotation, its grace, theft, and the cookie."""
import time

import pytest

from gate import (SAME_SITE, TOKEN_KEYS, alive, at_once, claims_of, dead, granted, refused,
                  set_cookies, sid_of)


def refresh_by_cookie(site, value, headers=SAME_SITE):
    return site.post("/refresh", cookie=f"{site.refresh_cookie_name}={value}", headers=headers)


def test_answers_new_tokens(site, login):
    body = granted(login.refresh(), keys=TOKEN_KEYS)
    assert body["tokenType"] == "Bearer"
    assert body["expiresIn"] == 900
    assert body["refreshExpiresIn"] == 7 * 86400
    assert body["message"]
    assert body["refreshToken"] != login.refresh_token
    assert claims_of(body["accessToken"])["jti"] != claims_of(login.access)["jti"]


def test_the_session_stays_the_same(site, login):
    body = granted(login.refresh())
    assert claims_of(body["accessToken"])["sid"] == login.sid
    for token in (body["accessToken"], login.access, login.session):
        alive(site, token)


def test_a_chain_of_rotations(site, login):
    token, seen = login.refresh_token, set()
    for _ in range(10):
        token = granted(login.refresh(token))["refreshToken"]
        assert token not in seen
        seen.add(token)
    alive(site, login.session)


def test_within_the_grace_the_same_successor(site, login):
    first, second = granted(login.refresh()), granted(login.refresh())
    assert first["refreshToken"] == second["refreshToken"]
    for body in (first, second):
        alive(site, body["accessToken"])
    granted(login.refresh(first["refreshToken"]))


def test_many_at_once_get_one_successor(site, login):
    answers = at_once(20, lambda _: login.refresh())
    bodies = [granted(answer, keys=TOKEN_KEYS) for answer in answers]
    assert len({body["refreshToken"] for body in bodies}) == 1
    for body in bodies:
        alive(site, body["accessToken"])
    granted(login.refresh(bodies[0]["refreshToken"]))


def other_letter(letter):
    return "A" if letter != "A" else "B"


@pytest.mark.parametrize("place", [0, 1, 0.25, 0.5, 0.75, -8, -2])
def test_a_forged_token_does_no_harm(site, login, place):
    token = login.refresh_token
    index = int(len(token) * place) if isinstance(place, float) else place % len(token)
    while not token[index].isalnum():
        index += 1
    forged = token[:index] + other_letter(token[index]) + token[index + 1:]
    refused(login.refresh(forged), "refresh_invalid")
    alive(site, login.session)
    granted(login.refresh())


@pytest.mark.parametrize("change", [
    lambda token: token[:-1], lambda token: token + "A", lambda token: token + "=",
    lambda token: token * 2, lambda token: token[:10], lambda token: " " + token, str.swapcase,
])
def test_a_misspelt_token_does_no_harm(site, login, change):
    refused(login.refresh(change(login.refresh_token)), "refresh_invalid")
    alive(site, login.session)
    granted(login.refresh())


def test_the_secret_of_one_session_does_not_fit_another(site, user):
    first, second = user.login(), user.login()
    half = len(first.refresh_token) // 2
    crossed = first.refresh_token[:half] + second.refresh_token[half:]
    refused(first.refresh(crossed), "refresh_invalid")
    for login in (first, second):
        granted(login.refresh())


@pytest.mark.parametrize("token", ["garbage", "x" * 5000, "a.b.c", "*", "../x"])
def test_an_unknown_token(site, token):
    refused(site.post("/refresh", {"refreshToken": token}), "refresh_invalid")


def test_other_credentials_are_no_refresh_tokens(site, login):
    for token in (login.access, login.session, login.sid):
        refused(login.refresh(token), "refresh_invalid")
    alive(site, login.session)


def test_no_token_at_all(site, login):
    refused(site.post("/refresh", {}), "invalid_request", {"refreshToken"})
    refused(site.post("/refresh", {}, token=login.access), "invalid_request", {"refreshToken"})


@pytest.mark.parametrize("token", [5, None, True, ["x"], {}])
def test_a_token_of_a_wrong_type(site, token):
    refused(site.post("/refresh", {"refreshToken": token}), "invalid_request", {"refreshToken"})


def test_after_logout(site, login):
    granted(site.post("/logout", token=login.access))
    refused(login.refresh(), "refresh_invalid")


def test_a_successor_of_the_grace_dies_with_the_logout(site, login):
    successor = granted(login.refresh())["refreshToken"]
    granted(site.post("/logout", token=login.access))
    refused(login.refresh(), "refresh_invalid")
    refused(login.refresh(successor), "refresh_invalid")


def test_after_the_user_is_disabled(site, user, login):
    site.disable(user.email)
    refused(login.refresh(), "refresh_invalid")
    site.enable(user.email)
    refused(login.refresh(), "refresh_invalid")


# By cookie.


def test_cookie_rotates_the_cookie(site, user):
    login = user.login(transport="cookie")
    value = login.cookies[site.refresh_cookie_name].value
    answer = refresh_by_cookie(site, value)
    body = granted(answer)
    assert not {"accessToken", "refreshToken", "sessionId", "user"} & set(body)
    assert set(body) <= TOKEN_KEYS
    successor = set_cookies(answer)[site.refresh_cookie_name]
    assert successor.value not in ("", value)
    granted(refresh_by_cookie(site, successor.value))


def test_two_tabs_keep_their_cookies(site, user):
    login = user.login(transport="cookie")
    value = login.cookies[site.refresh_cookie_name].value
    answers = at_once(6, lambda _: refresh_by_cookie(site, value))
    for answer in answers:
        granted(answer)
    cookies = [set_cookies(answer) for answer in answers]
    assert len({jar[site.refresh_cookie_name].value for jar in cookies}) == 1
    assert not any(cookie.cleared for jar in cookies for cookie in jar.values())


def test_body_refresh_sets_no_refresh_cookie(site, login):
    assert site.refresh_cookie_name not in set_cookies(login.refresh())


def test_refresh_by_cookie_from_elsewhere_spends_nothing(site, user):
    login = user.login(transport="cookie")
    value = login.cookies[site.refresh_cookie_name].value
    refused(refresh_by_cookie(site, value, {"Sec-Fetch-Site": "cross-site"}), "csrf_rejected")
    refused(refresh_by_cookie(site, value, {}), "csrf_rejected")
    granted(refresh_by_cookie(site, value))


# What takes time.  In the brief instance the grace is 2 s, a refresh token lives for 6 s unused,
# a session idles out after 3 s and ends 20 s after login.


def test_replay_after_the_grace_ends_everything(brief):
    login = brief.register().login()
    second = granted(login.refresh())
    time.sleep(2.5)
    third = granted(login.refresh(second["refreshToken"]))
    alive(brief, third["accessToken"])
    refused(login.refresh(), "refresh_reused")
    dead(brief, third["accessToken"])
    dead(brief, login.session)
    refused(login.refresh(third["refreshToken"]), "refresh_invalid")


def test_retries_do_not_prolong_the_grace(brief):
    login = brief.register().login()
    for pause in (0, 0.7, 0.7):
        time.sleep(pause)
        granted(login.refresh())
    time.sleep(1.1)
    refused(login.refresh(), "refresh_reused")
    dead(brief, login.session)


def test_theft_is_logged(brief):
    login = brief.register().login()
    granted(login.refresh())
    time.sleep(2.4)
    refused(login.refresh(), "refresh_reused")
    with open(brief.env["LOG"], encoding="utf-8", errors="replace") as log:
        lines = [line for line in log if login.sid in line]
    assert sum("event=refresh_reused" in line for line in lines) == 1, lines
    for line in lines:
        assert login.refresh_token not in line


def test_refresh_brings_an_idle_session_back(brief):
    login = brief.register().login()
    time.sleep(3.4)
    dead(brief, login.session)
    body = granted(login.refresh())
    assert claims_of(body["accessToken"])["sid"] == sid_of(login.session)
    alive(brief, body["accessToken"])
    alive(brief, login.session)


def test_an_unused_refresh_token_ends(brief):
    login = brief.register().login()
    assert login.body["expiresIn"] == 2
    assert login.body["refreshExpiresIn"] == 6
    time.sleep(6.5)
    refused(login.refresh(), "refresh_invalid")


def test_nothing_outlives_the_session_max(brief):
    login = brief.register().login()
    token, record = login.refresh_token, brief.key("refresh", login.sid)
    began, end = map(int, brief.redis.hmget(record, "created", "end"))
    assert end - began == 20000
    # Brought forward, so that nobody has to wait for it.
    for kind in ("session", "refresh"):
        brief.redis.hset(brief.key(kind, login.sid), "end", end - 13000)
    begun = time.monotonic()
    while time.monotonic() - begun < 5:
        body = granted(login.refresh(token))
        token = body["refreshToken"]
        left = 7 - (time.monotonic() - begun)
        assert 0 < body["refreshExpiresIn"] <= min(6, left + 1.5)
        time.sleep(0.9)
    time.sleep(max(0, 7.6 - (time.monotonic() - begun)))
    dead(brief, login.session)
    refused(login.refresh(token), "refresh_invalid")


def test_a_refresh_brings_no_role_back_that_was_taken(site, user):
    site.set_roles(user.email, "admin")
    login, idle = user.login(), user.login()
    assert site.redis.delete(site.key("session", idle.sid)) == 1
    site.ctl_ok("user", "role", user.email, "-admin")
    for one in (login, idle):
        assert claims_of(granted(one.refresh())["accessToken"])["roles"] == []
        assert site.get("/verify", token=one.session).headers["Remote-Groups"] == ""
