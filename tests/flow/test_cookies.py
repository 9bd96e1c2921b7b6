"""Cookies: their attributes, the transports, and writes from elsewhere."""
import warnings

import pytest
import requests

from gate import (LOGIN_KEYS, PASSWORD, SAME_SITE, SigningKey, alive, claims_of, dead, granted,
                  header_of, refused, set_cookies, sid_of, unb64)

APP = "https://app.example.org"
FROM_ELSEWHERE = [
    {}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, {"Origin": ""},
    {"Origin": "http://127.0.0.1"}, {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1.evil.example"}, {"Sec-Fetch-Site": "nonsense"},
    {"Referer": "http://127.0.0.1/"},
]


def login_without_secrets(login):
    """The body of a login whose tokens travel in cookies."""
    assert not {"accessToken", "refreshToken", "sessionId"} & set(login.body)
    assert {"message", "user"} <= set(login.body) <= LOGIN_KEYS


# Attributes and transports.


def test_the_session_cookie(site, login):
    cookie = login.cookies[site.cookie_name]
    assert cookie.value == login.session
    given = {name: value.lower() for name, value in cookie.attributes.items()
             if name not in ("max-age", "expires")}
    assert given == {"httponly": "", "secure": "", "samesite": "lax", "path": "/"}


def test_both_is_the_default(login, user):
    for each in (login, user.login(transport="both")):
        assert set(each.body) == LOGIN_KEYS
        assert set(each.cookies) == {each.site.cookie_name}


def test_bearer_sets_no_cookie(user):
    login = user.login(transport="bearer")
    assert set(login.body) == LOGIN_KEYS
    assert login.cookies == {}


def test_cookie_hides_the_tokens(site, user):
    login = user.login(transport="cookie")
    login_without_secrets(login)
    assert set(login.cookies) == {site.cookie_name, site.refresh_cookie_name}
    assert login.cookies[site.cookie_name].value not in login.answer.text
    assert login.cookies[site.refresh_cookie_name].value not in login.answer.text


def test_the_refresh_cookie(site, user):
    login = user.login(transport="cookie")
    cookie = login.cookies[site.refresh_cookie_name]
    assert cookie.attributes["path"] == "/auth/refresh"
    assert cookie.attributes["samesite"].lower() in ("lax", "strict")
    assert "httponly" in cookie.attributes
    assert "secure" in cookie.attributes
    assert "domain" not in cookie.attributes


def test_a_session_by_cookie_is_a_session(site, user):
    login = user.login(transport="cookie")
    assert granted(site.get("/session", cookie=login.session))["id"] == login.sid


def test_a_failed_login_sets_no_cookie(user):
    assert set_cookies(user.try_login("wrong password")) == {}


@pytest.mark.parametrize("path", ["/profile", "/userinfo", "/session", "/sessions"])
def test_reading_sets_no_cookie(site, login, path):
    assert set_cookies(site.get(path, cookie=login.session)) == {}


def test_a_browser_over_tls(site, user):
    """A client with a cookie jar of its own, which obeys paths and Secure."""
    base = site.env["GATEHOUSE_TLS_URL"] + site.base
    with requests.Session() as browser, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the certificate is the test's own
        browser.trust_env, browser.verify = False, False
        browser.headers["Sec-Fetch-Site"] = "same-origin"
        login = {"email": user.email, "password": PASSWORD, "transport": "cookie"}
        granted(browser.post(base + "/login", json=login, timeout=15))
        assert granted(browser.get(base + "/userinfo", timeout=15))["id"] == user.id
        before = dict(browser.cookies)
        granted(browser.post(base + "/refresh", timeout=15))
        assert browser.cookies[site.refresh_cookie_name] != before[site.refresh_cookie_name]
        granted(browser.patch(base + "/profile", json={"displayName": "x"}, timeout=15,
                              headers={"Origin": site.env["GATEHOUSE_TLS_URL"]}))
        granted(browser.post(base + "/logout", timeout=15))
        assert not browser.cookies
        refused(browser.get(base + "/userinfo", timeout=15), "token_missing")


# Writes from elsewhere.


@pytest.mark.parametrize("headers", FROM_ELSEWHERE)
def test_a_write_from_elsewhere_is_refused(site, login, headers):
    cookie = login.session
    refused(site.patch("/profile", {"displayName": "x"}, cookie=cookie, headers=headers),
            "csrf_rejected")
    refused(site.post("/logout", cookie=cookie, headers=headers), "csrf_rejected")
    refused(site.delete("/sessions", cookie=cookie, headers=headers), "csrf_rejected")
    alive(site, login.session)


@pytest.mark.parametrize("method,path,body", [
    ("DELETE", "/profile", {"password": PASSWORD}),
    ("POST", "/password", {"oldPassword": PASSWORD, "newPassword": "another one 9"}),
    ("POST", "/logout", {"everywhere": True}),
])
def test_no_write_from_elsewhere_has_an_effect(site, user, login, method, path, body):
    headers = {"Sec-Fetch-Site": "cross-site"}
    refused(site.call(method, path, body, cookie=login.session, headers=headers), "csrf_rejected")
    alive(site, login.access)
    granted(user.try_login())


def test_ending_one_session_from_elsewhere_is_refused(site, user):
    here, there = user.login(), user.login()
    refused(site.delete("/sessions/" + there.sid, cookie=here.session), "csrf_rejected")
    alive(site, there.session)


def test_a_write_from_this_site_is_accepted(site, login):
    for headers in (SAME_SITE, {"Origin": site.url}, {**SAME_SITE, "Origin": site.url},
                    {"Sec-Fetch-Site": "none"}):
        answer = site.patch("/profile", {"displayName": "x"}, cookie=login.session,
                            headers=headers)
        granted(answer)


@pytest.mark.parametrize("word", ["cross-site", "same-site"])
def test_fetch_metadata_counts_before_the_own_origin(site, login, word):
    headers = {"Sec-Fetch-Site": word, "Origin": site.url}
    refused(site.patch("/profile", {"displayName": "x"}, cookie=login.session, headers=headers),
            "csrf_rejected")


def test_reading_needs_no_proof(site, login):
    for headers in FROM_ELSEWHERE:
        granted(site.get("/userinfo", cookie=login.session, headers=headers))


@pytest.mark.parametrize("headers", FROM_ELSEWHERE[1:5])
def test_a_write_by_another_credential_needs_no_proof(site, login, headers):
    body = {"displayName": "x"}
    granted(site.patch("/profile", body, token=login.access, headers=headers))
    granted(site.patch("/profile", body, headers={**headers, "X-Session-Id": login.session}))


def test_a_bad_cookie_is_refused_like_any_credential(site):
    refused(site.patch("/profile", {}, cookie="garbage", headers=SAME_SITE), "token_invalid")


# Other choices: base path /account, the cookie carries the access token, transport cookie.


@pytest.fixture
def other_login(other):
    return other.add_user().login()


def test_configured_transport(other, other_login):
    login_without_secrets(other_login)
    assert set(other_login.cookies) == {other.cookie_name, other.refresh_cookie_name}


def test_the_client_may_choose_another_transport(other):
    login = other.add_user().login(transport="bearer")
    assert set(login.body) == LOGIN_KEYS
    assert login.cookies == {}


def test_cookie_that_carries_the_access_token(other, other_login):
    token = other_login.cookies[other.cookie_name].value
    claims = claims_of(token)
    assert claims["sid"] == granted(other.get("/session", cookie=token))["id"]
    alive(other, token)


def test_both_gives_the_same_token_twice(other):
    login = other.add_user().login(transport="both")
    assert login.cookies[other.cookie_name].value == login.access
    assert sid_of(login.body["sessionId"]) == claims_of(login.access)["sid"]


def test_refresh_renews_the_carried_token(other, other_login):
    old = other_login.cookies[other.cookie_name].value
    cookie = f"{other.refresh_cookie_name}={other_login.cookies[other.refresh_cookie_name].value}"
    answer = other.post("/refresh", cookie=cookie, headers=SAME_SITE)
    granted(answer)
    renewed = set_cookies(answer)
    assert set(renewed) == {other.cookie_name, other.refresh_cookie_name}
    new = renewed[other.cookie_name].value
    assert new != old
    alive(other, new)


def refreshed_by_cookies(site, session, *refresh):
    pairs = [f"{site.cookie_name}={session}", *(f"{site.refresh_cookie_name}={r}" for r in refresh)]
    return site.post("/refresh", headers={**SAME_SITE, "Cookie": "; ".join(pairs)})


def expired(site, token):
    """The same access token, signed to have ended an hour ago."""
    claims = claims_of(token)
    return SigningKey(site).sign(header_of(token), {**claims, "iat": claims["iat"] - 7200,
                                                    "exp": claims["iat"] - 3600})


def test_a_planted_refresh_cookie_moves_nobody(other, other_login):
    """A sibling domain can set the refresh cookie, which is no __Host- cookie; not the session's."""
    planted = other.add_user().login().cookies[other.refresh_cookie_name].value
    own = other_login.cookies[other.refresh_cookie_name].value
    session = other_login.cookies[other.cookie_name].value
    sid, theirs = claims_of(session)["sid"], unb64(planted)[:32].hex()
    before = other.redis.hget(other.key("refresh", theirs), "current")
    for present in (session, expired(other, session)):
        answer = refreshed_by_cookies(other, present, planted)
        refused(answer, "refresh_invalid")
        assert set_cookies(answer) == {}
        # The own one is still found behind it.
        answer = refreshed_by_cookies(other, present, planted, own)
        granted(answer)
        assert claims_of(set_cookies(answer)[other.cookie_name].value)["sid"] == sid
        own = set_cookies(answer)[other.refresh_cookie_name].value
    assert before and other.redis.hget(other.key("refresh", theirs), "current") == before
    # Its key may be retired by now: nobody else can have set it.
    unsigned = session[:-6] + "AAAAAA"
    answer = refreshed_by_cookies(other, unsigned, planted)
    refused(answer, "refresh_invalid")
    assert set_cookies(answer) == {}
    answer = refreshed_by_cookies(other, unsigned, planted, own)
    assert claims_of(set_cookies(answer)[other.cookie_name].value)["sid"] == sid
    # So does a session token, from before the cookie carried access tokens.
    token = other.add_user().login(transport="bearer").session
    refused(refreshed_by_cookies(other, token, planted), "refresh_invalid")
    # What names no session says nothing.
    for present in ("x.y.z", "x"):
        granted(refreshed_by_cookies(other, present, planted))


def test_the_refresh_cookie_follows_the_base_path(other, other_login):
    cookie = other_login.cookies[other.refresh_cookie_name]
    assert cookie.attributes["path"] == "/account/refresh"


def test_logout_of_a_carried_token(other, other_login):
    token = other_login.cookies[other.cookie_name].value
    answer = other.post("/logout", cookie=token, headers=SAME_SITE)
    granted(answer)
    assert all(cookie.cleared for cookie in set_cookies(answer).values())
    dead(other, token, "token_revoked")


# Another origin that the configuration lists.


def test_a_listed_origin_may_write(other, other_login):
    cookie = other_login.cookies[other.cookie_name].value
    headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
    answer = other.patch("/profile", {"displayName": "x"}, cookie=cookie, headers=headers)
    granted(answer)
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", [
    "https://app.example.org.evil.example", "http://app.example.org", "null",
    "https://app.example.org:8443", "https://APP.example.orgx", "https://xapp.example.org",
])
def test_its_look_alikes_may_not(other, other_login, origin):
    cookie = other_login.cookies[other.cookie_name].value
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    answer = other.patch("/profile", {"displayName": "x"}, cookie=cookie, headers=headers)
    refused(answer, "csrf_rejected")
    assert "Access-Control-Allow-Origin" not in answer.headers


def preflight(site, origin, path="/profile", method="PATCH"):
    return site.call("OPTIONS", path, headers={
        "Origin": origin, "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type, authorization"})


def test_preflight_from_a_listed_origin(other):
    answer = preflight(other, APP)
    granted(answer, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    methods = {word.strip() for word in answer.headers["Access-Control-Allow-Methods"].split(",")}
    assert "PATCH" in methods
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert "content-type" in allowed and "authorization" in allowed


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "*"])
def test_preflight_from_elsewhere(other, origin):
    answer = preflight(other, origin)
    granted(answer, 204)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_options_names_the_methods(site):
    answer = site.call("OPTIONS", "/profile")
    granted(answer, 204)
    methods = {word.strip() for word in answer.headers["Allow"].split(",")}
    assert methods - {"OPTIONS"} == {"GET", "HEAD", "PATCH", "DELETE"}


def test_the_other_base_path_is_the_only_one(other):
    assert other.raw("GET", "/auth/profile").status_code == 404
    refused(other.get("/profile"), "token_missing")
