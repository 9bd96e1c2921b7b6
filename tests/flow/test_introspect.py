"""POST /introspect: what other services are told of tokens, and who may ask."""
import base64
import json
import time
from urllib.parse import quote, urlencode

import pytest

from gate import (SAME_SITE, alive, basic, claims_of, fresh_name, granted, header_of, moment,
                  refused, wait_until)

FORM = "application/x-www-form-urlencoded"
ACTIVE = {"active", "token_type", "iss", "aud", "sub", "sid", "iat", "exp"}
WHO = {"username", "email", "roles"}


class Client:
    """A service with an id and a secret."""

    def __init__(self, site, secret=""):
        self.site = site
        self.id = "svc." + fresh_name()
        made = json.loads(site.ctl_ok("--json", "client", "add", self.id, stdin=secret))
        self.secret = secret or made["secret"]
        self.authorization = basic(self.id, self.secret)

    def post(self, path, body, authorization=None, content_type=FORM, **options):
        headers = {"Content-Type": content_type, **options.pop("headers", {})}
        authorization = self.authorization if authorization is None else authorization
        if authorization:
            headers["Authorization"] = authorization
        body = body if isinstance(body, bytes) else urlencode(body).encode()
        return self.site.call("POST", path, body, headers=headers, **options)

    def introspect(self, token, **more):
        return self.post("/introspect", {"token": token, **more})

    def revoke(self, token, **more):
        return self.post("/revoke", {"token": token, **more})


@pytest.fixture(scope="session")
def client(site):
    return Client(site)


def lives(answer, keys):
    body = granted(answer, keys=keys)
    assert body["active"] is True
    return body


def is_dead(answer):
    assert granted(answer) == {"active": False}


def client_refused(answer):
    refused(answer, "invalid_client")
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="gatehouse"'


# What is told.


def test_an_access_token(site, client, user):
    site.set_roles(user.email, "admin", "editor")
    login = user.login()
    body = lives(client.introspect(login.access), ACTIVE | WHO | {"jti"})
    claims = claims_of(login.access)
    assert {name: body[name] for name in ("iss", "aud", "sub", "sid", "jti", "iat", "exp", "email",
                                          "roles")} == claims
    assert body["token_type"] == "Bearer"
    assert body["username"] == user.email
    assert body["roles"] == ["admin", "editor"]


def test_names_and_roles_are_those_of_now(site, client):
    name = fresh_name()
    user = site.register(username=name)
    login = user.login()
    assert client.introspect(login.access).json()["username"] == name
    site.set_roles(user.email, "admin")
    site.patch("/profile", {"username": name + "2"}, token=login.access)
    body = client.introspect(login.access).json()
    assert body["username"] == name + "2"
    assert body["roles"] == ["admin"]
    assert claims_of(login.access)["roles"] == []


def test_a_session_token(site, client, user):
    login = user.login()
    body = lives(client.introspect(login.session), ACTIVE | WHO)
    item = site.get("/session", token=login.session).json()
    assert body["token_type"] == "Bearer"
    assert body["sub"] == user.id
    assert body["sid"] == login.sid
    assert abs(body["iat"] - moment(item["createdAt"])) <= 1
    assert abs(body["exp"] - moment(item["expiresAt"])) <= 2


def test_a_refresh_token(client, user):
    login = user.login()
    body = lives(client.introspect(login.refresh_token), ACTIVE)
    assert body["token_type"] == "refresh_token"
    assert body["sub"] == user.id
    assert body["sid"] == login.sid
    assert abs(body["exp"] - time.time() - login.body["refreshExpiresIn"]) <= 3
    # It was looked at, not used.
    granted(login.refresh())


def test_a_spent_refresh_token(site, client, login):
    """Good for the grace, in which it still brings its successor."""
    old = login.refresh_token
    new = granted(login.refresh())["refreshToken"]
    lives(client.introspect(new), ACTIVE)
    lives(client.introspect(old), ACTIVE)
    for name in site.redis.scan_iter(site.key("refresh_spent", login.sid, "*"), count=1000):
        site.redis.delete(name)
    is_dead(client.introspect(old))
    # Looking at a spent token is no theft.
    alive(site, login.session)
    lives(client.introspect(new), ACTIVE)


def test_dead_tokens(site, client, user, key):
    login, expired = user.login(), user.login()
    claims = {**claims_of(expired.access), "exp": int(time.time()) - 5}
    is_dead(client.introspect(key.sign(header_of(expired.access), claims)))
    site.post("/logout", token=login.access)
    for token in (login.access, login.session, login.refresh_token):
        is_dead(client.introspect(token))


def test_a_disabled_user(site, client, user):
    login = user.login()
    site.disable(user.email)
    for token in (login.access, login.session, login.refresh_token):
        is_dead(client.introspect(token))


def test_a_blacklisted_access_token(site, client, login):
    site.redis.set(site.key("blacklist", claims_of(login.access)["jti"]), "1", px=60000)
    is_dead(client.introspect(login.access))
    lives(client.introspect(login.session), ACTIVE | WHO)


def test_what_never_was_a_token(client, login):
    first, _, rest = login.access.partition(".")
    for text in ("x", "a.b.c", "x" * 43, "x" * 128, login.access + "x", login.access * 5,
                 first + "." + rest.upper(), login.session[:-1], login.sid, login.refresh_token[1:],
                 "ä", " ", "\n", "' OR 1=1 --", "*"):
        is_dead(client.introspect(text))


def test_a_tampered_refresh_token(client, login):
    token = login.refresh_token
    for at in (0, 40, 60, 90, len(token) - 10):
        is_dead(client.introspect(token[:at] + ("A" if token[at] != "A" else "B") +
                                  token[at + 1:]))


def test_the_hint_is_only_a_hint(client, login):
    for hint in ("access_token", "refresh_token", "nonsense", ""):
        lives(client.introspect(login.access, token_type_hint=hint), ACTIVE | WHO | {"jti"})
        lives(client.introspect(login.refresh_token, token_type_hint=hint), ACTIVE)


def test_it_is_a_use_of_the_session(site, client, login):
    """A service may ask nothing else: its users must not idle out.  What is written for it rides
    at the end of its batch, a moment after the answer."""
    def last():
        return int(site.redis.hget(hash_name, "last"))

    hash_name = site.key("session", login.sid)
    for token in (login.session, login.access):
        site.redis.hset(hash_name, "last", 1000)
        client.introspect(token)
        wait_until(lambda: last() > 1000, 10)
    site.redis.hset(hash_name, "last", 1000)
    client.introspect(login.refresh_token)
    time.sleep(0.2)
    assert last() == 1000


# Who may ask.


def test_the_shortest_secret(site, login):
    lives(Client(site, "secret-8").introspect(login.session), ACTIVE | WHO)


def test_a_secret_that_somebody_brought(site, login):
    secret = "a secret+with %41 = & more: 0123456789"
    own = Client(site, secret)
    lives(own.introspect(login.session), ACTIVE | WHO)
    encoded = basic(quote(own.id, safe=""), quote(secret, safe=""))
    lives(own.post("/introspect", {"token": login.session}, encoded), ACTIVE | WHO)
    plus = basic(own.id, secret.replace("%", "%25").replace("+", "%2B").replace(" ", "+"))
    lives(own.post("/introspect", {"token": login.session}, plus), ACTIVE | WHO)


def wrong_credentials(client, login):
    good = base64.b64encode(f"{client.id}:{client.secret}".encode()).decode()
    yield ""
    yield "Basic"
    yield "Basic "
    yield "Basic " + good[:-1]
    yield "Basic " + good + "="
    yield "Basic " + good.replace("=", "") + "%3D"
    yield "Basic *"
    yield "Bearer " + login.access
    yield login.session
    yield "Digest username=x"
    for user, password in ((client.id, client.secret[:-1]), (client.id, client.secret + "x"),
                           (client.id, ""), (client.id.upper(), client.secret),
                           (client.id + " ", client.secret), ("", client.secret), ("", ""),
                           ("nobody", client.secret), ("%zz", client.secret),
                           ("a' OR '1'='1", client.secret), ("ä" * 70, client.secret),
                           (client.id + "\0", client.secret), (client.id, client.secret + "\0")):
        yield basic(user, password)


def test_nobody_else_is_told_anything(client, login):
    for authorization in wrong_credentials(client, login):
        for path in ("/introspect", "/revoke"):
            client_refused(client.post(path, {"token": login.access},
                                       authorization or ""))
    alive(client.site, login.access)


def test_a_cookie_is_no_client(client, login):
    client_refused(client.post("/introspect", {"token": login.access}, "", cookie=login.session,
                               headers=SAME_SITE))


def test_the_scheme_in_any_case(client, login):
    value = client.authorization.split()[1]
    for scheme in ("basic", "BASIC", "Basic  "):
        lives(client.post("/introspect", {"token": login.session}, f"{scheme} {value}"),
              ACTIVE | WHO)


def test_a_deleted_client(site, login):
    own = Client(site)
    lives(own.introspect(login.session), ACTIVE | WHO)
    site.ctl_ok("client", "delete", own.id, "--yes")
    client_refused(own.introspect(login.session))


def test_only_a_hash_is_kept(site, client):
    (row,) = site.sql("SELECT * FROM clients WHERE id = %s", client.id)
    assert client.secret not in str(row)


# What a request must be.


@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
@pytest.mark.parametrize("body,field", [
    (b"", "token"), (b"token=", "token"), (b"token", "token"), (b"Token=x", "token"),
    (b"token_type_hint=access_token", "token"), (b"token=a&token=b", "body"),
    (b"token=a&%74oken=a", "body"), (b"token=a&x=1&x=2", "body"), (b"token=%zz", "body"),
    (b"token=%00", "body"), (b"token=%ff", "body"), (b"token=\xff", "body"),
    (b"token=a" + b"".join(b"&x%d" % i for i in range(16)), "body")])
def test_bad_bodies(client, path, body, field):
    refused(client.post(path, body), "invalid_request", {field})


@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
def test_bad_requests(client, login, path):
    for content_type in ("application/json", "text/plain", FORM + "x", "multipart/form-data"):
        answer = client.post(path, {"token": login.access}, content_type=content_type)
        assert "x-www-form-urlencoded" in refused(answer, "unsupported_media_type")["error"]
    granted(client.post(path, {"token": "x"}, content_type=FORM.title() + "; charset=UTF-8"))
    refused(client.post(path, {"token": "x" * 70000}), "body_too_large")
    answer = client.site.get(path + "?token=" + login.access)
    refused(answer, "method_not_allowed")
    assert answer.headers["Allow"] == "POST, OPTIONS"
    # Nothing is read from the address.
    refused(client.post(path + "?token=" + login.session, b"x=1"), "invalid_request", {"token"})
    alive(client.site, login.access)
