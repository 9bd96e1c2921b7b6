#!/usr/bin/env python3
"""Does the time of a refused login tell who exists?

Each round tries every kind once, so that whatever else the machine does disturbs all alike: a user
that is not there, a wrong password, a disabled user, one whose hash is older; and of accounts that
are limited one that is there and one that is not.  The answers must be the same bytes but for the ids;
the medians must be within 1 % of the time that a hash takes, or the times such that equals would differ
as much (Mann-Whitney, p above 0.01): a machine with other work to do differs from itself by more than
1 %.  Two times are compared: that of the whole request, through the web server, and that in which the
workers had a processor, which other work on the machine disturbs less.

For a minute; ATTACK_LOGINS=2000 for that many of each kind, however long it takes.
"""
import hashlib
import math
import random
import statistics
import time

from figures import attack, busy, number
from gate import PASSWORD, fresh_email, run_instance

USERS = 20
FOR_EVER = "1000000/366d"
COST = 10
APART = 1.0    # % of a hash
CHANCE = 0.01
SECONDS = 60
PAIRS = [("wrong", "unknown"), ("disabled", "unknown"), ("older hash", "unknown"),
         ("limited", "limited, unknown")]
# What differs from request to request, and the limit on the address, which everything counts to.
OWN = ("X-Request-Id", "Date", "Retry-After", "RateLimit")


def closed(site, email):
    """The account with its limit used up, and a password to try."""
    name = site.key("ratelimit", "login_account", hashlib.sha256(email.encode()).hexdigest())
    site.redis.set(name, (site.redis.time()[0] + 365 * 86400) * 1000000 + 86400 * 1000000)
    return email, "not the password"


def people(site):
    """{kind: function that gives an email and a password to try}"""
    users = [site.add_user() for _ in range(4 * USERS)]
    wrong, disabled, older, limited = (users[i::4] for i in range(4))
    for user in disabled:
        site.disable(user.email)
    old = site.ctl_ok("password", "hash", "--cost", str(COST - 2), stdin=PASSWORD + "\n").strip()
    for user in older:
        site.sql("UPDATE users SET password_hash = %s WHERE email = %s", old, user.email)
    nobodies = [fresh_email() for _ in range(USERS)]
    return {
        "unknown": lambda: (fresh_email(), "not the password"),
        "wrong": lambda: (random.choice(wrong).email, "not the password"),
        "disabled": lambda: (random.choice(disabled).email, PASSWORD),
        "older hash": lambda: (random.choice(older).email, "not the password"),
        "limited": lambda: closed(site, random.choice(limited).email),
        "limited, unknown": lambda: closed(site, random.choice(nobodies)),
    }


def learnt(answer):
    """What a client may learn from an answer beside its time."""
    headers = [(name, value) for name, value in answer.headers.items() if name not in OWN]
    request_id = answer.headers["X-Request-Id"].encode()
    return answer.status_code, tuple(headers), answer.content.replace(request_id, b"")


def measure(site, kinds, rounds, seconds=math.inf):
    """({kind: milliseconds}, {kind: milliseconds of the workers}, {kind: the different answers})"""
    times, work, answers = ({kind: [] for kind in kinds}, {kind: [] for kind in kinds},
                            {kind: set() for kind in kinds})
    workers = site.workers()
    end = time.monotonic() + seconds
    for _ in range(rounds):
        if time.monotonic() > end:
            break
        for kind in random.sample(list(kinds), len(kinds)):
            email, password = kinds[kind]()
            before, begun = busy(workers), time.perf_counter()
            answer = site.post("/login", {"email": email, "password": password})
            times[kind].append((time.perf_counter() - begun) * 1000)
            work[kind].append(busy(workers) - before)
            answers[kind].add(learnt(answer))
    return times, work, answers


def mann_whitney(left, right):
    """The two-sided p of the rank sum test, by its normal approximation."""
    ranked = sorted([(value, 0) for value in left] + [(value, 1) for value in right])
    rank_sum = sum(rank for rank, (_, side) in enumerate(ranked, 1) if side == 0)
    n, m = len(left), len(right)
    u = rank_sum - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


def told_apart(figures, name, times):
    """The pairs that can be told from each other by these times."""
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    figures.note(f"{name} " + ", ".join(f"{kind} {median:.2f} ms" for kind, median in medians.items()))
    found, shown = [], []
    for kind, other in PAIRS:
        share = abs(medians[kind] - medians[other]) / medians["unknown"] * 100
        chance = mann_whitney(times[kind], times[other])
        shown.append(f"{share:.2f} % (p = {chance:.2f})")
        if share >= APART and chance <= CHANCE:
            found.append((kind, other))
    figures.note("differences of " + ", ".join(shown) + " of a hash")
    figures.none("kinds told apart", found)


def judge(figures, times, work, answers):
    hashing = [answers[kind] for kind in answers if "limited" not in kind]
    limited = [answers[kind] for kind in answers if "limited" in kind]
    figures.must("answer of all that hash", len(set.union(*hashing)), 1)
    figures.must("of all that are limited", len(set.union(*limited)), 1)
    figures.must("statuses", {one[0] for kind in answers.values() for one in kind}, {401, 429})
    told_apart(figures, "requests:", times)
    told_apart(figures, "workers:", work)


def run(_, figures):
    rounds = number("LOGINS", 0)
    settings = {"limit__enabled": "yes", "limit__login_address": FOR_EVER,
                "limit__login_account": FOR_EVER, "limit__login_failures": FOR_EVER,
                "password__cost": str(COST)}
    for instance in run_instance(**settings):
        site = instance.site()
        kinds = people(site)
        measure(site, kinds, 10)
        times, work, answers = measure(site, kinds, rounds or 2000,
                                       math.inf if rounds else SECONDS)
        figures.least(f"logins of each kind at bcrypt cost {COST}", len(times["unknown"]), 10)
        judge(figures, times, work, answers)


if __name__ == "__main__":
    attack(run)
