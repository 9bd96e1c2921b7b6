"""The log: every line of a whole flow parses, as logfmt and as JSON, and none holds a secret."""
import json
import os
import re
import signal
import time

import pytest

from gate import (PASSWORD, basic, fresh_email, fresh_name, granted, refused, run_instance, set_cookies,
                  wait_until)

PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"=\\]*)(?: |$)')
ESCAPE = re.compile(rb'\\(x[0-9a-f]{2}|.)')
PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def unescaped(match):
    letter = match[1]
    return bytes([int(letter[1:], 16)]) if letter[:1] == b"x" and len(letter) == 3 else \
        PLAIN.get(letter, letter)


def from_logfmt(line):
    """The fields of a line; nothing of it may be left over."""
    fields, at = {}, 0
    while at < len(line):
        pair = PAIR.match(line, at)
        assert pair, line[at:]
        name, value = pair.groups()
        assert name not in fields, line
        if value.startswith('"'):
            value = ESCAPE.sub(unescaped, value[1:-1].encode()).decode("utf-8", "backslashreplace")
        fields[name] = value
        at = pair.end()
    return fields


def from_json(line):
    def once(pairs):
        assert len(dict(pairs)) == len(pairs), line
        return dict(pairs)
    return {name: str(value) for name, value in
            json.loads(line, object_pairs_hook=once, parse_float=str).items()}


PARSERS = {"logfmt": from_logfmt, "json": from_json}


@pytest.fixture(scope="module")
def instance():
    yield from run_instance(log__level="debug", log__access="all", log__repeat="3/1s",
                            refresh__grace="1s", limit__enabled="yes", limit__login_address="200/1m",
                            limit__register_address="5/1h")


@pytest.fixture(scope="module")
def logged(instance):
    return instance.site()


def configure(site, key, value):
    """Changes one option of [log] in the running service."""
    path = site.env["CONF"]
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("[log]\n")
    section = re.sub(rf"(?m)^{key}\s*=.*\n", "", lines[1])
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{lines[0]}[log]\n{key} = {value}\n{section}")
    before = set(site.workers())
    os.kill(int(site.env["MASTER_PID"]), signal.SIGHUP)
    wait_until(lambda: not before & set(site.workers()) and len(site.workers()) >= len(before), 30)


class Log:
    """What was written since."""

    def __init__(self, site):
        self.path = site.env["LOG"]
        self.at = os.path.getsize(self.path)

    def text(self):
        with open(self.path, "rb") as file:
            file.seek(self.at)
            return file.read().decode("utf-8")

    def lines(self, parse):
        return [parse(line) for line in self.text().splitlines()]


def administered(site, user, password):
    """What an administrator does to a user, who has this password in the end; the secrets in use.  None
    of them is in what gatehousectl prints."""
    user.password = "another horse 9 staple"
    tokens = [user.login(), user.login()]
    hashed = site.ctl_ok("password", "hash", stdin=password + "\n").strip()
    printed = site.ctl_ok("user", "passwd", user.email, stdin=password + "\n")
    user.password = password
    tokens += [user.login(), user.login()]
    for words, stdin in ((["user", "role", user.email, "+editor"], ""),
                         (["token", "verify"], tokens[2].access), (["token", "inspect"], tokens[2].access),
                         (["token", "revoke"], tokens[2].access), (["token", "revoke"], tokens[3].session),
                         (["session", "list", user.email], ""), (["user", "show", user.email], ""),
                         (["user", "disable", user.email], ""), (["user", "enable", user.email], ""),
                         (["client", "list"], ""), (["key", "list"], "")):
        printed += site.ctl_ok("--json", *words, stdin=stdin)
    secrets = [password, hashed]
    for login in tokens:
        secrets += [login.access, login.refresh_token, login.session]
    for secret in secrets:
        assert secret not in printed
    return secrets


def whole_flow(site):
    """All that a user, a thief, a client and an administrator do; every secret that was in use."""
    secrets = [PASSWORD, "another horse 9 staple", "wrong horse 8 nail"]
    user = site.register(displayName='Zo\u00eb "the\\one" =x', username=fresh_name())
    refused(user.try_login("wrong horse 8 nail"), "invalid_credentials")
    refused(site.post("/login", {"email": "wrong horse 8 nail", "password": PASSWORD}),
            "invalid_credentials")
    login = user.login(user_agent='agent "x"\t=\\')
    cookies = user.login(transport="cookie")
    secrets += [login.access, login.refresh_token, login.session]
    secrets += [cookie.value for cookie in set_cookies(cookies.answer).values()]
    granted(site.get("/verify", token=login.access), 204)
    refused(site.get("/verify", token="forged." + login.access), "token_invalid")
    refused(site.get("/verify?token=" + login.access), "token_missing")
    refused(site.get("/nowhere/" + fresh_name() + "%0alevel=error%22"), "not_found")
    renewed = granted(login.refresh())
    secrets += [renewed["accessToken"], renewed["refreshToken"]]
    granted(site.patch("/profile", {"displayName": "turned \u202eback"}, token=renewed["accessToken"]))
    granted(site.post("/password", {"oldPassword": PASSWORD, "newPassword": "another horse 9 staple"},
                      token=renewed["accessToken"]))
    refused(site.post("/password", {"oldPassword": PASSWORD, "newPassword": "another horse 9 staple"},
                      token=renewed["accessToken"]), "invalid_credentials")
    client, secret = fresh_name(), json.loads(site.ctl_ok("--json", "client", "add", fresh_name()))
    secrets += [secret["secret"]]
    for word, status in ((secret["secret"], 200), (secret["secret"][::-1], 401)):
        answer = site.raw("POST", "/auth/introspect", data={"token": renewed["accessToken"]},
                          headers={"Authorization": basic(secret["client"], word)})
        assert answer.status_code == status
    refused(site.raw("POST", "/auth/introspect", data={"token": "x"},
                     headers={"Authorization": basic(client, "no such client's secret")}),
            "invalid_client")
    # Somebody who has put the secret into the wrong place.
    refused(site.raw("POST", "/auth/introspect", data={"token": "x"},
                     headers={"Authorization": basic(secret["secret"], secret["client"])}),
            "invalid_client")
    secrets += [secret["secret"][::-1], "no such client's secret"]
    time.sleep(1.1)
    refused(login.refresh(), "refresh_reused")
    secrets += administered(site, user, "a third horse 6 saddle")
    last = user.site.post("/login", {"email": user.email, "password": "a third horse 6 saddle"}).json()
    secrets += [last["accessToken"], last["refreshToken"], last["sessionId"]]
    granted(site.post("/logout", {}, token=last["accessToken"]))
    refused(site.post("/register", {"email": "x", "password": "another horse 9 staple"}),
            "invalid_request")
    return user, login, secrets


def by_event(lines):
    found = {}
    for fields in lines:
        found.setdefault(fields.get("event"), []).append(fields)
    return found


@pytest.mark.parametrize("form", PARSERS)
def test_a_whole_flow(logged, form):
    if form != "logfmt":
        configure(logged, "format", form)
    log = Log(logged)
    user, login, secrets = whole_flow(logged)
    text, events = log.text(), by_event(log.lines(PARSERS[form]))
    for secret in secrets:
        assert len(secret) > 15 and secret not in text, secret
        assert json.dumps(secret)[1:-1] not in text
    assert {"register", "login", "login_refused", "refresh", "refresh_reused", "logout",
            "password_change", "profile_change", "confirm_refused", "client_refused",
            "request"} <= set(events)
    for name, lines in events.items():
        for fields in lines:
            assert {"time", "level", "msg"} <= set(fields), fields
            if name is not None:
                assert fields["request_id"] and fields["address"] == "127.0.0.1", fields
    assert {fields["reason"] for fields in events["login_refused"]} == {"unknown user", "wrong password"}
    theft, = events["refresh_reused"]
    assert theft["level"] == "warning"
    assert (theft["user"], theft["session"]) == (user.id, login.sid)


def requests_of(log, form="json"):
    return [fields for fields in log.lines(PARSERS[form]) if fields.get("event") == "request"]


NUMBER = re.compile(r"^\d+\.\d{3}$")


def test_a_request_has_a_line(logged):
    """Route, decision, reason, who, and where the time went."""
    log = Log(logged)
    user = logged.register()
    answer = user.login()
    granted(logged.get("/verify", token=answer.access), 204)
    refused(logged.get("/verify"), "token_missing")
    refused(logged.get("/no/such/route"), "not_found")
    lines = requests_of(log)
    assert [(line["method"], line["route"], line["status"], line["decision"], line["reason"])
            for line in lines] == [
                ("POST", "/register", "201", "allow", "ok"), ("POST", "/login", "200", "allow", "ok"),
                ("GET", "/verify", "204", "allow", "ok"),
                ("GET", "/verify", "401", "deny", "token_missing"),
                ("GET", "-", "404", "deny", "not_found")]
    for line in lines:
        assert all(NUMBER.match(line[name]) for name in ("ms", "redis_ms", "mariadb_ms", "hash_ms"))
        parts = sum(float(line[name]) for name in ("redis_ms", "mariadb_ms", "hash_ms"))
        assert parts <= float(line["ms"]) + 0.002, line
    register, login, good, bad, nowhere = lines
    assert login["request_id"] == answer.answer.headers["X-Request-Id"]
    assert (login["user"], login["session"]) == (good["user"], good["session"]) == (user.id, answer.sid)
    assert (bad["user"], bad["session"]) == ("", "")
    assert min(float(login[name]) for name in ("redis_ms", "mariadb_ms", "hash_ms")) > 0
    assert float(good["redis_ms"]) > 0 and float(good["mariadb_ms"]) == 0 == float(good["hash_ms"])
    assert float(register["mariadb_ms"]) > 0 and float(register["hash_ms"]) > 0
    assert float(nowhere["redis_ms"]) == 0


def test_only_errors(logged):
    configure(logged, "access", "errors")
    log = Log(logged)
    login = logged.add_user().login()
    granted(logged.get("/verify", token=login.access), 204)
    refused(logged.get("/verify", token="x"), "token_invalid")
    line, = requests_of(log)
    assert (line["reason"], line["decision"]) == ("token_invalid", "deny")


def test_what_repeats_is_counted(logged):
    """No more lines than allowed, none of them forgotten in the count, and the rest untouched."""
    configure(logged, "access", "no")
    log = Log(logged)
    limited = 0
    for _ in range(60):
        answer = logged.post("/register", {"email": fresh_email(), "password": PASSWORD})
        limited += answer.status_code == 429
    assert limited > 40

    def counted():
        lines = log.lines(from_json)
        written = sum(line.get("event") == "limited" for line in lines)
        left_out = {}
        for line in (line for line in lines if "left_out" in line):
            left_out[line["repeated"]] = left_out.get(line["repeated"], 0) + int(line["left_out"])
        # The master may say so of the workers that the reload has retired.
        assert set(left_out) <= {"a request was over its limit", "worker finished"}
        return written < limited and \
            written + left_out.get("a request was over its limit", 0) == limited
    wait_until(counted, 10)


def test_logins_are_never_left_out(logged):
    configure(logged, "format", "json")
    user = logged.add_user()
    log = Log(logged)
    for _ in range(20):
        user.login()
        user.try_login("wrong horse 8 nail")
    events = by_event(log.lines(from_json))
    assert len(events["login"]) == 20
    assert len(events["login_refused"]) + len(events.get("limited", [])) == 20
