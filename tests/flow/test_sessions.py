"""GET /auth/session and /auth/sessions, DELETE /auth/sessions and /auth/sessions/{id}."""
import json
import time

import pytest

from costs import room
from gate import (SESSION_KEYS, alive, dead, granted, moment, refused, run_instance, sid_of,
                  wait_until)
from own_service import Service


def sessions_of(login, token=None):
    answer = login.site.get("/sessions", token=token or login.access)
    return granted(answer, keys={"sessions"})["sessions"]


def shows_session(item):
    assert set(item) == SESSION_KEYS, item
    assert moment(item["createdAt"]) <= moment(item["lastActivity"]) < moment(item["expiresAt"])
    assert isinstance(item["current"], bool)
    return item


def test_one_session(site, user):
    login = user.login(user_agent="Browser/7 \"x\" ü".encode().decode("latin-1"),
                       deviceInfo={"name": "laptop"})
    [item] = sessions_of(login)
    shows_session(item)
    assert item["id"] == login.sid
    assert item["current"] is True
    assert item["ip"] == "127.0.0.1"
    assert item["userAgent"] == "Browser/7 \"x\" ü"
    assert item["deviceInfo"] == {"name": "laptop"}
    assert abs(moment(item["createdAt"]) - time.time()) < 30


def test_current_session_is_an_item_of_the_list(site, user):
    first, second = user.login(), user.login()
    for login in (first, second):
        item = shows_session(granted(site.get("/session", token=login.access)))
        assert item["current"] is True
        assert item in sessions_of(login)


@pytest.mark.parametrize("kind", ["access", "session"])
def test_current_is_the_one_that_asks(user, kind):
    logins = [user.login() for _ in range(3)]
    for login in logins:
        items = sessions_of(login, getattr(login, kind))
        assert {item["id"] for item in items} == {each.sid for each in logins}
        assert [item["id"] for item in items if item["current"]] == [login.sid]


def test_newest_activity_comes_first(brief):
    user = brief.register()
    first = user.login()
    time.sleep(1.1)
    second = user.login()
    assert [item["id"] for item in sessions_of(second)] == [second.sid, first.sid]
    time.sleep(1.1)
    alive(brief, first.session)
    assert [item["id"] for item in sessions_of(first, first.session)] == [first.sid, second.sid]


def test_sessions_of_others_are_not_shown(site, user, login):
    stranger = site.register().login()
    assert [item["id"] for item in sessions_of(login)] == [login.sid]
    assert [item["id"] for item in sessions_of(stranger)] == [stranger.sid]


def test_a_list_holds_no_credential(site, user):
    login = user.login()
    text = site.get("/sessions", token=login.access).text
    for secret in (login.session, login.refresh_token, login.access):
        assert secret not in text


def test_end_one_session(site, user):
    here, there = user.login(), user.login()
    granted(site.delete("/sessions/" + there.sid, token=here.access), 204)
    dead(site, there.access)
    dead(site, there.session)
    refused(there.refresh(), "refresh_invalid")
    alive(site, here.access)
    assert [item["id"] for item in sessions_of(here)] == [here.sid]


def test_end_the_current_session(site, login):
    granted(site.delete("/sessions/" + login.sid, token=login.session), 204)
    dead(site, login.session)
    refused(login.refresh(), "refresh_invalid")


def test_ended_twice_is_unknown(site, user):
    here, there = user.login(), user.login()
    granted(site.delete("/sessions/" + there.sid, token=here.access), 204)
    refused(site.delete("/sessions/" + there.sid, token=here.access), "not_found")


def test_a_session_of_somebody_else_is_unknown(site, login):
    stranger = site.register().login()
    refused(site.delete("/sessions/" + stranger.sid, token=login.access), "not_found")
    alive(site, stranger.session)


@pytest.mark.parametrize("bad", ["0" * 64, "0" * 63, "0" * 65, "g" * 64, "*", "x", "%2e%2e",
                                 "a%00b", "a%0d%0ab", "%f0%9f%98%80"])
def test_unknown_and_malformed_ids(site, login, bad):
    answer = site.delete("/sessions/" + bad, token=login.access)
    if bad in ("%2e%2e", "a%00b"):  # the web server itself may refuse or resolve these
        assert answer.status_code in (400, 404, 405)
    else:
        refused(answer, "not_found")
    alive(site, login.session)


def test_an_id_is_not_compared_without_case(site, user):
    here, there = user.login(), user.login()
    refused(site.delete("/sessions/" + there.sid.upper(), token=here.access), "not_found")
    alive(site, there.session)


def test_end_all_others(site, user):
    here, *others = [user.login() for _ in range(4)]
    answer = site.delete("/sessions", token=here.access)
    assert granted(answer) == {"revoked": 3}
    alive(site, here.session)
    for login in others:
        dead(site, login.session)
        dead(site, login.access)
    assert granted(site.delete("/sessions", token=here.access)) == {"revoked": 0}


def test_an_idle_session_is_listed_while_its_refresh_token_lives(brief):
    user = brief.register()
    idle = user.login()
    time.sleep(3.4)
    dead(brief, idle.session)
    here = user.login()
    assert idle.sid in {item["id"] for item in sessions_of(here)}
    granted(brief.delete("/sessions/" + idle.sid, token=here.access), 204)
    refused(idle.refresh(), "refresh_invalid")
    assert [item["id"] for item in sessions_of(here)] == [here.sid]


def test_use_keeps_a_session_alive(brief):
    login = brief.register().login()
    for _ in range(5):
        time.sleep(1)
        alive(brief, login.session)


@pytest.fixture(scope="module")
def crowded():
    for instance in run_instance(session__per_user="3"):
        yield instance.site()


def test_one_login_too_many_ends_the_oldest(crowded):
    user = crowded.register()
    first, second, third = (user.login() for _ in range(3))
    granted(second.refresh())
    alive(crowded, first.session)
    fourth = user.login()
    dead(crowded, first.session, "session_expired")
    dead(crowded, first.access, "session_expired")
    refused(first.refresh(), "refresh_invalid")
    for login in (second, third, fourth):
        alive(crowded, login.session)
    assert {item["id"] for item in sessions_of(fourth)} == {second.sid, third.sid, fourth.sid}
    # Rows are written after the answer.
    def recorded():
        return crowded.sql("SELECT details FROM audit WHERE event = 'session_revoke' AND user_id = %s", user.id)
    wait_until(recorded, 5)
    assert [json.loads(row[0]) for row in recorded()] == [{"reason": "too many sessions", "count": 1}]
    # Others' sessions are their own.
    other = crowded.register().login()
    alive(crowded, other.session)
    alive(crowded, second.session)


def test_what_lives_shorter_since_a_reload_is_not_the_oldest(crowded):
    """Logins are in the order of their ends: a shorter session.max must not end the login itself."""
    user = crowded.register()
    old = [user.login() for _ in range(3)]
    for login in old:
        crowded.redis.zadd(crowded.key("user_sessions", user.id), {login.sid: 4e12})
    alive(crowded, user.login().session)


@pytest.fixture(scope="module", name="short")
def fixture_short(site):
    """A service whose sessions end before what could push them back is due."""
    with room() as directory:
        service = Service(site, directory, "env", "GATEHOUSE_SESSION_MAX=40s", "GATEHOUSE_SESSION_IDLE=20s",
                          "GATEHOUSE_REFRESH_TTL=60s", "GATEHOUSE_SESSION_TOUCH=60s")
        yield service
        assert service.stop() == 0


def test_a_touch_longer_than_a_quarter_of_idle(site, short):
    """… would let a session that is used idle out."""
    token = short.sign_in()["sessionId"]
    record = site.key("session", sid_of(token))

    def used():
        assert short.call("GET", "/verify", token=token)[0] == 204
        return int(site.redis.hget(record, "last"))
    seconds, _ = site.redis.time()
    before = (seconds - 6) * 1000
    site.redis.hset(record, "last", before)
    wait_until(lambda: used() > before, 10)


def test_redis_keeps_nothing_beyond_the_session_max(site, short):
    login = short.sign_in()
    sid = sid_of(login["sessionId"])

    def end():
        seconds, microseconds = site.redis.time()
        return int(site.redis.hget(site.key("refresh", sid), "end")) - seconds * 1000 - microseconds // 1000

    def lives_no_longer():
        left = [site.redis.pttl(site.key(kind, sid)) for kind in ("session", "refresh")]
        return all(0 < one <= end() + 1000 for one in left)
    assert lives_no_longer()
    # It has ten seconds more, so that both lives would be longer.
    seconds, _ = site.redis.time()
    for kind in ("session", "refresh"):
        site.redis.hset(site.key(kind, sid), mapping={"end": (seconds + 10) * 1000, "last": 1000})
    assert short.call("GET", "/verify", token=login["sessionId"])[0] == 204
    wait_until(lambda: int(site.redis.hget(site.key("session", sid), "last")) > 1000, 5)
    assert site.redis.pttl(site.key("session", sid)) <= end() + 1000
    status, fresh = short.call("POST", "/refresh", {"refreshToken": login["refreshToken"]})
    assert status == 200 and fresh["refreshExpiresIn"] <= 10
    assert lives_no_longer()
