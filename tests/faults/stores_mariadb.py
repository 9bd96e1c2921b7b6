"""MariaDB: hung, restarted, read-only, and with its connections ended."""
import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from gate import PASSWORD, fresh_email, wait_until
from lab import MARIADB_TIMEOUT, fault
from test_outage import running, threads_stand_still

ALL = {"verify": 8, "session": 4, "ended": 3, "refresh": 1, "profile": 2, "change": 1, "login": 1,
       "register": 1}
# What asks MariaDB nothing.
ALONE = {"verify": 8, "session": 4, "ended": 3, "forged": 1, "refresh": 1}


def checks_go_on(lab, tally, before=None):
    """Whoever is checked notices nothing."""
    failed = sum(count for (kind, status), count in tally.answers.items()
                 if kind in ("verify", "session", "page", "ended") and not 200 <= status < 500)
    lab.verdict(failed == 0, f"checks that failed: {failed}")
    if before is not None:
        lab.no_slower(before, tally, 1.5)


def in_time(lab, tally):
    slowest = max((max(took) for took in tally.took.values()), default=0)
    # A login asks twice at most, and the second time is told at once.
    lab.in_time(slowest, MARIADB_TIMEOUT + 0.3, f"slowest answer {slowest:.2f} s")


@fault("mariadb-hangs", seconds=10, brief=1)
def mariadb_hangs(lab):
    """SIGSTOP of MariaDB: sign-in waits no longer than the timeout, checks go on as before"""
    pid = int(lab.site.env["MARIADB_PID"])
    with lab.load(mix=ALL) as base:
        time.sleep(min(5, lab.seconds))
    with lab.counted("store_errors_total", store="mariadb"), \
            lab.under_load(mix=ALL, after=1.5) as load:
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: threads_stand_still(pid), 5)
            time.sleep(lab.seconds)
            lab.says("MariaDB cannot be asked", 20)
        finally:
            os.kill(pid, signal.SIGCONT)
        lab.mended = time.monotonic()
    checks_go_on(lab, load.tally, base.tally)
    in_time(lab, load.tally)
    lab.never_wrong(load.tally)
    lab.recovers(load.tally, 1)
    lab.works()
    lab.says("MariaDB answers again")


def try_register(lab, email):
    try:
        return lab.site.post("/register", {"email": email, "password": PASSWORD}).status_code
    except requests.RequestException:
        return 0


@fault("mariadb-restarted", seconds=10, brief=1)
def mariadb_restarted(lab):
    """a restart amid many registrations: who was told "Registered" exists, and exists once"""
    count = 1000 if not lab.brief else 120
    emails = [fresh_email() for _ in range(count)]
    workers = lab.site.workers()
    with lab.under_load(mix=ALONE) as load, ThreadPoolExecutor(8) as clients:
        answers = [clients.submit(try_register, lab, email) for email in emails]
        wait_until(lambda: sum(one.done() for one in answers) > count // 20, 30)
        pid = int(lab.site.env["MARIADB_PID"])
        os.kill(pid, signal.SIGTERM if not lab.brief else signal.SIGKILL)
        wait_until(lambda: not running(pid), 30)
        lab.restart_stores()
        back = time.monotonic()
        took = wait_until(lambda: try_register(lab, fresh_email()) == 201, 10)
        lab.mended = back
        told = dict(zip(emails, (one.result() for one in answers)))
    rows = dict(lab.site.sql("SELECT email, COUNT(*) FROM users GROUP BY email"))
    by_status = {status: sum(one == status for one in told.values()) for status in set(told.values())}
    wrong = [email for email, status in told.items()
             if rows.get(email, 0) > 1 or (status == 201 and rows.get(email, 0) != 1)]
    lab.show(f"{count} registrations: {by_status}; accounts {sum(rows.get(one, 0) for one in emails)}")
    lab.verdict(not wrong, f"told so without an account, or with two: {len(wrong)}")
    lab.verdict(set(by_status) <= {201, 503}, "answered 201 or 503")
    lab.in_time(took, 2, f"registered again {took:.2f} s after the restart")
    lab.verdict(workers == lab.site.workers(), "by the same workers")
    checks_go_on(lab, load.tally)
    lab.works()


@fault("mariadb-connections", seconds=10, brief=1.2)
def mariadb_connections(lab):
    """KILL of every connection, each second"""
    user = lab.site.env["MARIADB_USER"]
    with lab.under_load(mix=ALL) as load:
        until = time.monotonic() + lab.seconds
        killed = 0
        while time.monotonic() < until:
            for (number,) in lab.site.sql("SELECT id FROM information_schema.processlist "
                                          "WHERE user = %s", user):
                with contextlib.suppress(Exception):  # it has ended by itself
                    lab.site.sql(f"KILL {int(number)}")
                    killed += 1
            time.sleep(1 if not lab.brief else 0.4)
    lab.show(f"{killed} connections were ended")
    checks_go_on(lab, load.tally)
    in_time(lab, load.tally)
    lab.never_wrong(load.tally)
    lab.verdict("code=1243" not in lab.log() and "code=2014" not in lab.log(),
                "no statement was asked on another's connection")
    lab.works()


@fault("mariadb-read-only", seconds=3, brief=0.7)
def mariadb_read_only(lab):
    """the server takes no writes: reading goes on"""
    login = lab.fresh_login()
    try:
        with lab.counted("store_errors_total", store="mariadb"), \
                lab.under_load(mix=ALONE) as load:
            lab.site.sql("SET GLOBAL read_only = 1")
            seen = {"profile": lab.site.get("/profile", token=login.access).status_code,
                    "change": lab.site.patch("/profile", {"displayName": "x"},
                                             token=login.access).status_code,
                    "register": try_register(lab, fresh_email()),
                    "login": login.user.try_login().status_code}
            time.sleep(lab.seconds)
    finally:
        lab.site.sql("SET GLOBAL read_only = 0")
    lab.show(f"meanwhile: {seen}")
    lab.verdict(seen["profile"] == 200 and seen["change"] == seen["register"] == 503,
                "reading goes on, writing is answered 503")
    lab.verdict(seen["login"] in (200, 503), "a login is answered 200 or 503")
    lab.none_failed(load.tally)
    lab.never_wrong(load.tally)
    lab.says("read-only")
    lab.works()
