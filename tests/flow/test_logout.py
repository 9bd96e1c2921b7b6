"""POST /auth/logout."""
import pytest

from gate import SAME_SITE, alive, claims_of, dead, granted, refused, set_cookies

DONE = {"message": "Logged out successfully"}
ALREADY = {"message": "Already logged out"}


@pytest.mark.parametrize("kind", ["access", "session"])
def test_ends_the_session_and_its_tokens(site, login, kind):
    assert granted(site.post("/logout", token=getattr(login, kind))) == DONE
    dead(site, login.session)
    assert site.get("/userinfo", token=login.access).status_code == 401
    refused(login.refresh(), "refresh_invalid")


def test_the_token_itself_is_revoked(site, login):
    granted(site.post("/logout", token=login.access))
    dead(site, login.access, "token_revoked")


def test_other_access_tokens_of_the_session_end_with_it(site, login):
    newer = granted(login.refresh())["accessToken"]
    granted(site.post("/logout", token=newer))
    dead(site, newer, "token_revoked")
    dead(site, login.access, "session_expired")


def test_other_sessions_go_on(site, user):
    first, second = user.login(), user.login()
    granted(site.post("/logout", token=first.access))
    alive(site, second.access)
    alive(site, second.session)


def test_everywhere_ends_all_sessions_of_the_user(site, user):
    logins = [user.login() for _ in range(3)]
    stranger = site.register().login()
    answer = site.post("/logout", {"everywhere": True}, token=logins[0].access)
    assert granted(answer) == DONE
    dead(site, logins[0].access, "token_revoked")
    for login in logins:
        dead(site, login.session)
        refused(login.refresh(), "refresh_invalid")
    for login in logins[1:]:
        dead(site, login.access)
    alive(site, stranger.access)


@pytest.mark.parametrize("body", [{}, {"everywhere": False}])
def test_not_everywhere(site, user, body):
    first, second = user.login(), user.login()
    granted(site.post("/logout", body, token=first.access))
    alive(site, second.session)


@pytest.mark.parametrize("everywhere", ["true", 1, [], {}])
def test_everywhere_of_a_wrong_type(site, login, everywhere):
    answer = site.post("/logout", {"everywhere": everywhere}, token=login.access)
    refused(answer, "invalid_request", {"everywhere"})
    alive(site, login.access)


def test_without_a_credential(site):
    assert granted(site.post("/logout")) == ALREADY
    assert granted(site.post("/logout", {})) == ALREADY
    assert granted(site.post("/logout", {"everywhere": True})) == ALREADY


def test_twice(site, login):
    granted(site.post("/logout", token=login.access))
    refused(site.post("/logout", token=login.access), "token_revoked")


def test_with_a_bad_credential(site):
    refused(site.post("/logout", token="garbage"), "token_invalid")


def test_clears_both_cookies(site, user):
    login = user.login(transport="cookie")
    answer = site.post("/logout", cookie=login.session, headers=SAME_SITE)
    assert granted(answer) == DONE
    cleared = set_cookies(answer)
    assert set(cleared) == {site.cookie_name, site.refresh_cookie_name}
    for name, cookie in cleared.items():
        assert cookie.cleared
        # A browser forgets only what has the same path, and takes a prefixed name only when secure.
        assert cookie.attributes["path"] == login.cookies[name].attributes["path"]
        assert "secure" in cookie.attributes


def test_blacklist_entry_lives_as_long_as_the_token(site, redis, login):
    granted(site.post("/logout", token=login.access))
    left = redis.ttl(site.key("blacklist", claims_of(login.access)["jti"]))
    assert 890 <= left <= 901


def test_leaves_nothing_else_in_redis(site, redis, user, login):
    granted(site.post("/logout", token=login.access))
    left = set(redis.scan_iter(site.prefix + "*" + login.sid + "*", count=1000))
    assert left == set()
    assert not redis.exists(site.key("user_sessions", user.id))


def test_a_session_that_idled_out_is_ended_with_its_refresh_token(site, login):
    site.redis.delete(site.key("session", login.sid))
    logged_out = site.post("/logout", {}, token=login.session)
    assert granted(logged_out) == {"message": "Logged out successfully"}
    refused(login.refresh(), "refresh_invalid")
    refused(site.post("/logout", {}, token=login.session), "session_expired")


@pytest.mark.parametrize("way", ["access", "session", "cookie"])
def test_everywhere_from_a_session_that_idled_out(site, user, way):
    """Its refresh token still says whose it was: all of the user's sessions end."""
    idle, other = user.login(), user.login()
    site.redis.delete(site.key("session", idle.sid))
    credential = {"cookie": idle.session, "headers": SAME_SITE} if way == "cookie" else \
        {"token": getattr(idle, way)}
    answer = site.post("/logout", {"everywhere": True}, **credential)
    assert granted(answer) == {"message": "Logged out successfully"}
    dead(site, other.access)
    dead(site, other.session)
    for login in (idle, other):
        refused(login.refresh(), "refresh_invalid")


def test_everywhere_from_a_session_that_is_gone_ends_nothing(site, user):
    """Who holds no more than a token of a session that has ended is nobody."""
    gone, other = user.login(), user.login()
    granted(site.delete("/sessions/" + gone.sid, token=other.access), 204)
    refused(site.post("/logout", {"everywhere": True}, token=gone.access), "session_expired")
    alive(site, other.access)


@pytest.mark.parametrize("method, path", [("GET", "/session"), ("GET", "/profile"), ("DELETE", "/sessions"),
                                          ("POST", "/logout")])
def test_only_to_leave_is_a_session_that_has_ended_enough(site, user, method, path):
    idle = user.login(transport="cookie")
    site.redis.delete(site.key("session", idle.sid))
    leaves = path == "/logout"
    answer = site.call(method, path, {} if leaves else None, cookie=idle.session, headers=SAME_SITE)
    if leaves:
        assert granted(answer) == DONE
    else:
        refused(answer, "session_expired")
    assert ("Set-Cookie" in answer.headers) == leaves
    # What is no credential at all is refused by each; whoever wants to leave is rid of it.
    answer = site.call(method, path, {} if leaves else None, cookie="garbage", headers=SAME_SITE)
    refused(answer, "token_invalid")
    assert ("Set-Cookie" in answer.headers) == leaves


def test_without_a_credential_only_our_own_pages_clear_cookies(site):
    ours = site.post("/logout", {}, headers={"Sec-Fetch-Site": "same-origin"})
    assert "Max-Age=0" in ours.headers["Set-Cookie"]
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}):
        assert "Set-Cookie" not in site.post("/logout", {}, headers=headers).headers
