"""Peers that stall, flood, and keep connections."""
import random
import socket
import threading
import time

import test_hostile
from lab import Load, fault
from load import Client, Tally, Wire

CHECKS = {"verify": 6, "session": 3, "ended": 2}


@fault("peers-stall", seconds=5, brief=1.5, short=False)
def peers_stall(lab):
    """silent, half-sending and idle peers on the socket, more than there are workers"""
    path = lab.site.conf("pool.web", "listen")
    whole = test_hostile.request(lab.fresh_login().access)
    peers = []
    try:
        with lab.under_load(mix=CHECKS) as load:
            for number in range(5 * len(lab.site.workers())):
                peer = test_hostile.connect(path)
                peer.sendall(whole[:(0, 8, 100, len(whole) - 8)[number % 4]])
                peers.append((time.monotonic(), peer))
            time.sleep(lab.seconds)
            freed = []
            for begun, peer in peers:
                peer.settimeout(5)
                while peer.recv(65536):
                    pass
                freed.append(time.monotonic() - begun)
    finally:
        for _, peer in peers:
            peer.close()
    lab.none_failed(load.tally)
    slowest = max(max(took) for took in load.tally.took.values())
    lab.verdict(slowest < 2.5, f"slowest good request {slowest:.2f} s")
    lab.in_time(max(freed), 2 + 1 + lab.seconds, f"closed after {max(freed):.1f} s at the latest")


class Slow:
    """Connections to the web server whose bodies come a byte at a time."""

    def __init__(self, lab, count):
        self.links = []
        head = ("POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Length: 4096\r\n\r\n").encode()
        address = lab.site.url.partition("//")[2].split(":")
        for _ in range(count):
            link = socket.create_connection((address[0], int(address[1])), 5)
            link.sendall(head)
            self.links.append(link)

    def drip(self):
        for link in self.links:
            try:
                link.sendall(b" ")
            except OSError:
                pass

    def close(self):
        for link in self.links:
            link.close()


@fault("slow-bodies", seconds=300, brief=0.8)
def slow_bodies(lab):
    """bodies that come a byte at a time, on many connections through the web server"""
    with lab.load(mix=CHECKS) as base:
        time.sleep(min(5, lab.seconds))
    slow = Slow(lab, 1000 if not lab.brief else 150)
    busy = []
    try:
        with lab.under_load(mix=CHECKS) as load:
            until = time.monotonic() + lab.seconds
            while time.monotonic() < until:
                slow.drip()
                busy.append(lab.metric("workers", pool="login", state="busy"))
                time.sleep(0.5)
    finally:
        slow.close()
    lab.none_failed(load.tally)
    lab.verdict(max(busy) == 0, f"workers that a slow body keeps busy: {max(busy):g}")
    lab.no_slower(base.tally, load.tally, 2)


class Flood:
    """Logins that come at a rate, whatever becomes of those before; until the with block ends."""

    def __init__(self, lab, rate):
        self.site, self.rate, self.email = lab.site, rate, lab.site.register().email
        self.tally, self.asked = Tally(), []
        self.stop, self.thread = threading.Event(), threading.Thread(target=self._come)

    def _ask(self):
        wire = Wire(self.site.url, timeout=60)
        client = Client(wire, self.site.base, self.email, {"hash": 1}, self.tally, random)
        client.do_hash()
        wire.close()

    def _come(self):
        while not self.stop.wait(random.expovariate(self.rate)):
            self.asked.append(threading.Thread(target=self._ask))
            self.asked[-1].start()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        for one in self.asked:
            one.join()


@fault("login-flood", seconds=60, brief=0.8)
def login_flood(lab):
    """four times the logins that can be hashed, while checks go on at a measured pace"""
    with lab.load(mix=CHECKS, pace=0.01) as base:
        time.sleep(min(5, lab.seconds))
    with lab.conf_changed("cost = 4", "cost = 4" if lab.brief else "cost = 12"):
        with Load(lab.site, 2 * int(lab.site.conf("pool.login", "workers")), mix={"hash": 1}) as alone:
            time.sleep(min(5, lab.seconds))
        capacity = alone.tally.count(401) / alone.took
        kib = lab.size()[0]
        with lab.under_load(mix=CHECKS, pace=0.01) as load, Flood(lab, 4 * min(capacity, 20)) as flood:
            time.sleep(lab.seconds)
            grown = lab.size()[0] - kib
    logins, refused = flood.tally, flood.tally.percentile(0.99, "hash refused") * 1000
    lab.show(f"{capacity:.1f} logins can be hashed a second; {logins.requests} came in {lab.seconds} s: "
             f"{ {status: logins.count(status) for _, status in logins.answers} }, looked at in p50 "
             f"{logins.percentile(0.5, 'hash') * 1000:.0f} ms p99 "
             f"{logins.percentile(0.99, 'hash') * 1000:.0f} ms, refused in p99 {refused:.0f} ms")
    lab.none_failed(load.tally)
    lab.never_wrong(load.tally)
    lab.no_slower(base.tally, load.tally, 2)
    lab.verdict(logins.requests == logins.count(401, 503), "each was looked at or refused")
    if not lab.brief:
        lab.verdict(logins.count(503) > 0 and refused < 50, f"refused within {refused:.0f} ms")
    lab.verdict(grown < 8 * 1024 * len(lab.site.workers()), f"memory grew by {grown} KiB")


@fault("kept-connections", seconds=5, brief=0.7, short=False)
def kept_connections(lab):
    """many more kept connections than workers: nobody waits for somebody else's"""
    path = lab.site.conf("pool.web", "listen")
    whole = test_hostile.request(lab.fresh_login().access)
    peers = [test_hostile.connect(path) for _ in range(40 * len(lab.site.workers()))]
    slowest, asked = 0, 0
    try:
        with lab.under_load(mix=CHECKS) as load:
            until = time.monotonic() + lab.seconds
            while time.monotonic() < until:
                for peer in random.sample(peers, 20):
                    begun = time.monotonic()
                    peer.sendall(whole)
                    assert b"Status: 204" in test_hostile.answer(peer, 5)
                    slowest, asked = max(slowest, time.monotonic() - begun), asked + 1
    finally:
        for peer in peers:
            peer.close()
    lab.none_failed(load.tally)
    lab.verdict(slowest < 1, f"{asked} requests on {len(peers)} kept connections, the slowest "
                f"{slowest * 1000:.0f} ms")
