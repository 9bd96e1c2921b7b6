"""nginx keeps a yes for the rest of the second where a location asks for it: gatehouse-cache.conf."""
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from front_ask import ask, bearer
from front_stage import TOP
from gate import b64, free_ports
from test_front_identity import of
from test_front_nginx import PROTECT, Nginx, Place

PAGE = 'try_files "" @page; auth_request_set $was $upstream_cache_status;'
CACHE = "set $gatehouse_cache gatehouse_decisions;"
LOCATIONS = f"""
    location @page {{
        add_header Was $was;
        add_header Who "$gatehouse_user_id $gatehouse_email $gatehouse_groups $gatehouse_session";
        return 200 "for the signed-in";
    }}
    location ^~ /members/ {{ {PROTECT} {PAGE} {CACHE} }}
    location ^~ /admin/   {{ {PROTECT} {PAGE} {CACHE} set $gatehouse_role admin; }}
    location ^~ /either/  {{ {PROTECT} {PAGE} {CACHE} set $gatehouse_role "admin,editor"; }}
    location ^~ /exact/   {{ {PROTECT} {PAGE} }}
"""


@pytest.fixture(scope="module", name="site")
def fixture_site(stage, people, tmp_path_factory):
    """A server that keeps answers; its pages say whether this one was kept, and who it was."""
    shipped = Path(stage.at("nginx").env["CONF"]).parent / "nginx" / "gatehouse"
    assert people
    directory = tmp_path_factory.mktemp("cache")
    directory.parent.chmod(0o755)
    directory.chmod(0o755)
    port = int(free_ports(1)[0])
    run = Nginx(directory, f"""
        include gatehouse/gatehouse-http.conf;
        include cache.conf;
        server {{
            listen 127.0.0.1:{port};
            include gatehouse/gatehouse-locations.conf;
            {LOCATIONS}
        }}""")
    snippet = (TOP / "conf" / "nginx" / "gatehouse-cache.conf").read_text()
    assert snippet.count("/run/gatehouse-decisions") == 1
    (directory / "conf" / "gatehouse").symlink_to(shipped)
    (directory / "conf" / "cache.conf").write_text(
        snippet.replace("/run/gatehouse-decisions", f"{directory}/decisions"))
    with run:
        run.wait_for(port)
        place = Place(port)
        place.decisions = directory / "decisions"
        yield place


def is_page_of(answer, login):
    told = of(login)
    who = " ".join(told[name] for name in ("AUTH_USER_ID", "AUTH_EMAIL", "AUTH_GROUPS",
                                           "AUTH_SESSION_ID"))
    return answer.status == 200 and answer.headers["Who"] == who


def until_kept(site, path, pairs):
    """Asks until an answer was kept; a second that ends in between does not matter."""
    for _ in range(50):
        answer = ask(site, path, pairs)
        assert answer.status == 200
        if answer.headers["Was"] == "HIT":
            return answer
    raise AssertionError("no answer was ever kept")


def next_second():
    time.sleep(1.02 - time.time() % 1)


def carriers(login):
    """Every way to carry this login's credentials."""
    for credential in (login.access, login.session):
        yield bearer(credential)
        yield [("Authorization", credential)]
        yield [("X-Session-Id", credential)]
    yield [("Cookie", "a=b; __Host-session=" + login.session)]


def test_two_people_never_share_an_answer(site, people):
    logins = [people["member"], people["admin"]]
    for ways in zip(*(carriers(login) for login in logins)):
        for login, pairs in zip(logins, ways):
            assert is_page_of(until_kept(site, "/members/", pairs), login)
        for _ in range(5):
            for login, pairs in zip(logins, ways):
                assert is_page_of(ask(site, "/members/", pairs), login)


def test_without_the_switch_nothing_is_kept(site, people):
    for _ in range(5):
        answer = ask(site, "/exact/", bearer(people["member"].access))
        assert is_page_of(answer, people["member"])
        assert answer.headers["Was"] is None


def test_a_kept_answer_is_nobody_elses(site, people):
    """The same bytes in another header, a part of them, and both headers at once."""
    good = people["member"].session
    for kept, others in (
            (bearer(good), [[("X-Session-Id", "Bearer " + good)], [("Cookie", "Bearer " + good)],
                            bearer(good[:-1]), bearer(good + "A"), bearer("x" + good)]),
            ([("X-Session-Id", good)], [[("Cookie", good)], bearer("x") + [("X-Session-Id", good)],
                                        [("X-Session-Id", good + "\t" + good)]]),
            ([("Cookie", "__Host-session=" + good)],
             [[("X-Session-Id", "__Host-session=" + good)], bearer("__Host-session=" + good),
              [("X-Session-Id", "x"), ("Cookie", "__Host-session=" + good)],
              [("Cookie", "__Host-session=x; __Host-session=" + good)]])):
        for other in others:
            until_kept(site, "/members/", kept)
            assert ask(site, "/members/", other).status == 401, other


def test_a_header_that_came_twice_poisons_nothing(site, people):
    """An empty one in front of a good one has the key of a request without either."""
    good = people["member"]
    for name, value in (("X-Session-Id", good.session), ("Authorization", "Bearer " + good.access),
                        ("Cookie", "__Host-session=" + good.session)):
        for _ in range(10):
            assert ask(site, "/members/", [(name, ""), (name, value)]).status in (400, 401), name
            assert ask(site, "/members/").status == 401, name


def test_each_role_is_asked_about_by_itself(site, people):
    for _ in range(3):
        until_kept(site, "/members/", bearer(people["member"].access))
        until_kept(site, "/either/", bearer(people["member"].access))
        assert ask(site, "/admin/", bearer(people["member"].access)).status == 403
        until_kept(site, "/admin/", bearer(people["admin"].access))
        assert is_page_of(ask(site, "/either/", bearer(people["admin"].access)), people["admin"])


def test_signing_out_bites_when_the_second_is_over(site, stage):
    login = stage.at("nginx").register().login()
    for pairs in (bearer(login.access), bearer(login.session)):
        until_kept(site, "/members/", pairs)
    assert stage.at("nginx").post("/logout", {}, token=login.access).status_code == 200
    assert ask(site, "/exact/", bearer(login.access)).status == 401
    next_second()
    for pairs in (bearer(login.access), bearer(login.session)):
        assert ask(site, "/members/", pairs).status == 401


def kept_files(site):
    return [path for path in site.decisions.rglob("*") if path.is_file()]


def test_no_is_never_kept(site, stage):
    """Not a 401, not a 403, not an outage: whoever may, may at once."""
    login = stage.at("nginx").register().login()
    for _ in range(3):
        assert ask(site, "/members/").status == 401
        assert ask(site, "/members/", bearer(b64(os.urandom(32)))).status == 401
        assert ask(site, "/admin/", bearer(login.session)).status == 403
    stage.at("nginx").set_roles(login.user.email, "admin")
    assert ask(site, "/admin/", bearer(login.session)).status in (200, 401)
    again = login.user.login()
    assert ask(site, "/admin/", bearer(again.session)).status == 200
    redis = int(stage.at("nginx").env["REDIS_PID"])
    fresh = login.user.login()
    os.kill(redis, signal.SIGSTOP)
    try:
        assert ask(site, "/members/", bearer(fresh.session)).status == 503
    finally:
        os.kill(redis, signal.SIGCONT)
    for _ in range(100):
        answer = ask(site, "/members/", bearer(fresh.session))
        if answer.status != 503:
            break
        time.sleep(0.05)
    assert is_page_of(answer, fresh) and answer.headers["Was"] in ("MISS", "EXPIRED")


def test_nobody_else_can_read_what_is_kept(site, people):
    until_kept(site, "/members/", bearer(people["member"].access))
    assert stat.S_IMODE(site.decisions.stat().st_mode) & 0o077 == 0
    kept = b"".join(path.read_bytes() for path in kept_files(site))
    assert people["member"].access.encode() in kept  # which is why
