"""Processes that are killed, stopped, reloaded, replaced; under load."""
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

import fastcgi
from gate import PASSWORD, fresh_email, wait_until
from lab import fault
from test_outage import running


@fault("workers-killed", seconds=60, brief=2)
def workers_killed(lab):
    """kill -9 of a random worker each second"""
    rng, refilled, kills = random.Random(), [], 0
    count = len(lab.site.workers())
    with lab.counted("worker_deaths_total"):
        with lab.under_load(mix={"verify": 6, "session": 3, "ended": 2}) as load:
            _, fds_before, _ = lab.size()
            for _ in range(int(lab.seconds)):
                victim = rng.choice(lab.site.workers())
                os.kill(victim, signal.SIGKILL)
                kills += 1
                refilled.append(wait_until(lambda gone=victim: gone not in lab.site.workers() and
                                           len(lab.site.workers()) == count, 5))
                time.sleep(max(0.0, 1 - refilled[-1]))
        _, fds, zombies = lab.size()
    tally = load.tally
    lab.never_wrong(tally)
    # One for each on average; whoever dies may have had all clients' requests at hand.
    lab.verdict(tally.failed <= max(kills, len(load.made)), f"failed: {tally.failed}, killed: {kills}")
    lab.in_time(max(refilled), 0.1, f"the pool was full again in {max(refilled):.2f} s")
    lab.verdict(zombies == 0 and fds - fds_before < 3 * count, f"zombies {zombies}, descriptors "
                f"{fds_before} -> {fds}")
    lab.says("worker died")


@fault("worker-stopped", seconds=1, brief=1, short=False)
def worker_stopped(lab):
    """a worker stands still: the watchdog replaces it"""
    with lab.counted("worker_hangs_total"):
        with lab.under_load(after=2) as load:
            victim = lab.site.workers()[0]
            os.kill(victim, signal.SIGSTOP)
            took = wait_until(lambda: victim not in lab.site.workers(), 60)
    lab.show(f"killed after {took:.1f} s")
    lab.never_wrong(load.tally)
    lab.verdict(load.tally.failed <= 64, f"failed: {load.tally.failed} (what it had taken)")
    lab.says("worker hangs and is killed")


@fault("master-killed", seconds=1, brief=1)
def master_killed(lab):
    """kill -9 of the master: workers finish, the next start is clean"""
    master, workers = lab.master(), lab.site.workers()
    with lab.under_load(after=1.5) as load:
        os.kill(master, signal.SIGKILL)
        gone = wait_until(lambda: not any(running(pid) for pid in workers), 15)
        lab.restart_stores()
    lab.in_time(gone, 5, f"workers were gone in {gone:.2f} s")
    lab.never_wrong(load.tally)
    pid_file = Path(lab.site.conf("server", "pid_file"))
    lab.verdict(int(pid_file.read_text(encoding="ascii")) == lab.master() != master,
                "started anew on the same sockets, with its own pid in the pid file")
    lab.says("master is gone, finishing")
    lab.works()


@fault("reload", seconds=100, brief=6)
def reload(lab):
    """reloads (one by one and overlapping) and binary upgrades while requests run"""
    reloads, upgrades = int(lab.seconds), max(1, int(lab.seconds / 10))
    least = 100000 if not lab.brief else 100
    with lab.under_load(clients=3 if lab.brief else 6,
                        mix={"verify": 40, "session": 20, "page": 5, "profile": 5, "ended": 5,
                             "login": 1, "change": 1}) as load:
        made = 0
        for upgrade in range(upgrades):
            for _ in range(reloads // upgrades):
                lab.told(signal.SIGHUP, "reload done")
                made += 1
            for _ in range(25 if upgrade == 0 else 0):
                lab.signal(signal.SIGHUP)
                time.sleep(0.01)
            lab.told(signal.SIGHUP, "reload done")
            before = set(lab.site.workers())
            lab.told(signal.SIGUSR2, "taken over from the program before")
            gone = wait_until(lambda old=before: not old & set(lab.site.workers()), 20)
        lab.show(f"{made} reloads, {upgrades} upgrades; the last old workers were gone in {gone:.1f} s")
        while not lab.brief and load.so_far() < least:
            lab.told(signal.SIGHUP, "reload done")
    lab.none_failed(load.tally)
    lab.never_wrong(load.tally)
    lab.verdict(load.tally.requests >= least, f"{load.tally.requests} requests (at least {least})")


@fault("broken-reload", seconds=3, brief=1)
def broken_reload(lab):
    """a configuration and keys that cannot be used"""
    workers = set(lab.site.workers())
    with lab.counted("reloads_total", outcome="refused"), lab.counted("keys_refused_total"), \
            lab.under_load(mix={"verify": 5, "session": 3, "ended": 2, "profile": 1}) as load:
        with lab.conf_with("[session]\nidle = never"):
            lab.told(signal.SIGHUP, "reload refused")
        keys = Path(lab.site.conf("token", "keys"))
        name = (keys / "signing").read_text(encoding="ascii")
        (keys / "signing").write_text("of-nobody\n", encoding="ascii")
        try:
            wait_until(lambda: "the keys cannot be taken up" in lab.log(), 5)
            lab.told(signal.SIGHUP, "reload refused")
        finally:
            (keys / "signing").write_text(name, encoding="ascii")
    lab.none_failed(load.tally)
    lab.never_wrong(load.tally)
    lab.verdict(workers == set(lab.site.workers()), "the workers are those of before")
    lab.says("the configuration is refused")
    lab.told(signal.SIGHUP, "reload done")
    lab.works()


class Parts(threading.Thread):
    """A registration that is sent in two halves, cut anywhere; what came back."""

    def __init__(self, path, cut, gate):
        super().__init__(daemon=True)
        self.email, self.cut, self.path, self.gate = fresh_email(), cut, path, gate
        self.whole, self.status = False, None

    def run(self):
        body = b'{"email": "%s", "password": "%s"}' % (self.email.encode(), PASSWORD.encode())
        data = fastcgi.request("POST", "/auth/register", {"Content_Type": "application/json"}, body)
        at = int(len(data) * self.cut)
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(15)
                link.connect(self.path)
                link.sendall(data[:at])
                self.gate.wait(15)
                link.sendall(data[at:])
                self.whole = True
                head = fastcgi.receive(link).partition(b"\r\n\r\n")[0]
                self.status = int(head.split(b"Status: ")[1].split()[0])
        except (OSError, AssertionError, IndexError, threading.BrokenBarrierError):
            pass


@fault("stopped-anywhere", seconds=100, brief=1)
def stopped_anywhere(lab):
    """SIGTERM while requests are half sent: each is answered whole, or was never begun"""
    rng, seen, wrong = random.Random(), {}, []
    rounds, each = (int(lab.seconds), 100) if not lab.brief else (1, 40)
    for _ in range(rounds):
        gate = threading.Barrier(each + 1)
        parts = [Parts(lab.site.conf("pool.web", "listen"), rng.random(), gate) for _ in range(each)]
        for part in parts:
            part.start()
        gate.wait(15)
        time.sleep(rng.random() * 0.02)
        lab.signal(signal.SIGTERM)
        for part in parts:
            part.join(30)
        wait_until(lambda: not running(lab.master()), 20)
        there = {row[0] for row in lab.site.sql("SELECT email FROM users")}
        for part in parts:
            key = part.status or "closed"
            seen[key] = seen.get(key, 0) + 1
            if (part.status == 201) != (part.email in there):
                wrong.append((part.status, part.email in there, part.whole))
        lab.restart_stores()
    lab.show(f"{rounds * each} requests in {rounds} stops: {seen}")
    lab.verdict(not wrong, f"answered without being done, or done without an answer: {wrong[:3] or 0}")
    lab.works()
