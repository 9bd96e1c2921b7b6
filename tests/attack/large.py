#!/usr/bin/env python3
"""Requests that are too large: through the web server with its shipped configuration, and on the raw
socket with max_body set so high that the readers themselves meet them.  Each is refused at once, and
workers do not grow.  The time is that for which the workers had a processor: other work on the machine
does not count."""
from figures import attack, busy, median, number, resident
from gate import b64
from masters import Master
from wire import head, send

MIB = 1024 * 1024
KIB = 1024
GROWTH = MIB // 1024  # KiB, as the kernel counts
FAST = 50.0           # ms


def post(path, body):
    return head("POST", "/auth" + path, [("Content-Type", "application/json"),
                                         ("Content-Length", str(len(body)))]) + body


def many_names(count):
    return b'{"email":"x@example.org","password":"x",' + b",".join(
        b'"n%d":0' % one for one in range(count)) + b"}"


def deep(count):
    return b'{"x":' + b"[" * count + b"]" * count + b"}"


def long_token(login, size):
    parts = login.access.split(".")
    return ".".join([parts[0], parts[1] + b64(b"x" * size), parts[2]])[:size]


def through_the_front(login):
    """{what: (request, statuses that are right)}"""
    def verify(*headers):
        return head("GET", "/auth/verify", headers)
    token = ("Authorization", "Bearer " + login.access)
    return {
        "4 headers of 7 KiB": (verify(*((f"X-Large-{one}", "x" * 7 * KIB) for one in range(4))),
                               {400, 401, 431}),
        "200 cookies": (verify(("Cookie", "; ".join(f"c{one}={'x' * 20}" for one in range(200)))),
                        {400, 401, 431}),
        "200 Cookie headers": (verify(*(("Cookie", f"c{one}=x") for one in range(200))),
                               {400, 401, 431}),
        "a token of 8 KiB": (verify(("Authorization", "Bearer " + long_token(login, 8 * KIB))),
                             {400, 401, 431}),
        "a cookie of 7 KiB": (verify(("Cookie", "__Host-session=" + "x" * 7 * KIB)),
                              {400, 401, 431}),
        "a body of 1 MiB and 1": (post("/login", b"x" * (MIB + 1)), {413}),
        "a body of 64 KiB and 1": (post("/login", b" " * (64 * KIB + 1)), {413}),
        "100,000 deep": (post("/login", deep(100000)), {400, 413}),
        "20,000 deep": (post("/login", deep(20000)), {400}),
        "100,000 names": (post("/login", many_names(100000)), {413}),
        "a path of 7 KiB": (head("GET", "/auth/" + "x" * 7 * KIB, [token]), {400, 404, 414}),
        "a query of 7 KiB": (head("GET", "/auth/nothing?" + "x" * 7 * KIB, [token]), {404, 414}),
    }


def measure(ask, repeats, workers):
    times, statuses = [], set()
    pids = workers()
    for _ in range(repeats):
        before = busy(pids)
        statuses.add(ask())
        times.append(busy(pids) - before)
    return median(times), statuses


def judge(figures, kinds, workers, repeats):
    """kinds: {what: (ask, right statuses)}"""
    for ask, _ in kinds.values():
        measure(ask, max(2, repeats // 5), workers)
    before = resident(workers())
    slow, wrong = {}, {}
    for what, (ask, right) in kinds.items():
        slow[what], statuses = measure(ask, repeats, workers)
        if not statuses <= right:
            wrong[what] = sorted(statuses - right)
    after = resident(workers())
    slowest = max(slow, key=slow.get)
    figures.note(f"{len(kinds)} kinds, {repeats} of each")
    figures.none("answered otherwise than refused", wrong)
    figures.most(f"median of the slowest ({slowest})", slow[slowest], FAST, " ms")
    figures.must("workers lost", len(set(before) - set(after)))
    growth = max(after[pid] - before[pid] for pid in before if pid in after)
    figures.most("a worker grew by at most", growth, GROWTH, " KiB")


def on_the_socket(master):
    """The readers themselves; what is too deep or no JSON at all is refused after a look, not later."""
    def body(path, data):
        return lambda: master.call("POST", path, data)[0]

    def header(value):
        return lambda: master.call("GET", "/verify", Authorization=value)[0]
    return {
        "1 MiB and 1 of no JSON": (body("/login", b"x" * (MIB + 1)), {400}),
        "1 MiB of white space": (body("/login", b" " * (MIB + 1)), {400}),
        "a text of 1 MiB": (body("/login", b'{"email":"' + b"x" * MIB + b'"}'), {400}),
        "escapes of 1 MiB": (body("/login", b'{"email":"' + b"\\u00e9" * (MIB // 6) + b'"}'), {400}),
        "100,000 deep": (body("/login", deep(100000)), {400}),
        "100,000 objects deep": (body("/login", b'{"a":' * 100000 + b"0" + b"}" * 100000), {400}),
        "a token of 8 KiB": (header("Bearer " + "x" * 8 * KIB), {401}),
        "a token of 8 KiB of dots": (header("Bearer " + "." * 8 * KIB), {401}),
        "a header of 60 KiB": (header("Bearer " + "x" * 60 * KIB), {0, 401}),
    }


def many_at_once(master):
    """100,000 names are sorted to find one twice: refused or not, it is not quadratic."""
    good = many_names(100000)
    twice = good[:-1] + b',"n5":1}'
    return {"100,000 names": (lambda: master.call("POST", "/logout", good)[0], {200}),
            "100,000 names, one twice": (lambda: master.call("POST", "/logout", twice)[0], {400}),
            "100,000 numbers": (lambda: master.call("POST", "/logout", b'{"x":[' + b"1," * 100000
                                                    + b"1]}")[0], {200})}


def run(site, figures):
    repeats = number("REPEATS", 100)
    login = site.register().login()
    kinds = {what: (lambda data=data: send(site, data)[0], right)
             for what, (data, right) in through_the_front(login).items()}
    judge(figures, kinds, site.workers, repeats)
    with Master(site, {"server.max_body": "4m"}, workers=1) as master:
        figures.note("on the socket")
        judge(figures, on_the_socket(master), master.workers, repeats)
        names = {what: measure(ask, 5, master.workers) for what, (ask, _) in many_at_once(master).items()}
        wrong = {what: statuses for what, (_, statuses) in names.items()
                 if not statuses <= many_at_once(master)[what][1]}
        figures.none("with 100,000 names or numbers answered wrongly", wrong)
        figures.most("median of the slowest", max(time for time, _ in names.values()), 500.0, " ms")


if __name__ == "__main__":
    attack(run)
