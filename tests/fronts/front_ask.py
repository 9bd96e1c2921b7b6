"""Requests as they are written, byte for byte, and what a front decides on them.

A library for HTTP would mend what these tests are about: paths with .., names in any spelling, the
same header twice.
"""
import http.client
import itertools
import socket
import ssl
import time
from urllib.parse import urlsplit


# The certificate was made here; that it is the right one, the flows see to.
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:200]!r}>"

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def ask(site, target, headers=(), method="GET", body=b"", tls=False, slowly=0):
    """headers: pairs, or a dict; sent in order, as they are.  slowly: seconds that the body takes."""
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in pairs]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    with _connect(site, tls) as link:
        link.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if slowly else body))
        if slowly:
            _drip(link, body, slowly)
        response = http.client.HTTPResponse(link, method=method)
        response.begin()
        return Answer(response, response.read())


def _drip(link, body, seconds, pieces=8):
    size = -(-len(body) // pieces)
    for at in range(0, len(body), size):
        time.sleep(seconds / pieces)
        link.sendall(body[at:at + size])


def _connect(site, tls):
    url = urlsplit(site.env["GATEHOUSE_TLS_URL" if tls else "GATEHOUSE_URL"])
    link = socket.create_connection((url.hostname, url.port), timeout=20)
    if not tls:
        return link
    return TLS.wrap_socket(link, server_hostname="localhost")


def spellings():
    """The headers that name somebody, - and _ mixed in every way: to many applications all are one."""
    for name in ("User", "User-Id", "Email", "Name", "Groups", "Session"):
        for prefix in ("Remote-", "X-Remote-"):
            parts = (prefix + name).split("-")
            for marks in itertools.product("-_", repeat=len(parts) - 1):
                yield parts[0] + "".join(map("".join, zip(marks, parts[1:])))


def bearer(token):
    return [("Authorization", "Bearer " + token)] if token else []


# What a front says of a protected page. A front that cannot lead a person elsewhere says 401.
LED_AWAY = (302, 303)


def refuses(answer):
    """No credential, or a bad one."""
    return answer.status in (400, 401) or (
        answer.status in LED_AWAY and answer.headers["Location"].startswith("/login.html?next=/"))
