#!/usr/bin/python3
"""How far does somebody get who guesses passwords, with the limits as they come?

    tests/attack/guessing.py [GUESSES]            10000 guesses

From a hundred addresses at one account, while its owner signs in now and then from where they were
before; and from one address once at each of as many accounts. Every request claims another address
in X-Forwarded-For.
"""
import collections
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from lab import PASSWORD, fresh_email, finish, login, run_instance, verdict

ADDRESSES = 100
MOST = 100


def claimed():
    return {"X-Forwarded-For": ".".join(str(random.randrange(1, 255)) for _ in range(4))}


def one_account(site, guesses):
    owner = site.add_user()
    assert login(site, owner.email, PASSWORD) == 200
    from_there = [site.seen_from(f"127.0.1.{number}") for number in range(1, ADDRESSES + 1)]

    def guess(number):
        if number % (guesses // 20) == 0:
            return "owner", login(site, owner.email, PASSWORD, **claimed())
        return "guess", login(from_there[number % ADDRESSES], owner.email, f"guess {number}",
                              **claimed())
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        seen = collections.Counter(pool.map(guess, range(guesses)))
    took = time.monotonic() - begun
    looked_at = seen["guess", 401]
    print(f"{guesses} guesses at one account from {ADDRESSES} addresses in {took:.0f} s: "
          f"{dict(seen)}")
    verdict(looked_at <= MOST, f"{looked_at} guesses were looked at (at most {MOST})")
    verdict(seen["guess", 200] == 0, "nobody got in")
    owners = {status: count for (who, status), count in seen.items() if who == "owner"}
    verdict(set(owners) == {200}, f"the owner got in each time: {owners}")


def many_accounts(site, guesses):
    guesser = site.seen_from("127.0.2.1")
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        seen = collections.Counter(pool.map(
            lambda _: login(guesser, fresh_email(), "a guess", **claimed()), range(guesses)))
    took = time.monotonic() - begun
    count, period = site.conf("limit", "login_address", "30/1m").split("/")
    assert period == "1m"
    allowed = int(count) * (1 + took / 60) + 1
    print(f"one guess at each of {guesses} accounts from one address in {took:.0f} s: {dict(seen)}")
    verdict(seen[401] <= allowed, f"{seen[401]} were looked at (at most {allowed:.0f})")


def main():
    guesses = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    for instance in run_instance(limit__enabled="yes"):
        site = instance.site()
        one_account(site, guesses)
        many_accounts(site, guesses)
    finish()


if __name__ == "__main__":
    main()
