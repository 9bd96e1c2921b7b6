#!/usr/bin/env python3
"""Texts of every kind in every field: refused, or kept exactly as they came; an event stays one line of the
log; and two addresses that look alike never open the same account."""
import json
import re

from figures import LogPart, attack
from gate import PASSWORD, fresh_email, fresh_name
from naughty import BROKEN, LOOK_ALIKES, TEXTS
from wire import head, send

LINE = re.compile(r'^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(error|warning|info|debug) ')
PLACES = ["email", "username", "displayName", "password", "refreshToken", "deviceInfo", "unknown"]


def bodies(place, text):
    """(route, body) for this text in that place; text: what stands between the quotes of JSON."""
    texts = {"email": fresh_email().encode(), "password": PASSWORD.encode(), place: text}
    fields = b",".join(b'"%s":"%s"' % (name.encode(), value) for name, value in texts.items())
    if place == "deviceInfo":
        fields = fields.replace(b'"deviceInfo":"%s"' % text, b'"deviceInfo":{"%s":"%s"}' % (text, text))
    yield "/register", b"{" + fields + b"}"
    yield "/login", b"{" + fields + b"}"
    yield "/refresh", b"{" + fields + b"}"
    yield "/logout", b'{"everywhere":"%s"}' % text


def broken_texts(site):
    """What is no text at all may go nowhere, whatever the name of its field; the odd answers."""
    odd = {}
    for place in PLACES:
        for text in BROKEN:
            for route, body in bodies(place, text):
                answer = site.post(route, body)
                if answer.status_code != 400 or answer.json()["code"] != "invalid_json":
                    odd[place, text, route] = answer.status_code
    return odd


def round_trips(site):
    """Each text as each field of a profile; (how many were taken, how many came back changed)"""
    login, taken, changed = site.register().login(), 0, []
    for text in TEXTS:
        for field in ("displayName", "username"):
            answer = site.patch("/profile", {field: text}, token=login.access)
            if answer.status_code == 200:
                taken += 1
                if site.get("/profile", token=login.access).json()[field] != text:
                    changed.append((field, text))
            elif not 400 <= answer.status_code < 500:
                changed.append((field, text, answer.status_code))
    return taken, changed


def registered(site, number, field, text):
    """What a registration with this text makes of it; None: it is right."""
    body = {"email": fresh_email(), "password": PASSWORD, field: text}
    if field == "email":
        # A number keeps texts apart that are one address in two spellings.
        body["email"] = text if "@" in text else f"{text}{number}.{fresh_name()}@example.org"
    answer = site.post("/register", body)
    if answer.status_code == 201:
        if field == "password":
            return _password_is(site, body)
        if answer.json()["user"][field] != body[field]:
            return "changed"
        login = site.post("/login", {field: body[field], "password": PASSWORD}) \
            if field != "displayName" else None
        return None if login is None or login.status_code == 200 else login.text
    return None if 400 <= answer.status_code < 500 else answer.status_code


def _password_is(site, body):
    """The whole password counts: it signs in, and without its last letter it does not."""
    def login(password):
        return site.post("/login", {"email": body["email"], "password": password}).status_code
    whole, short = login(body["password"]), login(body["password"][:-1])
    return None if whole == 200 and short in (400, 401) else (whole, short)


def registrations(site):
    wrong = {}
    for number, text in enumerate(TEXTS):
        for field in ("email", "username", "displayName", "password"):
            problem = registered(site, number, field, text)
            if problem is not None:
                wrong[field, text] = problem
        padded = registered(site, number, "password", text + "-x7Q!" + text)
        if padded is not None:
            wrong["password, padded", text] = padded
    return wrong


def device_infos(site):
    """An object of the client's own comes back as it was given."""
    user, wrong = site.register(), []
    for text in TEXTS:
        info = {text: text, "list": [text, None, 1.5, True]}
        answer = user.try_login(deviceInfo=info)
        if answer.status_code == 200:
            token = answer.json()["accessToken"]
            if site.get("/session", token=token).json()["deviceInfo"] != info:
                wrong.append(text)
            site.post("/logout", token=token)
        elif answer.status_code not in (400, 413):
            wrong.append((text, answer.status_code))
    return wrong


def headers(site):
    """Raw bytes in each header that is read; nobody gets in by one, and none of them is an error here."""
    texts = [text.encode() for text in TEXTS] + BROKEN
    names = ["Authorization", "X-Session-Id", "Cookie", "User-Agent", "X-Request-Id", "Origin",
             "Sec-Fetch-Site", "Accept", "Referer", "Content-Type"]
    wrong = {}
    for text in texts:
        text = text.replace(b"\r\n", b"\\r\\n").replace(b"\n", b"\\n").decode("latin-1")
        for name in names:
            value = f"{site.cookie_name}={text}" if name == "Cookie" else text
            status, _, _ = send(site, head("GET", site.base + "/verify", [(name, value)]))
            if status not in (400, 401):
                wrong[name, text] = status
    return wrong


def agents(site):
    """What a browser calls itself is shown in the list of sessions as it was."""
    user, wrong = site.register(), []
    body = json.dumps({"email": user.email, "password": PASSWORD}).encode()
    for text in TEXTS:
        text = text.strip()
        if not text or len(text.encode()) > 512 or re.search(r"[\0-\x1f\x7f]", text):
            continue
        status, _, answer = send(site, head("POST", site.base + "/login", [
            ("User-Agent", text.encode().decode("latin-1")), ("Content-Type", "application/json"),
            ("Content-Length", str(len(body)))]) + body, "POST")
        token = json.loads(answer)["accessToken"] if status == 200 else None
        if token is None or site.get("/session", token=token).json()["userAgent"] != text:
            wrong.append((text, status))
        site.post("/logout", token=token)
    return wrong


def look_alikes(site):
    """Pairs of which one opens the other's account, or with which an account is not its own."""
    shared, separate = [], 0
    for number, pair in enumerate(LOOK_ALIKES):
        mark = fresh_name() if number % 2 else str(number) + fresh_name()
        first, second = (one.format(mark) for one in pair)
        one = site.post("/register", {"email": first, "password": PASSWORD})
        if one.status_code == 400:
            continue  # an emoji is nobody's address here
        strange = site.post("/login", {"email": second, "password": PASSWORD})
        if strange.status_code == 200:
            shared.append(pair)
        other = site.post("/register", {"email": second, "password": PASSWORD + "2"})
        if other.status_code == 201:
            separate += 1
            login = site.post("/login", {"email": second, "password": PASSWORD + "2"})
            if other.json()["user"]["id"] == one.json()["user"]["id"] or login.status_code != 200 \
                    or login.json()["user"]["id"] != other.json()["user"]["id"]:
                shared.append(pair)
        elif other.status_code != 400:
            shared.append((pair, other.status_code))
        home = site.post("/login", {"email": first, "password": PASSWORD})
        if home.status_code != 200 or home.json()["user"]["email"] != first:
            shared.append(pair)
    return separate, shared


def run(site, figures):
    workers = site.workers()
    log = LogPart(site.env["LOG"])
    figures.note(f"{len(TEXTS)} texts, {len(BROKEN)} that are none")
    figures.none("that are none taken", broken_texts(site))
    taken, changed = round_trips(site)
    figures.least("taken", taken, 50)
    figures.none("changed in a profile", changed)
    figures.none("wrong in a registration or its login", registrations(site))
    figures.none("changed in deviceInfo", device_infos(site))
    figures.none("headers answered wrongly", headers(site))
    figures.none("user agents changed", agents(site))
    separate, shared = look_alikes(site)
    figures.note(f"{len(LOOK_ALIKES)} pairs of addresses, {separate} of them two accounts")
    figures.none("pairs that share one", shared)
    lines = log.text().decode("utf-8").splitlines()
    figures.least("lines of the log", len(lines), 1000)
    figures.none("of them no line of its own", [line for line in lines if not LINE.match(line)])
    figures.none("events told twice", repeated(lines))
    figures.must("workers lost", len(set(workers) - set(site.workers())))


def repeated(lines):
    """Requests with two lines of one event."""
    seen, twice = set(), []
    for line in lines:
        request, event = re.search(r" request=(\S+)", line), re.search(r" event=(\S+)", line)
        if request and event:
            if (request[1], event[1]) in seen:
                twice.append(line)
            seen.add((request[1], event[1]))
    return twice


if __name__ == "__main__":
    attack(run)
