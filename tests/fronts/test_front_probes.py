"""Every protected location of every front, asked for in every spelling and by every method: what
is behind it is served to whoever may have it and to nobody else."""
import json

import pytest

from front_ask import ask, bearer, refuses
from front_stage import MARK

# Words on the pages behind a protection.
SECRETS = [MARK, "You are signed in", "You have the role admin", "AUTH_USER_ID", "<?php"]

SERVED = (200, 204, 206, 304)

# What is there, and who gets it.  bare: a folder without an index.
FILES = {
    "/members/": "member", "/members/index.html": "member", "/members/page.txt": "member",
    "/members/bare/page.txt": "member", "/members/page.txt?a=/open/": "member",
    "/app/": "member", "/app/index.php": "member", "/app/whoami.php": "member",
    "/app/whoami.php/more/info": "member", "/app/page.txt": "member", "/app/page.php": "member",
    "/admin/": "admin", "/admin/index.html": "admin", "/admin/page.txt": "admin",
    "/admin/bare/page.txt": "admin",
}

# The same in other spellings, and what is not there: how a server answers those is its own matter,
# but never with a page to somebody who may not have it.
SPELLINGS = [
    "{0}", "/{0}", "//{0}", "/.{0}", "/open/..{0}", "/open/../open/../{0}", "/open/%2e%2e{0}",
    "/open/..%2f{0}", "/open/%2e%2e%2f{0}", "/open/whoami.php/../..{0}", "/members/..{0}",
    "/auth/..{0}", "/auth/health/../..{0}", "{0}/", "{0}//", "{0}/.", "{0}%00", "{0}%20", "{0}.",
    "{0}~", "{0};a=1", "{0}?", "{0}%3f", "{0}#", "{0}/more", "{0}/x.php", "{0}/.php", "{0}%2ephp",
    "{0}/../", "{0}/..", "\\{0}", "/open\\..{0}", "http://localhost{0}", "HTTP://LOCALHOST{0}",
    "http://other.example.org{0}", "http://localhost/{0}",
]
BARE = [f"/{folder}{path}" for folder in ("members", "admin", "app")
        for path in ("", "/", "//", "/bare", "/bare/", "/missing", "/missing/", "/missing.php",
                     "/index.htm", "/page.php", "/page.php/more", "/.", "/..;/", "/page",
                     "/Page.txt", "/page.txt.php", "/%70age.txt", "/bare/%2e%2e/page.txt",
                     "/bare/..%2fpage.txt", "/%69ndex.html", "/%2569ndex.html")]
TARGETS = sorted({spelling.format(path) for path in ("/members/page.txt", "/members/", "/admin/",
                                                     "/admin/page.txt", "/app/page.php",
                                                     "/app/whoami.php")
                  for spelling in SPELLINGS} | set(BARE)
                 | {target.replace("/members/", folder) for target in ("/members/page.txt",)
                    for folder in ("/%6dembers/", "/m%65mbers/", "/MEMBERS/", "/members%2f",
                                   "/members%5c", "/members//", "//members//", "/members/./")})


def secrets_in(answer):
    return [word for word in SECRETS if word in answer.text]


@pytest.mark.parametrize("path", FILES)
def test_who_may_have_it(front, people, path):
    needs = FILES[path]
    assert refuses(ask(front, path))
    assert refuses(ask(front, path, bearer("garbage")))
    assert ask(front, path, bearer(people["admin"].access)).status == 200
    answer = ask(front, path, bearer(people["member"].access))
    assert answer.status == (200 if needs == "member" else 403)
    assert bool(secrets_in(answer)) == (needs == "member")


def may_have(who, target):
    return who == "admin" or (who == "member" and "admin" not in target.lower())


@pytest.mark.parametrize("who", [None, "member"])
def test_spellings(front, people, who):
    """Nobody gets a page by writing its address in another way."""
    pairs = bearer(people[who].access if who else None)
    leaks = []
    for target in TARGETS:
        answer = ask(front, target, pairs)
        if secrets_in(answer) and not may_have(who, target):
            leaks.append((target, answer))
        if "<?php" in answer.text and "/app" in target:
            leaks.append((target, answer))
    assert not leaks


PLACES = ["/members/page.txt", "/members/", "/admin/page.txt", "/admin/", "/app/whoami.php",
          "/app/page.txt", "/members/missing", "/members/bare/", "/app/missing.php"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND",
           "MKCOL", "COPY", "get", "CONNECT", "X"]


@pytest.mark.parametrize("path", PLACES)
def test_methods(front, people, path):
    for method in METHODS:
        for who in (None, "garbage") + (("member",) if "/admin" in path else ()):
            token = people[who].access if who in people and who else who
            answer = ask(front, path, bearer(token), method=method)
            assert answer.status not in SERVED, (method, who, answer)
            assert not secrets_in(answer), (method, who, answer)


EXTRAS = [
    {"Range": "bytes=0-3"}, {"Range": "bytes=-4"}, {"Range": "bytes=0-0,2-2"},
    {"If-Modified-Since": "Wed, 01 Jan 2070 00:00:00 GMT"}, {"If-None-Match": "*"},
    {"If-Range": "x", "Range": "bytes=0-"}, {"X-Original-URL": "/open/whoami.php"},
    {"X-Rewrite-URL": "/open/whoami.php"}, {"X-HTTP-Method-Override": "GET"},
    {"X-Forwarded-For": "127.0.0.1"}, {"X-Accel-Redirect": "/members/page.txt"},
    {"X-Sendfile": "/members/page.txt"}, {"Auth-Require-Role": ""}, {"AUTH_REQUIRE_ROLE": ""},
    {"X-Original-Method": "OPTIONS"}, {"Upgrade": "websocket", "Connection": "upgrade"},
    {"Expect": "x"}, {"Destination": "/open/x"},
]


@pytest.mark.parametrize("path", PLACES)
def test_headers(front, people, path):
    for extra in EXTRAS:
        for who in (None,) + (("member",) if "/admin" in path else ()):
            pairs = bearer(people[who].access if who else None) + list(extra.items())
            for method in ("GET", "HEAD", "POST"):
                answer = ask(front, path, pairs, method=method)
                assert answer.status not in SERVED, (extra, method, who, answer)
                assert not secrets_in(answer), (extra, method, who, answer)


def test_a_range_and_a_head_of_what_one_may_have(front, people):
    pairs = bearer(people["member"].access)
    answer = ask(front, "/members/page.txt", pairs + [("Range", "bytes=0-2")])
    assert (answer.status, answer.body) == (206, MARK[:3].encode())
    answer = ask(front, "/members/page.txt", pairs, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    answer = ask(front, "/app/whoami.php", pairs, method="POST", body=b"a=1")
    assert json.loads(answer.body)["AUTH_EMAIL"] == people["member"].user.email


def test_a_folder_without_an_index_is_not_listed(front, people):
    """The application may answer for a folder of its own, as for any other address."""
    for path in ("/members/bare/", "/admin/bare/", "/app/bare/"):
        answer = ask(front, path, bearer(people["admin"].access))
        assert answer.status in (403, 404) or (path.startswith("/app/") and answer.status == 200)
        assert "page.txt" not in answer.text


def test_what_is_not_there_is_not_told_to_everybody(front, people):
    for path in ("/members/missing", "/admin/missing", "/app/missing.php", "/app/missing.txt"):
        assert refuses(ask(front, path)), path
        answer = ask(front, path, bearer(people["admin"].access))
        assert answer.status == 404 or (path.startswith("/app/") and answer.status == 200), path
    assert ask(front, "/admin/missing", bearer(people["member"].access)).status == 403


def test_everybody_elses_pages_stay_open(front):
    for path in ("/", "/index.html", "/login.html", "/login.html?next=/members/",
                 "/open/whoami.php"):
        answer = ask(front, path)
        assert answer.status == 200, path
    assert ask(front, "/missing").status == 404
    assert ask(front, "/members").status in (301, 302, 308, 401)


def test_the_check_itself_is_not_a_page(front, people):
    for path in ("/.gatehouse-verify", "/@gatehouse_login", "/%40gatehouse_login"):
        assert ask(front, path, bearer(people["admin"].access)).status == 404


@pytest.mark.parametrize("target", [
    "/members/", "/members/?page=2&x=/y", "/members/page.txt?next=//evil.example.org",
    "//members/", "/members//evil.example.org", "/members/%0d%0aSet-Cookie:%20a=b",
    "/members/?%0d%0aLocation:%20https://evil.example.org/", "/members/%5c%5cevil.example.org",
    "http://evil.example.org/members/", "/./members/", "/members/\"'<script>",
    "//evil.example.org/../members/", "/\\evil.example.org/../members/",
    "/\\/evil.example.org/../../members/", "///evil.example.org/../members/",
])
def test_the_way_back_stays_on_this_site(front, target):
    answer = ask(front, target, [("Accept", "text/html,*/*;q=0.8")])
    assert refuses(answer) or answer.status in (301, 302, 308, 400, 404), answer
    assert answer.headers.get_all("Set-Cookie") is None
    if answer.status in (301, 302, 303, 307, 308):
        assert len(answer.headers.get_all("Location")) == 1
        where = answer.headers["Location"]
        assert not where.startswith(("//", "/\\", "http://evil", "https://evil")), where
        assert "evil.example.org" not in where.split("?")[0]
        assert not where.partition("?next=")[2].startswith(("//", "/\\", "http:")), where


def test_caches_are_told_to_ask(front, front_name, people):
    """… for what was checked, unless the application says something else; nobody else's pages are touched.
    lighttpd says nothing of files by itself; docs/lighttpd.md has the line."""
    some = bearer(people["admin"].access)
    for path in ("/members/page.txt", "/admin/page.txt", "/app/page.php"):
        said = ask(front, path, some).headers["Cache-Control"]
        assert said is None if front_name == "lighttpd" else "no-cache" in said, path
    assert ask(front, "/app/kept.php", some).headers.get_all("Cache-Control") == ["private, max-age=60"]
    assert ask(front, "/login.html").headers["Cache-Control"] is None
    assert ask(front, "/auth/userinfo", some).headers.get_all("Cache-Control") == ["no-store"]
    assert ask(front, "/members/page.txt").headers.get_all("Cache-Control") == ["no-store"]


HTML = ("Accept", "text/html,*/*;q=0.8")
SCRIPT = ("X-Requested-With", "XMLHttpRequest")


def mode(name):
    return "Sec-Fetch-Mode", name


def test_who_opens_a_page_is_led_to_the_login_page(front):
    """As the browser says, or as it looks where the browser does not say."""
    for pairs in ([HTML], [mode("navigate")], [mode("navigate"), ("Accept", "*/*")],
                  [mode("navigate"), SCRIPT], [HTML, ("X-Requested-With", "org.example.app")],
                  [mode(""), HTML]):
        for method in ("GET", "HEAD"):
            answer = ask(front, "/members/", pairs, method=method)
            assert answer.status == 302, (pairs, answer)
            assert answer.headers["Location"] == "/login.html?next=/members/"
        assert ask(front, "/members/", pairs, method="POST").status == 401, pairs


def test_a_program_is_told_401_as_it_is(front):
    for pairs in ([], [("Accept", "application/json")], [("Accept", "*/*")], [SCRIPT, ("Accept", "*/*")],
                  [SCRIPT, HTML], [mode("cors"), HTML], [mode("same-origin"), HTML], [mode("no-cors"), HTML],
                  [mode("navigate, cors"), HTML], [mode("websocket")], [mode("Navigate"), HTML]):
        answer = ask(front, "/members/", pairs)
        assert answer.status == 401, (pairs, answer)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer realm="), answer
        assert "Basic" not in answer.headers["WWW-Authenticate"]
