#!/usr/bin/python3
"""Does the time of a refused login tell who exists?

    tests/attack/timing.py [ROUNDS [COST]]        2000 rounds, bcrypt cost 10

Each round tries every kind once, so that whatever else the machine does disturbs all alike: a user
that is not there, a wrong password, a disabled user, one whose hash is older; and of accounts that
are limited one that is there and one that is not. The medians of what hashes, and of what does not,
must be within 1 % of the time that a hash takes. The time is that of the whole request, through the
web server; beside it stands the chance of a difference as large between equals (Mann-Whitney).
"""
import hashlib
import math
import random
import statistics
import sys
import time

from lab import PASSWORD, fresh_email, finish, login, run_instance, verdict

USERS = 20
FOR_EVER = "1000000/366d"


def closed(site, email):
    """The account with its limit used up, and a password to try."""
    name = site.key("ratelimit", "login_account", hashlib.sha256(email.encode()).hexdigest())
    site.redis.set(name, (site.redis.time()[0] + 365 * 86400) * 1000000 + 86400 * 1000000)
    return email, "not the password"


def people(site, cost):
    """{kind: function that gives an email and a password to try}"""
    users = [site.add_user() for _ in range(4 * USERS)]
    wrong, disabled, older, limited = (users[i::4] for i in range(4))
    for user in disabled:
        site.disable(user.email)
    old = site.ctl_ok("password", "hash", "--cost", str(cost - 2), stdin=PASSWORD + "\n").strip()
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


def mann_whitney(left, right):
    """The two-sided p of the rank sum test, by its normal approximation."""
    ranked = sorted([(value, 0) for value in left] + [(value, 1) for value in right])
    rank_sum = sum(rank for rank, (_, side) in enumerate(ranked, 1) if side == 0)
    n, m = len(left), len(right)
    u = rank_sum - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


def measure(site, kinds, rounds):
    times = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in random.sample(list(kinds), len(kinds)):
            email, password = kinds[kind]()
            begun = time.perf_counter()
            status = login(site, email, password)
            times[kind].append((time.perf_counter() - begun) * 1000)
            assert status == (429 if "limited" in kind else 401), (kind, status)
    return times


def report(times):
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    for kind, median in medians.items():
        print(f"  {kind:18} median {median:9.3f} ms   mean {statistics.mean(times[kind]):9.3f} ms")
    whole = medians["unknown"]
    for kind, other in (("wrong", "unknown"), ("disabled", "unknown"), ("older hash", "unknown"),
                        ("limited", "limited, unknown")):
        share = abs(medians[kind] - medians[other]) / whole
        verdict(share < 0.01, f"{kind} and {other}: {share:.2%} of a hash apart "
                              f"(p = {mann_whitney(times[kind], times[other]):.2f})")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    cost = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    settings = {"limit__enabled": "yes", "limit__login_address": FOR_EVER,
                "limit__login_account": FOR_EVER, "limit__login_failures": FOR_EVER,
                "password__cost": str(cost)}
    for instance in run_instance(**settings):
        site = instance.site()
        kinds = people(site, cost)
        print(f"{rounds} logins of each kind at bcrypt cost {cost}")
        measure(site, kinds, 10)
        report(measure(site, kinds, rounds))
    finish()


if __name__ == "__main__":
    main()
