"""docs/protect-a-php-application.md, followed step by step, with a real PHP-FPM."""
import json

import pytest

from page import blocks

PAGE = "protect-a-php-application.md"

FORGED = [option for name in (
    "Remote-User", "Remote-User-Id", "Remote-Groups", "X-Remote-User", "REMOTE_USER",
    "AUTH_USER_ID", "Auth-User-Id", "Auth-Groups", "REDIRECT_AUTH_USER_ID", "Redirect-Auth-User-Id",
    "Redirect-Auth-Groups") for option in ("-H", name + ": admin")]

TARGETS = ["/app", "/app/", "/app/index.php", "/app/?json", "/app/admin.php", "/app/mine.php",
           "/app/gatehouse.php", "/app//index.php", "/app/./admin.php", "/app/%69ndex.php",
           "/app/index.php/more", "/app/nothing", "/app/nothing.php", "/app/x.php/../index.php",
           "/x/../app/index.php", "//app/index.php", "/app/index.PHP", "/app/index.php?x=/a.css"]

# Shows what reaches PHP beside the application.
DUMP = "<?php header('Content-Type: application/json'); echo json_encode($_SERVER);"


@pytest.fixture(scope="module", params=["nginx", "Apache"])
def front(request):
    if request.param == "nginx":
        host = request.getfixturevalue("host")
        host.start_nginx()
    else:
        host = request.getfixturevalue("apache_host")
        host.start_apache()
        host.follow(block for block in blocks("protect-a-folder.md", "Apache")
                    if "a2enmod" in block.text)
    host.copy_snippets(request.param)
    host.start_php()
    host.follow(blocks(PAGE, "The application", request.param))
    host.path("/var/www/example.org/dump.php").write_text(DUMP)
    host.path("/var/www/example.org/app/dump.php").write_text(DUMP)
    return host


@pytest.fixture(scope="module")
def signed_in(front):
    """The page's own trials; they leave cookies behind."""
    front.follow(blocks(PAGE, "See it"))
    return front


def server(host, path, *options):
    words = " ".join(f"'{word}'" for word in options)
    return json.loads(host.run(f"curl -s {words} https://www.example.org{path}"))


@pytest.mark.parametrize("how", [[], ["-I"], ["-H", "Accept: text/html"], ["-d", "x=y"], FORGED,
                                 ["-u", "ada@example.org:spoon-lantern-42"]])
def test_without_a_session(front, how):
    statuses = dict(zip(TARGETS, front.curls(TARGETS, *how)))
    assert set(statuses.values()) <= {301, 302, 401, 404, 405}, statuses
    assert statuses["/app/admin.php"] in (302, 401)


@pytest.mark.parametrize("name", ["www.example.org", "203.0.113.9"])
def test_no_source_is_handed_out_on_port_80(front, name):
    assert front.plainly("/", name) == "It works!\n"
    for target in [*TARGETS, "/dump.php"]:
        assert "<?php" not in front.plainly(target, name), target


def test_a_front_controller_answers_for_what_is_no_file(signed_in):
    answer = server(signed_in, "/app/any/thing?json", "-b", "ada")
    assert answer["email"] == "ada@example.org"


def test_what_php_sees(signed_in):
    seen = server(signed_in, "/app/dump.php?x=1", "-b", "ada", *FORGED)
    assert (seen["REMOTE_USER"], seen["AUTH_EMAIL"]) == ("ada", "ada@example.org")
    assert (seen["AUTH_NAME"], seen["AUTH_GROUPS"]) == ("Ada <3", "")
    assert seen["QUERY_STRING"] == "x=1"
    # The client's are gone; Apache sets them as for an application behind a proxy.
    assert seen.get("HTTP_REMOTE_USER", "ada") == "ada" and not seen.get("HTTP_REMOTE_GROUPS")
    assert not [name for name in seen if name.startswith("REDIRECT_AUTH")]
    assert [name for name, value in seen.items() if value == "admin"
            and not name.startswith("HTTP_")] == []


def test_outside_nobody_is_anybody(signed_in):
    """… with a session, too: only a protected location knows."""
    seen = server(signed_in, "/dump.php", "-b", "ada", *FORGED)
    assert {seen[name] for name in ("REMOTE_USER", "AUTH_USER_ID", "AUTH_EMAIL", "AUTH_NAME",
                                    "AUTH_GROUPS", "AUTH_SESSION_ID")} == {""}


def test_a_bearer_token_will_do(signed_in):
    login = signed_in.site.post("/login", {"email": "grace@example.org", "password": "spoon-lantern-42"})
    token = login.json()["accessToken"]
    answer = server(signed_in, "/app/?json", "-H", "Authorization: Bearer " + token)
    assert answer["groups"] == ["admin"]


def test_names_are_escaped(signed_in):
    page = signed_in.run("curl -s -b ada https://www.example.org/app/")
    assert "Ada &lt;3" in page and "<3" not in page


def test_a_role_that_is_taken_away(signed_in):
    site = signed_in.site
    assert signed_in.curl("/app/admin.php", "-b", "grace") == 200
    site.set_roles("grace@example.org", "editor")
    assert signed_in.curl("/app/admin.php", "-b", "grace") == 403
    assert signed_in.curl("/app/mine.php", "-b", "grace") == 200
    site.ctl_ok("session", "revoke", "--user", "grace@example.org")
    assert signed_in.curl("/app/mine.php", "-b", "grace") == 401
