#!/usr/bin/env python3
"""A spent refresh token after its grace: refused, and at once everything of its session is dead (what is
asked about within 100 ms of the answer, again and again); one line of the log speaks of it."""
import time

from figures import LogPart, attack, number
from gate import run_instance

GRACE = 1
AT_ONCE = 0.1


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

    def replay(self):
        """(the answer's status and code, questions about a living credential, its refresh tokens that
        live)"""
        answer = self.login.refresh()
        begun, living = time.monotonic(), self.living()
        while time.monotonic() - begun < AT_ONCE:
            living += self.living()
        heads = sum(self.login.refresh(heir["refreshToken"]).status_code == 200
                    for heir in self.heirs)
        return (answer.status_code, answer.json()["code"]), living, heads


def run(_, figures):
    count = number("ROUNDS", 50)
    for instance in run_instance(refresh__grace=f"{GRACE}s"):
        site = instance.site()
        user = site.register()
        thefts = [Theft(user) for _ in range(count)]
        before = sum(theft.living() for theft in thefts)
        time.sleep(GRACE + 0.5)
        log = LogPart(site.env["LOG"])
        results = [theft.replay() for theft in thefts]
        logged = [len(log.lines("event=refresh_reused", theft.login.sid)) for theft in thefts]
        figures.must("credentials alive before", before, 4 * count)
        figures.must("replays answered 401 refresh_reused",
                     sum(code == (401, "refresh_reused") for code, _, _ in results), count)
        figures.must("times let in within 100 ms", sum(living for _, living, _ in results))
        figures.must("refresh tokens alive after", sum(heads for _, _, heads in results))
        figures.must("replays logged once", sum(lines == 1 for lines in logged), count)


if __name__ == "__main__":
    attack(run)
