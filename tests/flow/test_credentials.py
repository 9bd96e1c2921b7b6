"""The four places of a credential, its two kinds, and which of them counts."""
import secrets
import socket

import pytest

from gate import b64, granted, refused, shows_user

WAYS = ["bearer", "bearer in lower case", "bare", "header", "cookie"]
KINDS = ["access", "session"]
PROTECTED = [
    ("GET", "/profile", None), ("GET", "/userinfo", None), ("GET", "/session", None),
    ("GET", "/sessions", None), ("GET", "/verify", None), ("DELETE", "/sessions", None),
    ("DELETE", "/sessions/" + "0" * 64, None),
    ("PATCH", "/profile", {"displayName": "x"}), ("DELETE", "/profile", {"password": "whatever"}),
    ("POST", "/password", {"oldPassword": "whatever", "newPassword": "whatever else"}),
]


def carry(site, way, credential):
    """The header that carries a credential in one of the ways."""
    return {
        "bearer": {"Authorization": "Bearer " + credential},
        "bearer in lower case": {"Authorization": "bearer " + credential},
        "bare": {"Authorization": credential},
        "header": {"X-Session-Id": credential},
        "cookie": {"Cookie": site.cookie_name + "=" + credential},
    }[way]


def unknown_session():
    return b64(secrets.token_bytes(32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_carries_every_kind(site, user, login, way, kind):
    headers = carry(site, way, getattr(login, kind))
    assert shows_user(granted(site.get("/userinfo", headers=headers)))["id"] == user.id


@pytest.mark.parametrize("way", WAYS)
def test_garbage_is_refused_in_every_way(site, way):
    refused(site.get("/userinfo", headers=carry(site, way, "garbage")), "token_invalid")


@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_session_is_gone(site, way):
    refused(site.get("/userinfo", headers=carry(site, way, unknown_session())), "session_expired")


@pytest.mark.parametrize("way", WAYS)
def test_the_public_session_id_opens_nothing(site, login, way):
    answer = site.get("/userinfo", headers=carry(site, way, login.sid))
    assert answer.status_code == 401
    assert answer.json()["code"] in ("token_invalid", "session_expired")


@pytest.mark.parametrize("way", WAYS)
def test_a_refresh_token_opens_nothing(site, login, way):
    answer = site.get("/userinfo", headers=carry(site, way, login.refresh_token))
    assert answer.status_code == 401
    assert answer.json()["code"] in ("token_invalid", "session_expired")


@pytest.mark.parametrize("first,second", [
    ("bearer", "header"), ("bare", "header"), ("bearer", "cookie"), ("bare", "cookie"),
    ("header", "cookie"),
])
def test_the_first_present_is_the_only_one_tried(site, login, first, second):
    bad_then_good = {**carry(site, second, login.session), **carry(site, first, unknown_session())}
    good_then_bad = {**carry(site, second, unknown_session()), **carry(site, first, login.session)}
    refused(site.get("/userinfo", headers=bad_then_good), "session_expired")
    granted(site.get("/userinfo", headers=good_then_bad))


def test_identity_is_that_of_the_first(site):
    first, second = site.register(), site.register()
    headers = {**carry(site, "bearer", first.login().access),
               **carry(site, "cookie", second.login().session)}
    assert granted(site.get("/userinfo", headers=headers))["id"] == first.id


BASIC = "Basic dXNlcjpwYXNzd29yZA=="


@pytest.mark.parametrize("basic", [BASIC, BASIC.lower(), BASIC.upper()])
def test_basic_counts_as_absent(site, login, basic):
    refused(site.get("/userinfo", headers={"Authorization": basic}), "token_missing")
    for way in ("header", "cookie"):
        headers = {"Authorization": basic, **carry(site, way, login.session)}
        granted(site.get("/userinfo", headers=headers))


@pytest.mark.parametrize("value", ["Bearer {}, Bearer {}", "{}, {}", BASIC + ", Bearer {}",
                                   "Bearer {}, " + BASIC, BASIC + ", " + BASIC])
def test_a_header_that_was_sent_twice_and_joined_is_refused(site, login, value):
    """As Apache hands on a repeated Authorization: which of the two is meant, nobody can know."""
    headers = {"Authorization": value.replace("{}", login.access)}
    refused(site.get("/userinfo", headers=headers), "token_invalid")
    # Not even Basic, which counts as absent, lets a cookie stand in for it.
    headers["Cookie"] = f"{site.cookie_name}={login.session}"
    refused(site.get("/userinfo", headers=headers), "token_invalid")


@pytest.mark.parametrize("cookies,code", [
    ("a=1, {}", "token_missing"), ("a=1,{}", "token_missing"), ("{}, a=1", "token_invalid"),
    ("{}, {}", "token_invalid"), ("a=1, b=2", "token_missing"),
])
def test_a_comma_separates_no_cookies(site, login, cookies, code):
    """A sibling domain may plant a cookie with a comma and another name in its value; it must not
    become a session.  Two Cookie headers, which no browser sends, read the same."""
    pair = f"{site.cookie_name}={login.session}"
    refused(site.get("/userinfo", headers={"Cookie": cookies.replace("{}", pair)}), code)


def raw_get(site, lines):
    """The status of a request with exactly these header lines: requests would join them."""
    host, port = site.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port)), timeout=15) as link:
        head = [f"GET {site.base}/userinfo HTTP/1.1", "Host: localhost", "Connection: close"]
        link.sendall("\r\n".join(head + lines + ["", ""]).encode())
        return int(link.makefile("rb").readline().split()[1])


def test_two_headers_are_no_credential(site, login):
    pair = f"{site.cookie_name}={login.session}"
    assert raw_get(site, ["Cookie: a=1; " + pair]) == 200
    assert raw_get(site, ["Cookie: a=1", "Cookie: " + pair]) == 401
    assert raw_get(site, ["Cookie: " + pair, "Cookie: " + pair]) == 401
    session = "X-Session-Id: " + login.session
    assert raw_get(site, [session]) == 200
    assert raw_get(site, [session, session]) == 401
    # The first is all that nginx's $http_x_session_id knows, and a cache may be keyed by that.
    assert raw_get(site, ["X-Session-Id:", session]) == 401
    assert raw_get(site, [session, "X-Session-Id:"]) == 401
    assert raw_get(site, ["X-Session-Id:", "Cookie: a=1; " + pair]) == 200
    assert raw_get(site, ["Cookie:", "Cookie: " + pair]) == 401
    bearer = "Authorization: Bearer " + login.access
    assert raw_get(site, [bearer]) == 200
    assert raw_get(site, [bearer, bearer]) in (400, 401)
    assert raw_get(site, ["Authorization:", bearer]) in (400, 401)


def test_the_cookie_is_found_among_others(site, login):
    cookies = f"a=1; {site.cookie_name}x=2; {site.cookie_name}={login.session}; b=3"
    granted(site.get("/userinfo", headers={"Cookie": cookies}))


@pytest.mark.parametrize("name", ["session", "__host-session", "__Host-sessio", "x__Host-session"])
def test_a_cookie_of_another_name_counts_as_absent(site, login, name):
    headers = {"Cookie": f"{name}={login.session}"}
    refused(site.get("/userinfo", headers=headers), "token_missing")


@pytest.mark.parametrize("path", ["/userinfo?access_token={}", "/userinfo?token={}"])
def test_a_credential_in_the_address_counts_as_absent(site, login, path):
    refused(site.get(path.format(login.access)), "token_missing")


@pytest.mark.parametrize("method,path,body", PROTECTED)
def test_without_a_credential(site, method, path, body):
    answer = site.call(method, path, body)
    refused(answer, "token_missing")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="')
    assert "error=" not in challenge


@pytest.mark.parametrize("method,path,body", PROTECTED)
def test_with_a_bad_credential(site, method, path, body):
    answer = site.call(method, path, body, token="garbage")
    refused(answer, "token_invalid")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="')
    assert 'error="invalid_token"' in challenge


def test_challenge_for_a_dead_session(site, login):
    granted(site.post("/logout", token=login.session))
    for token in (login.access, login.session):
        answer = site.get("/userinfo", token=token)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "bearer", "Bearer\t"])
def test_a_scheme_without_a_credential(site, value):
    answer = site.get("/userinfo", headers={"Authorization": value.strip()})
    assert answer.status_code == 401
    assert answer.json()["code"] in ("token_missing", "token_invalid")


@pytest.mark.parametrize("value", ["Digest username=x", "Bearer a b", "Bearer Bearer x", "x" * 5000,
                                   "../../etc/passwd", "*", "gh:session:*", "a\tb"])
def test_odd_credentials(site, value):
    refused(site.get("/userinfo", headers={"Authorization": value}), "token_invalid")
    refused(site.get("/userinfo", headers={"X-Session-Id": value}), "token_invalid")


@pytest.mark.parametrize("name", ["Remote-User", "X-User", "Auth-User-Id", "X-Forwarded-User",
                                  "X-Gatehouse-User"])
def test_no_header_gives_an_identity(site, user, name):
    headers = {name: user.email}
    refused(site.get("/userinfo", headers=headers), "token_missing")
