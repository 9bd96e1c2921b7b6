#!/usr/bin/env python3
"""Requests that two readers may take for different ones, and headers that pass for an identity, as bytes,
through nginx, Apache and lighttpd: no worker dies, nobody is who a header says, and nobody else's request is
changed by it.  Where two servers hand a request on, gatehouse decides alike behind both."""
import re
import sys
import tempfile
from itertools import combinations
from pathlib import Path

from figures import attack
from wire import all_answers, head

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/fronts"))
from front_stage import Stage  # noqa: E402  pylint: disable=wrong-import-position

FRONTS = ["nginx", "apache", "lighttpd"]
PATHS = ["/app/whoami.php", "/open/whoami.php", "/members/page.txt", "/auth/verify"]
MARK = b"NOT-FOR-EVERYBODY"
NAMES = [prefix + name.replace("-", dash) for prefix in ("", "X-", "X_", "HTTP_", "REDIRECT_", "Variable-")
         for name in ("User", "Remote-User", "Remote-User-Id", "Remote-Email", "Remote-Name",
                      "Remote-Groups", "Remote-Session", "Auth-User-Id", "Auth-Email", "Auth-Groups",
                      "Auth-Session-Id", "Auth-Require-Role", "Auth-Type", "Document-Uri",
                      "Request-Method", "Script-Name", "Remote-Addr", "Content-Length-2", "Fcgi-Role",
                      "Gatehouse-Secret")
         for dash in ("-", "_")]


def lines(*text, body=b"", end=b"\r\n\r\n"):
    return "\r\n".join(text).encode("latin-1") + end + body


def get(path, *more, host="Host: localhost"):
    return lines(f"GET {path} HTTP/1.1", host, "Connection: close", *more)


def spoofs(token):
    """Seeds with names of identities; (what, bytes, who it is)"""
    bearer = [("Authorization", "Bearer " + token)]
    for name in NAMES:
        for value in ("1", "admin"):
            for path in PATHS:
                yield f"{name} {path}", head("GET", path, [(name, value)]), None
        yield f"{name} /app", head("GET", PATHS[0], [(name, "1"), *bearer]), "member"
        yield f"{name} /app twice", head("GET", PATHS[0], [*bearer, (name, "1"), (name, "2")]), "member"
        yield f"{name} /open", head("GET", PATHS[1], [(name, "1"), *bearer]), None
        yield f"{name} blank", get(PATHS[0], f"{name} : 1"), None
        yield f"{name} tab", get(PATHS[0], f"{name}\t: 1"), None
        yield f"{name} folded", get(PATHS[0], "X-A: 1", f" {name}: 1"), None


def twofold(member, admin):
    """What there may be one of; either nobody, or the first."""
    one, two = f"Authorization: Bearer {member}", f"Authorization: Bearer {admin}"
    cookie_one, cookie_two = f"__Host-session={member}", f"__Host-session={admin}"
    for path in PATHS[:1] + PATHS[2:]:
        yield "two Authorization", get(path, one, two), "first"
        yield "one Authorization twice", get(path, one, one), "first"
        yield "Authorization with a comma", get(path, f"{one}, Bearer {admin}"), "first"
        yield "Authorization folded", get(path, "Authorization: Bearer", f" {member}"), "first"
        yield "Authorization folded twice", get(path, one, f" {admin}"), "first"
        yield "two Cookie", get(path, "Cookie: " + cookie_one, "Cookie: " + cookie_two), "first"
        yield "Cookie with a comma", get(path, f"Cookie: {cookie_one}, {cookie_two}"), "first"
        yield "Cookie with a comma first", get(path, f"Cookie: a=1, {cookie_one}"), "first"
        yield "one name twice", get(path, f"Cookie: {cookie_one}; {cookie_two}"), "first"
        yield "two X-Session-Id", get(path, f"X-Session-Id: {member}", f"X-Session-Id: {admin}"), "first"
        yield "X_Session_Id", get(path, f"X_Session_Id: {member}"), "first"
        yield "two Host", get(path, "Host: other.example", one), "first"
        yield "Host with a blank", get(path, one, host="Host: localhost x"), "first"
        yield "no Host", lines(f"GET {path} HTTP/1.1", "Connection: close", one), "first"
        yield "absolute", lines(f"GET http://other.example{path} HTTP/1.1", "Host: localhost",
                                "Connection: close", one), "first"
        yield "absolute without a credential", lines(
            f"GET http://localhost{path} HTTP/1.1", "Host: localhost", "Connection: close"), None
        yield "bare LF", f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n{one}\n\n".encode(), "first"
        yield "bare CR", f"GET {path} HTTP/1.1\rHost: localhost\rConnection: close\r{one}\r\r".encode(), "first"
        yield "LF in a value", get(path, f"X-A: 1\n{one}"), "first"
        yield "CR in a value", get(path, f"X-A: 1\r{one}"), "first"
        yield "NUL in a value", get(path, f"X-A: 1\0{one}"), "first"
        yield "NUL in the credential", get(path, one + "\0"), "first"
        yield "HTTP/1.0", lines(f"GET {path} HTTP/1.0", one), "first"
        yield "HTTP/0.9", f"GET {path}\r\n".encode(), None
        yield "HTTP/9.9", lines(f"GET {path} HTTP/9.9", "Host: localhost", one), "first"
        yield "no name", get(path, ": x", one), "first"
        yield "no colon", get(path, "nothing", one), "first"
        yield "blank before the colon", get(path, one.replace(":", " :")), "first"
        yield "blank before the first header", lines(f"GET {path} HTTP/1.1", " " + one, "Host: localhost",
                                                     "Connection: close"), "first"
        yield "Connection names Authorization", get(path, "Connection: Authorization", one), "first"
        yield "Proxy", get(path, "Proxy: http://127.0.0.1:1", one), "first"
        yield "Upgrade", get(path, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", one), "first"
        yield "Expect", get(path, "Expect: 100-continue", one), "first"
        yield "Range", get(path, "Range: bytes=0-99999", one), "first"
        yield "Method override", get(path, "X-HTTP-Method-Override: DELETE", one), "first"
        yield "Original URL", get(path, "X-Original-URL: /open/whoami.php", "X-Rewrite-URL: /open/"), None


def smuggled():
    """Two requests in one, for a reader that takes the other length for the right one; without a
    credential, so that whatever comes back may show nothing."""
    inner = get("/app/whoami.php", "Remote-User: 1", "X-User: 1") + get("/members/page.txt")
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
    for path in ("/auth/login", "/auth/logout", "/open/whoami.php", "/app/whoami.php", "/auth/verify"):
        def post(*more, body=b"", path=path):
            return lines(f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                         *more, body=body)
        size = f"Content-Length: {len(inner) + 5}"
        chunked = "Transfer-Encoding: chunked"
        for what, more, body in [
                ("CL and TE", (size, chunked), b"0\r\n\r\n" + inner),
                ("TE and CL", (chunked, "Content-Length: 4"), chunk),
                ("two CL", ("Content-Length: 0", size), b"0\r\n\r\n" + inner),
                ("CL list", (f"Content-Length: 0, {len(inner)}",), inner),
                ("CL with a sign", (f"Content-Length: +{len(inner)}",), inner),
                ("negative CL", ("Content-Length: -1",), inner),
                ("CL with a blank", ("Content-Length: 0 0",), inner),
                ("huge CL", ("Content-Length: 99999999999999999999",), inner),
                ("CL hex", (f"Content-Length: 0x{len(inner):x}",), inner),
                ("CL octal", (f"Content-Length: 0{len(inner)}",), inner),
                ("CL folded", ("Content-Length:", f" {len(inner)}"), inner),
                ("CL of another name", (f"Content_Length: {len(inner)}", "Content-Length: 0"), inner),
                ("TE with a blank", ("Transfer-Encoding : chunked", size), b"0\r\n\r\n" + inner),
                ("TE xchunked", ("Transfer-Encoding: xchunked", size), b"0\r\n\r\n" + inner),
                ("TE list", ("Transfer-Encoding: chunked, identity", size), b"0\r\n\r\n" + inner),
                ("two TE", (chunked, "Transfer-Encoding: cow"), b"0\r\n\r\n" + inner),
                ("TE folded", ("Transfer-Encoding:", " chunked", size), b"0\r\n\r\n" + inner),
                ("TE with a tab", ("Transfer-Encoding:\tchunked", size), b"0\r\n\r\n" + inner),
                ("TE with VT", ("Transfer-Encoding: \x0bchunked", size), b"0\r\n\r\n" + inner),
                ("TE quoted", ('Transfer-Encoding: "chunked"', size), b"0\r\n\r\n" + inner),
                ("TE of another name", ("Transfer_Encoding: chunked", size), b"0\r\n\r\n" + inner),
                ("chunk extension", (chunked,), b"0;x=\r\n\r\n" + inner),
                ("chunk extension with LF", (chunked,), b"2;\nxx\r\n0\r\n\r\n" + inner),
                ("chunk too large", (chunked,), b"ffffffffffffffff\r\n" + inner),
                ("chunk overflow", (chunked,), b"10000000000000000\r\n" + inner),
                ("chunk with a sign", (chunked,), b"-1\r\n" + inner),
                ("chunk with 0x", (chunked,), b"0x0\r\n\r\n" + inner),
                ("chunk ends with LF", (chunked,), b"0\n\n" + inner),
                ("trailers", (chunked, "Trailer: Authorization"), b"0\r\nAuthorization: Bearer x\r\n\r\n" + inner),
                ("body cut short", (f"Content-Length: {len(inner) + 500}",), inner),
                ("no length", (), inner)]:
            yield f"{what} {path}", post(*more, body=body), None
        yield f"GET with a body {path}", lines(
            f"GET {path} HTTP/1.1", "Host: localhost", size, body=b"0\r\n\r\n" + inner), None
        yield f"pipelined {path}", get(path).replace(b"Connection: close", b"X-A: b") + inner, None


def seeds(member, admin):
    yield from spoofs(member.access)
    yield from twofold(member.access, admin.access)
    yield from smuggled()


def identities(stream):
    """Whose ids an application or the check wrote into these answers; "page" for a protected file."""
    found = {one.decode() for one in re.findall(rb'"AUTH_USER_ID": ?"([^"]+)"', stream)}
    found |= {one.decode() for one in re.findall(rb"(?i)^remote-user-id: ([^\r\n]+)", stream, re.M)}
    return found | ({"page"} if MARK in stream else set())


class Front:
    def __init__(self, stage, name):
        self.site = stage.at(name)
        self.workers = self.site.workers()
        self.decisions = {}
        self.wrong = {}

    def victims(self, member):
        """Others' requests, after a seed: the server's connections to gatehouse are shared."""
        mine = identities(all_answers(self.site, head("GET", PATHS[0], [
            ("Authorization", "Bearer " + member.access)]), 10))
        nobody = identities(all_answers(self.site, head("GET", PATHS[0]), 10))
        return mine, nobody

    def send_all(self, member, admin):
        me, boss = member.user.id, admin.user.id
        for number, (what, data, who) in enumerate(seeds(member, admin)):
            found = identities(all_answers(self.site, data, 0.25))
            self.decisions[what, data] = frozenset(found)
            allowed = {"member": [{me}], "first": [set(), {me}, {"page"}], None: [set()]}[who]
            if found not in allowed or boss in found:
                self.wrong[what] = found
            if number % 20 == 0 and self.victims(member) != ({me}, set()):
                self.wrong["a victim of " + what] = self.victims(member)
        return self

    def lost(self):
        return len(set(self.workers) - set(self.site.workers()))


def run(_, figures):
    with tempfile.TemporaryDirectory(prefix="gatehouse-attack-fronts.") as name:
        directory = Path(name)
        directory.chmod(0o755)
        stage = Stage(directory / "run")
        try:
            site = stage.at("nginx")
            member, admin = site.register().login(), site.register().login()
            site.set_roles(admin.user.email, "admin")
            admin = admin.user.login()
            (Path(stage.directory) / "www/members/page.txt").write_bytes(MARK)
            decisions = {}
            for name in FRONTS:
                front = Front(stage, name).send_all(member, admin)
                figures.must(f"workers lost behind {name}", front.lost())
                figures.none("seeds believed", front.wrong)
                decisions[name] = front.decisions
            for left, right in combinations(FRONTS, 2):
                figures.note(f"{left} and {right}")
                judge_both(figures, decisions[left], decisions[right])
        finally:
            stage.down()


def judge_both(figures, left, right):
    """Two different identities for one seed are wrong; that one server refuses what the other mends is
    the servers' own matter."""
    figures.least("seeds", len(left), 1000)
    odd = [seed for seed in left if left[seed] != right[seed]]
    figures.note(f"{len(left) - len(odd)} decided alike, {len(odd)} refused by one of the two "
                 f"({', '.join(sorted({seed[0] for seed in odd}))})")
    figures.none("let in as two different people", [seed[0] for seed in odd
                                                    if left[seed] and right[seed]])


if __name__ == "__main__":
    attack(run)
