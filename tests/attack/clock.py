#!/usr/bin/env python3
"""The clock of the workers is set: a minute either way, an hour back, over a token's end, beyond 2038 and
2106.  A token is good until exp plus token.leeway, to the second, and not longer; nothing crashes."""
import os
import secrets
import time

from figures import attack
from gate import PASSWORD, SigningKey, claims_of, fresh_email, header_of
from masters import Master

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
FAR = [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 2 ** 53 + 1, 2 ** 62, 2 ** 63 - 1]


def library():
    machine = os.uname().machine
    return LIBRARY.replace("x86_64", machine)


class Clock(Master):
    """A master whose processes, and nobody else, see another time: libfaketime reads the offset from
    a file whenever one of them asks."""

    def __init__(self, site, settings=None):
        super().__init__(site, settings)
        self.file = self.directory / "offset"
        self.offset = 0
        self.environment.update(LD_PRELOAD=library(), FAKETIME_TIMESTAMP_FILE=str(self.file),
                                FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1")
        self.turn(0)

    def turn(self, offset):
        """From now on the clock is that many seconds ahead."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset:+d}s\n", encoding="ascii")
        new.chmod(0o644)
        os.replace(new, self.file)
        self.offset = offset

    def set(self, moment):
        self.turn(int(moment - time.time()))

    def now(self):
        return int(time.time()) + self.offset


class Mint:
    """Access tokens for a session that exists, with any times."""

    def __init__(self, site, login):
        self.key = SigningKey(site)
        self.header, self.claims = header_of(login.access), claims_of(login.access)

    def token(self, exp, iat):
        return self.key.sign(self.header, {**self.claims, "exp": exp, "iat": iat,
                                           "jti": secrets.token_hex(16)})


def verdict(clock, token):
    status, body = clock.call("GET", "/verify", token=token)
    return (body or {}).get("code", status)


def judge_offset(clock, mint, leeway):
    """(good tokens refused, tokens past their end accepted, how many were asked about)"""
    refused = late = asked = 0
    for distance in range(-3, 6):
        # The second may change while the question is under way: 1 proves nothing.
        if distance == 1:
            continue
        begun = clock.now()
        answer = verdict(clock, mint.token(begun - leeway + distance, begun - leeway - 100))
        if clock.now() - begun > 1:
            continue  # a machine this slow proves nothing with a second
        refused += distance > 1 and answer != 204
        late += distance <= 0 and answer != "token_expired"
        asked += 1
    return refused, late, asked


def minute_either_way(clock, mint, leeway):
    results = []
    for offset in range(-60, 61, 5):
        clock.turn(offset)
        results.append(judge_offset(clock, mint, leeway))
    clock.turn(0)
    return [sum(column) for column in zip(*results)]


def over_the_end(clock, mint):
    """A token that every worker has seen and remembers, and then time passes it."""
    token = mint.token(clock.now() + 20, clock.now())
    before = [verdict(clock, token) for _ in range(40)]
    clock.turn(21)
    after = [verdict(clock, token) for _ in range(40)]
    clock.turn(0)
    again = [verdict(clock, token) for _ in range(10)]
    clock.turn(3600)
    after += [verdict(clock, token) for _ in range(40)]
    clock.turn(0)
    return before.count(204) + again.count(204), len(after) - after.count("token_expired")


def log_in(clock, email):
    status, body = clock.call("POST", "/login", {"email": email, "password": PASSWORD})
    assert status == 200, (status, body)
    return body


def an_hour_back(clock, email):
    """(whether one from then is good then and dead now, what became of one from the future)"""
    future = log_in(clock, email)
    clock.turn(-3600)
    past = log_in(clock, email)
    then = verdict(clock, past["accessToken"]), verdict(clock, past["sessionId"])
    ahead = verdict(clock, future["accessToken"]), verdict(clock, future["sessionId"])
    clock.turn(0)
    now = verdict(clock, past["accessToken"]), verdict(clock, past["sessionId"])
    return then, ahead, now


def beyond(clock, moment, email):
    """Logs in two seconds before the moment and looks again after it; how much was wrong."""
    clock.set(moment - 2)
    body = log_in(clock, email)
    wrong = verdict(clock, body["accessToken"]) != 204
    wrong += claims_of(body["accessToken"])["exp"] <= moment
    time.sleep(3)
    wrong += verdict(clock, body["accessToken"]) != 204
    status, after = clock.call("POST", "/refresh", {"refreshToken": body["refreshToken"]})
    wrong += status != 200 or verdict(clock, after["accessToken"]) != 204
    wrong += clock.call("GET", "/profile", token=body["sessionId"])[0] != 200
    clock.set(moment + 1000)
    wrong += verdict(clock, body["accessToken"]) != "token_expired"
    clock.turn(0)
    return int(wrong)


def far_ends(clock, mint):
    """How many ends far off are refused though they are to come, or lived on when they had come."""
    early = late = 0
    for exp in FAR:
        clock.turn(0)
        answer = verdict(clock, mint.token(exp, clock.now()))
        early += answer != 204 if exp <= 2 ** 53 else answer not in (204, "token_invalid")
        if exp <= 2 ** 32:
            clock.set(exp + 1)
            late += verdict(clock, mint.token(exp, exp - 100)) != "token_expired"
    clock.turn(0)
    return early, late


def run(site, figures):
    if not os.path.exists(library()):
        figures.skip("there is no " + library())
    user = site.register(fresh_email())
    mint = Mint(site, user.login())
    deaths = 0
    for leeway in (0, 30):
        with Clock(site, {"token.leeway": f"{leeway}s"}) as clock:
            workers = clock.workers()
            refused, late, asked = minute_either_way(clock, mint, leeway)
            figures.least(f"tokens about their end, -60 to +60 s, leeway {leeway} s", asked, 100)
            figures.must("accepted too long", late)
            figures.must("refused too soon", refused)
            deaths += len(set(workers) - set(clock.workers()))
    with Clock(site) as clock:
        workers = clock.workers()
        good, lived = over_the_end(clock, mint)
        figures.must("good answers before a step over exp", good, 50)
        figures.must("after it", lived)
        then, ahead, now = an_hour_back(clock, user.email)
        figures.must("an hour back (a new token, its session)", then, (204, 204))
        figures.must("(one from the future, its session)", ahead, ("token_invalid", 204))
        figures.must("and back again", now, ("token_expired", 204))
        figures.must("wrong about 2038 and 2106",
                     beyond(clock, 2 ** 31, user.email) + beyond(clock, 2 ** 32, user.email))
        figures.must("(refused early, lived past) of exp up to 2^63-1", far_ends(clock, mint),
                     (0, 0))
        deaths += len(set(workers) - set(clock.workers()))
    figures.must("workers lost", deaths)


if __name__ == "__main__":
    attack(run)
