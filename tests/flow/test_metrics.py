"""What is counted: exact, for all workers together, never falling, and readable by Prometheus."""
import http.client
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gate import (PASSWORD, basic, fresh_email, granted, refused, run_instance, wait_until)
from test_outage import stopped
from test_status import status

LINE = re.compile(r'^(gatehouse_[a-z_]+)(?:\{(.*)\})? (\d+(?:\.\d+)?)$')
LABEL = re.compile(r'([a-z]+)="([^"\\\n]*)"')


def scrape(site):
    answer = site.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = {}
    for line in answer.text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = LINE.match(line).groups()
        key = (name, frozenset(LABEL.findall(labels or "")))
        assert key not in values, line
        values[key] = float(value)
    return values


def value(values, name, **labels):
    return values.get(("gatehouse_" + name, frozenset(labels.items())), 0)


class Counted:
    """How far the counts moved since."""

    def __init__(self, site):
        self.site = site
        self.before = scrape(site)

    def __call__(self, name, **labels):
        return value(scrape(self.site), name, **labels) - value(self.before, name, **labels)


def verify(site, token=None):
    return site.get("/verify", token=token)


def test_requests_and_decisions(site, login):
    counted = Counted(site)
    for _ in range(20):
        granted(verify(site, login.access), 204)
    for _ in range(3):
        refused(verify(site), "token_missing")
    for _ in range(2):
        refused(verify(site, "no.such.token"), "token_invalid")
    # Workers come to know the answer of each other: every one of these was counted by some worker.
    assert counted("requests_total", route="/verify", method="GET", code="204") == 20
    assert counted("requests_total", route="/verify", method="GET", code="401") == 5
    assert counted("decisions_total", decision="allow", reason="ok") == 20
    assert counted("decisions_total", decision="deny", reason="token_missing") == 3
    assert counted("decisions_total", decision="deny", reason="token_invalid") == 2
    assert counted("errors_total", code="token_missing") == 3
    assert counted("request_duration_seconds_count", route="/verify", method="GET") == 25
    assert counted("store_duration_seconds_count", store="redis") >= 20
    known = counted("tokens_total", signature="known")
    checked = counted("tokens_total", signature="checked")
    assert known + checked == 22 and checked <= len(site.workers()) + 2


def test_errors_of_other_routes(site, user):
    counted = Counted(site)
    refused(user.try_login(password="wrong"), "invalid_credentials")
    refused(site.get("/no/such/route"), "not_found")
    refused(site.delete("/login", {}), "method_not_allowed")
    assert counted("errors_total", code="invalid_credentials") == 1
    assert counted("requests_total", route="", method="", code="404") == 1
    assert counted("requests_total", route="", method="", code="405") == 1
    assert counted("hash_duration_seconds_count") == 1
    assert counted("store_duration_seconds_count", store="mariadb") >= 1


def test_histograms_add_up(site, login):
    granted(verify(site, login.access), 204)
    values = scrape(site)
    series = {}
    for (name, labels), number in values.items():
        if name.endswith("_bucket"):
            rest = frozenset(pair for pair in labels if pair[0] != "le")
            bound = dict(labels)["le"]
            series.setdefault((name[:-len("_bucket")], rest), []).append(
                (float("inf") if bound == "+Inf" else float(bound), number))
    assert len(series) > 4
    for (name, labels), buckets in series.items():
        counts = [number for _, number in sorted(buckets)]
        assert counts == sorted(counts), name
        assert counts[-1] == values[(name + "_count", labels)]
        assert values[(name + "_sum", labels)] >= 0


def test_workers_are_shown(site):
    values = scrape(site)
    for pool in ("web", "login"):
        alive = value(values, "workers", pool=pool, state="busy") + \
            value(values, "workers", pool=pool, state="idle")
        assert alive >= 1
    total = sum(number for (name, _), number in values.items() if name == "gatehouse_workers")
    assert total == len(site.workers())


def test_counts_outlive_workers_and_reloads(frail):
    login = frail.register().login()
    for _ in range(5):
        granted(verify(frail, login.access), 204)
    before = scrape(frail)
    victims = frail.workers()
    os.kill(victims[0], signal.SIGKILL)
    wait_until(lambda: len(frail.workers()) == len(victims) and victims[0] not in frail.workers(),
               10)
    master = int(frail.env["MASTER_PID"])
    os.kill(master, signal.SIGHUP)
    wait_until(lambda: not set(frail.workers()) & set(victims), 20)
    after = scrape(frail)
    falling = [key for key, number in before.items()
               if key[0].endswith(("_total", "_count", "_sum", "_bucket")) and after[key] < number]
    assert not falling
    deaths = [sum(number for (name, _), number in values.items()
                  if name == "gatehouse_worker_deaths_total") for values in (before, after)]
    assert deaths[1] == deaths[0] + 1
    granted(verify(frail, login.access), 204)
    assert value(scrape(frail), "decisions_total", decision="allow", reason="ok") == \
        value(before, "decisions_total", decision="allow", reason="ok") + 1


VERSION = re.search(r"AC_INIT\(\[gatehouse\], \[([^]]+)\]",
                    (Path(__file__).resolve().parents[2] / "configure.ac").read_text())[1]
LIMITS = ("login_address", "login_account", "login_failures", "register_address", "refresh_address",
          "client_address", "profile_user")


@pytest.fixture(scope="module")
def limited():
    for instance in run_instance(limit__enabled="yes", limit__login_address="6/1h",
                                 limit__login_account="2/1h", limit__login_failures="100/4d",
                                 limit__register_address="1/1h", limit__refresh_address="1/1h",
                                 limit__client_address="1/1h", limit__profile_user="1/1h", pool__login__workers="1",
                                 pool__web__workers="2", server__hang="2s", mariadb__timeout="1s",
                                 redis__timeout="200ms"):
        yield instance.site()


def test_limits_are_counted(limited):
    site = limited
    counted = Counted(site)
    user = site.register()
    refused(site.post("/register", {"email": fresh_email(), "password": PASSWORD}), "rate_limited")
    login = user.login()
    for _ in range(2):
        refused(user.try_login(password="wrong"), "invalid_credentials")
    refused(user.try_login(password="wrong"), "rate_limited")
    granted(login.refresh())
    refused(login.refresh(), "rate_limited")
    site.ctl_ok("client", "add", "shop", stdin="a secret of the shop that is long enough\n")
    for code in ("invalid_client", "rate_limited"):
        refused(site.call("POST", "/introspect", b"token=x", headers={
            "Authorization": basic("shop", "wrong"),
            "Content-Type": "application/x-www-form-urlencoded"}), code)

    for status in (200, 429):
        assert site.patch("/profile", {"displayName": "Ada"}, token=login.access).status_code == status

    def moved(limit):
        return tuple(counted("limit_decisions_total", limit=limit, decision=decision)
                     for decision in ("pass", "refuse"))
    assert {limit: moved(limit) for limit in LIMITS} == {
        "login_address": (4, 0), "login_account": (3, 1), "login_failures": (4, 0),
        "register_address": (1, 1), "refresh_address": (1, 1), "client_address": (1, 1),
        "profile_user": (1, 1)}
    assert counted("errors_total", code="rate_limited") == 5


def test_a_queue_is_seen_and_a_worker_that_hangs(limited):
    """The one worker of a pool stands still, and others come."""
    site = limited
    counted = Counted(site)
    assert value(scrape(site), "queue", pool="login") == 0
    worker, = [worker["pid"] for worker in status(site)["workers"]
               if worker["name"].startswith("login/")]
    links = []
    os.kill(worker, signal.SIGSTOP)
    try:
        for _ in range(3):
            links.append(socket.socket(socket.AF_UNIX))
            links[-1].connect(site.conf("pool.login", "listen"))
        wait_until(lambda: value(scrape(site), "queue", pool="login") == 3, 2)
        # The master takes it for what it is, and a successor takes up who waits.
        wait_until(lambda: counted("worker_hangs_total") == 1, 20)
        wait_until(lambda: value(scrape(site), "queue", pool="login") == 0, 10)
    finally:
        for link in links:
            link.close()
    assert counted("worker_deaths_total", pool="login") == 1


def test_what_was_refused_is_counted(limited):
    site = limited
    master = int(site.env["MASTER_PID"])
    path = Path(site.env["CONF"])
    counted = Counted(site)
    before = set(site.workers())
    os.kill(master, signal.SIGHUP)
    wait_until(lambda: counted("reloads_total", outcome="done") == 1, 10)
    wait_until(lambda: not before & set(site.workers()), 10)
    text = path.read_text()
    path.write_text(text + "[nonsense]\n")
    try:
        os.kill(master, signal.SIGHUP)
        wait_until(lambda: counted("reloads_total", outcome="refused") == 1, 10)
        os.kill(master, signal.SIGUSR2)
        wait_until(lambda: counted("upgrades_refused_total") == 1, 10)
    finally:
        path.write_text(text)
    key = Path(site.conf("token", "keys")) / "short.hs256.key"
    key.write_text("c2hvcnQ\n")
    key.chmod(0o600)
    try:
        wait_until(lambda: counted("keys_refused_total") >= 1, 10)
    finally:
        key.unlink()
    assert counted("batches_total") > 5
    assert value(scrape(site), "build_info", version=VERSION) == 1


def test_an_outage_is_counted_and_does_not_stop_the_counting(frail):
    login = frail.register().login()
    counted = Counted(frail)
    with stopped(frail, "REDIS_PID"):
        refused(verify(frail, login.access), "unavailable")
        assert counted("decisions_total", decision="unknown", reason="unavailable") == 1
        assert counted("store_errors_total", store="redis") >= 1
    wait_until(lambda: verify(frail, login.access).status_code == 204, 10)
    assert counted("store_connects_total", store="redis") >= 1


def test_prometheus_takes_it(site, login):
    granted(verify(site, login.access), 204)
    done = subprocess.run(["promtool", "check", "metrics"], input=site.get("/metrics").text,
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout + done.stderr == ""


def test_it_is_not_for_strangers(site):
    # The shipped configuration lets 127.0.0.1 ask; this is another host, as far as anyone can see.
    address = urlsplit(site.env["GATEHOUSE_URL"])
    link = http.client.HTTPConnection(address.hostname, address.port, timeout=10,
                                      source_address=("127.0.0.2", 0))
    link.request("GET", "/auth/metrics")
    answer = link.getresponse()
    assert answer.status == 403
    assert b"gatehouse_" not in answer.read()
    link.close()
