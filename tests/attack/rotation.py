#!/usr/bin/env python3
"""Keys of changing algorithms are made, sign and go, every few seconds, while clients log in, refresh and show
their tokens: not one valid token is refused, and those of a key that was withdrawn are within a second."""
import json
import threading
import time
from collections import Counter

from figures import attack, number
from gate import header_of, run_instance, wait_until

ALGS = ["ES256", "HS256", "RS256", "HS512"]
LIFE = 4       # seconds that an access token lives
CLIENTS = 4
SOON = 1.0     # seconds until a withdrawn key is refused everywhere


class Client(threading.Thread):
    """Refreshes before its token ends, and shows it all the time."""

    def __init__(self, user, stop):
        super().__init__()
        self.site, self.user, self.stop = user.site, user, stop
        self.answers, self.algs = Counter(), Counter()

    def renew(self, body):
        answer = self.site.post("/refresh", {"refreshToken": body["refreshToken"]}) if body else \
            self.site.post("/login", {"email": self.user.email, "password": self.user.password})
        self.answers["renewal", answer.status_code] += 1
        return answer.json() if answer.status_code == 200 else None

    def run(self):
        body, renewed = None, 0
        while not self.stop.is_set():
            if body is None or time.monotonic() - renewed > LIFE / 2:
                begun = time.monotonic()
                body, renewed = self.renew(body), begun
                if body:
                    self.algs[header_of(body["accessToken"])["alg"]] += 1
            if body is None:
                continue
            answer = self.site.get("/verify", token=body["accessToken"])
            # One that was asked about too late says nothing about keys.
            if time.monotonic() - renewed < LIFE - 1:
                self.answers["check", answer.status_code] += 1


def keys(site):
    return json.loads(site.ctl_ok("--json", "key", "list"))["keys"]


def rotate(site, alg):
    """A new key is published, signs after a second, and the old ones go when nothing of theirs lives."""
    kid = json.loads(site.ctl_ok("--json", "key", "new", "--alg", alg))["kid"]
    time.sleep(1.2)
    old = [key["kid"] for key in keys(site) if key["state"] in ("signing", "verify-only")]
    site.ctl_ok("key", "rotate", kid)
    return kid, old


def rotations(site, seconds, every):
    """Until the time is up; how many."""
    end, turn, aging = time.monotonic() + seconds, 0, []
    while time.monotonic() < end:
        begun = time.monotonic()
        _, old = rotate(site, ALGS[turn % len(ALGS)])
        aging += [(kid, time.monotonic()) for kid in old if kid not in [one for one, _ in aging]]
        turn += 1
        time.sleep(max(0, every - (time.monotonic() - begun)))
        for kid, since in [one for one in aging if time.monotonic() - one[1] > LIFE + 2]:
            site.ctl_ok("key", "retire", kid)
            aging.remove((kid, since))
    return turn


def withdrawal(site, user):
    """Seconds from the retiring of a key to the last time its token was let in."""
    rotate(site, "ES256")
    wait_until(lambda: header_of(user.login().access)["alg"] == "ES256", 5)
    login = user.login()
    for _ in range(20):
        assert site.get("/verify", token=login.access).status_code == 204
    kid = header_of(login.access)["kid"]
    rotate(site, "HS256")
    site.ctl_ok("key", "retire", kid)
    begun, last = time.monotonic(), 0.0
    while time.monotonic() - begun < 2:
        if site.get("/verify", token=login.access).status_code == 204:
            last = time.monotonic() - begun
    return last


def run(_, figures):
    seconds, every = number("SECONDS", 40), number("EVERY", 4)
    for instance in run_instance(token__access_ttl=f"{LIFE}s", refresh__grace="10s"):
        site = instance.site()
        stop = threading.Event()
        clients = [Client(site.register(), stop) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            count = rotations(site, seconds, every)
        finally:
            stop.set()
            for client in clients:
                client.join()
        answers = sum((client.answers for client in clients), Counter())
        algs = sum((client.algs for client in clients), Counter())
        figures.note(f"{count} rotations, one every {every} s, tokens of {LIFE} s")
        figures.least("algorithms signed with", len(algs), min(3, count))
        figures.least("tokens verified", answers["check", 204], 100)
        figures.none("valid tokens refused",
                     {key: value for key, value in answers.items() if key[1] not in (200, 204)})
    for instance in run_instance():
        site = instance.site()
        figures.most("a withdrawn key lets in for", withdrawal(site, site.register()), SOON, " s")


if __name__ == "__main__":
    attack(run)
