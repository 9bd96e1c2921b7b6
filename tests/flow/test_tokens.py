"""Access tokens made by hand: one properly made is accepted, and every flaw is refused."""
import base64
import json
import secrets
import time

import pytest

from gate import (alive, b64, claims_of, dead, granted, header_of, refused, unb64)


class Mint:
    """Makes tokens for a session that exists."""

    def __init__(self, site, key, login):
        self.site, self.key = site, key
        self.header = header_of(login.access)
        self.claims = {**claims_of(login.access), "jti": secrets.token_hex(16)}

    def token(self, header=None, without=(), digest="sha256", **claims):
        """A signed token with parts of its header and claims changed; None takes a name away."""
        head = {**self.header, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        body = {name: value for name, value in {**self.claims, **claims}.items()
                if name not in without}
        return self.key.sign(head, body, digest)

    def accepted(self, token):
        granted(self.site.get("/userinfo", token=token))

    def refused(self, token, code="token_invalid"):
        for path in ("/userinfo", "/verify"):
            refused(self.site.get(path, token=token), code)


@pytest.fixture
def mint(site, key, login):
    mint = Mint(site, key, login)
    mint.accepted(mint.token())
    return mint


def test_a_well_made_token_is_accepted(mint):
    mint.accepted(mint.token())
    mint.accepted(mint.token(exp=int(time.time()) + 5))
    mint.accepted(mint.token(extra={"unknown": ["claims", "do", "no", "harm"]}))


# Signature and algorithm.


def test_signature_of_another_key(mint):
    token = mint.key.sign(mint.header, mint.claims, secret=secrets.token_bytes(32))
    mint.refused(token)
    for poor in (b"", b"secret", b"\0" * 32, mint.key.kid.encode()):
        mint.refused(mint.key.sign(mint.header, mint.claims, secret=poor or b"\0"))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_one_changed_letter(mint, part):
    parts = mint.token().split(".")
    letter = parts[part][5]
    parts[part] = parts[part][:5] + ("A" if letter != "A" else "B") + parts[part][6:]
    mint.refused(".".join(parts))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
def test_no_algorithm(mint, alg):
    head, body, signature = mint.token({"alg": alg}).split(".")
    mint.refused(f"{head}.{body}.{signature}")
    mint.refused(f"{head}.{body}.")


@pytest.mark.parametrize("alg,digest", [
    ("HS512", "sha512"), ("HS384", "sha384"), ("hs256", "sha256"), ("Hs256", "sha256"),
    ("HS256 ", "sha256"), ("HS1", "sha1"), ("RS256", "sha256"), ("ES256", "sha256"),
    ("HS256\0", "sha256"), (5, "sha256"), (["HS256"], "sha256"), (True, "sha256"),
])
def test_another_algorithm_with_the_same_key(mint, alg, digest):
    mint.refused(mint.token({"alg": alg}, digest=digest))


def test_the_digest_is_that_of_the_key(mint):
    mint.refused(mint.token(digest="sha512"))


# Header.


@pytest.mark.parametrize("header", [
    {"alg": None}, {"kid": None}, {"kid": ""}, {"kid": "nosuchkey"}, {"kid": 5}, {"kid": ["x"]},
    {"kid": "../keys/x"}, {"kid": "../../../../dev/null"}, {"kid": "/dev/null"}, {"kid": "."},
    {"kid": "x' OR '1'='1"}, {"kid": "*"}, {"kid": "k" * 3000},
    {"typ": "dpop+jwt"}, {"typ": "secevent+jwt"}, {"typ": "refresh"}, {"typ": 5}, {"typ": ""},
    {"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"crit": "exp"},
])
def test_bad_headers(mint, header):
    mint.refused(mint.token(header))


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": "Application/AT+JWT"}])
def test_the_type_of_rfc_9068(mint, header):
    mint.accepted(mint.token(header))


def test_an_audience_of_several(mint):
    ours = mint.claims["aud"]
    for several in ([ours], ["elsewhere", ours]):
        mint.accepted(mint.token(aud=several))
    for none in (["elsewhere"], [ours, 5], [[ours]]):
        mint.refused(mint.token(aud=none))


@pytest.mark.parametrize("suffix", [".hs256.key", "\0", "/", " ", "\n", "/../x"])
def test_the_name_of_the_key_is_exact(mint, suffix):
    mint.refused(mint.token({"kid": mint.key.kid + suffix}))
    mint.refused(mint.token({"kid": "./" + mint.key.kid}))


def test_keys_offered_by_the_token_are_not_looked_at(mint):
    own = secrets.token_bytes(32)
    jwk = {"kty": "oct", "k": b64(own), "kid": "own", "alg": "HS256"}
    for offer in ({"jwk": jwk}, {"jku": mint.site.url + "/jwks"}, {"x5u": mint.site.url}):
        mint.refused(mint.key.sign({**mint.header, **offer, "kid": "own"}, mint.claims,
                                   secret=own))


def test_duplicate_names_in_the_header(mint):
    text = json.dumps({**mint.header, "x": 1})
    mint.accepted(mint.key.sign(text, mint.claims))
    for name, value in json.loads(text).items():
        again = text[:-1] + f', "{name}": {json.dumps(value)}}}'
        mint.refused(mint.key.sign(again, mint.claims))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "5", '"HS256"', "{", '{"alg":"HS256"'])
def test_a_header_that_is_none(mint, text):
    mint.refused(mint.key.sign(text, mint.claims))


# Claims.


@pytest.mark.parametrize("name", ["exp", "sub", "jti", "sid", "iss", "aud", "iat"])
def test_missing_claim(mint, name):
    mint.refused(mint.token(without=[name]))


@pytest.mark.parametrize("name,value", [
    ("iss", "https://elsewhere.example"), ("iss", ""), ("iss", 5), ("iss", ["gatehouse"]),
    ("aud", "elsewhere"), ("aud", ""), ("aud", 5), ("aud", ["elsewhere"]), ("aud", []),
    ("sub", ""), ("sub", 5), ("sub", None), ("jti", ""), ("jti", 5), ("jti", None),
    ("sid", ""), ("sid", 5), ("sid", None),
    ("iat", "now"), ("iat", 1.5),
    ("exp", None), ("exp", True), ("exp", "9999999999"), ("exp", 9999999999.5),
    ("exp", 9999999999.0), ("exp", 1e300), ("exp", {}), ("exp", [9999999999]),
    ("exp", 10 ** 30),
])
def test_bad_claim(mint, name, value):
    mint.refused(mint.token(**{name: value}))


@pytest.mark.parametrize("sid", ["*", "../x", "x" * 64, "0" * 63, " ", "a:b"])
def test_a_session_id_that_is_none(mint, sid):
    answer = mint.site.get("/userinfo", token=mint.token(sid=sid))
    assert answer.status_code == 401
    assert answer.json()["code"] in ("token_invalid", "session_expired")


@pytest.mark.parametrize("text", ["1e10", "9.9e9", "0x7fffffff", "NaN", "Infinity", "+9999999999",
                                  "09999999999"])
def test_expiry_in_an_odd_spelling(mint, text):
    body = json.dumps({**mint.claims, "exp": 1}).replace('"exp": 1', '"exp": ' + text)
    mint.refused(mint.key.sign(mint.header, body))


def test_expired(mint):
    mint.refused(mint.token(exp=int(time.time()) - 1), "token_expired")
    mint.refused(mint.token(exp=1), "token_expired")


@pytest.mark.parametrize("exp", [0, -1, -2 ** 31, -2 ** 63])
def test_an_expiry_before_the_epoch(mint, exp):
    answer = mint.site.get("/userinfo", token=mint.token(exp=exp))
    assert answer.status_code == 401
    assert answer.json()["code"] in ("token_expired", "token_invalid")


def test_a_bad_signature_is_told_before_expiry(mint):
    token = mint.key.sign(mint.header, {**mint.claims, "exp": 1}, secret=b"x" * 32)
    mint.refused(token)


def test_an_unknown_session_is_gone(mint):
    mint.refused(mint.token(sid=secrets.token_hex(32)), "session_expired")


def test_not_yet_valid(mint):
    mint.refused(mint.token(nbf=int(time.time()) + 3600))


@pytest.mark.parametrize("name", ["exp", "sub", "jti", "sid", "iss", "roles"])
def test_duplicate_claim(mint, name):
    value = json.dumps(mint.claims[name])
    text = json.dumps(mint.claims)
    mint.refused(mint.key.sign(mint.header, text[:-1] + f', "{name}": {value}}}'))
    mint.refused(mint.key.sign(mint.header, f'{{"{name}": {value}, ' + text[1:]))


@pytest.mark.parametrize("make", [
    lambda text: "[" + text + "]", lambda text: "", lambda text: "null", lambda text: "{}",
    lambda text: text + "x", lambda text: text + "\0", lambda text: text + text,
    lambda text: "\ufeff" + text, lambda text: text[:-1],
    lambda text: text[:-1] + ', "x": ' + "[" * 20 + "]" * 20 + "}",
    lambda text: text[:-1] + ', "x": "\\u0000"}',
])
def test_a_payload_that_is_no_object(mint, make):
    mint.refused(mint.key.sign(mint.header, make(json.dumps(mint.claims))))


def test_a_payload_of_invalid_utf8(mint):
    text = json.dumps(mint.claims).encode()
    body = text[:-1] + b', "x": "\xff"}'
    signed = b64(json.dumps(mint.header).encode()) + "." + b64(body)
    mint.refused(signed + "." + mint.key.signature(signed))


# Spelling.


def test_padded_base64(mint):
    head, body, signature = mint.token().split(".")
    mint.refused(f"{head}.{body}.{signature}=")
    for header, claims in ((head + "=", body), (head, body + "="), (head + "==", body)):
        signed = f"{header}.{claims}"
        mint.refused(f"{signed}.{mint.key.signature(signed)}")


def test_trailing_bits(mint):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = mint.token()
    last = alphabet.index(token[-1])
    assert last % 4 == 0
    for more in (1, 2, 3):
        mint.refused(token[:-1] + alphabet[last + more])


def test_the_other_base64_alphabet(mint):
    for _ in range(50):
        token = mint.token(jti=secrets.token_hex(16))
        head, body, signature = token.split(".")
        if "-" in signature or "_" in signature:
            break
    plain = base64.b64encode(unb64(signature)).decode().rstrip("=")
    assert plain != signature
    mint.refused(f"{head}.{body}.{plain}")


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("blank", [" ", "\t", "%20", "+"])
def test_blanks_within(mint, place, blank):
    parts = mint.token().split(".")
    parts[place] = parts[place][:4] + blank + parts[place][4:]
    mint.refused(".".join(parts))


@pytest.mark.parametrize("make", [
    lambda h, b, s: f"{h}.{b}", lambda h, b, s: f"{h}.{b}.{s}.", lambda h, b, s: f"{h}.{b}.{s}.{s}",
    lambda h, b, s: f".{b}.{s}", lambda h, b, s: f"{h}..{s}", lambda h, b, s: f"{h}.{b}.",
    lambda h, b, s: "..", lambda h, b, s: ".", lambda h, b, s: "...", lambda h, b, s: f"{h}.",
    lambda h, b, s: f"{h}.{b}.{s}.{h}.{b}", lambda h, b, s: f".{h}.{b}.{s}",
    lambda h, b, s: f"{h}.{b}.{s[:-4]}", lambda h, b, s: f"{h}.{b}.{s}AAAA",
    lambda h, b, s: f"{h},{b},{s}", lambda h, b, s: f"{h}.{b}.{s}, {h}.{b}.{s}",
])
def test_segments(mint, make):
    mint.refused(make(*mint.token().split(".")))


def test_longest_token(mint):
    room = 4096 - len(mint.token(pad=""))
    longest = mint.token(pad="x" * (room * 3 // 4 - 3))
    assert 4080 < len(longest) <= 4096
    mint.accepted(longest)
    longer = mint.token(pad="x" * (room * 3 // 4 + 3))
    assert 4096 < len(longer) < 4110
    mint.refused(longer)


def test_no_spelling_of_a_revoked_token_is_accepted(mint):
    token = mint.token()
    granted(mint.site.post("/logout", token=token))
    mint.refused(token, "token_revoked")
    for spelling in (token + "=", token + ".", token + " ", token[:-1] + "_", token + "A"):
        assert mint.site.get("/userinfo", token=spelling.strip()).status_code == 401


def test_an_access_token_expires(brief):
    login = brief.register().login()
    time.sleep(3.1)
    answer = brief.get("/verify", token=login.access)
    refused(answer, "token_expired")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_lost_session_record_refuses_its_tokens(site, redis, login):
    redis.delete(site.key("session", login.sid))
    dead(site, login.access)
    dead(site, login.session)


def test_a_token_that_was_verified_before_expires_as_well(mint):
    """Workers remember tokens that they have verified: their end, too."""
    token = mint.token(exp=int(time.time()) + 3)
    for _ in range(30):
        mint.site.get("/verify", token=token)
    time.sleep(max(0, claims_of(token)["exp"] + 0.1 - time.time()))
    for _ in range(20):
        dead(mint.site, token, "token_expired")


def test_an_expired_token_signs_nobody_out(mint, login):
    """But in a cookie: test_cookies."""
    expired = mint.token(iat=int(time.time()) - 60, exp=int(time.time()) - 30)
    refused(mint.site.post("/logout", token=expired), "token_expired")
    refused(mint.site.post("/logout", headers={"X-Session-Id": expired}), "token_expired")
    alive(mint.site, login.session)


def test_the_user_is_that_of_the_session(mint):
    other = mint.site.register()
    mint.refused(mint.token(sub=other.id))
    mint.refused(mint.token(sub=other.id, email=other.email))
    mint.refused(mint.token(sub="0" + mint.claims["sub"]))


def test_the_longest_id_of_a_token(mint):
    mint.accepted(mint.token(jti="j" * 64))
    mint.refused(mint.token(jti="j" * 65))
    mint.refused(mint.token(sub="1" * 65))


def exactly(mint, length):
    """Two paddings, since base64url has no text of 4n + 1."""
    for in_header in ("", "x", "xx", "xxx"):
        header = {"pad": in_header}
        room = (length - len(mint.token(header, pad=""))) * 3 // 4
        for pad in range(room - 4, room + 4):
            token = mint.token(header, pad="x" * pad)
            if len(token) == length:
                return token
    raise AssertionError(length)


def test_the_longest_token_to_the_byte(mint):
    mint.accepted(exactly(mint, 4096))
    mint.refused(exactly(mint, 4097))
