"""What every answer carries, and the one shape of an error."""
import pytest

from gate import PASSWORD, fresh_email, granted, plain_headers, refused

# One answer of every status that needs no special state.
ANSWERS = [
    (200, "GET", "/health", None), (201, "POST", "/register", "registration"),
    (200, "POST", "/logout", None), (400, "POST", "/login", {}), (400, "POST", "/login", b"{"),
    (401, "GET", "/profile", None), (401, "POST", "/login", "wrong"),
    (404, "GET", "/nothing", None),
    (405, "PUT", "/login", None), (413, "POST", "/login", b" " * 70000),
]


def body_for(name):
    bodies = {"registration": {"email": fresh_email(), "password": PASSWORD},
              "wrong": {"email": fresh_email(), "password": PASSWORD}}
    return bodies[name] if isinstance(name, str) else name


@pytest.mark.parametrize("status,method,path,body", ANSWERS)
def test_every_answer(site, status, method, path, body):
    answer = site.call(method, path, body_for(body))
    assert answer.status_code == status
    plain_headers(answer)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"


def test_an_answer_without_a_body(site, login):
    answer = site.get("/verify", token=login.access)
    granted(answer, 204)
    assert "Content-Type" not in answer.headers


def test_every_request_has_its_own_id(site):
    ids = {site.get("/health").headers["X-Request-Id"] for _ in range(20)}
    assert len(ids) == 20


def test_the_id_is_not_the_client_s(site):
    for name in ("X-Request-Id", "Request-Id"):
        answer = site.get("/profile", headers={name: "0123456789abcdef0123456789abcdef"})
        body = refused(answer, "token_missing")
        assert body["requestId"] != "0123456789abcdef0123456789abcdef"


def test_the_id_is_in_the_log(site):
    answer = site.post("/login", {"email": fresh_email(), "password": PASSWORD})
    refused(answer, "invalid_credentials")
    with open(site.env["LOG"], encoding="utf-8", errors="replace") as log:
        assert answer.headers["X-Request-Id"] in log.read()


def test_no_password_and_no_token_is_in_the_log(site):
    password = "a password to look for"
    user = site.register(password=password)
    login = user.login()
    user.try_login(password + "x")
    granted(login.refresh())
    granted(site.post("/logout", token=login.access))
    with open(site.env["LOG"], encoding="utf-8", errors="replace") as log:
        text = log.read()
    for secret in (password, login.session, login.refresh_token, login.access):
        assert secret not in text


def test_a_log_line_stays_one_line(site):
    forged = "\nlevel=error forged=yes\x1b[31m"
    site.post("/login", {"email": fresh_email() + "\r" + forged, "password": PASSWORD})
    site.post("/login", {"username": forged, "password": PASSWORD})
    site.register().login(user_agent="x\tforged=yes", deviceInfo={"name": forged})
    with open(site.env["LOG"], encoding="utf-8", errors="replace", newline="\n") as log:
        lines = log.read().split("\n")
    assert not any(line.startswith("level=error forged") for line in lines)
    assert not any("\x1b" in line or "\r" in line for line in lines)


@pytest.mark.parametrize("word", ["sql", "select ", "mariadb", "redis", "/src/", ".c:",
                                  "traceback"])
def test_errors_show_nothing_of_the_inside(site, word):
    answers = [site.post("/login", {"email": "' OR 1=1 --", "password": "x' OR '1'='1"}),
               site.post("/login", b"{"), site.get("/profile", token="garbage"),
               site.get("/nothing"), site.post("/register", {"email": "'", "password": "'"})]
    for answer in answers:
        assert word not in answer.text.lower()
