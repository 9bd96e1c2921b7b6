"""Who somebody is comes from gatehouse, and never from what a client writes."""
import json

import pytest

from front_ask import ask, bearer, refuses, spellings
from test_front_flows import NOBODY

NAMES = [
    *spellings(), "REMOTE_USER", "REMOTE-USER", "remote-user", "X-REMOTE-USER", "AUTH_USER_ID",
    "Auth-User-Id", "AUTH_EMAIL", "Auth-Email", "AUTH_NAME", "AUTH_GROUPS", "Auth-Groups",
    "AUTH_SESSION_ID", "Auth-Session-Id", "REDIRECT_REMOTE_USER", "Redirect-Remote-User",
    "REDIRECT_AUTH_USER_ID", "Variable-REMOTE_USER", "Variable-AUTH_GROUPS", "HTTP_REMOTE_USER",
    "HTTP-REMOTE-USER", "X-Forwarded-User", "X-Auth-Request-User", "Auth-Require-Role",
]
FORGED = [(name, "forged") for name in NAMES]


def told(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)


def of(login):
    """What an application hears of somebody."""
    user = login.body["user"]
    return {"REMOTE_USER": user["username"] or user["email"], "AUTH_USER_ID": user["id"],
            "AUTH_EMAIL": user["email"], "AUTH_NAME": user["displayName"] or "",
            "AUTH_GROUPS": ",".join(user["roles"]), "AUTH_SESSION_ID": login.sid}


@pytest.mark.parametrize("basic", [[], [("Authorization", "Basic Zm9yZ2VkOng=")]])
def test_forged_headers_where_nobody_is_asked(front, basic):
    assert told(ask(front, "/open/whoami.php", FORGED + basic)) == NOBODY
    assert told(ask(front, "/open/whoami.php/more", FORGED + basic)) == NOBODY
    for pair in FORGED:
        assert told(ask(front, "/open/whoami.php", [pair])) == NOBODY, pair


def test_forged_headers_open_nothing(front):
    for pairs in [FORGED, FORGED + [("Authorization", "Basic Zm9yZ2VkOng=")]] + [
            [pair] for pair in FORGED]:
        for path in ("/members/", "/admin/", "/app/whoami.php"):
            assert refuses(ask(front, path, pairs)), (path, pairs)


@pytest.mark.parametrize("who", ["member", "admin"])
def test_forged_headers_beside_a_credential(front, people, who):
    login = people[who]
    for pairs in (FORGED + bearer(login.access), bearer(login.session) + FORGED):
        assert told(ask(front, "/app/whoami.php", pairs)) == of(login)
        assert told(ask(front, "/app/whoami.php/more", pairs)) == of(login)
        assert told(ask(front, "/app/", pairs)) == of(login)
    assert ask(front, "/admin/", FORGED + bearer(login.access)).status == (
        200 if who == "admin" else 403)


def test_a_credential_says_nothing_where_nobody_is_asked(front, people):
    login = people["admin"]
    for pairs in (bearer(login.access), [("X-Session-Id", login.session)],
                  [("Cookie", f"{front.cookie_name}={login.session}")]):
        assert told(ask(front, "/open/whoami.php", pairs)) == NOBODY


def test_the_service_itself_believes_no_header(front, people):
    login = people["member"]
    answer = ask(front, "/auth/verify", FORGED + bearer(login.access))
    assert answer.status == 204
    assert answer.headers["Remote-Email"] == login.user.email
    assert "forged" not in str(answer.headers)
    for pairs in (FORGED, [("Auth-Require-Role", "editor")], [("AUTH_REQUIRE_ROLE", "editor")]):
        assert ask(front, "/auth/verify", pairs + bearer(login.access)).status == 204
        assert ask(front, "/auth/verify", pairs).status == 401


# Two of what there may be one of: refused, whichever of them is good.


def test_a_repeated_authorization_is_refused(front, people):
    one, other = (f"Bearer {people[who].access}" for who in ("member", "admin"))
    for first, second in ((one, other), (one, one), (one, "Bearer garbage"),
                          ("Bearer garbage", one), (one, "Basic Zm9yZ2VkOng="),
                          ("Basic Zm9yZ2VkOng=", one)):
        for pairs in ([("Authorization", first), ("Authorization", second)],
                      [("Authorization", f"{first}, {second}")],
                      [("Authorization", f"{first},{second}")],
                      [("authorization", first), ("AUTHORIZATION", second)]):
            for path in ("/members/", "/app/whoami.php", "/auth/profile"):
                answer = ask(front, path, pairs)
                assert refuses(answer), (path, pairs, answer)


def cookie(front, login):
    return f"{front.cookie_name}={login.session}"


def test_comma_joined_cookies_are_refused(front, people):
    good, other = cookie(front, people["member"]), cookie(front, people["admin"])
    for value in (f"a=1, {good}", f"{good}, {other}", f"{good}, a=1", f"a=1,{good}",
                  f"{good},{other}"):
        for path in ("/members/", "/app/whoami.php"):
            assert refuses(ask(front, path, [("Cookie", value)])), value
        assert ask(front, "/auth/profile", [("Cookie", value)]).status == 401


def test_the_first_cookie_of_a_name_counts(front, people):
    good, other = cookie(front, people["member"]), cookie(front, people["admin"])
    bad = front.cookie_name + "=garbage"
    for value in (f"a=1; {good}", f"{good}; {other}", f"{good}; {bad}", f"{good};{other}",
                  f"a=\"x, y\"; {good}; b=2"):
        assert told(ask(front, "/app/whoami.php", [("Cookie", value)])) == of(people["member"])
    for value in (f"{bad}; {good}", f"x{good}", front.cookie_name.lower() + "=" + "x"):
        assert refuses(ask(front, "/app/whoami.php", [("Cookie", value)])), value


def test_cookies_on_several_lines(front, people):
    """No client may send that, and servers join the lines in ways of their own: the first counts,
    or nobody gets in."""
    good, other = cookie(front, people["member"]), cookie(front, people["admin"])
    for values in ((good, other), ("a=1", good), (good, "a=1"), (good, good)):
        answer = ask(front, "/app/whoami.php", [("Cookie", value) for value in values])
        assert refuses(answer) or told(answer) == of(people["member"]), values


def test_a_bad_credential_is_not_mended_by_a_good_one(front, people):
    login = people["member"]
    good = [("X-Session-Id", login.session), ("Cookie", cookie(front, login))]
    assert refuses(ask(front, "/members/", bearer("garbage") + good))
    assert refuses(ask(front, "/members/", [("X-Session-Id", "garbage")] + good[1:]))
    assert ask(front, "/members/", [("Authorization", "Basic Zm9yZ2VkOng=")] + good).status == 200
