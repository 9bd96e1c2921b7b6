"""A web server's side of FastCGI, small enough for tests that need no web server."""
import socket
import struct

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6
RECORD = 32768  # what a record of a body holds; it could hold a byte less than twice that


def record(kind, content=b""):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def pair(name, value):
    name, value = name.encode("latin-1"), value.encode("latin-1")
    sizes = [bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)
             for text in (name, value)]
    return b"".join(sizes) + name + value


def request(method, path, headers, body, more=None):
    """All records of one request whose connection is not kept; more: what the web server says of its
    own accord."""
    params = {"REQUEST_METHOD": method, "DOCUMENT_URI": path, "QUERY_STRING": "",
              "REMOTE_ADDR": "127.0.0.1", "CONTENT_LENGTH": str(len(body)) if body else "",
              **(more or {})}
    for name, value in headers.items():
        name = name.upper().replace("-", "_")
        params[name if name == "CONTENT_TYPE" else "HTTP_" + name] = value
    block = b"".join(pair(name, value) for name, value in params.items())
    records = [record(BEGIN, struct.pack(">HBxxxxx", 1, 0)), record(PARAMS, block), record(PARAMS)]
    records += [record(STDIN, body[at:at + RECORD]) for at in range(0, len(body), RECORD)]
    return b"".join(records) + record(STDIN)


def receive(link):
    """The bytes of STDOUT, until the answer is complete."""
    parts, pending = [], b""
    while True:
        data = link.recv(65536)
        assert data, "the connection was closed before the answer was complete"
        pending += data
        while len(pending) >= 8:
            _, kind, _, length, padding = struct.unpack(">BBHHBx", pending[:8])
            if len(pending) < 8 + length + padding:
                break
            if kind == END:
                return b"".join(parts)
            if kind == STDOUT:
                parts.append(pending[8:8 + length])
            pending = pending[8 + length + padding:]


def ask(path_of_socket, method, path, headers=None, body=b"", timeout=60):
    """One request over a connection of its own: (status, body)."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(timeout)
        link.connect(path_of_socket)
        link.sendall(request(method, path, headers or {}, body))
        head, _, answer = receive(link).partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))
    return int(lines.get("Status", "200").split()[0]), answer
