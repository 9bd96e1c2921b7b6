#!/usr/bin/env python3
"""Guessing, with the limits as they come: 10,000 passwords at one account from a hundred addresses, while
its owner signs in now and then from where they were before; and one password at each of 10,000 accounts,
from one address and from the hundred.  Every request claims another address in each header that some
proxy uses."""
import random
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from figures import attack, number
from gate import PASSWORD, fresh_email, run_instance

ADDRESSES = [f"127.{one}.{one * 7 % 250}.{one + 100}" for one in range(1, 101)]
ABROAD = "127.251.0.1"
NAMES = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP", "True-Client-IP",
         "CF-Connecting-IP", "X-Client-IP", "Remote-Addr", "Remote_Addr"]
EVALUATED = 100  # what NIST SP 800-63B allows in a row at one account


def claimed():
    address = ".".join(str(random.randrange(1, 255)) for _ in range(4))
    return {name: ("for=" if name == "Forwarded" else "") + address for name in NAMES}


def login(site, email, password):
    body = {"email": email, "password": password}
    return site.post("/login", body, headers=claimed()).status_code


def at_one_account(site, strangers, owner, guesses, pool):
    """How often each answer came, to the owner and to the others."""
    def try_one(turn):
        if turn % (guesses // 20) == 0:
            return "owner", login(site, owner.email, PASSWORD)
        return "guess", login(strangers[turn % len(strangers)], owner.email, f"guess {turn}")
    return Counter(pool.map(try_one, range(guesses)))


def at_many_accounts(strangers, guesses, pool):
    """(how often each answer came, minutes)"""
    begun = time.monotonic()
    answers = Counter(pool.map(lambda turn: login(strangers[turn % len(strangers)], fresh_email(),
                                                  "Sommer2024!"), range(guesses)))
    return answers, (time.monotonic() - begun) / 60


def per_minute(site):
    return int(re.fullmatch(r"(\d+)/1m", site.conf("limit", "login_address", "30/1m"))[1])


def judge_one(figures, answers):
    guesses = {status: count for (who, status), count in answers.items() if who == "guess"}
    owners = {status: count for (who, status), count in answers.items() if who == "owner"}
    figures.note(f"{sum(guesses.values())} guesses at one account from {len(ADDRESSES)} addresses")
    figures.most("looked at", guesses.get(401, 0), EVALUATED)
    figures.none("answers but 401 and 429", set(guesses) - {401, 429})
    figures.must("answers to the owner meanwhile", set(owners), {200})


def run(_, figures):
    guesses = number("GUESSES", 10000)
    for instance in run_instance(limit__enabled="yes"):
        site = instance.site()
        owner = site.add_user()
        figures.must("to the owner before", login(site, owner.email, PASSWORD), 200)
        strangers = [site.seen_from(address) for address in ADDRESSES]
        with ThreadPoolExecutor(8) as pool:
            judge_one(figures, at_one_account(site, strangers, owner, guesses, pool))
            figures.must("to the owner from elsewhere",
                         login(site.seen_from(ABROAD), owner.email, PASSWORD), 429)
            for key in site.redis.scan_iter(site.key("ratelimit", "login_address", "*")):
                site.redis.delete(key)
            for crowd in ([site.seen_from("127.252.0.1")], strangers):
                answers, minutes = at_many_accounts(crowd, guesses, pool)
                figures.note(f"one guess at each of {guesses} accounts from {len(crowd)} address(es)")
                figures.none("answers but 401 and 429", set(answers) - {401, 429})
                # So many at once, and as many again in each minute.
                figures.most("looked at for each", answers[401] / len(crowd),
                             per_minute(site) * (1 + minutes) + 1)


if __name__ == "__main__":
    attack(run)
