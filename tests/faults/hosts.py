"""More than one machine: two web hosts on the same stores, and stores that have a second."""
import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

import test_mariadb_hosts
import test_sentinel
from gate import PASSWORD, fresh_email, granted, run_instance, wait_until
from lab import Lab, fault
from load import Wire
from test_races import Line


def second_host(lab):
    """Another web server and another gatehouse, with the stores and keys of the first."""
    conf = lab.site.conf
    return run_instance(redis__url=lab.store.url, redis__timeout="300ms",
                        mariadb__socket=lab.site.env["MARIADB_SOCKET"],
                        mariadb__password_file=conf("mariadb", "password_file"),
                        token__keys=conf("token", "keys"))


def out_here_refused_there(number, sites, email, rounds, counts):
    lines = [Line(site) for site in sites]
    body = f'{{"email": "{email}", "password": "{PASSWORD}", "transport": "bearer"}}'
    allowed = odd = 0
    for turn in range(rounds):
        here, there = lines[turn % 2], lines[1 - turn % 2]
        status, text = here.ask("POST", "/login", body=body)
        assert status == 200, text
        login = json.loads(text)
        odd += there.ask("GET", "/verify", login["accessToken"])[0] != 204
        status, text = here.ask("POST", "/logout", login[("accessToken", "sessionId")[number % 2]])
        assert status == 200, text
        for token in (login["accessToken"], login["sessionId"]):
            status = there.ask("GET", "/verify", token)[0]
            allowed += status == 204
            odd += status not in (204, 401)
    counts.put((rounds, allowed, odd))


@fault("two-hosts", seconds=10000, brief=200)
def two_hosts(lab):
    """a logout that one host answered is refused by the other, at once and for good"""
    for instance in second_host(lab):
        other = instance.site()
        context = multiprocessing.get_context("fork")
        counts, processes = context.SimpleQueue(), 4
        runners = [context.Process(target=out_here_refused_there, args=(
            number, (lab.site, other), lab.site.register().email, int(lab.seconds) // processes,
            counts)) for number in range(processes)]
        begun = time.monotonic()
        for runner in runners:
            runner.start()
        for runner in runners:
            runner.join(600)
        lab.verdict([runner.exitcode for runner in runners] == [0] * processes, "nobody fell over")
        rounds, allowed, odd = (sum(column) for column in zip(*(counts.get() for _ in runners)))
        lab.verdict((allowed, odd) == (0, 0), f"{rounds} logouts in {time.monotonic() - begun:.0f} s: "
                    f"let in by the other host {allowed}, otherwise odd {odd}")
        # Traffic that goes to either, while one of them is reloaded.
        with lab.load(others=[other], mix={"verify": 6, "session": 3, "ended": 3, "refresh": 1,
                                           "login": 1, "profile": 1}) as load:
            time.sleep(0.5)
            os.kill(int(other.env["MASTER_PID"]), signal.SIGHUP)
            time.sleep(1 if lab.brief else 5)
        lab.mended = None
        lab.figures(load.tally)
        lab.none_failed(load.tally)
        lab.never_wrong(load.tally)


def inner(lab, instance):
    """The same lab with another instance."""
    there = Lab(instance, lab.store, lab.brief)
    there.failures, there.seconds = lab.failures, lab.seconds
    there.at = os.path.getsize(there.site.env["LOG"])
    return there


@fault("sentinel-failover", seconds=4, brief=1, short=False)
def sentinel_failover(lab):
    """the primary of Redis is killed in the middle of traffic, and sentinels elect another"""
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-faults."))
    group = test_sentinel.Group(folder)
    try:
        group.start()
        for instance in run_instance(redis__url=group.url, redis__timeout="500ms", pool__web__workers="4"):
            there = inner(lab, instance)
            for number in range(int(lab.seconds)):
                with there.under_load(after=2, mix={"verify": 8, "session": 4, "ended": 4, "login": 2,
                                                    "refresh": 1, "profile": 1}) as load:
                    time.sleep(1)
                    before = group.primary()
                    if number % 2 == 0:
                        group.servers[before].kill()
                    else:
                        group.servers[before].signal(signal.SIGSTOP)
                    wait_until(lambda old=before: group.primary() != old, 30)
                    elected = time.monotonic()
                    wait_until(lambda: there.site.get("/health").status_code == 200, 20)
                    there.mended = elected
                there.never_wrong(load.tally)
                there.recovers(load.tally, 1)
                lab.show(f"acknowledged: {dict(load.tally.acked)}")
                if number % 2 == 0:
                    group.servers[before].start()
                else:
                    group.servers[before].signal(signal.SIGCONT)
                wait_until(group.whole, 60)
                wait_until(group.agreed, 60)
            there.works()
    finally:
        group.end()
        shutil.rmtree(folder, ignore_errors=True)


class Registrations(threading.Thread):
    """One who signs people up without a pause; who was told "Registered"."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.wire, self.base, self.told, self.ended = Wire(site.url), site.base, [], threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            email = fresh_email()
            body = f'{{"email": "{email}", "password": "{PASSWORD}"}}'.encode()
            try:
                if self.wire.ask("POST", self.base + "/register", (), body)[0] == 201:
                    self.told.append(email)
            except OSError:
                pass
            time.sleep(0.005)

    def stop(self):
        self.ended.set()
        self.join(30)


def switch(first, second):
    """As an administrator would: no more writes, the replica catches up, and takes over."""
    first.run("SET GLOBAL read_only = 1")
    position = first.run("SELECT @@gtid_binlog_pos")[0][0]
    second.run(f"SELECT MASTER_GTID_WAIT('{position}', 20)")
    wait_until(lambda: first.run("SELECT COUNT(*) FROM gatehouse.users") ==
               second.run("SELECT COUNT(*) FROM gatehouse.users"), 20)
    second.run("STOP SLAVE", "SET GLOBAL read_only = 0")


@fault("mariadb-switch", seconds=3, brief=1, short=False)
def mariadb_switch(lab):
    """the primary of MariaDB changes in the middle of traffic"""
    with test_mariadb_hosts.primary_and_replica(lab.site) as (first, second):
        for instance in run_instance(**test_mariadb_hosts.settings((first, second))):
            there = inner(lab, instance)
            with there.under_load(after=2, mix={"verify": 8, "session": 4, "ended": 3,
                                                "refresh": 1}) as load:
                people = Registrations(there.site)
                time.sleep(lab.seconds)
                begun = time.monotonic()
                switch(first, second)
                count = len(people.told)
                wait_until(lambda: len(people.told) > count, 20)
                took = time.monotonic() - begun
                time.sleep(lab.seconds)
                people.stop()
            there.none_failed(load.tally)
            there.never_wrong(load.tally)
            rows = {row[0] for row in second.run("SELECT email FROM gatehouse.users")}
            lost = [email for email in people.told if email not in rows]
            lab.show(f"{len(people.told)} registrations; none could be made for {took:.2f} s")
            lab.verdict(not lost, f"acknowledged and lost: {len(lost)}")
            there.says("another MariaDB host is used now")
            granted(there.site.get("/health"))
            there.works()
