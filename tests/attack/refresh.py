#!/usr/bin/env python3
"""A storm on one refresh token: 50 clients use it at once, 100 times.  All of them get the same
successor, and of all the tokens that were handed out one goes on."""
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from figures import attack, number

CLIENTS = 50


class Client:
    """A connection that is open before the storm begins."""

    def __init__(self, site):
        self.site = site
        self.link = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
        self.link.connect()

    def refresh(self, token):
        body = json.dumps({"refreshToken": token})
        self.link.request("POST", self.site.base + "/refresh", body,
                          {"Content-Type": "application/json"})
        answer = self.link.getresponse()
        return answer.status, json.loads(answer.read())


def storm(site, pool, clients, user):
    """One round: (answers that were no 200, successors that live, different successors)"""
    token = user.login().refresh_token
    gate = threading.Barrier(CLIENTS)

    def use(client):
        gate.wait()
        return client.refresh(token)

    answers = list(pool.map(use, clients))
    successors = {body["refreshToken"] for status, body in answers if status == 200}
    # Whichever lived beside the head would be good for one more refresh.
    alive = [one for one in successors if clients[0].refresh(one)[0] == 200]
    return sum(status != 200 for status, _ in answers), len(alive), len(successors)


def run(site, figures):
    rounds = number("ROUNDS", 100)
    user = site.register()
    clients = [Client(site) for _ in range(CLIENTS)]
    workers = site.workers()
    with ThreadPoolExecutor(CLIENTS) as pool:
        results = [storm(site, pool, clients, user) for _ in range(rounds)]
    figures.note(f"{rounds} rounds of {CLIENTS} clients")
    figures.must("clients refused within the grace", sum(refused for refused, _, _ in results))
    figures.must("rounds with exactly one live head", sum(alive == 1 for _, alive, _ in results),
                 rounds)
    figures.must("rounds with two", sum(alive > 1 for _, alive, _ in results))
    figures.must("rounds with several successors", sum(count > 1 for _, _, count in results))
    figures.must("workers lost", len(set(workers) - set(site.workers())))


if __name__ == "__main__":
    attack(run)
