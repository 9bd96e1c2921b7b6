#!/usr/bin/env python3
"""A spent refresh token after its grace: refused, and at once everything of its session is dead; one
line of the log speaks of it."""
import time

from figures import LogPart, attack, number
from gate import run_instance

GRACE = 1


class Theft:
    """A session whose first refresh token was copied; it went on to a third."""

    def __init__(self, user):
        self.login = user.login()
        self.heirs = []
        token = self.login.refresh_token
        for _ in range(2):
            self.heirs.append(self.login.refresh(token).json())
            token = self.heirs[-1]["refreshToken"]

    def credentials(self):
        return [self.login.access, self.login.session] + [heir["accessToken"] for heir in self.heirs]

    def living(self):
        site = self.login.site
        return sum(site.get("/verify", token=one).status_code == 204 for one in self.credentials())

    def replay(self, site):
        """(the answer's code, what lives after it, seconds until all was found dead)"""
        answer = self.login.refresh()
        begun = time.monotonic()
        living = self.living()
        seconds = time.monotonic() - begun
        living += self.login.refresh(self.heirs[-1]["refreshToken"]).status_code == 200
        living += self.login.refresh(self.heirs[0]["refreshToken"]).status_code == 200
        return (answer.status_code, answer.json()["code"]), living, seconds


def run(_, figures):
    count = number("ROUNDS", 50)
    for instance in run_instance(refresh__grace=f"{GRACE}s"):
        site = instance.site()
        user = site.register()
        thefts = [Theft(user) for _ in range(count)]
        before = sum(theft.living() for theft in thefts)
        time.sleep(GRACE + 0.5)
        log = LogPart(site.env["LOG"])
        results = [theft.replay(site) for theft in thefts]
        logged = [len(log.lines("event=refresh_reused", theft.login.sid)) for theft in thefts]
        figures.must("credentials alive before", before, 4 * count)
        figures.must("replays answered 401 refresh_reused",
                     sum(code == (401, "refresh_reused") for code, _, _ in results), count)
        figures.must("credentials alive after", sum(living for _, living, _ in results))
        figures.most("all four found dead after at most",
                     max(seconds for _, _, seconds in results) * 1000, 100, " ms")
        figures.must("replays logged once", sum(lines == 1 for lines in logged), count)


if __name__ == "__main__":
    attack(run)
