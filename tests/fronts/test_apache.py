"""What is special to Apache: .htaccess files, sub-requests and internal redirects, which are checked
anew or not, merged demands, variables that change their names, and processes that Apache starts."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import requests

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "flow"))

from gate import Instance, fresh_name, wait_until  # noqa: E402

SECRET = "for those alone who may see it"
SHARED = "shared-with-gatehouse-alone" # what Apache shows when it asks for a check
PAGE = {"Accept": "text/html,application/xhtml+xml"}
IDENTITY = ["REMOTE_USER", "AUTH_USER_ID", "AUTH_EMAIL", "AUTH_NAME", "AUTH_GROUPS",
            "AUTH_SESSION_ID"]
FORGED = {name: "forged" for base in ("User", "User-Id", "Email", "Name", "Groups", "Session")
          for name in (f"Remote-{base}", f"X-Remote-{base}", f"Remote_{base}".replace("-", "_"))}
ENVIRONMENT = """<?php
header('Content-Type: text/plain');
foreach ($_SERVER as $name => $value) if (is_string($value)) echo "$name=$value\\n";
"""
SIGNED_IN = "Require valid-user\n"
EDITORS = """<RequireAll>
    Require valid-user
    Require expr "-z reqenv('AUTH_USER_ID') || reqenv('AUTH_GROUPS') =~ /(^|,)(admin|editor)(,|$)/"
</RequireAll>
"""
# Folders below /ht/ that have a .htaccess file, which is all that protects them.
FOLDERS = {
    "all": SIGNED_IN,
    "all/plain": "",
    "all/editors": EDITORS,
    "all/editors/all": SIGNED_IN,
    "all/editors/both": "AuthMerging And\n" + SIGNED_IN,
    "pretty": SIGNED_IN + "FallbackResource /ht/pretty/index.php\n",
    "rewrite": SIGNED_IN + "RewriteEngine On\nRewriteRule ^p/(.*)$ index.php?p=$1 [L]\n",
    "open": "",
    "open/index": "DirectoryIndex /ht/all/file.txt\n",
    "open/fallback": "FallbackResource /ht/all/file.txt\n",
    "open/rewrite": "RewriteEngine On\nRewriteRule ^leak$ /ht/all/file.txt [L]\n"
                    "RewriteRule ^role$ /ht/all/editors/file.txt [L]\n",
    "open/missing": "ErrorDocument 404 /ht/all/file.txt\n",
    "from": SIGNED_IN + "RewriteEngine On\nRewriteRule ^role$ /ht/all/editors/file.txt [L]\n"
                        "RewriteRule ^page$ /ht/open/index.php [L]\n",
}
# In the middle of the virtual host: what a .htaccess file below a protected location can do.
EXTRA = """
<Directory {www}/ht>
    Include gatehouse/gatehouse-check.conf
    AllowOverride All
    Options +Indexes
</Directory>
<Directory {www}/members>
    Include gatehouse/gatehouse-check.conf
    AllowOverride All
</Directory>
"""


class Apache(Instance):
    front = "apache"

    def _run(self, *words):
        extra = ("--front", self.front, "--php") if words[0] == "up" else ()
        return super()._run(*words, *extra)

    @property
    def conf(self):
        return Path(self.directory) / "conf" / self.front / "httpd.conf"

    def graceful(self):
        done = subprocess.run(["apache2", "-f", str(self.conf), "-k", "graceful"],
                              capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr


class Fcgid(Apache):
    front = "apache-fcgid"


def run_apache(kind, prepare):
    top = Path(tempfile.mkdtemp(prefix="gatehouse-apache."))
    top.chmod(0o755)
    instance = kind(top / "run", {"redis.timeout": "2s"})
    if kind is Apache:
        (top / "secret").write_text(SHARED + "\n")
        (top / "secret").chmod(0o600)
        instance.settings["pool.apache.secret_file"] = str(top / "secret")
    try:
        instance.up()
        prepare(instance)
        yield instance
    finally:
        instance.down()
        shutil.rmtree(top, ignore_errors=True)


def fill(folder, htaccess):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.php").write_text(ENVIRONMENT)
    (folder / "file.txt").write_text(SECRET)
    if htaccess:
        (folder / ".htaccess").write_text(htaccess)


def once_reloaded(question):
    """Whether it is so by now; a server that is just reloaded hangs up on connections that it kept."""
    def asked():
        try:
            return question()
        except (requests.ConnectionError, OSError):
            return False
    wait_until(asked, 20)


def prepare_folders(instance):
    www = Path(instance.directory) / "www"
    for name, htaccess in FOLDERS.items():
        fill(www / "ht" / name, htaccess)
    fill(www / "members/wide", "Require all granted\n")
    fill(www / "members/editors", EDITORS)
    for folder in ("app", "open"):
        (www / folder / "environment.php").write_text(ENVIRONMENT)
    text = instance.conf.read_text()
    routes = "    Include gatehouse/gatehouse-locations.conf\n"
    assert text.count(routes) == 2
    instance.conf.write_text(text.replace(routes, EXTRA.format(www=www) + routes))
    instance.graceful()
    site = instance.site()
    # Without the secret a check is refused, whoever asks.
    once_reloaded(lambda: site.raw("GET", "/ht/all/file.txt").status_code == 403)
    (instance.conf.parent / "gatehouse/gatehouse-secret.conf").write_text(
        f'SetEnvIf Request_URI "^" GATEHOUSE_SECRET={SHARED}\n')
    instance.graceful()
    once_reloaded(lambda: site.raw("GET", "/ht/all/file.txt").status_code == 401)


@pytest.fixture(scope="module")
def instance():
    yield from run_apache(Apache, prepare_folders)


@pytest.fixture(scope="module")
def site(instance):
    return instance.site()


@pytest.fixture(scope="module")
def member(site):
    return site.register(username=fresh_name(), displayName="日本語, ü").login()


@pytest.fixture(scope="module")
def editor(site):
    user = site.register()
    site.set_roles(user.email, "writer", "editor")
    return user.login()


def get(site, path, login=None, cookie=True, method="GET", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if login is not None and cookie:
        headers["Cookie"] = f"{site.cookie_name}={login.session}"
    elif login is not None:
        headers["Authorization"] = "Bearer " + login.access
    return site.raw(method, path, headers=headers)


PROTECTED = ["/ht/all/", "/ht/all/file.txt", "/ht/all/index.php/more", "/ht/all/plain/",
             "/ht/all/plain/file.txt", "/ht/all/editors/", "/ht/all/editors/file.txt",
             "/ht/all/editors/all/file.txt", "/ht/all/editors/both/file.txt", "/ht/pretty/",
             "/ht/pretty/some/page", "/ht/rewrite/p/page", "/ht/open/index/", "/ht/open/fallback/x",
             "/ht/open/rewrite/leak", "/ht/open/rewrite/role", "/ht/from/role", "/ht/from/page",
             "/members/wide/file.txt", "/members/editors/file.txt", "/app/environment.php",
             "/app/pretty/page", "//ht//all//file.txt", "/ht/open/../all/file.txt",
             "/ht/all/%66ile.txt", "/members/wide/../wide/file.txt"]
FOR_ROLE = [path for path in PROTECTED if "editors" in path or "role" in path]
# Those where a folder for everybody leads on to a protected file: Apache has no second error page then.
CROSSED = ["/ht/open/fallback/x", "/ht/open/rewrite/leak", "/ht/open/rewrite/role"]
# A .htaccess file further down replaces what one above demands, unless it says And.
REPLACED = ["/ht/all/editors/all/file.txt"]


@pytest.mark.parametrize("path", PROTECTED)
def test_nobody_comes_in_without_a_credential(site, path):
    for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT"):
        answer = get(site, path, method=method)
        assert answer.status_code in (401, 405), (method, answer.status_code)
        assert SECRET not in answer.text and "AUTH_USER_ID" not in answer.text
    ranged = get(site, path, Range="bytes=0-10")
    assert ranged.status_code == 401
    bad = get(site, path, Authorization="Bearer garbage")
    assert bad.status_code == 401 and SECRET not in bad.text
    if path in CROSSED:
        return
    assert bad.headers["WWW-Authenticate"] == 'Bearer realm="gatehouse", error="invalid_token"'
    assert bad.headers["Content-Type"] == "application/json"
    assert bad.json()["code"] == "token_invalid" and ranged.json()["code"] == "token_missing"
    assert re.match("^[0-9a-f]{32}$", bad.headers["X-Request-Id"])


@pytest.mark.parametrize("path", [path for path in PROTECTED
                                  if "//" not in path and path not in CROSSED])
def test_a_person_is_led_to_the_login_page(site, path):
    link = socket.create_connection(("127.0.0.1", int(site.url.rsplit(":", 1)[1])), 15)
    with link:
        link.sendall(f"GET {path}?a=1&b=2 HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n"
                     "Connection: close\r\n\r\n".encode())
        head = link.makefile("rb").read().decode().split("\r\n\r\n")[0]
    assert head.startswith("HTTP/1.1 302 "), head
    assert f"\r\nLocation: /login.html?next={path}?a=1&b=2\r\n" in head


@pytest.mark.parametrize("target", ["//evil.example/ht/all/", "/\\evil.example/../ht/all/",
                                    "http://evil.example/ht/all/file.txt"])
def test_the_way_back_is_never_another_site(site, target):
    link = socket.create_connection(("127.0.0.1", int(site.url.rsplit(":", 1)[1])), 15)
    with link:
        link.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n"
                     "Connection: close\r\n\r\n".encode())
        head = link.makefile("rb").read().decode().split("\r\n\r\n")[0]
    location = re.search("\r\nLocation: (.*)\r\n", head)
    assert location is None or location[1] == "/login.html?next=", head


@pytest.mark.parametrize("cookie", [True, False], ids=["cookie", "bearer"])
@pytest.mark.parametrize("path", PROTECTED)
def test_who_is_signed_in_comes_in_where_no_role_is_wanted(site, member, editor, path, cookie):
    refused = path in FOR_ROLE and path not in REPLACED
    answer = get(site, path, member, cookie)
    assert answer.status_code == (403 if refused else 200), answer.text
    assert (SECRET in answer.text) <= (not refused)
    if path not in CROSSED: # Apache's own error page has none
        assert bool(re.match("^[0-9a-f]{32}$", answer.headers.get("X-Request-Id", ""))) == refused
    assert "WWW-Authenticate" not in answer.headers
    assert get(site, path, editor, cookie).status_code == 200


def test_an_error_page_is_no_way_in(site, member):
    answer = get(site, "/ht/open/missing/nothing")
    assert answer.status_code == 404 and SECRET not in answer.text
    assert SECRET in get(site, "/ht/open/missing/nothing", member).text


def identity(text):
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name: lines.get(name) for name in IDENTITY}, lines


@pytest.mark.parametrize("path", ["/ht/all/", "/ht/all/index.php", "/ht/all/index.php/more",
                                  "/ht/pretty/", "/ht/pretty/some/page", "/ht/rewrite/p/page",
                                  "/ht/from/page", "/app/environment.php"])
def test_php_is_told_who_it_is(site, member, path):
    user = member.user.shown
    expected = {"REMOTE_USER": user["username"], "AUTH_USER_ID": user["id"],
                "AUTH_EMAIL": user["email"], "AUTH_NAME": "日本語, ü", "AUTH_GROUPS": "",
                "AUTH_SESSION_ID": member.sid}
    for cookie in (True, False):
        headers = {**FORGED, **({"Cookie": f"{site.cookie_name}={member.session}"} if cookie else
                                {"Authorization": "Bearer " + member.access})}
        answer = site.raw("GET", path, headers=headers)
        answer.encoding = "utf-8"
        assert answer.status_code == 200
        told, lines = identity(answer.text)
        assert told == expected
        assert "GATEHOUSE_SECRET" not in answer.text and SHARED not in answer.text
        assert "forged" not in answer.text and lines.get("HTTP_REMOTE_USER") == user["username"]


@pytest.mark.parametrize("path", ["/ht/open/", "/ht/open/index.php", "/ht/open/index.php/more",
                                  "/open/environment.php"])
def test_php_is_told_nobody_outside(site, member, path):
    for login in (None, member):
        headers = dict(FORGED)
        if login:
            headers["Cookie"] = f"{site.cookie_name}={login.session}"
        answer = site.raw("GET", path, headers=headers)
        told, _ = identity(answer.text)
        assert told == dict.fromkeys(IDENTITY, ""), told
        assert "forged" not in answer.text


def test_headers_that_were_sent_twice(site, member):
    def status(*lines):
        with socket.create_connection(("127.0.0.1", int(site.url.rsplit(":", 1)[1])), 15) as link:
            link.sendall("\r\n".join(["GET /ht/all/file.txt HTTP/1.1", "Host: x",
                                      "Connection: close", *lines, "", ""]).encode())
            return int(link.makefile("rb").readline().split()[1])

    bearer, pair = "Authorization: Bearer " + member.access, f"{site.cookie_name}={member.session}"
    assert status(bearer) == 200 and status("Cookie: " + pair) == 200
    assert status(bearer, bearer) == 401
    assert status("Authorization: Basic YTpi", bearer) == 401
    assert status("Authorization: Basic YTpi", "Authorization: Basic YTpi", "Cookie: " + pair) == 401
    assert status("Cookie: a=1", "Cookie: " + pair) == 401
    assert status("Cookie: " + pair, "Cookie: a=1") == 401
    assert status("Authorization: Basic YTpi", "Cookie: " + pair) == 200


def test_pages_of_the_front_itself_cannot_be_fetched(site, member):
    for page in ("sign-in", "unauthorized", "invalid", "unauthorized:error=", "sign-in:x", "forbidden", "unavailable", "too-large", "sign-in1"):
        assert get(site, f"/.gatehouse/{page}.asis").status_code == 403
        assert get(site, f"/.gatehouse/{page}.asis", member).status_code == 403


def test_bodies(site):
    answer = site.post("/login", b"x" * 100000)
    assert answer.status_code == 413 and answer.json()["code"] == "body_too_large"
    assert set(answer.json()) == {"error", "code", "requestId"}
    answer = site.post("/login", b"x" * 1100000)
    assert answer.status_code == 413 and answer.json()["code"] == "body_too_large"


def ask_on(site, login, stop, statuses):
    # Apache closes kept connections at a graceful restart; a request under way on one of them meets the
    # end of it, whoever is behind.
    close = {"Connection": "close"}
    while not stop.is_set():
        statuses.append(get(site, "/members/wide/file.txt", login, **close).status_code)
        statuses.append(site.get("/profile", token=login.access, headers=close).status_code)


def test_a_graceful_restart_loses_nothing(instance, site, member):
    stop, statuses = threading.Event(), []
    asker = threading.Thread(target=ask_on, args=(site, member, stop, statuses))
    asker.start()
    try:
        for _ in range(3):
            before = len(statuses)
            instance.graceful()
            wait_until(lambda: len(statuses) > before + 20, 30)
    finally:
        stop.set()
        asker.join()
    assert set(statuses) == {200}


def test_killed_workers_are_replaced_and_nobody_slips_in(site, member):
    old = site.workers()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    answers = [get(site, "/ht/all/file.txt") for _ in range(20)]
    assert {answer.status_code for answer in answers} <= {401, 503}
    assert not any(SECRET in answer.text for answer in answers)
    wait_until(lambda: get(site, "/ht/all/file.txt", member).status_code == 200, 20)
    assert not set(old) & set(site.workers())


def outage(site, login, path="/members/"):
    """What is answered while it cannot be told who anybody is."""
    for who in (None, login):
        for headers in ({}, PAGE):
            answer = get(site, path, who, **headers)
            yield who, answer


def test_a_store_that_is_away_is_503(site, member):
    os.kill(int(site.env["REDIS_PID"]), signal.SIGSTOP)
    try:
        for who, answer in outage(site, member, "/ht/all/file.txt"):
            if who is not None:
                assert answer.status_code == 503, answer.text
                assert answer.json()["code"] == "unavailable" and answer.headers["Retry-After"]
            assert SECRET not in answer.text
        answer = site.get("/profile", token=member.access)
        assert answer.status_code == 503 and answer.json()["requestId"]
    finally:
        os.kill(int(site.env["REDIS_PID"]), signal.SIGCONT)
    wait_until(lambda: get(site, "/ht/all/file.txt", member).status_code == 200, 20)


def test_gatehouse_away_is_503(instance, site, member):
    """The last test of this instance: what brings gatehouse back brings the front's own files back."""
    os.kill(int(site.env["MASTER_PID"]), signal.SIGTERM)
    wait_until(lambda: not os.path.exists(f"/proc/{site.env['MASTER_PID']}/fd/0"), 20)
    for path in ("/ht/all/file.txt", "/members/wide/file.txt", "/ht/all/editors/file.txt"):
        for _, answer in outage(site, member, path):
            assert answer.status_code == 503
            assert answer.json()["code"] == "unavailable" and SECRET not in answer.text
    for answer in (site.get("/profile", token=member.access), site.post("/login", {}),
                   site.get("/health")):
        assert answer.status_code == 503 and answer.json()["code"] == "unavailable"
    assert get(site, "/ht/open/").status_code == 200
    instance.up()
    assert instance.site().get("/profile", token=member.access).status_code == 200


# mod_fcgid, which starts gatehouse itself ----------------------------------------------------------


@pytest.fixture(scope="module")
def fcgid_instance():
    yield from run_apache(Fcgid, lambda instance: None)


@pytest.fixture(scope="module")
def fcgid(fcgid_instance):
    return fcgid_instance.site()


def processes(instance):
    """{pid: (parent, nice)} of the gatehouses that this Apache has started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            fields = (folder / "stat").read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        conf = b"/fcgid/gatehouse.conf"
        mine = [word for word in words if word.endswith(conf)]
        if mine and words[0].endswith(b"/gatehouse") and mine[0].startswith(run_folder(instance)):
            found[int(folder.name)] = int(fields[1]), int(fields[16])
    return found


def run_folder(instance):
    text = instance.conf.read_text()
    return re.search(r'^FcgidIPCDir "(.*)/fcgid/ipc"$', text, re.M)[1].encode()


def test_fcgid_decides_alike(fcgid):
    login = fcgid.register().login()
    for path in ("/members/", "/admin/", "/app/pretty"):
        assert get(fcgid, path).status_code == 401 and get(fcgid, path).json()["code"] == "token_missing"
        bad = get(fcgid, path, Authorization="Bearer garbage")
        assert bad.status_code == 401 and bad.json()["code"] == "token_invalid"
        assert bad.headers["WWW-Authenticate"] == 'Bearer realm="gatehouse", error="invalid_token"'
        assert get(fcgid, path, **PAGE).headers["Location"] == "/login.html?next=" + path
        for cookie in (True, False):
            answer = get(fcgid, path, login, cookie)
            assert answer.status_code == (403 if path == "/admin/" else 200)
            if path == "/admin/":
                assert answer.json()["code"] == "forbidden"
                assert re.match("^[0-9a-f]{32}$", answer.headers["X-Request-Id"])
            else:
                assert "X-Request-Id" not in answer.headers
            assert not [name for name in answer.headers if name.lower().startswith("variable-")]
    assert get(fcgid, "/app/", login).json()["AUTH_USER_ID"] == login.user.id
    fcgid.set_roles(login.user.email, "admin")
    assert get(fcgid, "/admin/", login).status_code == 200


def test_fcgid_says_503_when_redis_is_away(fcgid):
    login = fcgid.register().login()
    assert get(fcgid, "/members/", login).status_code == 200
    os.kill(int(fcgid.env["REDIS_PID"]), signal.SIGSTOP)
    try:
        for headers in ({}, PAGE):
            answer = get(fcgid, "/members/", login, **headers)
            assert answer.status_code == 503 and answer.json()["code"] == "unavailable"
    finally:
        os.kill(int(fcgid.env["REDIS_PID"]), signal.SIGCONT)
    once_reloaded(lambda: get(fcgid, "/members/", login).status_code == 200)


def test_fcgid_hashes_in_processes_of_their_own(fcgid_instance, fcgid):
    login = fcgid.register().login()
    assert get(fcgid, "/members/", login).status_code == 200
    masters = {parent for parent, _ in processes(fcgid_instance).values()}
    workers = [nice for pid, (_, nice) in processes(fcgid_instance).items() if pid not in masters]
    # The class for hashing steps back; the other does not.
    assert {0, 10} <= set(workers), workers


def test_fcgid_idle_processes_end_and_come_back(fcgid_instance, fcgid):
    login = fcgid.register().login()
    old = processes(fcgid_instance)
    masters = {parent for parent, _ in old.values()} & set(old)
    assert masters
    for pid in masters:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not set(old) & set(processes(fcgid_instance)), 20)
    once_reloaded(lambda: get(fcgid, "/members/", login).status_code == 200)


def test_fcgid_leaves_no_orphan(fcgid_instance, fcgid):
    login = fcgid.register().login()
    assert get(fcgid, "/members/", login).status_code == 200
    old = processes(fcgid_instance)
    fcgid_instance.graceful()
    wait_until(lambda: not set(old) & set(processes(fcgid_instance)), 40)
    once_reloaded(lambda: get(fcgid, "/members/", login).status_code == 200)
    assert processes(fcgid_instance)
    pid_file = re.search(r'^PidFile "(.*)"$', fcgid_instance.conf.read_text(), re.M)[1]
    os.kill(int(Path(pid_file).read_text()), signal.SIGTERM)
    wait_until(lambda: not processes(fcgid_instance), 40)
