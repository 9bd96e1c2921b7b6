"""Load with an oracle: clients that know for every request what may be answered.

A client lives in a process of its own and goes on until it is told to stop, whatever happens to the
servers. It keeps count of what it was told: a 2xx where the policy forbids it is a wrong yes, a 4xx for
a session that lives is a wrong no, and everything else that is no answer is unavailability.
"""
import array
import collections
import json
import multiprocessing
import os
import random
import socket
import time
from urllib.parse import urlsplit

from gate import PASSWORD, fresh_email

FORGED = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.eyJzdWIiOiIxIn0."
AGENT = ("User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/120.0.0.0 Safari/537.36")
# What is let in, by the name of the request; the time without service is the time without these.
CHECKS = ("verify", "session", "page")


class Wire:
    """One kept-alive connection with next to nothing around it; made anew when it breaks."""

    def __init__(self, url, source=None, timeout=15):
        parts = urlsplit(url)
        self.address, self.source, self.timeout = (parts.hostname, parts.port), source, timeout
        self.link, self.buffer = None, b""

    def close(self):
        if self.link is not None:
            self.link.close()
        self.link, self.buffer = None, b""

    def ask(self, method, path, headers=(), body=None):
        """(status, body); OSError when there was no answer."""
        if self.link is None:
            self.link = socket.create_connection(
                self.address, self.timeout, (self.source, 0) if self.source else None)
            self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        try:
            self.link.sendall("\r\n".join(lines + ["", ""]).encode() + (body or b""))
            return self._answer()
        except BaseException:
            self.close()
            raise

    def _more(self):
        data = self.link.recv(65536)
        if not data:
            raise ConnectionError("closed before the answer was complete")
        self.buffer += data

    def _take(self, size):
        while len(self.buffer) < size:
            self._more()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def _line(self, end=b"\r\n"):
        while (at := self.buffer.find(end)) < 0:
            self._more()
        return self._take(at + len(end))[:at]

    def _answer(self):
        head = self._line(b"\r\n\r\n").decode("latin-1").lower().split("\r\n")
        status = int(head[0].split()[1])
        fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        if "content-length" in fields:
            body = self._take(int(fields["content-length"]))
        elif fields.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._line(), 16):
                body += self._take(size)
                self._line()
            self._line()
        else:
            body = b""
        if fields.get("connection") == "close":
            self.close()
        return status, body


class Tally:
    """What one client, or all of them, were told."""

    def __init__(self):
        self.answers = collections.Counter()  # (kind, status); status 0: no answer
        self.wrong_yes, self.wrong_no = [], []
        self.good = set()         # hundredths of a second in which a check was let in
        self.bad = {}             # … in which something was unavailable: kind and status
        self.took = {}            # kind: seconds of each request
        self.acked = collections.Counter()
        self.total = 0

    def add(self, other):
        self.answers += other.answers
        self.wrong_yes += other.wrong_yes
        self.wrong_no += other.wrong_no
        self.good |= other.good
        self.bad.update(other.bad)
        self.acked += other.acked
        for kind, took in other.took.items():
            self.took.setdefault(kind, array.array("f")).extend(took)

    def note(self, kind, expected, status, begun):
        """expected: "yes", "no", or "any" where either may be."""
        now = time.monotonic()
        self.answers[kind, status] += 1
        self.total += 1
        shown = kind + " refused" if status in (429, 503) else kind
        self.took.setdefault(shown, array.array("f")).append(now - begun)
        if 200 <= status < 300:
            if expected == "no":
                self.wrong_yes.append((kind, status, now))
            elif kind in CHECKS:
                self.good.add(int(now * 100))
        elif status == 0 or status >= 500:
            self.bad[int(now * 100)] = (kind, status)
        elif expected == "yes":
            self.wrong_no.append((kind, status, now))

    # Figures.

    @property
    def requests(self):
        return sum(self.answers.values())

    @property
    def failed(self):
        """Neither yes nor no."""
        return sum(count for (_, status), count in self.answers.items()
                   if status == 0 or status >= 500)

    def count(self, *statuses):
        return sum(count for (_, status), count in self.answers.items() if status in statuses)

    def without_service(self):
        """The longest time in which nobody who may was let in, in seconds."""
        moments = sorted(self.good)
        return max((b - a for a, b in zip(moments, moments[1:])), default=0) / 100

    def recovery(self, mended):
        """From the end of the fault to the last request that still failed."""
        late = [moment for moment in self.bad if moment / 100 > mended]
        return max(0.0, max(late) / 100 - mended) if late else 0.0

    def percentile(self, part, *kinds):
        """Of the seconds that requests of these kinds took."""
        took = sorted(one for kind in kinds or CHECKS for one in self.took.get(kind, ()))
        return took[min(len(took) - 1, int(len(took) * part))] if took else 0.0


class Client:
    """One user's browser: signs in, is checked, signs out; and a thief who tries what has ended."""

    def __init__(self, wire, base, email, mix, tally, rng, user_id=None):
        self.wire, self.base, self.tally, self.rng = wire, base, tally, rng
        self.email, self.user_id = email, user_id
        self.kinds, self.weights = list(mix), list(mix.values())
        self.login, self.since = None, 0
        self.ended = collections.deque(maxlen=200)

    def ask(self, kind, expected, method, path, token=None, body=None, site_path=False):
        headers = [AGENT] + ([f"Authorization: Bearer {token}"] if token else [])
        begun = time.monotonic()
        text = json.dumps(body).encode() if body is not None else None
        try:
            status, answer = self.wire.ask(method, path if site_path else self.base + path, headers,
                                           text)
        except (OSError, ValueError, IndexError):
            status, answer = 0, b""
        self.tally.note(kind, expected, status, begun)
        if status == 401 and expected == "yes":
            self.login = None  # counted as wrong; it goes on with another
        if status in (0, 502, 503, 504):
            time.sleep(0.005)  # as an impatient person would, but no busy loop
        return status, answer

    def sign_in(self, kind="login"):
        body = {"email": self.email, "password": PASSWORD, "transport": "bearer"}
        status, answer = self.ask(kind, "yes", "POST", "/login", body=body)
        if status != 200:
            return None
        self.tally.acked["login"] += 1
        return json.loads(answer)

    def step(self):
        if self.login is None or time.monotonic() - self.since > 600:
            self.login, self.since = self.sign_in(), time.monotonic()
            if self.login is None:
                return
        kind = self.rng.choices(self.kinds, self.weights)[0]
        getattr(self, "do_" + kind)()

    def do_verify(self):
        self.ask("verify", "yes", "GET", "/verify", self.login["accessToken"])

    def do_session(self):
        self.ask("session", "yes", "GET", "/verify", self.login["sessionId"])

    def do_page(self):
        self.ask("page", "yes", "GET", "/members/", self.login["accessToken"], site_path=True)

    def do_ended(self):
        if self.ended:
            self.ask("ended", "no", "GET", "/verify", self.rng.choice(self.ended))
        else:
            self.do_forged()

    def do_forged(self):
        token = self.rng.choice([FORGED, self.login["accessToken"][:-6] + "AAAAAA", "x"])
        self.ask("forged", "no", "GET", "/verify", token)

    def do_missing(self):
        self.ask("missing", "no", "GET", "/verify")

    def do_profile(self):
        self.ask("profile", "yes", "GET", "/profile", self.login["accessToken"])

    def do_change(self):
        self.ask("change", "yes", "PATCH", "/profile", self.login["accessToken"],
                 {"displayName": f"Ada {self.rng.randrange(1000)}"})

    def do_login(self):
        other = self.sign_in()
        if other is not None:
            self.sign_out(other)

    def do_kept_login(self):
        """A session that nobody ends."""
        self.sign_in()

    def do_hash(self):
        self.ask("hash", "any", "POST", "/login",
                 body={"email": self.email, "password": "wrong horse 8 nail"})

    def sign_out(self, login):
        """Only what was acknowledged is certain to have ended; of the rest nobody may be sure."""
        status, _ = self.ask("logout", "yes", "POST", "/logout", login["accessToken"], {})
        if status == 200:
            self.tally.acked["logout"] += 1
            self.ended += [login["accessToken"], login["sessionId"]]

    def do_refresh(self):
        status, answer = self.ask("refresh", "yes", "POST", "/refresh",
                                  body={"refreshToken": self.login["refreshToken"]})
        if status == 200:
            self.tally.acked["refresh"] += 1
            self.login.update(json.loads(answer))
        elif status != 401:
            # The answer may have been lost; within the grace the same token brings the successor,
            # after it a replay would be theft. Such a client signs in again.
            self.login = None

    def do_register(self):
        email = fresh_email()
        status, _ = self.ask("register", "yes", "POST", "/register",
                             body={"email": email, "password": PASSWORD})
        if status == 201:
            self.tally.acked["register"] += 1

    def replay_ended(self):
        """At the end: nothing that has ended came back."""
        for token in self.ended:
            self.ask("ended", "no", "GET", "/verify", token)


def _client(number, urls, base, email, mix, seed, stop, source, out, pace, made):
    rng = random.Random(f"{seed} {number}")
    tally = Tally()
    client = Client(Wire(urls[number % len(urls)], source), base, email, mix, tally, rng)
    wires = [client.wire] + [Wire(url, source) for url in urls if url != urls[number % len(urls)]]
    while not stop.is_set():
        client.wire = rng.choice(wires)
        client.step()
        made[number] = tally.total
        if pace:
            time.sleep(rng.expovariate(1 / pace))
    if stop.is_set():
        client.replay_ended()
    out.put(tally)


class Load:
    """Clients in processes of their own, until the with block ends; afterwards .tally.

    mix: kinds of requests and how often each is made. pace: seconds between two of one client. With
    several sites each request may go to any of them."""

    def __init__(self, site, clients=4, mix=None, others=(), pace=0, sources=(), seed=None):
        self.site, self.tally = site, Tally()
        context = multiprocessing.get_context("fork")
        self.stop, self.out = context.Event(), context.SimpleQueue()
        self.made = context.Array("l", clients, lock=False)
        urls = [one.url for one in (site, *others)]
        mix = mix or {"verify": 6, "session": 3, "ended": 2, "forged": 1}
        emails = [site.register().email for _ in range(clients)]
        seed = seed if seed is not None else os.getpid()
        self.processes = [
            context.Process(target=_client, daemon=True, args=(
                number, urls, site.base, email, mix, seed, self.stop,
                sources[number % len(sources)] if sources else None, self.out, pace, self.made))
            for number, email in enumerate(emails)]

    def so_far(self):
        """How many requests were made by now."""
        return sum(self.made)

    def __enter__(self):
        for process in self.processes:
            process.start()
        self.begun = time.monotonic()
        return self

    def __exit__(self, *_):
        self.took = time.monotonic() - self.begun
        self.stop.set()
        for _ in self.processes:
            self.tally.add(self.out.get())
        for process in self.processes:
            process.join(30)
