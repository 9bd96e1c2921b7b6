"""Requests as bytes, which no library mends, and as much of their answers as matters."""
import http.client
import socket
from urllib.parse import urlsplit


def connect(site, timeout=15):
    url = urlsplit(site.url)
    return socket.create_connection((url.hostname, url.port), timeout=timeout)


def head(method, target, headers=(), host="localhost"):
    """headers: pairs of text, in which every character is one byte."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def send(site, data, method="GET"):
    """(status, headers, body) of the answer; status 0: the connection was closed without one."""
    with connect(site) as link:
        try:
            link.sendall(data)
        except ConnectionError:
            pass  # it has heard enough; perhaps there is an answer all the same
        response = http.client.HTTPResponse(link, method=method)
        try:
            response.begin()
            return response.status, response.headers, response.read()
        except (ConnectionError, http.client.HTTPException):
            return 0, {}, b""


def all_answers(site, data, patience=0.5):
    """Whatever comes back for these bytes, until nothing more does."""
    parts = []
    with connect(site, patience) as link:
        try:
            link.sendall(data)
            while True:
                part = link.recv(65536)
                if not part:
                    break
                parts.append(part)
        except (TimeoutError, ConnectionError):
            pass
    return b"".join(parts)
