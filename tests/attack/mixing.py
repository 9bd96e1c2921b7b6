#!/usr/bin/env python3
"""Many people at once over few connections, some kept, some pipelined, some cut off in the middle: every
answer is its asker's own.  On the raw socket of the web pool, where buffers of one request serve the next."""
import random
import re
import select
import socket
import struct
import sys
from collections import Counter
from pathlib import Path

from figures import attack, number

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
from fastcgi import BEGIN, END, PARAMS, STDIN, STDOUT, pair  # noqa: E402  pylint: disable=wrong-import-position

PEOPLE = 12
LINKS = 40
RESPONDER, AUTHORIZER = 1, 2


def record(kind, content, request):
    return struct.pack(">BBHHBx", 1, kind, request, len(content), 0) + content


class Question:
    """One request, and what its answer has to say."""

    def __init__(self, rng, people, serial):
        self.who = rng.choice([*people, None])
        self.id = f"mix-{serial}-{rng.randrange(1 << 30):x}"
        self.role = rng.choice([RESPONDER, RESPONDER, AUTHORIZER])
        self.fcgi_id = rng.choice([1, 1, 7, 65535])
        self.keep = rng.random() < 0.8
        self.check = self.role == AUTHORIZER or rng.random() < 0.7
        self.body = b""
        path = "/auth/verify"
        method = "GET"
        if not self.check:
            method, path = rng.choice([("POST", "/auth/refresh"), ("GET", "/auth/session"),
                                       ("POST", "/auth/nothing"), ("GET", "/auth/verify")])
            self.body = rng.choice([b"", b"{}", b'{"refreshToken":"x"}', b" " * rng.randrange(60000)])
        token = "x" * rng.randrange(1, 3000)
        if self.who is not None:
            token = rng.choice([self.who.access, self.who.session])
        params = {"REQUEST_METHOD": method, "DOCUMENT_URI": path, "REMOTE_ADDR": "127.0.0.1",
                  "REQUEST_ID": self.id, "CONTENT_TYPE": "application/json",
                  "CONTENT_LENGTH": str(len(self.body)),
                  rng.choice(["HTTP_AUTHORIZATION", "HTTP_X_SESSION_ID"]): token,
                  "HTTP_X_PADDING": "p" * rng.choice([1, 100, 5000])}
        names = list(params.items())
        rng.shuffle(names)
        self.path = path
        self.params = b"".join(pair(*one) for one in names)

    def bytes(self):
        parts = [record(BEGIN, struct.pack(">HBxxxxx", self.role, int(self.keep)), self.fcgi_id)]
        parts += [record(PARAMS, self.params[at:at + 3000], self.fcgi_id)
                  for at in range(0, len(self.params), 3000)]
        parts.append(record(PARAMS, b"", self.fcgi_id))
        if self.role == RESPONDER:
            parts += [record(STDIN, self.body[at:at + 30000], self.fcgi_id)
                      for at in range(0, len(self.body), 30000)] + [record(STDIN, b"", self.fcgi_id)]
        return b"".join(parts)

    def wrong(self, answer):
        """What is wrong with an answer to it, or None."""
        status = int(re.search(rb"^Status: (\d+)", answer)[1])
        if f"X-Request-Id: {self.id}\r".encode() not in answer:
            return "another request's answer"
        named = re.findall(rb"(?:Remote-User-Id|Variable-AUTH_USER_ID): (\d*)\r", answer)
        if self.path == "/auth/verify":
            mine = [self.who.user.id.encode()] if self.who is not None else []
            if named != mine:
                return f"named {named} instead of {mine}"
            wanted = 401 if self.who is None else 200 if self.role == AUTHORIZER else 204
            return None if status == wanted else status
        if self.path == "/auth/session":
            wanted = 401 if self.who is None else 200
            if status == 200 and self.who.sid.encode() not in answer:
                return "another's session"
            return None if status == wanted else status
        return None if status in (400, 401, 404) and not named else status


class Link:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(10)
        self.waiting, self.bytes, self.answer = [], b"", b""

    def ask(self, questions):
        self.waiting += questions
        self.socket.sendall(b"".join(one.bytes() for one in questions))

    def hear(self):
        """[(question, answer)] of those that are whole; raises ConnectionError when it was closed."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError
        self.bytes += data
        whole = []
        while len(self.bytes) >= 8:
            _, kind, request, length, padding = struct.unpack(">BBHHBx", self.bytes[:8])
            if len(self.bytes) < 8 + length + padding:
                break
            content, self.bytes = self.bytes[8:8 + length], self.bytes[8 + length + padding:]
            assert request == self.waiting[0].fcgi_id, (request, self.waiting[0].fcgi_id)
            if kind == STDOUT:
                self.answer += content
            if kind == END:
                whole.append((self.waiting.pop(0), self.answer))
                self.answer = b""
        return whole


class Crowd:
    def __init__(self, path, people):
        self.path, self.people, self.rng = path, people, random.Random(5)
        self.links = [Link(path) for _ in range(LINKS)]
        self.asked, self.outcomes, self.wrong = 0, Counter(), {}

    def renew(self, link):
        link.socket.close()
        self.links[self.links.index(link)] = Link(self.path)

    def begin(self, link):
        """Some questions; the last one alone may ask for the end of the connection."""
        questions = [Question(self.rng, self.people, self.asked + one)
                     for one in range(self.rng.choice([1, 1, 1, 2, 3]))]
        for one in questions[:-1]:
            one.keep = True
        self.asked += len(questions)
        if self.rng.random() < 0.1:
            whole = b"".join(one.bytes() for one in questions)
            link.socket.sendall(whole[:self.rng.randrange(len(whole))])
            self.outcomes["cut off"] += 1
            self.renew(link)
            return
        link.ask(questions)

    def hear(self, link):
        try:
            answers = link.hear()
        except ConnectionError:
            if link.waiting:
                self.wrong[link.waiting[0].id] = "closed without an answer"
            self.renew(link)
            return
        for question, answer in answers:
            problem = question.wrong(answer)
            self.outcomes["own" if problem is None else "wrong"] += 1
            if problem is not None:
                self.wrong[question.id] = problem
            if not question.keep and link in self.links:
                self.renew(link)

    def turn(self, count):
        while self.asked < count:
            for link in list(self.links):
                if link in self.links and not link.waiting:
                    self.begin(link)
            ready, _, _ = select.select([link.socket for link in self.links if link.waiting], [], [], 10)
            assert ready, "nothing is answered any more"
            for link in list(self.links):
                if link.socket in ready:
                    self.hear(link)


def run(site, figures):
    count = number("QUESTIONS", 20000)
    workers = site.workers()
    people = [site.register().login() for _ in range(PEOPLE)]
    crowd = Crowd(site.conf("pool.web", "listen"), people)
    crowd.turn(count)
    figures.note(f"{crowd.asked} requests of {PEOPLE} people over {LINKS} connections")
    figures.least("answers that were the asker's own", crowd.outcomes["own"], count // 2)
    figures.least("connections cut off", crowd.outcomes["cut off"], 100)
    figures.none("answers that were not", crowd.wrong)
    figures.must("workers lost", len(set(workers) - set(site.workers())))


if __name__ == "__main__":
    attack(run)
