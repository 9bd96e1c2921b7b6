"""What has ended stays ended on every worker, however close the next request follows."""
import http.client
import json
import multiprocessing
import os
import threading
import time
from urllib.parse import urlsplit

from gate import PASSWORD, alive, at_once, claims_of, granted

ROUNDS = int(os.environ.get("GATEHOUSE_RACE_ROUNDS", "10000"))
PROCESSES = 4


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


def test_no_verification_after_a_logout(site):
    emails = [site.register().email for _ in range(PROCESSES)]
    context = multiprocessing.get_context("fork")
    counts = context.SimpleQueue()
    share = ROUNDS // PROCESSES
    runners = [context.Process(target=log_out_and_look, args=(site, email, share, counts))
               for email in emails]
    begun = time.monotonic()
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(120)
    assert [runner.exitcode for runner in runners] == [0] * PROCESSES
    done, allowed, odd = (sum(column) for column in zip(*(counts.get() for _ in runners)))
    assert (done, allowed, odd) == (share * PROCESSES, 0, 0)
    print(f"{done} rounds in {time.monotonic() - begun:.1f} s")


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
        time.sleep(0.15)
        site.disable(user.email)
        stop.set()
        for thread in threads:
            thread.join()
        assert tokens
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
        time.sleep(0.1)
        body = {"oldPassword": PASSWORD, "newPassword": "another horse 8 battery"}
        granted(site.post("/password", body, token=keeper.access))
        stop.set()
        for thread in threads:
            thread.join()
        line = Line(site)
        for login in tokens:
            assert line.ask("GET", "/verify", login["sessionId"])[0] == 401
        alive(site, keeper.session)


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
