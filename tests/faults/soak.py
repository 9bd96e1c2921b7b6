#!/usr/bin/python3
"""The traffic of a site for as long as you like, with faults at random, and what it left behind.

    soak.py [MINUTES [SEED]]        20 minutes

Checks, pages, sign-ins and the rest in the proportions of a real site, at a pace that leaves the machine
half idle; every ten seconds or so something breaks. Wrong answers, sessions that were lost, memory and
descriptors are counted.
"""
import contextlib
import os
import random
import signal
import statistics
import sys
import time

from lab import Load, new_lab  # first: it says where the others are
import test_hostile
from gate import wait_until

# For each sign-in some eighty pages or calls are checked; one in twenty comes without a session.
MIX = {"verify": 550, "page": 150, "session": 100, "profile": 40, "refresh": 20, "ended": 40,
       "forged": 10, "missing": 60, "login": 10, "hash": 4, "change": 6, "register": 2}


def kill_worker(lab, rng):
    with contextlib.suppress(ProcessLookupError):
        os.kill(rng.choice(lab.site.workers()), signal.SIGKILL)


def stop_redis(lab, rng):
    lab.store.send(signal.SIGSTOP)
    time.sleep(rng.uniform(0.1, 3))
    lab.store.send(signal.SIGCONT)


def kill_redis(lab, rng):
    lab.store.kill()
    time.sleep(rng.uniform(0, 1))
    lab.store.start()


def stop_mariadb(lab, rng):
    pid = int(lab.site.env["MARIADB_PID"])
    os.kill(pid, signal.SIGSTOP)
    time.sleep(rng.uniform(0.1, 3))
    os.kill(pid, signal.SIGCONT)


def kill_mariadb(lab, _):
    os.kill(int(lab.site.env["MARIADB_PID"]), signal.SIGKILL)
    time.sleep(0.3)
    lab.restart_stores()


def kill_connections(lab, _):
    for (number,) in lab.site.sql("SELECT id FROM information_schema.processlist WHERE user = %s",
                                  lab.site.env["MARIADB_USER"]):
        with contextlib.suppress(Exception):
            lab.site.sql(f"KILL {int(number)}")


def reload(lab, _):
    lab.told(signal.SIGHUP, "reload done")


def upgrade(lab, _):
    lab.told(signal.SIGUSR2, "taken over from the program before")


def break_configuration(lab, _):
    with lab.conf_with("[session]\nidle = never"):
        lab.told(signal.SIGHUP, "reload refused")


def stall(lab, rng):
    path = lab.site.conf("pool.web", "listen")
    peers = [test_hostile.connect(path) for _ in range(50)]
    for peer in peers:
        peer.sendall(test_hostile.GET_VALUES[:rng.randrange(20)])
    time.sleep(2.5)
    for peer in peers:
        peer.close()


FAULTS = {kill_worker: 6, stop_redis: 4, kill_redis: 2, stop_mariadb: 3, kill_mariadb: 1,
          kill_connections: 3, reload: 1, upgrade: 1, break_configuration: 1, stall: 2}


def settled(lab):
    """Sizes while nothing is broken and nobody retires; None when that does not come."""
    with contextlib.suppress(AssertionError):
        lab.healthy(30)
        wanted = sum(int(lab.site.conf(f"pool.{pool}", "workers")) for pool in ("web", "login"))
        wait_until(lambda: len(lab.site.workers()) == wanted, 30)
        time.sleep(2)
        kib, fds, _ = lab.size()
        return kib, fds
    return None


def trend(values):
    """The medians of the first and the last third: what faults leave behind, not what they do."""
    third = max(1, len(values) // 3)
    return statistics.median(values[:third]), statistics.median(values[-third:])


def harm(lab, rng, until, counts, sizes):
    next_size = 0
    while time.monotonic() < until:
        if time.monotonic() >= next_size:
            size = settled(lab)
            if size:
                sizes.append(size)
                lab.show(f"{(until - time.monotonic()) / 60:5.1f} min left: {size[0]} KiB, {size[1]} "
                         f"descriptors, {sum(counts.values())} faults")
            next_size = time.monotonic() + 45
        time.sleep(rng.expovariate(1 / 8))
        fault = rng.choices(list(FAULTS), list(FAULTS.values()))[0]
        counts[fault.__name__] = counts.get(fault.__name__, 0) + 1
        fault(lab, rng)
        lab.healthy(30)


def report(lab, load, counts, sizes):
    tally = load.tally
    lab.show(f"{load.took / 60:.1f} min, {tally.requests} requests ({tally.requests / load.took:.0f} a "
             f"second), acknowledged {dict(tally.acked)}")
    lab.show(f"faults: {counts}")
    lab.mended = None
    lab.figures(tally)
    lab.show(f"unavailable: {100 * tally.failed / tally.requests:.2f} % of the requests")
    lab.verdict(not tally.wrong_no, f"sessions lost, or refused otherwise: {tally.wrong_no[:3] or 0}")
    kib, fds = trend([size[0] for size in sizes]), trend([size[1] for size in sizes])
    memory = f"memory {kib[0]:.0f} -> {kib[1]:.0f} KiB ({100 * (kib[1] - kib[0]) / kib[0]:+.1f} %)"
    if "asan" in os.path.basename(lab.site.env["BIN_DIR"]):
        lab.show(memory + ", of which nothing follows: the sanitizer keeps what was freed")
    else:
        lab.verdict(kib[1] - kib[0] <= 0.03 * kib[0] + 256, memory)
    lab.verdict(fds[1] - fds[0] <= 4, f"descriptors {fds[0]:.0f} -> {fds[1]:.0f}")
    lab.verdict("broken invariant" not in lab.log() and "signal=11" not in lab.log(),
                "no worker ended by itself")
    lab.works()


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    print(f"{minutes:g} minutes, seed {seed}", flush=True)
    rng = random.Random(seed)
    failures = []
    for lab in new_lab(False, pool__web__workers="4"):
        failures = lab.failures
        lab.at = os.path.getsize(lab.site.env["LOG"])
        counts, sizes = {}, []
        with Load(lab.site, 8, mix=MIX, pace=0.02, seed=seed) as load:
            time.sleep(5)
            harm(lab, rng, time.monotonic() + 60 * minutes - 5, counts, sizes)
            time.sleep(3)
        report(lab, load, counts, sizes)
    print(f"{len(failures)} failures, seed {seed}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
