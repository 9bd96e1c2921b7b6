"""GET /auth/verify, asked directly and by the web server for a protected location."""
import socket
import time

import pytest

from fastcgi import BEGIN, PARAMS, STDIN, pair, receive, record

from gate import ADMIN, PRIVATE, alive, dead, fresh_name, granted, refused, set_cookies

IDENTITY = ["Remote-User", "Remote-User-Id", "Remote-Email", "Remote-Name", "Remote-Groups",
            "Remote-Session"]


def verified(site, **options):
    answer = site.get("/verify", **options)
    granted(answer, 204)
    return {name: answer.headers.get(name, "") for name in IDENTITY}


def test_tells_who_it_is(site):
    name = fresh_name()
    user = site.register(username=name, displayName="Ada Lovelace")
    site.set_roles(user.email, "editor", "admin")
    login = user.login()
    for token in (login.access, login.session):
        told = verified(site, token=token)
        assert set(told.pop("Remote-Groups").split(",")) == {"editor", "admin"}
        assert told == {"Remote-User": name, "Remote-User-Id": user.id,
                        "Remote-Email": user.email, "Remote-Name": "Ada Lovelace",
                        "Remote-Session": login.sid}


def test_user_is_the_email_where_there_is_no_username(site, user, login):
    told = verified(site, token=login.access)
    assert told["Remote-User"] == user.email
    assert told["Remote-Name"] == ""
    assert told["Remote-Groups"] == ""


def test_by_cookie_and_by_header(site, user, login):
    assert verified(site, cookie=login.session)["Remote-User-Id"] == user.id
    told = verified(site, headers={"X-Session-Id": login.session})
    assert told["Remote-User-Id"] == user.id


def test_a_display_name_of_other_letters(site):
    login = site.register(displayName="日本語 ü").login()
    assert verified(site, token=login.access)["Remote-Session"] == login.sid


def test_refuses_like_any_protected_route(site, login):
    refused(site.get("/verify"), "token_missing")
    refused(site.get("/verify", token="garbage"), "token_invalid")
    granted(site.post("/logout", token=login.access))
    refused(site.get("/verify", token=login.access), "token_revoked")
    refused(site.get("/verify", token=login.session), "session_expired")


def test_refusals_tell_no_identity(site, login):
    granted(site.post("/logout", token=login.access))
    answer = site.get("/verify", token=login.access)
    assert not set(IDENTITY) & set(answer.headers)


def test_head(site, login):
    answer = site.call("HEAD", "/verify", token=login.access)
    granted(answer, 204)
    assert answer.headers["Remote-Session"] == login.sid
    assert site.call("HEAD", "/verify").status_code == 401


def test_sets_no_cookie(site, login):
    for options in ({"token": login.access}, {"cookie": login.session}, {}, {"cookie": "garbage"}):
        assert "Set-Cookie" not in site.get("/verify", **options).headers


def test_may_be_asked_twice(site, login):
    first = verified(site, token=login.access)
    for _ in range(20):
        assert verified(site, token=login.access) == first
    alive(site, login.access)


def test_inbound_identity_headers_change_nothing(site, user, login):
    forged = {name: "root" for name in IDENTITY}
    told = verified(site, token=login.access, headers=forged)
    assert told["Remote-User"] == user.email
    assert "root" not in told.values()


# The role that a location demands.


def private(site, token=None, path=PRIVATE, method="GET", **options):
    headers = options.pop("headers", {})
    if token:
        headers = {**headers, "Authorization": "Bearer " + token}
    return site.raw(method, path, headers=headers, **options)


def test_private_location(site, login):
    assert private(site).status_code == 401
    assert private(site, "garbage").status_code == 401
    assert private(site, login.access).status_code == 200
    granted(site.post("/logout", token=login.access))
    assert private(site, login.access).status_code == 401


def test_a_person_is_led_to_the_login_page(site):
    answer = private(site, path=PRIVATE + "?page=2", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/login.html?next=" + PRIVATE + "?page=2"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_person_without_the_role_is_not(site, login):
    answer = private(site, login.access, ADMIN, headers={"Accept": "text/html"})
    assert answer.status_code == 403


@pytest.mark.parametrize("roles,status", [
    ([], 403), (["editor"], 403), (["admin"], 200), (["editor", "admin"], 200),
    (["administrator"], 403), (["adm"], 403), (["Admin"], 403),
])
def test_location_with_a_role(site, user, roles, status):
    if roles:
        site.set_roles(user.email, *roles)
    assert private(site, user.login().access, ADMIN).status_code == status


def test_location_with_a_role_needs_a_credential_first(site):
    assert private(site, path=ADMIN).status_code == 401
    assert private(site, "garbage", ADMIN).status_code == 401


def answer_to(site, *params):
    """The answer to a check of which the web server says this."""
    block = b"".join(pair(name, value) for name, value in (("DOCUMENT_URI", site.base + "/verify"),
                                                           ("REMOTE_ADDR", "127.0.0.1"), *params))
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(15)
        link.connect(site.conf("pool.web", "listen"))
        link.sendall(record(BEGIN, b"\0\1" + bytes(6)) + record(PARAMS, block) + record(PARAMS) +
                     record(STDIN))
        return receive(link).decode("latin-1")


def status_of(answer):
    return int(answer.split()[1])


def demanding(site, access, *demands):
    """The status of a check whose web server names AUTH_REQUIRE_ROLE as often as there are demands."""
    return status_of(answer_to(site, ("REQUEST_METHOD", "GET"), ("HTTP_AUTHORIZATION", "Bearer " + access),
                       *(("AUTH_REQUIRE_ROLE", roles) for roles in demands)))


def test_demands_that_are_made_twice_both_hold(site, user):
    """As where a location names the role again behind an include that has named one."""
    site.set_roles(user.email, "editor", "staff")
    access = user.login().access
    for demands, status in (
            (["editor"], 204), (["admin"], 403), (["admin,editor"], 204),
            (["editor", "staff"], 204), (["editor", "admin"], 403), (["admin", "editor"], 403),
            (["admin,editor", "staff,admin"], 204), (["editor", "staff", "admin"], 403),
            (["editor", "editor"], 204), (["editor", ""], 204), (["", "admin"], 403)):
        assert demanding(site, access, *demands) == status, demands


# A sub-request of nginx's that has the page's own method and address (fastcgi_params as they come).

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "options", ""]
PREFLIGHT = [("HTTP_ORIGIN", "https://app.example.org"), ("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "GET")]


@pytest.fixture(scope="module")
def listed(other):
    """A site that lists an origin, and an access token there."""
    user = other.add_user()
    login = other.post("/login", {"email": user.email, "password": user.password})
    return other, set_cookies(login)[other.cookie_name].value


@pytest.mark.parametrize("method", METHODS)
def test_a_check_by_the_method_of_the_page(listed, method):
    site, access = listed
    asked = [("REQUEST_METHOD", method), ("REQUEST_URI", "/app/x"), ("CONTENT_LENGTH", "3"),
             ("CONTENT_TYPE", "text/plain")]
    carried = [("HTTP_AUTHORIZATION", "Bearer " + access)], [("HTTP_X_SESSION_ID", access)], [
        ("HTTP_COOKIE", f"{site.cookie_name}={access}"), ("HTTP_SEC_FETCH_SITE", "cross-site")]
    for role, expected in ((), 204), ([("AUTH_REQUIRE_ROLE", "admin")], 403):
        for extra in ((), PREFLIGHT):
            for credential in ((), [("HTTP_AUTHORIZATION", "Bearer x")]):
                assert status_of(answer_to(site, *asked, *role, *extra, *credential)) == 401
            for credential in carried:
                answer = answer_to(site, *asked, *role, *extra, *credential)
                assert status_of(answer) == expected and "Set-Cookie" not in answer
                assert ("Remote-User-Id: " in answer) == (expected == 204)


@pytest.mark.parametrize("uri", [
    "{0}/verify/", "{0}/verify/../../app/x", "{0}//verify", "/{0}/verify", "{0}/%76erify", "{0}/verify%3f",
    "{0}/verify%00", "{0}/verify;x", "{0}/verify#", "{0}/verify&", "{0}/verif", "{0}/VERIFY", " {0}/verify",
    "http://x{0}/verify", "{0}/x/../verify", "{0}/./verify", "{0}\\verify", "?{0}/verify", "/app/?{0}/verify",
    "{0}/sessions", "*", "/",
])
def test_another_address_is_another_page(listed, uri):
    site, access = listed
    at = ("REQUEST_URI", uri.format(site.base))
    for method in METHODS:
        asked = [("REQUEST_METHOD", method), at, *PREFLIGHT]
        assert status_of(answer_to(site, *asked)) == 401
        assert status_of(answer_to(site, *asked, ("HTTP_AUTHORIZATION", "Bearer " + access))) == 204


@pytest.mark.parametrize("query", ["", "?", "?a=/app/x"])
def test_the_check_itself_by_other_methods(listed, query):
    site, access = listed
    at = ("REQUEST_URI", site.base + "/verify" + query)
    credential = ("HTTP_AUTHORIZATION", "Bearer " + access)
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND", "options"):
        for more in ((), (credential,)):
            answer = answer_to(site, ("REQUEST_METHOD", method), at, *more)
            assert status_of(answer) == 405 and "\r\nAllow: GET, HEAD, OPTIONS\r\n" in answer
    answer = answer_to(site, ("REQUEST_METHOD", "OPTIONS"), at, *PREFLIGHT)
    assert status_of(answer) == 204 and "Remote-" not in answer
    assert "\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n" in answer
    # What is no preflight from a listed origin, and what asks for a role, is a check.
    elsewhere = [("HTTP_ORIGIN", "https://evil.example"), PREFLIGHT[1]]
    for more in ((), PREFLIGHT[:1], PREFLIGHT[1:], elsewhere, [*PREFLIGHT, ("AUTH_REQUIRE_ROLE", "admin")]):
        assert status_of(answer_to(site, ("REQUEST_METHOD", "OPTIONS"), at, *more)) == 401


def test_where_it_does_not_show_what_was_asked_for(listed):
    site, access = listed
    credential = ("HTTP_AUTHORIZATION", "Bearer " + access)
    for more in ((), PREFLIGHT):
        assert status_of(answer_to(site, ("REQUEST_METHOD", "OPTIONS"), *more)) == 401
        assert status_of(answer_to(site, ("REQUEST_METHOD", "OPTIONS"), ("REQUEST_URI", ""), *more)) == 401
        assert status_of(answer_to(site, ("REQUEST_METHOD", "OPTIONS"), credential, *more)) == 204
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND"):
        assert status_of(answer_to(site, ("REQUEST_METHOD", method), credential)) == 405


FORGED_ROLE = ["AUTH_REQUIRE_ROLE", "Auth-Require-Role", "X-Auth-Require-Role",
               "Http-Auth-Require-Role", "Proxy"]


@pytest.mark.parametrize("name", FORGED_ROLE)
def test_no_header_lowers_the_demand(site, login, name):
    for value in ("", "user"):
        answer = private(site, login.access, ADMIN, headers={name: value})
        assert answer.status_code == 403


@pytest.mark.parametrize("name", FORGED_ROLE)
def test_no_header_raises_the_demand(site, login, name):
    verified(site, token=login.access, headers={name: "nosuchrole"})
    assert private(site, login.access, headers={name: "nosuchrole"}).status_code == 200


def test_no_query_changes_the_demand(site, login):
    path = ADMIN + "?AUTH_REQUIRE_ROLE="
    assert private(site, login.access, path).status_code == 403


@pytest.mark.parametrize("body", [b"x" * 100000, b"{not json", b'{"a": 1}'])
def test_the_body_of_the_page_is_never_read(site, login, body):
    headers = {"Content-Type": "application/json"}
    begun = time.monotonic()
    answer = private(site, login.access, method="POST", data=body, headers=headers)
    # The page behind takes no POST: the check itself let it through, and waited for no body.
    assert answer.status_code == 405
    assert private(site, method="POST", data=body, headers=headers).status_code == 401
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize("body", [b"{not json", b'{"a": 1}', b"x" * 1000])
def test_a_body_sent_to_the_check_is_never_read(site, login, body):
    granted(site.call("GET", "/verify", body, token=login.access), 204)


def test_verification_follows_the_end_of_a_session(site, user):
    login = user.login()
    verified(site, token=login.access)
    site.disable(user.email)
    dead(site, login.access)
    refused(site.get("/verify", token=login.session), "session_expired")
