"""Every front, every way to start: from sign-up to sign-out, and a protected page."""
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from front_ask import ask, bearer, refuses
from gate import (LOGIN_KEYS, PASSWORD, SAME_SITE, at_once, fresh_email, fresh_name, granted, refused,
                  set_cookies, shows_user, sid_of)

NOBODY = {"REMOTE_USER": "", "AUTH_USER_ID": "", "AUTH_EMAIL": "", "AUTH_NAME": "",
          "AUTH_GROUPS": "", "AUTH_SESSION_ID": ""}


def test_sign_up_to_sign_out(place):
    body = {"email": fresh_email(), "password": PASSWORD}
    shows_user(granted(place.post("/register", body), 201)["user"])
    refused(place.post("/register", body), "email_taken")
    refused(place.post("/login", {**body, "password": "wrong " + PASSWORD}), "invalid_credentials")
    login = granted(place.post("/login", body), keys=LOGIN_KEYS)
    access, session = login["accessToken"], login["sessionId"]

    user = shows_user(granted(place.get("/profile", token=access)))
    assert user["email"] == body["email"]
    assert granted(place.patch("/profile", {"displayName": "Ada ü"}, token=access)
                   )["displayName"] == "Ada ü"
    granted(place.get("/verify", token=access), 204)
    fresh = granted(place.post("/refresh", {"refreshToken": login["refreshToken"]}))
    listed = granted(place.get("/sessions", headers={"X-Session-Id": session}))["sessions"]
    assert [item["id"] for item in listed] == [sid_of(session)]
    assert listed[0]["ip"] == "127.0.0.1"

    new = {"oldPassword": PASSWORD, "newPassword": PASSWORD + " 2"}
    granted(place.post("/password", new, token=fresh["accessToken"]))
    refused(place.call("DELETE", "/profile", {"password": PASSWORD}, token=session),
            "invalid_credentials")
    granted(place.post("/logout", {}, token=fresh["accessToken"]))
    refused(place.get("/profile", token=fresh["accessToken"]), "token_revoked")
    refused(place.get("/profile", token=session), "session_expired")


def test_a_browser_over_tls(place):
    user = place.register()
    plain, place.url = place.url, place.env["GATEHOUSE_TLS_URL"]
    cert = str(Path(place.env["CONF"]).parents[1] / "tls" / "cert.pem")
    try:
        answer = place.post("/login", {"email": user.email, "password": user.password,
                                       "transport": "cookie"}, verify=cert)
        granted(answer)
        cookie = set_cookies(answer)[place.cookie_name].value
        assert place.get("/userinfo", cookie=cookie, verify=cert).json()["email"] == user.email
        pairs = [("Cookie", f"{place.cookie_name}={cookie}")]
        assert ask(place, "/members/", pairs, tls=True).status == 200
        refused(place.post("/logout", cookie=cookie, verify=cert,
                           headers={"Sec-Fetch-Site": "cross-site"}), "csrf_rejected")
        granted(place.post("/logout", cookie=cookie, headers=SAME_SITE, verify=cert))
        assert refuses(ask(place, "/members/", pairs, tls=True))
    finally:
        place.url = plain


def test_errors_of_the_service_arrive_as_they_are(place):
    refused(place.get("/profile"), "token_missing")
    answer = place.get("/profile")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")
    for path in ("/nowhere", "/", ""):
        refused(place.get(path), "not_found")
    answer = place.get("/login")
    refused(answer, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]
    refused(place.post("/login", b"{"), "invalid_json")
    refused(place.post("/login", b"x" * 70000), "body_too_large")
    refused(place.call("POST", "/login", b"{}", headers={"Content-Type": "text/plain"}),
            "unsupported_media_type")
    assert granted(place.get("/health"))["status"] == "ok"


def test_a_client_with_a_slow_line_is_answered(front):
    """… by either pool, although its body takes longer than request_timeout (2s)."""
    body = json.dumps({"email": fresh_email(), "password": PASSWORD, "refreshToken": "x" * 43}).encode()
    codes = {"login": "invalid_credentials", "refresh": "refresh_invalid"}
    answers = at_once(2, lambda number: ask(front, "/auth/" + list(codes)[number], [
        ("Content-Type", "application/json")], "POST", body, slowly=3))
    for answer, code in zip(answers, codes.values()):
        assert answer.status == 401 and json.loads(answer.body)["code"] == code, answer


def test_a_protected_page(place):
    user = place.register(username=fresh_name(), displayName="Ada Lovelace")
    place.set_roles(user.email, "editor", "staff")
    login = user.login()
    ways_in = [bearer(login.access), bearer(login.session), [("Authorization", login.access)],
               [("X-Session-Id", login.session)],
               [("Cookie", f"other=1; {place.cookie_name}={login.session}")]]
    for pairs in ways_in:
        assert ask(place, "/members/", pairs).status == 200, pairs
        answer = ask(place, "/app/whoami.php?a=1", pairs)
        assert answer.status == 200, answer
        told = json.loads(answer.body)
        assert set(told.pop("AUTH_GROUPS").split(",")) == {"editor", "staff"}
        assert told == {"REMOTE_USER": user.shown["username"], "AUTH_USER_ID": user.id,
                        "AUTH_EMAIL": user.email, "AUTH_NAME": "Ada Lovelace",
                        "AUTH_SESSION_ID": login.sid}
        assert ask(place, "/admin/", pairs).status == 403
    for pairs in ([], bearer("garbage"), [("Cookie", place.cookie_name + "=garbage")]):
        for path in ("/members/", "/app/whoami.php", "/admin/"):
            assert refuses(ask(place, path, pairs)), (path, pairs)
    assert json.loads(ask(place, "/open/whoami.php", bearer(login.access)).body) == NOBODY
    granted(place.post("/logout", {}, token=login.access))
    for pairs in ways_in:
        assert refuses(ask(place, "/members/", pairs)), pairs


def test_a_role_given_later(place):
    user = place.register()
    place.set_roles(user.email, "admin")
    assert ask(place, "/admin/", bearer(user.login().access)).status == 200


# SIGHUP: whoever holds the socket, it stays open.


def workers(masters):
    found = {}
    for master in masters:
        with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as children:
            found[master] = set(children.read().split())
    return found


@pytest.mark.masters
def test_a_reload_fails_no_request(place, people):
    masters = place.env["MASTER_PIDS"].split()
    before = workers(masters)
    assert before and all(before.values())
    done, answers = threading.Event(), []

    def keep_asking():
        while not done.is_set():
            answers.append(ask(place, "/members/page.txt", bearer(people["member"].access)).status)

    askers = [threading.Thread(target=keep_asking) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for master in masters:
            os.kill(int(master), signal.SIGHUP)
        end = time.monotonic() + 20
        while any(before[master] & now for master, now in workers(masters).items()):
            assert time.monotonic() < end, "the old workers stay"
            time.sleep(0.05)
        so_far = len(answers)
        while len(answers) < so_far + 10:
            assert time.monotonic() < end, answers
            time.sleep(0.02)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert set(answers) == {200}
    assert place.post("/login", {"email": people["member"].user.email, "password": PASSWORD}
                      ).status_code == 200
