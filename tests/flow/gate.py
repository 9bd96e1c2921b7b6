"""What the flow tests share: a site under test, its users, and the shapes of its answers.

Nothing here knows the program's inside: it speaks HTTP through the web server, runs the command
line tool, and looks at Redis by the documented key layout.
"""
import base64
import configparser
import copy
import hashlib
import hmac
import json
import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import pymysql
import redis
import requests

PASSWORD = "correct horse 7 battery"

# Pages for whoever is signed in, and pages that demand the role admin.
PRIVATE = "/members/"
ADMIN = "/admin/"

USER_KEYS = {"id", "email", "username", "displayName", "roles", "emailVerified", "createdAt",
             "lastLoginAt"}
TOKEN_KEYS = {"message", "tokenType", "accessToken", "expiresIn", "refreshToken",
              "refreshExpiresIn"}
LOGIN_KEYS = TOKEN_KEYS | {"sessionId", "user"}
SESSION_KEYS = {"id", "current", "createdAt", "lastActivity", "expiresAt", "ip", "userAgent",
                "deviceInfo"}
CLAIMS = {"iss", "sub", "aud", "iat", "exp", "jti", "sid", "roles", "email"}

# The sentences that the contract fixes.
SENTENCES = {
    "token_missing": "Access token required",
    "token_revoked": "Token has been revoked",
    "session_expired": "Session expired",
    "token_expired": "Token expired",
    "token_invalid": "Invalid token",
    "invalid_credentials": "Invalid credentials",
    "invalid_client": "Client authentication failed",
}
STATUS = {
    "invalid_json": 400, "invalid_request": 400,
    "token_missing": 401, "token_revoked": 401, "session_expired": 401, "token_expired": 401,
    "token_invalid": 401, "invalid_credentials": 401, "refresh_invalid": 401,
    "refresh_reused": 401, "invalid_client": 401,
    "forbidden": 403, "csrf_rejected": 403, "registration_closed": 403,
    "not_found": 404, "method_not_allowed": 405, "email_taken": 409, "username_taken": 409,
    "body_too_large": 413, "unsupported_media_type": 415, "rate_limited": 429,
    "unavailable": 503,
}
RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
HEX64 = re.compile(r"^[0-9a-f]{64}$")

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


class FromAddress(requests.adapters.HTTPAdapter):
    """Connects with this address as its own."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, source_address=(self.address, 0), **options)


class Site:
    """One running instance, as ./dev env describes it."""

    def __init__(self, env, base="/auth", prefix="gh:"):
        self.env = env
        self.base = base
        self.prefix = prefix
        self.url = env["GATEHOUSE_URL"].rstrip("/")
        self.redis = redis.Redis(unix_socket_path=env["REDIS_SOCKET"], decode_responses=True)
        self.local = threading.local()
        self.source = None

    def seen_from(self, address):
        """The same site for a client with another address of the loopback."""
        other = copy.copy(self)
        other.source, other.local = address, threading.local()
        return other

    def _session(self):
        """One kept-alive connection for each thread, and no cookie jar: tests send cookies."""
        if not hasattr(self.local, "session"):
            session = requests.Session()
            session.trust_env = False
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            if self.source is not None:
                session.mount("http://", FromAddress(self.source))
            self.local.session = session
        return self.local.session

    def raw(self, method, path, **options):
        """A request for a path of the whole site."""
        options.setdefault("timeout", 15)
        options.setdefault("allow_redirects", False)
        return self._session().request(method, self.url + path, **options)

    def call(self, method, path, body=None, token=None, cookie=None, headers=None, **options):
        """A request for a route.  cookie: the value of the session cookie, or a Cookie header."""
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        if cookie is not None:
            headers["Cookie"] = cookie if "=" in cookie else self.cookie_name + "=" + cookie
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        return self.raw(method, self.base + path, headers=headers, **options)

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.call("POST", path, body, **options)

    def patch(self, path, body=None, **options):
        return self.call("PATCH", path, body, **options)

    def delete(self, path, body=None, **options):
        return self.call("DELETE", path, body, **options)

    cookie_name = "__Host-session"
    refresh_cookie_name = "__Secure-refresh"

    def key(self, *parts):
        return self.prefix + ":".join(parts)

    def conf(self, section, name, default=None):
        parser = configparser.RawConfigParser(strict=False)
        parser.read(self.env["CONF"])
        return parser.get(section, name, fallback=default)

    def ctl(self, *args, stdin="", conf=None):
        """Runs gatehousectl; the CompletedProcess."""
        tool = os.path.join(self.env["BIN_DIR"], "gatehousectl")
        return subprocess.run([tool, "-c", conf or self.env["CONF"], *args], input=stdin,
                              capture_output=True, text=True, timeout=30, check=False,
                              env=plain_environment())

    def ctl_ok(self, *args, stdin=""):
        done = self.ctl(*args, stdin=stdin)
        assert done.returncode == 0, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def set_roles(self, email, *roles):
        self.ctl_ok("user", "role", email, *roles)

    def disable(self, email):
        self.ctl_ok("user", "disable", email)

    def enable(self, email):
        self.ctl_ok("user", "enable", email)

    def sql(self, statement, *values):
        """Rows of one statement, as the database's own root."""
        link = pymysql.connect(unix_socket=self.env["MARIADB_SOCKET"], user="root",
                               database=self.env["MARIADB_DATABASE"], charset="utf8mb4",
                               autocommit=True)
        try:
            with link.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall()
        finally:
            link.close()

    def workers(self):
        """The process ids of the master's children."""
        master = self.env["MASTER_PID"]
        with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as children:
            return sorted(int(pid) for pid in children.read().split())

    # What most tests begin with.

    def register(self, email=None, **fields):
        """A new user, by way of the route; a User."""
        email = email or fresh_email()
        body = {"email": email, "password": PASSWORD, **fields}
        answer = self.post("/register", body)
        assert answer.status_code == 201, answer.text
        return User(self, email, body["password"], answer.json()["user"])

    def add_user(self, email=None, password=PASSWORD):
        """A new user, by way of the command line."""
        email = email or fresh_email()
        self.ctl_ok("user", "add", email, stdin=password + "\n")
        return User(self, email, password, None)


class User:
    def __init__(self, site, email, password, shown):
        self.site = site
        self.email = email
        self.password = password
        self.shown = shown
        self.id = shown["id"] if shown else None

    def try_login(self, password=None, **fields):
        body = {"email": self.email, "password": password or self.password, **fields}
        return self.site.post("/login", body)

    def login(self, user_agent=None, **fields):
        body = {"email": self.email, "password": self.password, **fields}
        headers = {"User-Agent": user_agent} if user_agent else None
        answer = self.site.post("/login", body, headers=headers)
        assert answer.status_code == 200, answer.text
        return Login(self, answer)


class Login:
    """What a client keeps from a login or a refresh."""

    def __init__(self, user, answer):
        self.user = user
        self.site = user.site
        self.answer = answer
        self.body = answer.json()
        self.access = self.body.get("accessToken")
        self.refresh_token = self.body.get("refreshToken")
        self.session = self.body.get("sessionId")
        self.cookies = set_cookies(answer)
        if self.session is None and self.site.cookie_name in self.cookies:
            self.session = self.cookies[self.site.cookie_name].value

    @property
    def sid(self):
        return sid_of(self.session)

    def refresh(self, token=None):
        return self.site.post("/refresh", {"refreshToken": token or self.refresh_token})


class Cookie:
    """One Set-Cookie header: name, value and attributes, the attributes' names in lower case."""

    def __init__(self, header):
        pair, *attributes = [part.strip() for part in header.split(";")]
        self.name, _, self.value = pair.partition("=")
        self.attributes = {}
        for attribute in attributes:
            name, _, value = attribute.partition("=")
            assert name.lower() not in self.attributes, header
            self.attributes[name.lower()] = value

    @property
    def cleared(self):
        return self.value == "" and self.attributes.get("max-age") == "0"


def set_cookies(answer):
    """The cookies an answer sets, by name; no name twice."""
    cookies = [Cookie(header) for header in answer.raw.headers.getlist("Set-Cookie")]
    by_name = {cookie.name: cookie for cookie in cookies}
    assert len(by_name) == len(cookies), "a cookie is set twice"
    return by_name


def fresh_name():
    return "u" + secrets.token_hex(6)


def fresh_email():
    return fresh_name() + "@example.org"


def basic(user, password):
    """An Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def sid_of(session_token):
    """The public id of a session: the hash of its token."""
    return hashlib.sha256(session_token.encode()).hexdigest()


def moment(text):
    """A time of the API, as seconds since the epoch."""
    assert RFC3339.match(text), text
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if "." in text else "%Y-%m-%dT%H:%M:%SZ"
    return datetime.strptime(text, form).replace(tzinfo=timezone.utc).timestamp()


# Checks of answers.


def plain_headers(answer):
    """What every answer of the service carries."""
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert re.match(r"^[0-9a-f]{32}$", answer.headers["X-Request-Id"])


def granted(answer, status=200, keys=None):
    """The body of a good answer, after a look at its status, headers and exact keys."""
    assert answer.status_code == status, answer.text
    plain_headers(answer)
    if status == 204:
        assert answer.content == b""
        return None
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    body = answer.json()
    if keys is not None:
        assert set(body) == set(keys), body
    return body


def refused(answer, code, fields=None):
    """The body of an error, after a look at its status, headers, code, sentence and exact keys.

    fields: the names that a validation error must speak of; None: any, at least one."""
    assert answer.status_code == STATUS[code], (answer.status_code, answer.text)
    plain_headers(answer)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    body = answer.json()
    assert body.get("code") == code, body
    keys = {"error", "code", "requestId"}
    if code == "invalid_request":
        keys.add("fields")
        assert body["fields"] and all(body["fields"].values()), body
        if fields is not None:
            assert set(body["fields"]) == set(fields), body
    assert set(body) == keys, body
    assert isinstance(body["error"], str) and body["error"]
    assert body["error"] == SENTENCES.get(code, body["error"])
    assert body["requestId"] == answer.headers["X-Request-Id"]
    return body


def shows_user(user):
    """A user object of the API, complete and well formed."""
    assert set(user) == USER_KEYS, user
    assert isinstance(user["id"], str) and user["id"]
    assert isinstance(user["roles"], list)
    assert isinstance(user["emailVerified"], bool)
    moment(user["createdAt"])
    if user["lastLoginAt"] is not None:
        moment(user["lastLoginAt"])
    return user


def alive(site, token):
    """The credential still opens a protected route."""
    shows_user(granted(site.get("/userinfo", token=token)))


def dead(site, token, code="session_expired"):
    refused(site.get("/userinfo", token=token), code)


def at_once(count, work):
    """Runs work(i) in count threads that start together; the results in order."""
    gate = threading.Barrier(count)

    def run(number):
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def wait_until(question, seconds):
    """How long it took until question() was true; fails after that many seconds."""
    begun = time.monotonic()
    while True:
        if question():
            return time.monotonic() - begun
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        time.sleep(0.05)


# Tokens made by hand.


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(token):
    return json.loads(unb64(token.split(".")[0]))


def claims_of(token):
    return json.loads(unb64(token.split(".")[1]))


class SigningKey:
    """The key that the instance signs with, read from its key directory."""

    def __init__(self, site):
        directory = site.conf("token", "keys")
        with open(os.path.join(directory, "signing"), encoding="ascii") as file:
            self.kid = file.read().strip()
        with open(os.path.join(directory, self.kid + ".hs256.key"), encoding="ascii") as file:
            self.secret = unb64(file.read().strip())

    def sign(self, header, payload, digest="sha256", secret=None):
        """A compact JWS; header and payload are objects, or text that is taken as it is."""
        first, second = (part if isinstance(part, str) else json.dumps(part)
                         for part in (header, payload))
        signed = b64(first.encode()) + "." + b64(second.encode())
        return signed + "." + self.signature(signed, digest, secret)

    def signature(self, signed, digest="sha256", secret=None):
        return b64(hmac.new(secret or self.secret, signed.encode(), digest).digest())


# Further instances.


def free_ports(count):
    """Ports of the loopback that nobody listens on, each with the next one free as well (an instance
    behind Apache takes both). They lie below those that the kernel gives to clients, which would
    come and go between this answer and the server's start."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = random.sample(range(10000, min(low, 20000) - 1, 2), 500)
    ports = []
    for port in candidates:
        try:
            for number in (port, port + 1):
                socket.create_server(("127.0.0.1", number)).close()
        except OSError:
            continue
        ports.append(str(port))
        if len(ports) == count:
            return ports
    raise AssertionError(f"no {count} free ports between {candidates[0]} and {candidates[-1]}")


class Instance:
    """A second instance in a directory of its own, with settings of its own."""

    def __init__(self, directory, settings):
        self.dev = os.environ["GATEHOUSE_DEV"]
        self.directory = str(directory)
        self.port, self.tls_port = free_ports(2)
        self.settings = {"limit.enabled": "no", "password.cost": "4", "redis.timeout": "5s",
                         "mariadb.timeout": "5s", **settings}

    def _run(self, *words):
        done = subprocess.run([self.dev, *words], capture_output=True, text=True, timeout=180,
                              check=False, env=plain_environment())
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def up(self):
        """Starts what is not running."""
        pairs = [f"{name}={value}" for name, value in self.settings.items()]
        words = [word for pair in pairs for word in ("--set", pair)]
        self._run("up", "--dir", self.directory, "--port", self.port, "--tls-port", self.tls_port,
                  *words)

    def down(self):
        self._run("down", "--dir", self.directory, "--wipe")

    def site(self):
        lines = self._run("env", "--dir", self.directory).splitlines()
        env = dict(line.split("=", 1) for line in lines if "=" in line)
        return Site({**os.environ, **env}, base=self.settings.get("server.base_path", "/auth"))


def run_instance(**settings):
    """For fixtures: an instance of its own, settings written section__key="value"."""
    directory = Path(tempfile.mkdtemp(prefix="gatehouse-flow."))
    directory.chmod(0o755)
    instance = Instance(directory, {name.replace("__", "."): value
                                    for name, value in settings.items()})
    try:
        instance.up()
        yield instance
    finally:
        instance.down()
        shutil.rmtree(directory, ignore_errors=True)


def plain_environment():
    """Without GATEHOUSE_*: the program would take those of the tests for settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
