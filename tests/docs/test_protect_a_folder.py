"""docs/protect-a-folder.md, followed step by step; then every way into the folder is tried."""
import pytest

from page import blocks

PAGE = "protect-a-folder.md"

TARGETS = [
    "/members", "/members/", "/members/index.html", "/members/minutes.txt", "/members/./",
    "/members//minutes.txt", "/members/../members/minutes.txt", "/x/../members/minutes.txt",
    "/%6dembers/minutes.txt", "/members/minutes%2etxt", "/members/nothing", "/members/board",
    "/members/board/", "/members/board/index.html", "//members/minutes.txt",
    "/members/?/../login.html", "/members/minutes.txt?x=/login.html",
]
WAYS = {
    "plainly": [],
    "as a person": ["-H", "Accept: text/html"],
    "by HEAD": ["-I"],
    "in part": ["-H", "Range: bytes=0-9"],
    "as somebody else": ["-H", "Remote-User: ada", "-H", "REMOTE_USER: ada", "-H",
                         "X-Remote-User: ada", "-H", "Auth-User-Id: 1"],
    "by rewriting": ["-H", "X-Original-URL: /login.html", "-H", "X-Rewrite-URL: /login.html"],
    "with a wrong token": ["-H", "Authorization: Bearer x.y.z"],
    "by password": ["-u", "ada@example.org:spoon-lantern-42"],
}


@pytest.fixture(scope="module", params=["nginx", "Apache"])
def front(request):
    if request.param == "nginx":
        host = request.getfixturevalue("host")
        host.start_nginx()
    else:
        host = request.getfixturevalue("apache_host")
        host.start_apache()
    host.follow(blocks(PAGE, "The pages", request.param))
    return host


@pytest.fixture(scope="module")
def signed_in(front):
    """The page's own trials; they leave cookies behind."""
    front.follow(blocks(PAGE, "See it"))
    front.run("""for who in ada grace; do
        curl -sf -c $who -o answer -H 'Content-Type: application/json' \
            -d '{"email":"'$who'@example.org","password":"spoon-lantern-42"}' \
            https://www.example.org/auth/login
    done""")
    return front


def test_everything_is_tried():
    assert {block.section for block in blocks(PAGE)} == {"The pages", "nginx", "Apache", "See it"}


@pytest.mark.parametrize("way", WAYS)
def test_without_a_session(front, way):
    statuses = dict(zip(TARGETS, front.curls(TARGETS, *WAYS[way])))
    # 301: a folder without its slash, which tells nothing but that it exists.
    assert set(statuses.values()) <= {301, 302, 400, 401, 404}, statuses
    assert statuses["/members/minutes.txt"] in (302, 401)


@pytest.mark.parametrize("name", ["www.example.org", "203.0.113.9"])
def test_debians_own_site_knows_nothing_of_the_folder(front, name):
    assert front.plainly("/", name) == "It works!\n"
    for target in TARGETS:
        assert "Minutes" not in front.plainly(target, name), target


def test_what_is_public_stays_public(front):
    assert front.curl("/login.html") == 200
    assert front.curl("/gatehouse.js") == 200


def test_the_page_is_right(signed_in):
    assert signed_in.curl("/members/", "-b", "ada") == 200


def test_with_a_session(signed_in):
    for target in ("/members/", "/members/minutes.txt", "/members//minutes.txt"):
        assert signed_in.curl(target, "-b", "ada") == 200
        assert signed_in.curl(target, "-b", "ada", "-I") == 200
    assert signed_in.curl("/members/minutes.txt", "-b", "ada", "-r", "0-9") == 206


@pytest.mark.parametrize("target", [target for target in TARGETS if "board" in target])
def test_without_the_role(signed_in, target):
    for way in WAYS.values():
        assert signed_in.curl(target, "-b", "ada", *way) in (301, 401, 403)
    assert signed_in.curl(target, "-b", "grace") in (200, 301)
