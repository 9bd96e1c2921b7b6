#!/usr/bin/python3
"""What each kind of request costs a worker: instructions, allocations, system calls.

callgrind runs the worker and counts.  Requests are what a web server sends of a browser's, one at a
time over a connection that is kept, and the stores are real; so the figures are the same to a
thousandth on every run.  As a program, beside a running instance, it prints them, and of the kinds that
are named the functions where the instructions go:

    export $(./dev env) && tests/flow/costs.py 'verify, cookie'
"""
import json
import os
import re
import socket
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fastcgi
from gate import PASSWORD, Site, b64, fresh_email, fresh_name
from own_service import Service

ROUNDS = 100
WARM_UP = 3
# callgrind writes down what it has counted, and begins anew, where this function is entered.
MARK = "handle_jwks"
ALLOCATORS = ("malloc", "calloc", "realloc", "memalign", "posix_memalign", "aligned_alloc")
# A Firefox's, as nginx passes them on through conf/nginx/gatehouse-verify-params.conf.
BROWSER = {
    "Host": "www.example.org",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.8,de;q=0.5", "Accept-Encoding": "gzip, deflate, br",
    "Connection": "keep-alive", "Referer": "https://www.example.org/members/",
    "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin",
    "Cache-Control": "max-age=0",
}
WEB_SERVER = {"HTTPS": "on", "AUTH_REQUIRE_ROLE": "",
              "REQUEST_ID": "0123456789abcdef0123456789abcdef"}


@dataclass
class Count:
    """Of one request, or of several together."""

    functions: Counter  # instructions of each by itself
    calls: Counter
    system_calls: Counter

    @property
    def instructions(self):
        return sum(self.functions.values())

    @property
    def allocations(self):
        return sum(self.calls[name] for name in ALLOCATORS)

    def less(self, other, rounds):
        """One of so many, without what was there without them."""
        def share(mine, its):
            return Counter({name: (mine[name] - its[name]) / rounds for name in mine})
        return Count(share(self.functions, other.functions), share(self.calls, other.calls),
                     share(self.system_calls, other.system_calls))


def read_dump(path):
    """A file of callgrind: (each function's instructions, how often it was called).

    A function is named in full once and by its number from then on; the line behind calls= is the
    cost of what was called, and not the caller's own.
    """
    names, costs, calls = {}, Counter(), Counter()

    def named(text):
        number, _, name = text.partition(" ")
        if name:
            names[number] = name.split("'")[0]
        return names[number]

    function, callee, is_callees = None, None, False
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith("fn="):
            function = named(line[3:])
        elif line.startswith("cfn="):
            callee = named(line[4:])
        elif line.startswith("calls="):
            calls[callee] += int(line[6:].split()[0])
            is_callees = True
        elif re.match(r"[-+*\d]", line):
            if not is_callees:
                costs[function] += int(line.split()[1])
            is_callees = False
    return costs, calls


class Worker:
    """A service whose worker of the pool web is counted."""

    def __init__(self, site, directory):
        self.directory = Path(directory)
        self.service = Service(
            site, directory, "valgrind", "--tool=callgrind", "--trace-children=yes", "--vgdb=no",
            "--trace-syscalls=yes", f"--dump-before={MARK}", f"--log-file={directory}/calls.%p",
            f"--callgrind-out-file={directory}/callgrind.%p")

    def _mark(self):
        assert self.service.call("GET", "/.well-known/jwks.json")[0] == 200
        dumps = list(self.directory.glob("callgrind.*.*"))  # of the one worker that meets the mark
        self.pid = dumps[0].suffixes[0]
        return max(int(dump.suffixes[1][1:]) for dump in dumps)

    def _system_calls(self):
        text = (self.directory / f"calls{self.pid}").read_text(encoding="utf-8")
        return Counter(re.findall(r"^SYSCALL\[\d+,\d+\]\(.{0,5}\) sys_(\w+)", text, re.M))

    def count(self, work, rounds):
        """work, done so often."""
        self._mark()
        before = self._system_calls()
        for number in range(rounds):
            work(number)
        system_calls = self._system_calls() - before
        dump = self._mark()
        costs, calls = read_dump(self.directory / f"callgrind{self.pid}.{dump}")
        return Count(costs, calls, system_calls)


class Kept:
    """A web server's connection that is kept."""

    def __init__(self, path):
        self.path, self.link = path, None

    def ask(self, data, status):
        if self.link is None:
            self.link = socket.socket(socket.AF_UNIX)
            self.link.settimeout(60)
            self.link.connect(self.path)
        self.link.sendall(data)
        head, _, body = fastcgi.receive(self.link).partition(b"\r\n\r\n")
        assert b"Status: %d " % status in head, (head, body)
        return body


def packed(method, path, headers, body=b""):
    """A request's records; the connection is to be kept (the flag in BEGIN_REQUEST)."""
    data = fastcgi.request(method, "/auth" + path, {**BROWSER, **headers}, body, WEB_SERVER)
    return data[:10] + b"\x01" + data[11:]


def someone(service):
    """Registers; returns the answer of a login."""
    account = {"email": fresh_email(), "username": fresh_name(), "password": PASSWORD}
    status, _ = service.call("POST", "/register", {**account, "displayName": "Ada Lovelace"})
    assert status == 201
    del account["email"]
    status, login = service.call("POST", "/login", account)
    assert status == 200
    return login


def kinds(worker):
    """{kind of request: what asks it once}."""
    service = worker.service
    login = someone(service)
    jwt, opaque, nobodys = login["accessToken"], login["sessionId"], b64(os.urandom(32))
    web = service.sockets["web"]
    kept = Kept(web)

    def get(path, status, **headers):
        data = packed("GET", path, headers)
        return lambda number: kept.ask(data, status)

    def refresh(_number):
        body = json.dumps({"refreshToken": login["refreshToken"]}).encode()
        data = packed("POST", "/refresh", {"Content-Type": "application/json"}, body)
        login.update(json.loads(kept.ask(data, 200)))

    def apart(_number):
        status, _ = fastcgi.ask(web, "GET", "/auth/verify",
                                {**BROWSER, "Authorization": "Bearer " + jwt})
        assert status == 204

    return {
        "verify, access token": get("/verify", 204, Authorization="Bearer " + jwt),
        "verify, session token": get("/verify", 204, Authorization="Bearer " + opaque),
        "verify, cookie": get("/verify", 204, Cookie="a=b; __Host-session=" + opaque),
        "verify, a connection each": apart,
        "verify, refused": get("/verify", 401, Authorization="Bearer " + nobodys),
        "profile": get("/profile", 200, Authorization="Bearer " + jwt),
        "refresh": refresh,
    }


@contextmanager
def room():
    """A directory with a short name in which unprivileged workers may write."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-costs.") as directory:
        os.chmod(directory, 0o777)
        yield directory


def count_all(site):
    """{kind of request: Count of one}."""
    with room() as directory:
        worker = Worker(site, directory)
        try:
            marks = worker.count(None, 0)
            counts = {}
            for name, ask in kinds(worker).items():
                for number in range(WARM_UP):
                    ask(number)
                counts[name] = worker.count(ask, ROUNDS).less(marks, ROUNDS)
        finally:
            status = worker.service.stop()
        assert status == 0
    return counts


def main():
    for name, one in count_all(Site(dict(os.environ))).items():
        print(f"{name:<28}{one.instructions:>9,.0f} instructions{one.allocations:>8.2f} allocations "
              f"{sum(one.system_calls.values()):>7.2f} system calls")
        print(" " * 28 + ", ".join(f"{call} {count:.2f}" for call, count in
                                   one.system_calls.most_common() if count > 0.02))
        if name in sys.argv[1:]:
            for function, cost in one.functions.most_common(40):
                print(f"    {cost:>9,.0f}  {function}")


if __name__ == "__main__":
    main()
