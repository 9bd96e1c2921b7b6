"""docs/openapi.yaml: it knows the routes and the errors of the source, its requests are accepted as
they stand there, and every answer of the service is one that it describes, header by header.
"""
import copy
import json
import re
import shutil
import socket
import struct
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import jsonschema
import pytest
import yaml
from urllib3.util import SKIP_HEADER

from gate import (SAME_SITE, Instance, basic, claims_of, fresh_email, fresh_name, header_of, set_cookies,
                  wait_until)
from test_outage import stopped

TOP = Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((TOP / "docs/openapi.yaml").read_text(encoding="utf-8"))
RESOLVER = jsonschema.RefResolver.from_schema(DOCUMENT)
METHODS = ("get", "post", "patch", "delete")

# What the web server adds to every answer.
OF_THE_WEB_SERVER = {"server", "date", "connection", "keep-alive", "transfer-encoding",
                     "content-type", "content-length"}
# Sent with 401 where a token might help (RFC 6750).
# A fault of the service: nothing that a request can bring about.
NEVER = {"internal"}


def deref(node):
    while "$ref" in node:
        node = RESOLVER.resolve(node["$ref"])[1]
    return node


def examples_of(media):
    return {name: deref(example)["value"] for name, example in media.get("examples", {}).items()}


class Operation:
    def __init__(self, path, method, node):
        self.path, self.method, self.node = path, method.upper(), node
        self.id = node["operationId"]
        self.responses = {int(status): deref(answer)
                          for status, answer in node["responses"].items()}
        content = node["requestBody"]["content"] if "requestBody" in node else {}
        self.body_schema, self.examples, self.form = None, {}, False
        for media_type, media in content.items():
            self.body_schema, self.examples = media["schema"], examples_of(media)
            self.form = media_type != "application/json"
        self.for_clients = {"clientBasic": []} in node["security"]
        self.protected = {"bearer": []} in node["security"]

    @property
    def write(self):
        return self.method != "GET"

    def codes(self):
        """(status, code) of every error that may come."""
        return [(status, code) for status, answer in self.responses.items() if status >= 400
                for code in codes_of(answer)]


def codes_of(answer):
    schema = answer["content"]["application/json"]["schema"]
    code = schema.get("properties", {}).get("code", {})
    return code.get("enum", [code["const"]] if "const" in code else [])


OPERATIONS = {node["operationId"]: Operation(path, method, node)
              for path, item in DOCUMENT["paths"].items()
              for method, node in item.items() if method in METHODS}


def check_schema(schema, value):
    validator = jsonschema.Draft202012Validator(
        schema, resolver=RESOLVER, format_checker=jsonschema.draft202012_format_checker)
    validator.validate(value)


def check_headers(documented, answer):
    for name, header in documented.items():
        header = deref(header)
        lines = answer.raw.headers.getlist(name)
        assert lines or not header.get("required"), f"{name} is missing"
        assert len(lines) <= 1 or name == "Set-Cookie", f"{name} is sent twice"
        for line in lines:
            check_schema(header["schema"], line)
    known = {name.lower() for name in documented} | OF_THE_WEB_SERVER
    assert {name.lower() for name in answer.headers} <= known


def check_answer(documented, answer):
    """The answer is the one that is documented, and nothing more."""
    documented = deref(documented)
    check_headers(documented["headers"], answer)
    if "content" not in documented:
        assert answer.content == b""
        assert "Content-Type" not in answer.headers
        return
    (media_type, media), = documented["content"].items()
    assert answer.headers["Content-Type"] == media_type
    if not media_type.startswith("application/json"):
        check_schema(media["schema"], answer.text)
        return
    body = answer.json()
    check_schema(media["schema"], body)
    if "requestId" in body:
        assert body["requestId"] == answer.headers["X-Request-Id"]
        assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)


def check(operation, answer, status, code=None):
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert status in operation.responses, "this status is not documented"
    check_answer(operation.responses[status], answer)
    if code is not None:
        assert answer.json()["code"] == code


# The document itself.


def everything(node, path=()):
    """Every object of the document, with where it stands."""
    if isinstance(node, dict):
        yield path, node
    if isinstance(node, (dict, list)):
        for name, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from everything(child, path + (name,))


def source(path):
    return (TOP / path).read_text(encoding="utf-8")


def rows_of_routes():
    """{(method, path): (access, body)} of the table in routes.c."""
    row = re.compile(r'^    \{([A-Z]+), +"([^"]+)", +\w+, +ROUTE_FOR_(\w+), +BODY_(\w+), ', re.M)
    return {(method, path): (access, body)
            for method, path, access, body in row.findall(source("src/api/routes.c"))}


def rows_of_errors():
    """{code: status} of the table in reply.c."""
    row = re.compile(r'\[ERROR_\w+\] = \{(\d+), "(\w+)",')
    return {code: int(status) for status, code in row.findall(source("src/api/reply.c"))}


def test_routes_are_those_of_the_source():
    rows = rows_of_routes()
    assert len(rows) == len(re.findall(r"ROUTE_[A-Z]+\}", source("src/api/routes.c")))
    assert {(op.method, op.path) for op in OPERATIONS.values()} == set(rows)
    for op in OPERATIONS.values():
        access, body = rows[op.method, op.path]
        assert op.protected == (access in ("CREDENTIAL", "LEAVING")), op.id
        assert access == "CREDENTIAL" or op.for_clients or {} in op.node["security"] or \
            not op.node["security"], op.id
        given = op.node.get("requestBody")
        assert body == ("NONE" if given is None else
                        "FORM" if op.form else
                        "REQUIRED" if given["required"] else "OPTIONAL"), op.id


def test_error_codes_are_those_of_the_source():
    rows = rows_of_errors()
    assert set(DOCUMENT["components"]["schemas"]["ErrorCode"]["enum"]) == set(rows)
    given = {pair for op in OPERATIONS.values() for pair in op.codes()}
    beside = DOCUMENT["x-beside-operations"]
    given |= {(404, code) for code in codes_of(deref(beside["unknownPath"]))}
    given |= {(405, code) for code in codes_of(deref(beside["otherMethod"]))}
    assert given == {(status, code) for code, status in rows.items()}


def test_every_reference_leads_somewhere_and_every_component_is_used():
    references = {node["$ref"] for _, node in everything(DOCUMENT)
                  if isinstance(node.get("$ref"), str)}
    for reference in references:
        RESOLVER.resolve(reference)
    components = {f"#/components/{kind}/{name}" for kind, them in DOCUMENT["components"].items()
                  if kind != "securitySchemes" for name in them}
    assert components == references
    used = {name for op in OPERATIONS.values() for way in op.node["security"] for name in way}
    assert used == set(DOCUMENT["components"]["securitySchemes"])


def test_every_operation_is_complete():
    assert len(OPERATIONS) == sum(method in METHODS for item in DOCUMENT["paths"].values()
                                  for method in item)
    for op in OPERATIONS.values():
        assert op.node["summary"] and op.node["tags"]
        assert op.body_schema is None or op.examples, op.id
        for status, answer in op.responses.items():
            assert {"Cache-Control", "X-Content-Type-Options", "X-Request-Id"} <= \
                set(answer["headers"]), (op.id, status)
            for media in answer.get("content", {}).values():
                assert examples_of(media), (op.id, status)


def test_examples_are_what_their_schemas_describe():
    seen = 0
    for path, node in everything(DOCUMENT):
        if "examples" in node and "schema" in node:
            for name, value in examples_of(node).items():
                try:
                    check_schema(node["schema"], value)
                except jsonschema.ValidationError as error:
                    raise AssertionError(f"{path} {name}: {error.message}") from error
                seen += 1
    assert seen > 40


def test_schemas_are_schemas():
    for _, node in everything(DOCUMENT):
        if "schema" in node:
            jsonschema.Draft202012Validator.check_schema(node["schema"])
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("change", [
    lambda body: body.update(extra=1), lambda body: body["user"].update(passwordHash="x"),
    lambda body: body.pop("sessionId"), lambda body: body.update(expiresIn="900"),
    lambda body: body.update(message="Hello"),
])
def test_the_schemas_are_strict(change):
    """A validator that let everything pass would make the rest of this file worthless."""
    media = OPERATIONS["login"].responses[200]["content"]["application/json"]
    body = copy.deepcopy(media["examples"]["both"]["value"])
    check_schema(media["schema"], body)
    change(body)
    with pytest.raises(jsonschema.ValidationError):
        check_schema(media["schema"], body)


# Real requests.


def client_of(site):
    """The Basic header of a client; one is made for each site."""
    if not hasattr(site, "openapi_client"):
        site.ctl("client", "delete", "--yes", "openapi")  # of a run before on the same instance
        secret = site.ctl_ok("--json", "client", "add", "openapi")
        site.openapi_client = basic("openapi", json.loads(secret)["secret"])
    return site.openapi_client


class Person:
    """Somebody who registered and signed in with the document's own examples."""

    def __init__(self, site, **login):
        self.site = site
        example = OPERATIONS["register"].examples["full"]
        self.user = site.register(**{**example, "email": fresh_email(), "username": fresh_name()})
        self.login = self.user.login(**login)

    def fill(self, operation, body):
        """A request example, with what must be this user's own."""
        new = operation.id in ("register", "changeProfile")
        own = {"email": fresh_email() if new else self.user.email,
               "username": fresh_name() if new else self.user.shown["username"],
               "refreshToken": self.login.refresh_token, "token": self.login.access}
        return {name: own.get(name, value) for name, value in body.items()}

    def body(self, operation):
        if not operation.examples:
            return None
        return self.fill(operation, next(iter(operation.examples.values())))

    def ask(self, operation, body=None, **options):
        """The operation as it is documented; body and credential may be others."""
        if body is None:
            body = self.body(operation)
        if operation.protected and not {"token", "cookie"} & set(options):
            options["token"] = self.login.access
        if operation.form and not isinstance(body, bytes):
            body = urlencode(body).encode()
        if operation.form:
            options["headers"] = {"Content-Type": "application/x-www-form-urlencoded",
                                  "Authorization": client_of(self.site),
                                  **options.get("headers", {})}
        path = operation.path.replace("{id}", options.pop("id", self.login.sid))
        return self.site.call(operation.method, path, body, **options)


@pytest.fixture
def person(site):
    return Person(site)


def ids(cases):
    return ["-".join(str(part) for part in case) for case in cases]


SENT = [(op.id, name) for op in OPERATIONS.values() for name in op.examples]
SUCCESS = {op.id: min(op.responses) for op in OPERATIONS.values()}
WAYS = [(op.id, way) for op in OPERATIONS.values()
        for way in (["access", "session", "header", "cookie"] if op.protected else ["nothing"])]


@pytest.mark.parametrize("operation,example", SENT, ids=ids(SENT))
def test_request_examples_are_accepted(person, operation, example):
    op = OPERATIONS[operation]
    body = person.fill(op, op.examples[example])
    check_schema(op.body_schema, body)
    check(op, person.ask(op, body), SUCCESS[operation])


@pytest.mark.parametrize("operation,way", WAYS, ids=ids(WAYS))
def test_success(person, operation, way):
    op = OPERATIONS[operation]
    options = {"access": {"token": person.login.access},
               "session": {"token": person.login.session},
               "header": {"token": None, "headers": {"X-Session-Id": person.login.session}},
               "cookie": {"cookie": person.login.session, "headers": SAME_SITE},
               "nothing": {}}[way]
    answer = person.ask(op, **options)
    check(op, answer, SUCCESS[operation])
    if operation == "verify":
        assert answer.headers["Remote-User"] == person.user.shown["username"]


@pytest.mark.parametrize("operation", [op.id for op in OPERATIONS.values() if not op.write])
def test_head(person, operation):
    """The head of what GET answers."""
    op = OPERATIONS[operation]
    token = person.login.access if op.protected else None
    answer = person.site.call("HEAD", op.path, token=token)
    assert answer.status_code == SUCCESS[operation]
    assert answer.content == b""
    check_headers(op.responses[answer.status_code]["headers"], answer)


def test_a_person_without_names(site):
    """Everything that may be null is, and everything that may be empty."""
    user = site.register()
    login = user.login(user_agent=SKIP_HEADER)
    check(OPERATIONS["getProfile"], site.get("/profile", token=login.access), 200)
    answer = site.get("/sessions", token=login.access)
    check(OPERATIONS["listSessions"], answer, 200)
    assert answer.json()["sessions"][0]["userAgent"] is None
    answer = site.get("/verify", token=login.access)
    check(OPERATIONS["verify"], answer, 204)
    assert answer.headers["Remote-Name"] == answer.headers["Remote-Groups"] == ""


@pytest.mark.parametrize("transport,cookies", [("both", 1), ("bearer", 0), ("cookie", 2)])
def test_login_by_transport(site, transport, cookies):
    person = Person(site, transport=transport)
    check(OPERATIONS["login"], person.login.answer, 200)
    assert len(set_cookies(person.login.answer)) == cookies
    assert ("accessToken" in person.login.body) == (transport != "cookie")


def refresh_by_cookie(person, **headers):
    token = person.login.cookies[person.site.refresh_cookie_name].value
    return person.site.post("/refresh", cookie=person.site.refresh_cookie_name + "=" + token,
                            headers=headers)


def test_refresh_by_cookie(site):
    person = Person(site, transport="cookie")
    answer = refresh_by_cookie(person, **SAME_SITE)
    check(OPERATIONS["refresh"], answer, 200)
    assert set(set_cookies(answer)) == {site.refresh_cookie_name}
    assert "refreshToken" not in answer.json()


def test_logout_without_a_credential(site):
    answer = site.post("/logout")
    check(OPERATIONS["logout"], answer, 200)
    assert answer.json() == {"message": "Already logged out"}


def test_a_bad_cookie_at_logout_is_cleared(site):
    answer = site.post("/logout", cookie="garbage", headers=SAME_SITE)
    check(OPERATIONS["logout"], answer, 401, "token_invalid")
    assert all(cookie.cleared for cookie in set_cookies(answer).values())


def test_beside_operations(site):
    beside = DOCUMENT["x-beside-operations"]
    for path in ("/nothing", "/", "/sessions/", "/verify/more"):
        answer = site.get(path)
        assert answer.status_code == 404
        check_answer(beside["unknownPath"], answer)
    for path, item in DOCUMENT["paths"].items():
        here = path.replace("{id}", "0" * 64)
        methods = {method.upper() for method in item} | {"OPTIONS"}
        methods |= {"HEAD"} if "GET" in methods else set()
        for method in {"GET", "POST", "PATCH", "DELETE", "PUT"} - methods:
            answer = site.call(method, here)
            assert answer.status_code == 405, (method, path)
            check_answer(beside["otherMethod"], answer)
            assert set(answer.headers["Allow"].split(", ")) == methods
        answer = site.call("OPTIONS", here)
        if path == "/verify": # a check, unless it is the preflight of a listed origin
            check(OPERATIONS["verify"], answer, 401, "token_missing")
            continue
        assert answer.status_code == 204
        check_answer(beside["options"], answer)
        assert set(answer.headers["Allow"].split(", ")) == methods


# Errors.  For each code a way to bring it about at any operation that may answer it.


def expired_token(person, key):
    claims = {**claims_of(person.login.access), "exp": int(time.time()) - 100}
    return key.sign(header_of(person.login.access), claims)


def revoked(person, _, op):
    token = person.login.access
    assert person.site.post("/logout", token=token).status_code == 200
    return person.ask(op, token=token)


def ended(person, _, op):
    assert person.site.post("/logout", token=person.login.access).status_code == 200
    return person.ask(op, token=person.login.session)


def without_credential(person, _, op):
    return person.ask(op, token=None)


BAD_FIELDS = {
    "register": {"email": 1, "password": "short", "username": "?", "displayName": ""},
    "login": {"email": "a@example.org", "username": "a", "password": 1, "deviceInfo": [],
              "transport": "pigeon"},
    "refresh": {"refreshToken": 1}, "logout": {"everywhere": "yes"},
    "changeProfile": {"username": "?", "displayName": ""}, "deleteProfile": {},
    "changePassword": {"oldPassword": None}, "introspect": {}, "revoke": {"token": ""},
}


def wrong_password(person, _, op):
    if op.for_clients:
        return person.ask(op, headers={"Authorization": basic("openapi", "not the secret")})
    field = "oldPassword" if op.id == "changePassword" else "password"
    return person.ask(op, {**person.body(op), field: "not the password"})


def reused(person, _, op):
    """As if the grace were over: what remembers the first use is taken away."""
    site, sid = person.site, person.login.sid
    assert person.login.refresh().status_code == 200
    for name in site.redis.scan_iter(site.key("refresh_spent", sid, "*"), count=1000):
        site.redis.delete(name)
    return person.ask(op)


def forged(person, _, op):
    if op.id != "refresh":
        return person.ask(op, cookie=person.login.session)
    return refresh_by_cookie(Person(person.site, transport="cookie"))


def taken_email(person, _, op):
    return person.ask(op, {**person.body(op), "email": person.user.email.upper()})


def taken_username(person, _, op):
    other = Person(person.site).user.shown["username"]
    return person.ask(op, {**person.body(op), "username": other.upper()})


CAUSES = {
    "invalid_json": lambda person, _, op: person.ask(op, b'{"a": 1, "a": 2}'),
    "invalid_request": lambda person, _, op: person.ask(op, BAD_FIELDS[op.id]),
    "token_missing": without_credential,
    "token_revoked": revoked,
    "session_expired": ended,
    "token_expired": lambda person, key, op: person.ask(op, token=expired_token(person, key)),
    "token_invalid": lambda person, _, op: person.ask(op, token="garbage"),
    "invalid_credentials": wrong_password,
    "invalid_client": wrong_password,
    "refresh_invalid": lambda person, _, op: person.ask(op, {"refreshToken": "garbage"}),
    "refresh_reused": reused,
    "csrf_rejected": forged,
    "not_found": lambda person, _, op: person.ask(op, id="0" * 64),
    "email_taken": taken_email,
    "username_taken": taken_username,
    "body_too_large": lambda person, _, op: person.ask(op, b" " * 70000),
    "unsupported_media_type":
        lambda person, _, op: person.ask(op, headers={"Content-Type": "text/plain"}),
}
# Those that need another instance, or no web server; each has a test of its own below.
ELSEWHERE = {"forbidden", "registration_closed", "rate_limited", "unavailable"}
ERRORS = [(op.id, status, code) for op in OPERATIONS.values() for status, code in op.codes()
          if code not in ELSEWHERE | NEVER]


def test_there_is_a_cause_for_every_code():
    assert set(CAUSES) | ELSEWHERE | NEVER | {"method_not_allowed"} == set(rows_of_errors())


@pytest.mark.parametrize("operation,status,code", ERRORS, ids=ids(ERRORS))
def test_error(person, key, operation, status, code):
    op = OPERATIONS[operation]
    check(op, CAUSES[code](person, key, op), status, code)


def test_refresh_reused_by_cookie(site):
    person = Person(site, transport="cookie")
    assert refresh_by_cookie(person, **SAME_SITE).status_code == 200
    for name in site.redis.scan_iter(site.key("refresh_spent", person.login.sid, "*"), count=1000):
        site.redis.delete(name)
    answer = refresh_by_cookie(person, **SAME_SITE)
    check(OPERATIONS["refresh"], answer, 401, "refresh_reused")
    assert all(cookie.cleared for cookie in set_cookies(answer).values())


def test_registration_closed(other):
    body = OPERATIONS["register"].examples["short"]
    check(OPERATIONS["register"], other.post("/register", body), 403, "registration_closed")


class Spoken:
    """An answer over FastCGI, with what check() reads of an answer over HTTP."""

    class Headers(dict):
        def getlist(self, name):
            return [self[name]] if name in self else []

    def __init__(self, text):
        head, _, self.content = text.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        self.headers = self.Headers(lines)
        self.status_code = int(self.headers.pop("Status").split()[0])
        self.text = self.content.decode()
        self.raw = self

    def json(self):
        return yaml.safe_load(self.text)


def speak(path, params):
    """One request of a responder without a body, straight to a worker."""
    def record(kind, content):
        return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content
    pairs = b"".join(struct.pack(">BI", len(name), len(value) | 1 << 31) + name + value
                     for name, value in ((n.encode(), v.encode()) for n, v in params.items()))
    with socket.socket(socket.AF_UNIX) as link, link.makefile("rb") as answer:
        link.settimeout(15)
        link.connect(path)
        link.sendall(record(1, b"\0\1" + bytes(6)) + record(4, pairs) + record(4, b"") +
                     record(5, b""))
        text = b""
        while True:
            _, kind, _, length, padding = struct.unpack(">BBHHBx", answer.read(8))
            content = answer.read(length + padding)[:length]
            if kind == 3:
                return Spoken(text)
            if kind == 6:
                text += content


@pytest.mark.parametrize("roles,status", [("admin,editor", 403), ("", 204)])
def test_forbidden(person, roles, status):
    """No client can name the role: only the web server can."""
    params = {"REQUEST_METHOD": "GET", "DOCUMENT_URI": person.site.base + "/verify",
              "HTTP_AUTHORIZATION": "Bearer " + person.login.access, "AUTH_REQUIRE_ROLE": roles}
    answer = speak(person.site.conf("pool.web", "listen"), params)
    check(OPERATIONS["verify"], answer, status, "forbidden" if status == 403 else None)


@pytest.fixture(scope="module")
def strict():
    """A site where nothing may be tried often."""
    directory = Path(tempfile.mkdtemp(prefix="gatehouse-flow."))
    directory.chmod(0o755)
    instance = Instance(directory, {"limit.enabled": "yes", "limit.register_address": "50/1m",
                                    "limit.login_address": "1000/1m",
                                    "limit.login_account": "2/1m",
                                    "limit.refresh_address": "1/1m",
                                    "limit.client_address": "1/1m",
                                    "limit.profile_user": "1/1m"})
    try:
        instance.up()
        yield instance.site()
    finally:
        instance.down()
        shutil.rmtree(directory, ignore_errors=True)


LIMITED = [op.id for op in OPERATIONS.values() if 429 in op.responses]


# Registration comes last: after it nobody new can come.
@pytest.mark.parametrize("operation", sorted(LIMITED, key=lambda name: name == "register"))
def test_rate_limited(strict, operation):
    op = OPERATIONS[operation]
    person = Person(strict)
    for _ in range(60):
        answer = person.ask(op) if operation in ("refresh", "register", "changeProfile") \
            else wrong_password(person, None, op)
        if answer.status_code == 429:
            break
    check(op, answer, 429, "rate_limited")


@pytest.fixture(scope="module")
def witness(frail):
    return Person(frail)


@pytest.fixture
def victim(frail, witness):
    """Somebody new, once the outage of the test before is over for every pool."""
    wait_until(lambda: frail.get("/health").status_code == 200 and
               witness.user.try_login().status_code == 200, 10)
    return Person(frail)


def outage(op, answer):
    if op.id == "publicKeys":  # they need no store
        check(op, answer, 200)
        return
    check(op, answer, 503, None if op.id == "health" else "unavailable")


@pytest.mark.parametrize("operation", [name for name, op in OPERATIONS.items()
                                       if 503 in op.responses])
def test_unavailable(frail, victim, operation):
    op = OPERATIONS[operation]
    client_of(frail)
    with stopped(frail, "MARIADB_PID" if operation == "register" else "REDIS_PID"):
        outage(op, victim.ask(op))


@pytest.mark.parametrize("operation", ["getProfile", "changeProfile", "deleteProfile",
                                       "changePassword", "login", "introspect", "revoke",
                                       "health"])
def test_unavailable_database(frail, victim, operation):
    op = OPERATIONS[operation]
    client_of(frail)
    with stopped(frail, "MARIADB_PID"):
        outage(op, victim.ask(op))
