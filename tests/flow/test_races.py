"""What has ended stays ended on every worker, however close the next request follows."""
import http.client
import json
import multiprocessing
import os
import threading
import time
from collections import Counter
from datetime import timezone
from urllib.parse import urlsplit

import pymysql
import pytest

from gate import (PASSWORD, alive, at_once, claims_of, dead, granted, refused, sid_of,
                  wait_until)

ROUNDS = int(os.environ.get("GATEHOUSE_RACE_ROUNDS", "4000"))
# Of the other ways to end a session, each.
ENDS = int(os.environ.get("GATEHOUSE_RACE_ENDS", "400"))
PROCESSES = 4
OTHER_PASSWORD = "another horse 8 battery"


class Line:
    """One kept-alive connection, with next to nothing around it."""

    def __init__(self, site):
        self.link = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
        self.base = site.base

    def ask(self, method, path, token=None, body=None):
        headers = {"Content-Type": "application/json"} if body else {}
        if token:
            headers["Authorization"] = "Bearer " + token
        self.link.request(method, self.base + path, body, headers)
        answer = self.link.getresponse()
        return answer.status, answer.read()


def log_out_and_look(site, email, rounds, counts):
    """Logs in and out; after each logout looks over another connection, by either credential."""
    here, there = Line(site), Line(site)
    body = json.dumps({"email": email, "password": PASSWORD, "transport": "bearer"})
    allowed = odd = done = 0
    for number in range(rounds):
        status, text = here.ask("POST", "/login", body=body)
        assert status == 200, text
        login = json.loads(text)
        status, text = here.ask("POST", "/logout", login["accessToken"])
        assert status == 200, text
        token = login["accessToken" if number % 2 else "sessionId"]
        status, _ = there.ask("GET", "/verify", token)
        allowed += status == 204
        odd += status not in (204, 401)
        done += 1
    counts.put((done, allowed, odd))


def in_processes(work, site, emails, share, *more):
    """Runs work(site, email, share, counts, *more) for each email in a process of its own; the sums of
    what each put into counts."""
    context = multiprocessing.get_context("fork")
    counts = context.SimpleQueue()
    runners = [context.Process(target=work, args=(site, email, share, counts, *more))
               for email in emails]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(600)
    assert [runner.exitcode for runner in runners] == [0] * len(emails)
    return tuple(sum(column) for column in zip(*(counts.get() for _ in runners)))


def test_no_verification_after_a_logout(site):
    emails = [site.register().email for _ in range(PROCESSES)]
    share = ROUNDS // PROCESSES
    begun = time.monotonic()
    assert in_processes(log_out_and_look, site, emails, share) == (share * PROCESSES, 0, 0)
    print(f"{share * PROCESSES} rounds in {time.monotonic() - begun:.1f} s")


# Each ends what `other` is, by a request of `one`; whether `one` goes on.


def end_everywhere(line, one, _other, _passwords):
    return line.ask("POST", "/logout", one["accessToken"], '{"everywhere": true}')[0] == 200, False


def end_others(line, one, _other, _passwords):
    return line.ask("DELETE", "/sessions", one["accessToken"])[0] == 200, True


def end_one(line, one, other, _passwords):
    path = "/sessions/" + sid_of(other["sessionId"])
    return line.ask("DELETE", path, one["accessToken"])[0] == 204, True


def change_password(line, one, _other, passwords):
    body = json.dumps({"oldPassword": passwords[0], "newPassword": passwords[1]})
    passwords.reverse()
    return line.ask("POST", "/password", one["accessToken"], body)[0] == 200, True


def end_and_look(site, email, rounds, counts, end):
    """Ends one session by another; looks at once over another connection, by every credential."""
    here, there, passwords = Line(site), Line(site), [PASSWORD, OTHER_PASSWORD]
    allowed = odd = done = 0
    for _ in range(rounds):
        logins = []
        for _ in range(2):
            status, text = here.ask("POST", "/login", body=json.dumps(
                {"email": email, "password": passwords[0], "transport": "bearer"}))
            assert status == 200, text
            logins.append(json.loads(text))
        one, other = logins
        ended, goes_on = end(here, one, other, passwords)
        for login, alive_still in ((other, False), (one, goes_on)):
            for token in (login["accessToken"], login["sessionId"]):
                status, _ = there.ask("GET", "/verify", token)
                allowed += status == 204 and not alive_still
                odd += status != (204 if alive_still else 401)
        done += ended
        if goes_on:
            here.ask("POST", "/logout", one["accessToken"])
    counts.put((done, allowed, odd))


@pytest.mark.parametrize("end", [end_everywhere, end_others, end_one, change_password])
def test_no_verification_after_a_session_was_ended(site, end):
    emails = [site.register().email for _ in range(PROCESSES)]
    share = ENDS // PROCESSES
    assert in_processes(end_and_look, site, emails, share, end) == (share * PROCESSES, 0, 0)


def logins_until(stop, site, email, tokens):
    line = Line(site)
    body = json.dumps({"email": email, "password": PASSWORD, "transport": "bearer"})
    while not stop.is_set():
        status, text = line.ask("POST", "/login", body=body)
        if status == 200:
            tokens.append(json.loads(text))
        else:
            assert status == 401, text


def test_no_login_survives_the_disabling_of_its_user(site):
    for _ in range(4):
        user, tokens, stop = site.register(), [], threading.Event()
        threads = [threading.Thread(target=logins_until, args=(stop, site, user.email, tokens))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda got=tokens: len(got) > 3, 10)
        site.disable(user.email)
        stop.set()
        for thread in threads:
            thread.join()
        line = Line(site)
        for login in tokens:
            for token in (login["accessToken"], login["sessionId"]):
                assert line.ask("GET", "/verify", token)[0] == 401
        assert user.try_login().status_code == 401


def test_no_login_with_the_old_password_survives_its_change(site):
    for _ in range(4):
        user, tokens, stop = site.register(), [], threading.Event()
        keeper = user.login()
        threads = [threading.Thread(target=logins_until, args=(stop, site, user.email, tokens))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda got=tokens: len(got) > 3, 10)
        body = {"oldPassword": PASSWORD, "newPassword": OTHER_PASSWORD}
        granted(site.post("/password", body, token=keeper.access))
        stop.set()
        for thread in threads:
            thread.join()
        line = Line(site)
        for login in tokens:
            assert line.ask("GET", "/verify", login["sessionId"])[0] == 401
        alive(site, keeper.session)


def refreshes_until(stop, site, email, tokens):
    """Uses one refresh token after the other; when that session is dead there are no more."""
    line, status, text = Line(site), 200, ""
    body = {"email": email, "password": PASSWORD}
    path = "/login"
    while status == 200 and not stop.is_set():
        status, text = line.ask("POST", path, body=json.dumps(body))
        if status == 200:
            tokens.append(json.loads(text))
            path, body = "/refresh", {"refreshToken": json.loads(text)["refreshToken"]}
    assert status in (200, 401), text


def during(site, user, change):
    """Everything that users got who signed in and refreshed while change() ran."""
    tokens, stop = [], threading.Event()
    threads = [threading.Thread(target=work, args=(stop, site, user.email, tokens))
               for work in (logins_until, refreshes_until) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(tokens) > 8, 10)
    change()
    stop.set()
    for thread in threads:
        thread.join()
    return tokens


def credentials(tokens):
    return [one[name] for one in tokens for name in ("accessToken", "sessionId") if name in one]


def set_password(site, user):
    site.ctl_ok("user", "passwd", user.email, stdin="another horse 9 battery\n")


ENDS_BY = {
    "disable": lambda site, user: site.ctl_ok("user", "disable", user.email),
    "delete": lambda site, user: site.ctl_ok("user", "delete", "--yes", user.email),
    "passwd": set_password,
    "delete_own": lambda site, user: granted(
        site.delete("/profile", {"password": PASSWORD}, token=user.login().session), 204),
}


@pytest.mark.parametrize("end", ENDS_BY)
def test_nothing_got_meanwhile_survives(site, end):
    for _ in range(2):
        user = site.register()
        tokens = during(site, user, lambda user=user: ENDS_BY[end](site, user))
        line = Line(site)
        assert [token for token in credentials(tokens)
                if line.ask("GET", "/verify", token)[0] != 401] == []
        refreshed = [line.ask("POST", "/refresh", body=json.dumps({"refreshToken": one["refreshToken"]}))[0]
                     for one in tokens[-8:]]
        assert set(refreshed) == {401}


def test_nobody_keeps_a_role_that_was_taken(site):
    for _ in range(3):
        user = site.register()
        site.ctl_ok("user", "role", user.email, "admin", "editor")
        tokens = during(site, user, lambda user=user: site.ctl_ok("user", "role", user.email, "-admin"))
        groups = Counter(site.get("/verify", token=token).headers["Remote-Groups"]
                         for token in credentials(tokens))
        assert set(groups) == {"editor"}
        body = granted(site.post("/refresh", {"refreshToken": tokens[-1]["refreshToken"]}))
        assert claims_of(body["accessToken"])["roles"] == ["editor"]


def test_no_refresh_survives_a_logout(site, user):
    for _ in range(40):
        login = user.login()

        def act(number, login=login):
            if number == 0:
                return site.post("/logout", token=login.session)
            return login.refresh()

        logout, *refreshes = at_once(4, act)
        granted(logout)
        for answer in refreshes:
            assert answer.status_code in (200, 401)
            if answer.status_code == 200:
                body = answer.json()
                assert site.get("/verify", token=body["accessToken"]).status_code == 401
                assert login.refresh(body["refreshToken"]).status_code == 401
        assert site.get("/verify", token=login.session).status_code == 401


def test_a_session_is_ended_once(site, user):
    for _ in range(20):
        login = user.login()
        answers = at_once(4, lambda _, login=login: site.post("/logout", token=login.session))
        assert sorted(answer.status_code for answer in answers) in (
            [200] * count + [401] * (4 - count) for count in range(1, 5))
        assert site.get("/verify", token=login.session).status_code == 401


def test_access_tokens_made_at_once_all_differ(user):
    logins = at_once(8, lambda _: user.login())
    assert len({claims_of(login.access)["jti"] for login in logins}) == 8
    assert len({login.session for login in logins}) == 8


def change_password(site, own):
    granted(site.post("/password", {"oldPassword": PASSWORD, "newPassword": "another horse 9 battery"},
                      token=own.access))


def delete_account(site, own):
    granted(site.delete("/profile", {"password": PASSWORD}, token=own.access), 204)


def last_login_written(site, user):
    """In milliseconds since 1970."""
    [[at]] = site.sql("SELECT last_login_at FROM users WHERE id = %s", user.id)
    return at.replace(tzinfo=timezone.utc).timestamp() * 1000 if at else 0


@pytest.mark.parametrize("change", [change_password, delete_account])
def test_sessions_end_before_a_change_and_after_it(site, change):
    """Before, because Redis may be away afterwards; after, because of who signs in meanwhile."""
    user = site.register()
    own, other = user.login(), user.login()
    failed = []

    def run():
        try:
            change(site, own)
        except AssertionError as problem:
            failed.append(problem)
    # When they were here is written after their answers, and would wait for the row as well.
    wait_until(lambda: last_login_written(site, user) >= int(site.redis.hget(
        site.key("session", other.sid), "created")), 10)
    link = pymysql.connect(unix_socket=site.env["MARIADB_SOCKET"], user="root",
                           database=site.env["MARIADB_DATABASE"])
    thread = threading.Thread(target=run)
    try:
        with link.cursor() as cursor:
            cursor.execute("SELECT id FROM users WHERE id = %s FOR UPDATE", (user.id,))
        thread.start()
        wait_until(lambda: site.get("/verify", token=other.session).status_code == 401, 4)
        assert thread.is_alive()
        # A login that was confirmed in between is one that found no word.
        site.redis.delete(site.key("user_changed", user.id))
        late = user.login()
        alive(site, late.session)
    finally:
        link.rollback()
        link.close()
        thread.join()
    assert not failed, failed
    dead(site, late.session)
    refused(late.refresh(), "refresh_invalid")
