"""docs/verify-tokens-yourself.md, followed step by step, with a real PHP-FPM."""
import json
import os
import signal

import pytest

from gate import SAME_SITE
from page import blocks

PAGE = "verify-tokens-yourself.md"


@pytest.fixture(scope="module")
def followed(host, site):
    host.copy_snippets()
    host.start_php()
    host.start_nginx()
    # PHP asks the running site; it cannot be told that www.example.org is here.
    host.also = {"https://www.example.org/auth/session;": site.url + "/auth/session;",
                 "/etc/gatehouse/keys": site.conf("token", "keys")}
    host.follow(blocks(PAGE))
    return host


@pytest.fixture
def token(followed, site):
    login = {"email": "ada@example.org", "password": "spoon-lantern-42"}
    return site.post("/login", login).json()["accessToken"]


def api(host, *options):
    words = " ".join(f"'{word}'" for word in options)
    printed = host.run("curl -s -w '\\n%{http_code}' " + words + " https://www.example.org/api/")
    body, status = printed.rsplit("\n", 1)
    return int(status), json.loads(body)


def test_refused(followed, token):
    for options in ([], ["-H", "Authorization: Bearer x.y.z"], ["-H", "Authorization: Basic YTpi"],
                    ["-H", "Authorization: Bearer " + token + "x"],
                    ["-H", "Authorization: " + token], ["-H", "Token-Keys: /", "-H", "TOKEN_KEYS: /"],
                    ["-H", f"Authorization: Bearer {token}, Bearer {token}"]):
        assert api(followed, *options)[0] == 401, options


def test_the_cookie(followed, token):
    cookie = ["-H", "Cookie: __Host-session=" + token]
    assert api(followed, *cookie)[0] == 200
    assert api(followed, *cookie, "-X", "POST")[0] == 403
    assert api(followed, *cookie, "-X", "POST", "-H", "Sec-Fetch-Site: same-site")[0] == 403
    same = [f"{name}: {value}" for name, value in SAME_SITE.items()]
    assert api(followed, *cookie, "-X", "POST", "-H", *same)[0] == 200


def test_an_outage_is_no_answer(followed, token, site):
    """Reading goes on; writing is neither done nor refused for good."""
    bearer = ["-H", "Authorization: Bearer " + token]
    redis = int(site.env["REDIS_PID"])
    os.kill(redis, signal.SIGSTOP)
    try:
        assert api(followed, *bearer)[0] == 200
        assert api(followed, *bearer, "-X", "POST")[0] == 503
    finally:
        os.kill(redis, signal.SIGCONT)
    followed.wait_healthy()
    assert api(followed, *bearer, "-X", "POST")[0] == 200
