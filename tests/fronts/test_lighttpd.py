"""What is special to lighttpd: its authorizer lets a request go on, to whatever handles it next."""
import http.client
import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "flow"))

from front_ask import spellings  # noqa: E402
from gate import (Instance, at_once, free_ports, fresh_name, granted,  # noqa: E402
                  wait_until)

SECRET = "for members alone"
PAGE = {"Accept": "text/html,application/xhtml+xml"}
IDENTITY = ["REMOTE_USER", "AUTH_USER_ID", "AUTH_EMAIL", "AUTH_NAME", "AUTH_GROUPS",
            "AUTH_SESSION_ID"]
ENVIRONMENT = """<?php
header('Content-Type: text/plain');
foreach ($_SERVER as $name => $value) if (is_string($value)) echo "$name=$value\\n";
"""


class Lighttpd(Instance):
    def _run(self, *words):
        extra = ("--front", "lighttpd", "--php") if words[0] == "up" else ()
        return super()._run(*words, *extra)


@pytest.fixture(scope="module")
def instance():
    top = Path(tempfile.mkdtemp(prefix="gatehouse-lighttpd."))
    top.chmod(0o755)
    instance = Lighttpd(top, {"redis.timeout": "2s"})
    try:
        instance.up()
        www = top / "www"
        for folder in ("members", "admin", "app", "open"):
            (www / folder / "environment.php").write_text(ENVIRONMENT)
            (www / folder / "inner").mkdir()
            (www / folder / "inner" / "index.html").write_text(SECRET)
            (www / folder / "file.txt").write_text(SECRET)
        yield instance
    finally:
        instance.down()
        shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(scope="module")
def site(instance):
    return instance.site()


@pytest.fixture(scope="module")
def member(site):
    return site.register(username=fresh_name(), displayName="日本語, ü").login()


@pytest.fixture(scope="module")
def admin(site):
    user = site.register()
    site.set_roles(user.email, "editor", "admin")
    return user.login()


def ask(site, target, method="GET", headers=None, body=None, port=None, chunked=False):
    """One request whose target goes out exactly as it is written; (status, body)."""
    port = port or int(site.url.rsplit(":", 1)[1])
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        pairs = headers.items() if isinstance(headers, dict) else headers or []
        link.putrequest(method, target, skip_accept_encoding=True)
        for name, value in pairs:
            link.putheader(name, value)
        if body is not None and not chunked:
            link.putheader("Content-Length", str(len(body)))
        if chunked:
            link.putheader("Transfer-Encoding", "chunked")
        link.endheaders(body, encode_chunked=chunked)
        answer = link.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        link.close()


def bearer(login):
    return {"Authorization": "Bearer " + login.access}


def environment(site, path, headers):
    status, text = ask(site, path, headers=headers)
    assert status == 200, text
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


# Who may go on.

# Each of them leads to something below /members/, as lighttpd reads it.
INSIDE = ["/members/", "/members/file.txt", "//members/file.txt", "/members//file.txt",
          "/./members/file.txt", "/open/../members/file.txt", "/%6dembers/file.txt",
          "/members%2ffile.txt", "/%2fmembers/file.txt", "/open/%2e%2e/members/file.txt",
          "/open/..%2fmembers/file.txt", "/members/file.txt?x", "/members/file.txt;x",
          "/members/file.txt/more", "/members/inner", "/members/inner/", "/members/index.html",
          "/members/environment.php", "/members/environment.php/more", "/members/no-such-file"]
OUTSIDE = ["/members\\file.txt", "/MEMBERS/file.txt", "/%252e/members/file.txt", "/membersx",
           "members/file.txt", "/members/file.txt%00"]


@pytest.mark.parametrize("target", INSIDE)
def test_no_spelling_of_a_path_leads_inside(site, target):
    status, text = ask(site, target)
    assert status == 401
    assert "token_missing" in text and SECRET not in text


@pytest.mark.parametrize("target", OUTSIDE)
def test_what_is_no_path_of_the_folder_finds_nothing(site, target):
    status, text = ask(site, target)
    assert status in (400, 404) and SECRET not in text


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND",
                                    "PATCH", "CONNECT"])
def test_no_method_goes_past_the_check(site, method):
    status, text = ask(site, "/members/file.txt", method)
    assert status in (400, 401, 405, 501) and SECRET not in text


@pytest.mark.parametrize("headers", [
    {"Range": "bytes=0-3"}, {"If-Modified-Since": "Sat, 21 Nov 2099 00:00:00 GMT"},
    {"If-None-Match": "*"}, {"Expect": "100-continue"}, {"Connection": "Upgrade, HTTP2-Settings"},
    {"X-Forwarded-For": "127.0.0.1"}, {"X-Original-URL": "/open/"}, {"X-Rewrite-URL": "/open/"},
    {"X-Sendfile": "/etc/passwd"}, {"Authorization": "Basic YTpi"}])
def test_no_header_goes_past_the_check(site, headers):
    status, text = ask(site, "/members/file.txt", headers=headers)
    assert status == 401 and SECRET not in text


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_no_matter_of_the_check(site, member, chunked):
    body = b"a=" + b"b" * 300_000
    for path in ("/members/environment.php", "/app/environment.php"):
        assert ask(site, path, "POST", body=body, chunked=chunked)[0] == 401
        status, text = ask(site, path, "POST", bearer(member), body, chunked=chunked)
        assert status == 200 and f"CONTENT_LENGTH={len(body)}" in text


def test_every_protected_place_of_the_example(site):
    example = (TOP / "conf/lighttpd/gatehouse.conf").read_text()
    places = re.findall(r'"\^(/\w+/)" \{\s+include "gatehouse/gatehouse-protect', example)
    assert places == ["/members/", "/admin/", "/app/"]
    for place in places:
        for rest in ("", "file.txt", "inner/", "environment.php", "environment.php/x", "nothing"):
            for method in ("GET", "HEAD", "POST"):
                status, text = ask(site, place + rest, method, body=b"")
                assert status == 401 and SECRET not in text, (place, rest, method)


def test_whoever_may_goes_on_as_if_nobody_had_asked(site, member):
    headers = bearer(member)
    assert ask(site, "/members/file.txt", headers=headers) == (200, SECRET)
    assert ask(site, "/members/inner/", headers=headers) == (200, SECRET)
    assert ask(site, "/members/file.txt", "HEAD", headers) == (200, "")
    assert ask(site, "/members/file.txt", headers={**headers, "Range": "bytes=4-10"}) == (
        206, SECRET[4:11])
    assert ask(site, "/members/inner", headers=headers)[0] == 301
    assert ask(site, "/members/no-such-file", headers=headers)[0] == 404
    assert ask(site, "/app/nothing?x=y", headers=headers)[0] == 200


def test_http2(site, member):
    def curl(*words):
        command = ["curl", "-sk", "--noproxy", "*", "-o", "/dev/null", "-w",
                   "%{http_code} %{http_version}", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=30,
                              check=True).stdout
    tls = site.env["GATEHOUSE_TLS_URL"]
    header = "Authorization: Bearer " + member.access
    for url, how in ((tls, "--http2"), (site.url, "--http2-prior-knowledge")):
        assert curl(how, url + "/members/file.txt") == "401 2"
        assert curl(how, "-H", header, url + "/members/file.txt") == "200 2"
        assert curl(how, "-H", header, url + "/admin/file.txt") == "403 2"


def test_many_at_once_and_one_after_the_other(site, member):
    def some(_):
        return [site.raw("GET", "/members/file.txt", headers=bearer(member)).status_code
                for _ in range(20)]
    assert {status for statuses in at_once(20, some) for status in statuses} == {200}


# Roles.


def test_role(site, member, admin):
    for path in ("/admin/", "/admin/file.txt", "/admin/environment.php"):
        assert ask(site, path)[0] == 401
        assert ask(site, path, headers=bearer(member))[0] == 403
        assert ask(site, path, headers=bearer(admin))[0] == 200


@pytest.mark.parametrize("name", ["AUTH_REQUIRE_ROLE", "Auth-Require-Role", "Variable-AUTH_GROUPS",
                                  "AUTH_GROUPS", "Remote-Groups", "Remote_Groups", "Proxy"])
def test_no_header_gives_or_lifts_a_role(site, member, name):
    for value in ("", "admin", "editor"):
        headers = {**bearer(member), name: value}
        assert ask(site, "/admin/file.txt", headers=headers)[0] == 403
        assert ask(site, "/members/file.txt", headers=headers)[0] == 200


# Identity.


def test_php_is_told_who_it_is(site, member, admin):
    for path in ("/app/environment.php", "/members/environment.php", "/app/environment.php/more"):
        told = environment(site, path, bearer(member))
        user = member.user.shown
        assert [told[name] for name in IDENTITY] == [
            user["username"], user["id"], user["email"], user["displayName"], "", member.sid]
    told = environment(site, "/app/environment.php", bearer(admin))
    assert set(told["AUTH_GROUPS"].split(",")) == {"editor", "admin"}
    assert told["REMOTE_USER"] == admin.user.email and told["AUTH_NAME"] == ""


FORGED = [f"{spelling}" for name in IDENTITY + ["REMOTE_USER_ID", "REMOTE_EMAIL", "REMOTE_GROUPS"]
          for spelling in (name, name.replace("_", "-").title(), "Variable-" + name,
                           "HTTP_" + name, "X-" + name)]


def test_php_is_told_nobody_else(site, member):
    forged = {name: "root" for name in FORGED}
    honest = environment(site, "/app/environment.php", bearer(member))
    told = environment(site, "/app/environment.php", {**bearer(member), **forged})
    assert {name: told[name] for name in IDENTITY} == {name: honest[name] for name in IDENTITY}
    for path in ("/open/environment.php", "/open/environment.php/x"):
        for headers in (forged, {**bearer(member), **forged}):
            told = environment(site, path, headers)
            assert [told[name] for name in IDENTITY] == [""] * len(IDENTITY)
            assert not [name for name, value in told.items()
                        if name.startswith("HTTP_REMOTE_") and value]


# Credentials.


def test_repeated_headers(site, member):
    good, bad = "Bearer " + member.access, "Bearer x"
    for pair in ((good, bad), (bad, good), (good, good)):
        headers = [("Authorization", value) for value in pair]
        assert ask(site, "/members/file.txt", headers=headers)[0] == 401
        assert ask(site, "/auth/userinfo", headers=headers)[0] == 401
    cookie = f"{site.cookie_name}={member.session}"
    for cookies, status in (([cookie], 200), (["a=b", cookie], 200), ([cookie, "a=b"], 200),
                            (["a=b, " + cookie], 401), ([f"{site.cookie_name}=x", cookie], 401)):
        headers = [("Cookie", value) for value in cookies]
        assert ask(site, "/members/file.txt", headers=headers)[0] == status, cookies
        assert ask(site, "/auth/verify", headers=headers)[0] == (204 if status == 200 else 401)


def test_a_person_is_led_to_the_login_page(site, member):
    answer = site.raw("GET", "/members/inner/?page=2&x=%2F", headers=PAGE)
    assert answer.status_code == 302 and answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Location"] == "/login.html?next=/members/inner/?page=2&x=%2F"
    assert site.raw("HEAD", "/app/", headers=PAGE).status_code == 302
    stale = {**PAGE, "Cookie": site.cookie_name + "=" + "x" * 43}
    assert site.raw("GET", "/members/", headers=stale).status_code == 302
    assert site.raw("GET", "/admin/", headers={**PAGE, **bearer(member)}).status_code == 403
    assert site.raw("POST", "/app/", headers=PAGE, data=b"a").status_code == 401
    program = site.raw("GET", "/members/")
    assert program.status_code == 401 and program.json()["code"] == "token_missing"
    assert program.headers["WWW-Authenticate"].startswith("Bearer")
    forged = site.raw("GET", "/members/", headers={**PAGE, "Auth-Login-Page": "//evil.example",
                                                   "AUTH_LOGIN_PAGE": "//evil.example"})
    assert forged.headers["Location"] == "/login.html?next=/members/"


# The routes.


def test_what_hashes_passwords_has_its_own_pool(site, member):
    user = site.register()
    login = user.login()
    granted(site.post("/password", {"oldPassword": user.password, "newPassword": "a new one 4 me"},
                      token=login.access))
    granted(site.delete("/profile", {"password": "a new one 4 me"}, token=login.access), 204)
    granted(site.post("/logout", token=site.register().login().access))
    log = Path(site.env["LOG"]).read_text(encoding="utf-8")
    lines = [line for line in log.splitlines() if f"user={user.id} " in line + " "]
    pools = {re.search(r"event=(\w+)", line)[1]: re.search(r"who=(\w+)/", line)[1]
             for line in lines}
    assert pools == {"register": "login", "login": "login", "password_change": "login",
                     "user_delete": "login"}
    assert re.search(r"who=web/\d+ .*event=logout", log)


def test_absurd_bodies_are_cut_off_by_lighttpd(site):
    assert site.post("/login", b"x" * (70 * 1024)).status_code == 413
    status, _ = ask(site, "/auth/login", "POST", {"Content-Length": str(2 << 20)})
    assert status == 413


def test_health_is_for_this_machine(site):
    def curl(address):
        done = subprocess.run(["curl", "-s", "--noproxy", "*", "--interface", address, "-o",
                               "/dev/null", "-w", "%{http_code}", site.url + "/auth/health"],
                              capture_output=True, text=True, timeout=30, check=True)
        return done.stdout
    assert curl("127.0.0.1") == "200"
    assert curl("127.0.0.2") == "403"


# Other configurations.


@pytest.fixture
def second(instance, site):
    """Starts a second lighttpd: the instance's own configuration and some lines more, or a file."""
    started = []

    def run(conf, port):
        server = subprocess.Popen(["lighttpd", "-D", "-f", str(conf)])
        started.append(server)
        wait_until(lambda: answers(port), 15)

    def start(lines, port):
        if isinstance(lines, Path):
            run(lines, port)
            return
        conf = Path(instance.directory) / "conf" / "lighttpd" / "second.conf"
        text = (conf.parent / "lighttpd.conf").read_text()
        text = re.sub(r"^server.port = \d+", f"server.port = {port}", text, flags=re.M)
        text = re.sub(r'^\$SERVER\["socket"\].*', "", text, flags=re.M)
        text = re.sub(r"-own.pid", "-second.pid", text)
        text = re.sub(r"^url.rewrite-if-not-file.*", "", text, flags=re.M)
        conf.write_text(text + lines)
        run(conf, port)

    def answers(port):
        try:
            return ask(site, "/index.html", port=port)[0] == 200
        except OSError:
            return False

    yield start
    for server in started:
        server.terminate()
        server.wait(15)


def test_rewrites_and_error_handlers_lead_nobody_inside(second, site, member):
    port = int(free_ports(1)[0])
    second("""
url.rewrite-once = ( "^/pretty/(.*)$" => "/members/$1" )
url.rewrite-if-not-file = ( "^/missing$" => "/members/file.txt" )
server.error-handler-404 = "/members/file.txt"
$HTTP["url"] =~ "^/members/inner/" {
    include "gatehouse/gatehouse-protect.conf"
    setenv.set-environment += ( "AUTH_REQUIRE_ROLE" => "admin" )
}
""", port)
    for path in ("/pretty/file.txt", "/missing", "/no-such-page"):
        status, text = ask(site, path, port=port)
        assert status in (401, 404) and SECRET not in text, path
    assert ask(site, "/pretty/file.txt", headers=bearer(member), port=port) == (200, SECRET)
    # The inner of two protected places asks for its own role.
    assert ask(site, "/members/inner/", headers=bearer(member), port=port)[0] == 403
    assert ask(site, "/members/file.txt", headers=bearer(member), port=port)[0] == 200


def debian(instance, port):
    """Debian's own configuration with what docs/lighttpd.md adds to it; its lighttpd.conf."""
    top = Path(instance.directory) / "etc-lighttpd"
    shutil.copytree("/etc/lighttpd", top)
    enabled = top / "conf-enabled"
    shutil.rmtree(enabled)
    enabled.mkdir()
    for name in ("10-fastcgi.conf", "15-fastcgi-php-fpm.conf"):
        shutil.copy(top / "conf-available" / name, enabled)
    page = (TOP / "docs" / "lighttpd.md").read_text()
    blocks = re.findall(r"conf-enabled/([\w-]+\.conf)`:\n\n```lighttpd\n(.*?)```", page, re.S)
    assert [name for name, _ in blocks] == ["05-gatehouse.conf", "95-gatehouse.conf"]
    for name, text in blocks:
        (enabled / name).write_text(text)
    shutil.copytree(Path(instance.directory) / "conf" / "lighttpd" / "gatehouse", top / "gatehouse")
    places = {"/etc/lighttpd": str(top), "/var/www/html": instance.directory + "/www",
              "/var/log/lighttpd/error.log": f"{top}/error.log", "/run/lighttpd.pid": f"{top}/pid",
              "/var/cache/lighttpd/uploads": str(top), "/run/php/php-fpm.sock": "/nowhere",
              "= 80\n": f'= {port}\nserver.bind = "127.0.0.1"\n', "include_shell \"/usr/share/"
              "lighttpd/use-ipv6.pl \" + server.port\n": ""}
    for file in [top / "lighttpd.conf", *enabled.iterdir()]:
        text = file.read_text()
        for old, new in places.items():
            text = text.replace(old, new)
        if file.name == "lighttpd.conf": # the user www-data may not go to the instance's directory
            text = re.sub(r"^server.(user|group)name.*", "", text, flags=re.M)
        file.write_text(text)
    return top / "lighttpd.conf"


def test_the_manual_page_on_debian(second, instance, site, member):
    port = int(free_ports(1)[0])
    board = Path(instance.directory) / "www" / "members" / "board"
    board.mkdir()
    (board / "index.html").write_text(SECRET)
    second(debian(instance, port), port)
    for path in ("/members/file.txt", "/members/board/", "/members/environment.php"):
        assert ask(site, path, port=port)[0] == 401
    assert ask(site, "/members/file.txt", headers=bearer(member), port=port) == (200, SECRET)
    assert ask(site, "/members/board/", headers=bearer(member), port=port)[0] == 403
    site.set_roles(member.user.email, "board")
    assert ask(site, "/members/board/", headers=bearer(member), port=port) == (200, SECRET)
    # PHP is not there: nothing hands out a program's source instead.
    status, text = ask(site, "/members/environment.php", headers=bearer(member), port=port)
    assert status == 503 and "$_SERVER" not in text
    assert ask(site, "/auth/userinfo", headers=bearer(member), port=port)[0] == 200


class Echo(http.server.BaseHTTPRequestHandler):
    """Says what it heard."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.headers).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def application():
    """Its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_application_behind_a_proxy_hears_of_nobody(application, second, site, member):
    port = int(free_ports(1)[0])
    second('server.modules += ( "mod_proxy" )\nproxy.server = ( "/open/" => (( "host" => "127.0.0.1", '
           f'"port" => {application} )) )\n', port)
    forged = [(name, "forged") for name in spellings()]
    for pairs in (forged, [*forged, *bearer(member).items()], *([pair] for pair in forged)):
        status, heard = ask(site, "/open/x", headers=[*pairs, ("X-Other", "kept")], port=port)
        assert status == 200 and "X-Other: kept" in heard and "forged" not in heard, heard


# Outages: last, because they stop what the others need.


def test_stores_that_do_not_answer(site, member):
    pid = int(site.env["REDIS_PID"])
    os.kill(pid, signal.SIGSTOP)
    try:
        for headers in (bearer(member), {**bearer(member), **PAGE}):
            answer = site.raw("GET", "/members/file.txt", headers=headers)
            assert answer.status_code == 503 and answer.headers["Retry-After"]
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: ask(site, "/members/file.txt", headers=bearer(member))[0] == 200, 15)


def test_a_service_that_does_not_run(instance, site, member):
    os.kill(int(site.env["MASTER_PID"]), signal.SIGTERM)
    wait_until(lambda: not Path("/proc", site.env["MASTER_PID"]).exists() or
               ask(site, "/auth/userinfo")[0] == 503, 15)
    wait_until(lambda: ask(site, "/members/file.txt", headers=bearer(member))[0] == 503, 15)
    for headers in (None, PAGE, bearer(member)):
        assert ask(site, "/members/file.txt", headers=headers)[0] == 503
    instance.up()
    wait_until(lambda: ask(site, "/members/file.txt", headers=bearer(member))[0] == 200, 15)
