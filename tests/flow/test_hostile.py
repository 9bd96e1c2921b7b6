"""The raw socket: whatever a peer sends costs its own connection, and never a worker or a wrong yes."""
import os
import random
import socket
import struct
import time

import pytest

import fastcgi
from gate import alive

# To each of the two pools.
CONNECTIONS = int(os.environ.get("GATEHOUSE_HOSTILE_CONNECTIONS", "3000"))


def record(kind, content, request=1):
    return struct.pack(">BBHHBx", 1, kind, request, len(content), 0) + content


def pairs(**values):
    out = b""
    for name, value in values.items():
        out += bytes([len(name)]) + struct.pack(">I", 1 << 31 | len(value))
        out += name.encode() + value.encode()
    return out


def request(token, keep=1):
    return (record(1, bytes([0, 1, keep, 0, 0, 0, 0, 0]))
            + record(4, pairs(REQUEST_METHOD="GET", DOCUMENT_URI="/auth/verify",
                              REMOTE_ADDR="192.0.2.1", HTTP_AUTHORIZATION="Bearer " + token))
            + record(4, b"") + record(5, b""))


GET_VALUES = record(9, (bytes([14, 0]) + b"FCGI_MAX_CONNS") * 60, 0)
OVERFLOW = record(1, bytes([0, 1, 0, 0, 0, 0, 0, 0])) + record(4, b"\xff" * 8 + b"a" * 40)
LENGTHS = record(1, bytes([0, 1, 0, 0, 0, 0, 0, 0])) + record(
    4, struct.pack(">II", 0xfffffffe, 0xfffffffe) + b"a" * 40) + record(4, b"") + record(5, b"")


def spoiled(rng, good):
    """A request that was cut short, had bytes changed, or never was one."""
    whole = bytearray(rng.choice([good, GET_VALUES + good, good + good]))
    choice = rng.random()
    if choice < 0.5:
        for _ in range(rng.randint(1, 8)):
            whole[rng.randrange(len(whole))] = rng.randrange(256)
        return bytes(whole)
    if choice < 0.8:
        return bytes(whole[:rng.randrange(len(good))])
    if choice < 0.9:
        return rng.randbytes(rng.randrange(1, 400))
    return rng.choice([OVERFLOW, LENGTHS, GET_VALUES * 20])


def connect(path):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(2)
    peer.connect(path)
    return peer


def answer(peer, wait):
    peer.settimeout(wait)
    try:
        return peer.recv(65536)
    except (TimeoutError, ConnectionError):
        return b""


def to_the_end(peer):
    """Everything that comes until the other side closes; it has to, as nothing more is sent."""
    peer.settimeout(5)
    text = b""
    try:
        while chunk := peer.recv(65536):
            text += chunk
    except ConnectionError:
        pass
    return text


@pytest.mark.parametrize("pool", ["web", "login"])
def test_malformed_records(site, login, pool):
    path = site.conf("pool." + pool, "listen")
    rng = random.Random(7)
    # A token of nobody's: whatever becomes of the bytes, none of them may be let in.
    forged = request(login.access[:-6] + "AAAAAA")
    workers = site.workers()
    for _ in range(CONNECTIONS):
        with connect(path) as peer:
            ends = rng.random() < 0.5
            try:
                peer.sendall(spoiled(rng, forged))
                if ends:
                    peer.shutdown(socket.SHUT_WR)
            except OSError:
                continue
            # Those that do not end their side hang up in the middle of whatever is done for them.
            assert b"Status: 2" not in (to_the_end(peer) if ends else answer(peer, 0.001))
    assert site.workers() == workers
    alive(site, login.access)


def test_a_request_that_was_cut_short_is_not_executed(site, login):
    whole = request(login.access, keep=0)
    path = site.conf("pool.web", "listen")
    for length in range(1, len(whole), 7):
        with connect(path) as peer:
            peer.sendall(whole[:length])
            peer.shutdown(socket.SHUT_WR)
            assert answer(peer, 2) == b""
    with connect(path) as peer:
        peer.sendall(whole)
        assert b"Status: 204" in answer(peer, 2)


def test_peers_that_stall_hold_nobody_up(site, login):
    """More silent, half-sending and idle peers than there are workers, twenty times over."""
    path = site.conf("pool.web", "listen")
    whole = request(login.access)
    peers = [connect(path) for _ in range(20 * len(site.workers()))]
    try:
        for number, peer in enumerate(peers):
            peer.sendall(whole[:(0, 8, 100)[number % 3]])
        begun = time.monotonic()
        for _ in range(20):
            assert site.get("/verify", token=login.access).status_code == 204
        assert time.monotonic() - begun < 2
    finally:
        for peer in peers:
            peer.close()


def test_many_kept_connections_pin_no_worker(site, login):
    path = site.conf("pool.web", "listen")
    whole = request(login.access)
    peers = [connect(path) for _ in range(200)]
    try:
        for _ in range(2):
            for peer in peers:
                peer.sendall(whole)
                assert b"Status: 204" in answer(peer, 2)
        assert site.get("/verify", token=login.access).status_code == 204
    finally:
        for peer in peers:
            peer.close()
    assert os.path.exists(path)


def with_headers(token, count, role=1):
    """A request with so many headers beside the credential, in records of 100."""
    headers = [pairs(**{f"HTTP_X{i}": "v"}) for i in range(count)]
    params = pairs(REQUEST_METHOD="GET", DOCUMENT_URI="/auth/verify", HTTP_AUTHORIZATION="Bearer " + token)
    return (record(1, bytes([0, role, 1, 0, 0, 0, 0, 0])) + record(4, params)
            + b"".join(record(4, b"".join(headers[at:at + 100])) for at in range(0, count, 100))
            + record(4, b"") + (record(5, b"") if role == 1 else b""))


@pytest.mark.parametrize("role,allowed", [(1, b"204"), (2, b"200")],
                         ids=["responder", "authorizer"])
def test_many_headers(site, login, role, allowed):
    """As many as a web server lets in; beyond, the answer says so and the connection goes on."""
    with connect(site.conf("pool.web", "listen")) as peer:
        for count, status in ((300, allowed), (3000, allowed), (20000, b"400"), (1, allowed)):
            peer.sendall(with_headers(login.access, count, role))
            told = answer(peer, 20)
            assert b"Status: " + status in told, (count, told)
            assert (b'"code":"invalid_request"' in told) == (status == b"400")


def test_many_headers_by_the_web_server(site, login):
    headers = {f"x{i}": "v" for i in range(900)}
    answer_ = site.raw("GET", "/auth/verify", headers={**headers, "X-Session-Id": login.session})
    assert answer_.status_code == 204


@pytest.mark.parametrize("announced", ["-1", "+1", "x", "1e2", " 2"])
def test_a_body_that_is_not_as_long_as_announced_is_not_looked_at(site, login, announced):
    body = b'{"everywhere": true}'
    length = {"-1": str(len(body) - 1), "+1": str(len(body) + 1)}.get(announced, announced)
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(site.conf("pool.web", "listen"))
        link.sendall(fastcgi.request("POST", "/auth/logout", {
            "Content-Type": "application/json", "Authorization": "Bearer " + login.session}, body,
            {"CONTENT_LENGTH": length}))
        status = fastcgi.receive(link).split(b"\r\n", 1)[0]
    assert status in (b"Status: 400 Bad Request", b"Status: 413 Content Too Large"), status
    alive(site, login.session)


def test_a_page_that_is_posted_to_is_only_checked(site, login):
    """What an authorizer is asked about is no write of ours: the application behind it minds its own."""
    params = {"REQUEST_METHOD": "POST", "REQUEST_URI": "/members/", "REMOTE_ADDR": "127.0.0.1",
              "HTTP_COOKIE": f"{site.cookie_name}={login.session}", "CONTENT_LENGTH": "3"}
    block = b"".join(fastcgi.pair(name, value) for name, value in params.items())
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(site.conf("pool.web", "listen"))
        link.sendall(fastcgi.record(fastcgi.BEGIN, struct.pack(">HBxxxxx", 2, 0))
                     + fastcgi.record(fastcgi.PARAMS, block) + fastcgi.record(fastcgi.PARAMS))
        head = fastcgi.receive(link)
    assert head.startswith(b"Status: 200 OK\r\n") and b"Variable-REMOTE_USER: " in head, head
