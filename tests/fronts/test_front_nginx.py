"""nginx alone: the example site as it is shipped, an application behind it as a proxy, and what
people do with locations."""
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from front_ask import ask, bearer, refuses
from front_stage import LISTED, MARK, TOP
from gate import PASSWORD, free_ports, wait_until
from test_front_identity import FORGED, of

NGINX = TOP / "conf" / "nginx"


@pytest.fixture
def nginx(stage, people):
    return stage.at("nginx")


# An application behind proxy_pass.


class Echo(http.server.BaseHTTPRequestHandler):
    """Says which headers it was sent."""

    def do_GET(self):
        body = json.dumps([[name, value] for name, value in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "local"

    def log_message(self, *args):
        pass


@pytest.fixture
def upstream(nginx):
    path = nginx.env["UPSTREAM_SOCKET"]
    with socketserver.ThreadingUnixStreamServer(path, Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield
        server.shutdown()
        thread.join()
    os.unlink(path)


def heard(answer):
    """The identity that the application heard, by header, after a look at all of them."""
    assert answer.status == 200, answer
    pairs = json.loads(answer.body)
    names = [re.sub("[-_]", "", name).lower() for name, _ in pairs]
    identity = {name: value for name, (_, value) in zip(names, pairs)
                if name.startswith(("remote", "xremote", "authgroups"))}
    assert len(identity) == len([name for name in names if name in identity]), pairs
    return identity


def test_a_proxied_application_hears_who_it_is(nginx, upstream, people):
    login = people["admin"]
    whole = of(login)
    expected = {"remoteuser": whole["REMOTE_USER"], "remoteuserid": whole["AUTH_USER_ID"],
                "remoteemail": whole["AUTH_EMAIL"], "remotegroups": whole["AUTH_GROUPS"],
                "remotesession": whole["AUTH_SESSION_ID"]}
    forged = [pair for pair in FORGED if "auth" not in pair[0].lower()]
    for pairs in (bearer(login.access), forged + bearer(login.session),
                  bearer(login.access) + forged):
        assert heard(ask(nginx, "/proxied/x?y", pairs)) == expected
    assert refuses(ask(nginx, "/proxied/x", forged))


class Place:
    """Where to ask."""

    def __init__(self, plain, tls=None):
        self.env = {"GATEHOUSE_URL": f"http://127.0.0.1:{plain}",
                    "GATEHOUSE_TLS_URL": f"https://127.0.0.1:{tls}"}


# A server of our own, with the shipped files and what the test writes.


class Nginx:
    """Runs a configuration that was given `http` text; ports are its own."""

    def __init__(self, directory, text):
        self.dir = directory
        self.env = {}
        (directory / "conf").mkdir()
        self.conf = directory / "conf" / "nginx.conf"
        self.conf.write_text(f"""
            user root; daemon off; worker_processes 1; pid {directory}/pid;
            error_log {directory}/error.log; events {{ worker_connections 256; }}
            http {{
                include /etc/nginx/mime.types; access_log off;
                client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
                fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
                scgi_temp_path {directory}/scgi;
                {text}
            }}""")
        self.command = ["nginx", "-p", str(directory), "-c", str(self.conf),
                        "-e", f"{directory}/error.log"]

    def check(self):
        return subprocess.run(self.command + ["-t"], capture_output=True, text=True, timeout=20,
                              check=False)

    def __enter__(self):
        done = self.check()
        assert done.returncode == 0, done.stderr
        self.process = subprocess.Popen(self.command)
        return self

    def wait_for(self, port):
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert self.process.poll() is None, (self.dir / "error.log").read_text()
            threading.Event().wait(0.05)
        raise AssertionError("nginx does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def own(nginx, tmp_path):
    """own(locations): a site whose server has these locations beside the shipped ones."""
    running = []
    copies = tmp_path / "conf" / "gatehouse"

    def start(locations="", server=""):
        if not running:
            run = Nginx(tmp_path, f"""
                include gatehouse/gatehouse-http.conf;
                server {{
                    listen 127.0.0.1:{port}; root {Path(nginx.env["CONF"]).parents[1]}/www;
                    {server}
                    include gatehouse/gatehouse-locations.conf;
                    {locations}
                }}""")
            copies.symlink_to(Path(nginx.env["CONF"]).parent / "nginx" / "gatehouse")
            running.append(run.__enter__())
            run.wait_for(port)
        return Place(port)

    port = int(free_ports(1)[0])
    yield start
    for run in running:
        run.__exit__()


PROTECT = "include gatehouse/gatehouse-protect.conf;"


def test_a_location_inside_a_protected_one_needs_lines_of_its_own(own, people):
    """nginx hands the check on and not the role: without the lines nobody gets in."""
    site = own(f"""
        location ^~ /admin/ {{
            {PROTECT} set $gatehouse_role admin;
            location ~ forgotten|page {{ root {TOP}/tests/fronts; try_files /front_ask.py =404; }}
            location ~ again {{ {PROTECT} set $gatehouse_role admin;
                                root {TOP}/tests/fronts; try_files /front_ask.py =404; }}
            location ~ /$ {{ index page.txt; }}
        }}
        location ^~ /members/ {{
            {PROTECT}
            index page.txt;
            location ~ txt$ {{ }}
        }}""")
    for who, inner in ((None, 401), ("member", 403), ("admin", 403)):
        pairs = bearer(people[who].access if who else None)
        assert ask(site, "/admin/forgotten", pairs).status == 403
        assert ask(site, "/admin/page.txt", pairs).status == 403
        assert ask(site, "/admin/", pairs).status == 403
        # An internal redirect from a location that was asked about does not do either.
        assert ask(site, "/members/", pairs).status in (inner, 401)
    for who, status in ((None, 401), ("member", 403), ("admin", 200)):
        pairs = bearer(people[who].access if who else None)
        assert ask(site, "/admin/again", pairs).status == status


def test_internal_redirects_are_asked_about_each(own, people):
    """An index, an error page and a rewrite that lead into a protected location, with its role."""
    site = own(f"""
        error_page 404 /admin/page.txt;
        location = /rewritten {{ rewrite ^ /admin/page.txt last; }}
        location /tried/ {{ try_files $uri /admin/page.txt; }}
        location = /named {{ try_files /none @inner; }}
        location @inner {{ {PROTECT} set $gatehouse_role admin;
                           root {TOP}/tests; try_files /fronts/front_ask.py =404; }}
        location ^~ /admin/ {{ {PROTECT} set $gatehouse_role admin; }}
        location ^~ /members/ {{ {PROTECT} error_page 404 /admin/page.txt; index missing; }}
        location ^~ /app/ {{ {PROTECT} index /admin/page.txt; try_files "" @text; }}
        location @text {{ return 200 "for the signed-in"; }}""")
    for path in ("/missing", "/rewritten", "/tried/x", "/named", "/members/none"):
        assert ask(site, path).status in (401, 404), path
        answer = ask(site, path, bearer(people["member"].access))
        assert answer.status in (403, 404) and MARK not in answer.text, path
        answer = ask(site, path, bearer(people["admin"].access))
        assert answer.status in (200, 404), path
        assert MARK in answer.text or "Requests as they are written" in answer.text, path
    assert ask(site, "/app/x").status == 401
    assert ask(site, "/app/x", bearer(people["member"].access)).text == "for the signed-in"


def test_a_whole_server_can_be_protected(own, people):
    """The lines at the server level; the login page and the routes stay open."""
    site = own(f"""
        location = /login.html {{ auth_request off; }}
        location / {{ }}
        location ^~ /admin/ {{ set $gatehouse_role admin; }}""", server=PROTECT)
    assert ask(site, "/login.html").status == 200
    assert ask(site, "/auth/health").status == 200
    for path in ("/index.html", "/members/page.txt", "/app/whoami.php", "/admin/page.txt"):
        assert ask(site, path).status == 401, path
    assert ask(site, "/members/page.txt", bearer(people["member"].access)).status == 200
    assert ask(site, "/admin/page.txt", bearer(people["member"].access)).status == 403
    assert ask(site, "/admin/page.txt", bearer(people["admin"].access)).status == 200


def test_names_with_underscores_where_they_are_let_in(own, upstream, nginx, people):
    site = own(f"""
        location /open/proxied {{
            include gatehouse/gatehouse-identity.conf;
            proxy_pass http://unix:{nginx.env["UPSTREAM_SOCKET"]};
        }}
        location /proxied {{ {PROTECT} proxy_pass http://unix:{nginx.env["UPSTREAM_SOCKET"]}; }}
        """, server="underscores_in_headers on;")
    forged = [pair for pair in FORGED if pair[0].lower().startswith(("remote", "x-remote"))]
    assert heard(ask(site, "/open/proxied", forged)) == {}
    assert heard(ask(site, "/open/proxied", forged + bearer(people["admin"].access))) == {}
    told = heard(ask(site, "/proxied", forged + bearer(people["admin"].access)))
    assert told["remoteuser"] == of(people["admin"])["REMOTE_USER"]
    assert "forged" not in told.values()


# A configuration written by hand, without the shipped files: the sub-request has the page's own method.


@pytest.fixture
def by_hand(nginx, tmp_path):
    """by_hand[role]: a server whose pages are for everybody signed in, or for those with the role."""
    ports = dict(zip(("", "admin"), map(int, free_ports(2))))
    text = "".join(f"""
        server {{
            listen 127.0.0.1:{port};
            location /auth/ {{
                include /etc/nginx/fastcgi_params;
                fastcgi_param AUTH_REQUIRE_ROLE "{role}";
                fastcgi_pass unix:{nginx.conf("pool.web", "listen")};
            }}
            location /app/ {{ auth_request /auth/verify; try_files "" @page; }}
            location @page {{ return 200 "{MARK}"; }}
        }}""" for role, port in ports.items())
    with Nginx(tmp_path, text) as run:
        for port in ports.values():
            run.wait_for(port)
        yield {role: Place(port) for role, port in ports.items()}


PREFLIGHT = [("Origin", LISTED), ("Access-Control-Request-Method", "GET")]
OWN_WORDS = {"TRACE": 405, "get": 400} # of nginx's, for what it takes for no method


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
                                    "MKCOL", "LOCK", "TRACE", "get"])
def test_a_configuration_by_hand(by_hand, people, method):
    """Whatever the method of the page, the credential and the role decide."""
    cookie = [("Cookie", "__Host-session=" + people["admin"].session)]
    rows = [("", None, [], 401), ("", None, PREFLIGHT, 401), ("", "garbage", PREFLIGHT, 401),
            ("", "member", [], 200), ("", None, cookie, 200), ("admin", None, [], 401),
            ("admin", None, PREFLIGHT, 401), ("admin", "member", PREFLIGHT, 403),
            ("admin", "admin", [], 200)]
    for role, who, headers, status in rows:
        token = people[who].access if who in people and who else who
        answer = ask(by_hand[role], "/app/x", bearer(token) + headers, method=method)
        assert answer.status == OWN_WORDS.get(method, status), (role, who, headers, answer)
        assert (MARK in answer.text) == (answer.status == 200 and method != "HEAD")


@pytest.mark.parametrize("target", [
    "/app/x", "/app/auth/verify", "/app/?/auth/verify", "/auth/verify/../../app/x",
    "/auth/../app/auth/verify", "/auth/verify/..%2f..%2fapp/x", "/app/..//app/x",
    "//auth/verify/../../app/x", "/auth/verify%3f/../../app/x", "/auth/verify#/../../app/x",
    "/auth/%76erify/../../app/x", "/auth/./verify/../../app/x",
    "http://localhost/app/x", "http://localhost/auth/verify/../../app/x", "http://auth/verify/../app/x",
])
def test_no_address_makes_a_page_pass_for_the_check(by_hand, target):
    for role in ("", "admin"):
        for method in ("OPTIONS", "GET", "POST", "X"):
            for headers in ([], PREFLIGHT):
                answer = ask(by_hand[role], target, headers, method=method)
                assert answer.status in (400, 401, 404, 405), (method, headers, answer)
                assert MARK not in answer.text


def test_what_asks_for_the_check_itself(by_hand, nginx, people):
    """A preflight of a listed origin is answered, by the shipped files as well."""
    for site in (by_hand[""], nginx):
        for target in ("/auth/verify", "/auth/verify?x=/app/x", "http://localhost/auth/verify"):
            answer = ask(site, target, PREFLIGHT, method="OPTIONS")
            assert answer.status == 204 and answer.headers["Allow"] == "GET, HEAD, OPTIONS"
            assert answer.headers["Access-Control-Allow-Origin"] == LISTED
            assert ask(site, target, method="OPTIONS").status == 401
            assert ask(site, target, method="POST").status == 405
        for target in ("//auth/verify", "/auth/%76erify", "/auth/x/../verify", "/auth/verify#"):
            assert ask(site, target, PREFLIGHT, method="OPTIONS").status == 401, target
            assert ask(site, target, bearer(people["member"].access)).status == 204, target
    assert ask(by_hand["admin"], "/auth/verify", PREFLIGHT, method="OPTIONS").status == 401


# The example site as it is: only ports, paths and names of this machine are replaced.


@pytest.fixture
def shipped(nginx, tmp_path):
    plain, tls = (int(port) for port in free_ports(2))
    home = Path(nginx.env["CONF"]).parents[1]
    text = (NGINX / "gatehouse.conf").read_text()
    for old, new in (("listen 80;", f"listen 127.0.0.1:{plain};"),
                     ("listen [::]:80;", ""), ("listen [::]:443 ssl http2;", ""),
                     ("listen 443 ", f"listen 127.0.0.1:{tls} "),
                     ("/etc/ssl/certs/www.example.org.pem", f"{home}/tls/cert.pem"),
                     ("/etc/ssl/private/www.example.org.key", f"{home}/tls/key.pem"),
                     ("/var/www/example.org", f"{home}/www"),
                     ("unix:/run/php/php8.2-fpm.sock",
                      f"unix:{Path(nginx.env['REDIS_SOCKET']).parent}/php.sock"),
                     ("http://127.0.0.1:3000", f"http://unix:{nginx.env['UPSTREAM_SOCKET']}")):
        assert old in text, old
        text = text.replace(old, new)
    run = Nginx(tmp_path, text)
    (tmp_path / "conf" / "gatehouse").symlink_to(home / "conf" / "nginx" / "gatehouse")
    with run:
        run.wait_for(tls)
        yield Place(plain, tls)


def protected_locations(text):
    """The locations that the lines protect, and the role that each demands."""
    found = {}
    for match in re.finditer(r"^( *)location (?:\^~ |= )?(/\S*) \{\n(.*?)^\1\}", text, re.M | re.S):
        if "gatehouse-protect.conf" in match[3]:
            role = re.search(r"^ *set \$gatehouse_role (\S+);", match[3], re.M)
            found[match[2]] = role[1] if role else ""
    return found


def test_the_example_site(shipped, upstream, people):
    """Each location that it protects, without a credential, without the role, and with it."""
    locations = protected_locations((NGINX / "gatehouse.conf").read_text())
    assert locations == {"/members/": "", "/admin/": "admin", "/app/": "", "/proxied/": ""}
    for location, role in locations.items():
        for headers in ([], [("Accept", "text/html")], bearer(people["admin"].access)):
            answer = ask(shipped, location + "page.txt", headers, tls=True)
            assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=31536000"], answer
        for path in (location, location + "page.txt", location + "missing", location + "x.php",
                     location + "page.php", location + "bare/", location + "whoami.php/more"):
            for method in ("GET", "HEAD", "POST"):
                answer = ask(shipped, path, method=method, tls=True)
                assert answer.status == 401, (path, method, answer)
            answer = ask(shipped, path, [("Accept", "text/html")], tls=True)
            assert answer.status == 302
            assert answer.headers["Location"] == "/login.html?next=" + path
            answer = ask(shipped, path, bearer("garbage") + [("Range", "bytes=0-1")], tls=True)
            assert answer.status == 401
            answer = ask(shipped, path, bearer(people["member"].access), tls=True)
            unlisted = path in ("/members/bare/", "/app/bare/")
            assert (answer.status == 403) == (role != "" or unlisted), (path, answer)
        assert ask(shipped, location + "page.txt", bearer(people["admin"].access), tls=True
                   ).status == 200
    assert heard(ask(shipped, "/proxied/", bearer(people["admin"].access), tls=True))["remotegroups"
                                                                                    ] == "admin"
    answer = ask(shipped, "/app/whoami.php/more", bearer(people["admin"].access), tls=True)
    assert json.loads(answer.body) == of(people["admin"])
    for path in ("/", "/open/whoami.php", "/auth/health"):
        assert ask(shipped, path, tls=True).status == 200


def test_the_example_site_leads_plain_http_to_tls(shipped, people):
    for path in ("/members/", "/admin/page.txt", "/app/whoami.php", "/auth/login", "/"):
        for method in ("GET", "POST"):
            answer = ask(shipped, path, bearer(people["admin"].access), method=method)
            assert answer.status == 301 and MARK not in answer.text
            assert answer.headers["Location"] == "https://localhost" + path


def test_no_protected_location_of_the_example_answers_by_itself():
    """`return` and `rewrite` run before anybody is asked."""
    text = re.sub(r"^\s*#.*", "", (NGINX / "gatehouse.conf").read_text(), flags=re.M)
    bodies = re.findall(r"^( *)location [^{]*\{\n(.*?)^\1\}", text, re.M | re.S)
    assert len(bodies) >= 6
    for _, body in bodies:
        if "gatehouse-protect.conf" in body:
            assert not re.search(r"^\s*(return|rewrite|if|autoindex|auth_request off|satisfy)\b",
                                 body, re.M), body


# More sign in than can be served soon.


def hashing(site):
    """The workers of the pool that hashes; they run at a lower priority."""
    return [pid for pid in site.workers() if os.getpriority(os.PRIO_PROCESS, pid) > 0]


def test_whoever_cannot_be_served_soon_is_told_so_at_once(nginx, people):
    """So many wait in each of nginx's workers; one more is refused by it, and nobody waits for that."""
    least, most, all_ = 32, 2 * 32, 150
    body = json.dumps({"email": nginx.register().email, "password": PASSWORD}).encode()
    sign_in = ("/auth/login", [("Content-Type", "application/json")], "POST", body)
    workers = hashing(nginx)
    assert workers and most < all_
    with ThreadPoolExecutor(all_) as pool:
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            asked = [pool.submit(ask, nginx, *sign_in) for _ in range(all_)]
            wait_until(lambda: sum(one.done() for one in asked) >= all_ - most, 15)
            assert ask(nginx, "/members/", bearer(people["member"].access)).status == 200
            early = [one for one in asked if one.done()]
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        for one in early:
            answer = one.result()
            assert answer.status == 503 and answer.headers["Retry-After"] == "5", answer
            assert answer.headers["Cache-Control"] == "no-store"
            assert json.loads(answer.body)["code"] == "unavailable"
        late = [one.result() for one in asked if one not in early]
        assert [answer.status for answer in late].count(200) >= least
        assert {answer.status for answer in late} <= {200, 503}
