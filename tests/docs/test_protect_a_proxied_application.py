"""docs/protect-a-proxied-application.md, followed step by step, before an application that answers with the
headers it was sent."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gate import run_instance
from host import make_host
from page import DOCS, blocks

PAGE = "protect-a-proxied-application.md"
APP = "https://app.example.org"
FORGED = [word for name in ("Remote-User", "X-Remote-User", "Remote_User", "Remote-Groups", "Remote-Email",
                            "Remote-Name", "X-WebAuth-User") for word in ("-H", name + ": forged")]


class Application(BaseHTTPRequestHandler):
    """… and with what comes through a WebSocket, as far as it is not one."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.flush()
            while data := self.connection.recv(100):
                self.connection.sendall(data)
            self.close_connection = True
            return
        body = str(self.headers).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@pytest.fixture(scope="module")
def domain_instance():
    yield from run_instance(cookie__domain="example.org")


@pytest.fixture(scope="module")
def subdomains(domain_instance, installed):
    yield from make_host(domain_instance.site(), installed)


@pytest.fixture(scope="module")
def application():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def prepare(host, application):
    host.also["127.0.0.1:3000"] = application
    host.copy_snippets()
    host.start_nginx()
    host.follow(blocks(PAGE, "nginx"))
    host.follow(blocks(PAGE, "See it"))
    return host


@pytest.fixture(scope="module")
def front(host, application):
    return prepare(host, application)


def test_everything_is_tried():
    assert {block.section for block in blocks(PAGE)} == {"nginx", "See it", "Several subdomains"}


def told(host, target, *options):
    """{name: [value, …]} of the headers that the application was sent."""
    words = " ".join(f"'{word}'" for word in options)
    found = {}
    for line in host.run(f"curl -sf {words} https://www.example.org{target}").splitlines():
        name, _, value = line.partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return found


def test_nobody_passes_for_somebody(front):
    heard = told(front, "/tool/x", "-b", "ada", "-H", "X-Forwarded-For: 192.0.2.66", *FORGED)
    assert heard["remote-user"] == ["ada"] and heard["x-forwarded-for"] == ["127.0.0.1"]
    assert heard["x-forwarded-proto"] == ["https"] and len(heard["host"]) == 1
    assert not {"remote-groups", "x-remote-user", "remote_user"} & set(heard)
    heard = told(front, "/tool/public/x", "-b", "ada", *FORGED)
    assert not [name for name in heard if "remote" in name]


def test_a_header_of_ones_own(front):
    """The line of the page for applications that want another one, in the two kinds of location."""
    file = front.path("/etc/nginx/conf.d/www.example.org.conf")
    line = "proxy_set_header X-WebAuth-User $gatehouse_user;"
    assert line in (DOCS / PAGE).read_text("utf-8")
    before = file.read_text()
    try:
        file.write_text(before.replace("proxy_pass ", line + " proxy_pass "))
        front.run("nginx -t\nsystemctl reload nginx")
        assert told(front, "/tool/x", "-b", "ada", *FORGED)["x-webauth-user"] == ["ada"]
        assert "x-webauth-user" not in told(front, "/tool/public/x", "-b", "ada", *FORGED)
    finally:
        file.write_text(before)
        front.run("systemctl reload nginx")


def test_roles_and_everybody(front):
    assert front.curl("/tool/admin/x", "-b", "ada") == 403
    assert front.curl("/tool/public/x") == 200
    for target in ("/tool/x", "/tool/admin/x", "/tool/live", "//tool/x", "/tool/public/../x"):
        assert front.curl(target) == 401, target


def test_what_stays_open_is_checked_when_it_begins(front):
    def opened(cookie):
        # What stays open ends by curl's own time limit, which is an exit code; the status is what counts.
        return front.run("curl -s -o /dev/null -w '%{http_code}' --http1.1 -m 1 -H 'Connection: Upgrade' "
                         f"-H 'Upgrade: websocket' -H 'Cookie: {cookie}' https://www.example.org/tool/live"
                         " || true")
    session = front.run("awk '/session/ { print $6 \"=\" $7 }' ada").strip()
    assert opened("x=y") == "401" and opened(session) == "101"


def test_several_subdomains(subdomains, application):
    host = prepare(subdomains, application)
    host.follow(blocks(PAGE, "Several subdomains"))
    assert "__Secure-session" in host.run("cat ada")
    led = host.run("curl -s -o /dev/null -w '%{http_code} %header{location}' -H 'Accept: text/html' " +
                   APP + "/x")
    assert led == "302 /login.html?next=/x"
    for file in ("login.html", "register.html", "gatehouse.js", "gatehouse.css"):
        host.run(f"curl -sf -o /dev/null {APP}/{file}")
    # A page of one host that calls another's routes.
    host.run("curl -sf -c ada -o /dev/null -H 'Content-Type: application/json' "
             "-d '{\"email\":\"ada@example.org\",\"password\":\"spoon-lantern-42\"}' "
             "https://www.example.org/auth/login")
    said = host.run(f"curl -s -b ada -X POST -H 'Origin: {APP}' -H 'Sec-Fetch-Site: same-site' "
                    "https://www.example.org/auth/logout")
    assert '"csrf_rejected"' in said and host.curl("/tool/", "-b", "ada") == 200
