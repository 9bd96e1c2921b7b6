#!/usr/bin/env python3
"""A revoked access token in 1,000 other spellings: the blacklist knows the token's id, and no spelling
may be another token, or one that is not on it.  Its session goes on, so that nothing but the blacklist
stands between the token and the page."""
import json
import random

from cryptography.hazmat.primitives.asymmetric.utils import (decode_dss_signature,
                                                             encode_dss_signature)

from figures import attack, number
from gate import b64, header_of, run_instance, unb64, wait_until
from wire import head, send

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
FOREIGN = [" ", "\t", "=", "==", ".", "%", "%3D", "+", "/", "~", "!", "?", "*", ",", ";", "\\", '"',
           "'", "&", "\x7f", "\x80", "\xff", "\xa0", "%00", "\x0b", "\x0c", "\x01", "é", "-", "_"]


def last_letters(segment):
    """Other last letters that a lenient decoder reads as the same bytes."""
    spare = {2: 4, 3: 2}.get(len(segment) % 4, 0)
    last = ALPHABET.index(segment[-1])
    return [segment[:-1] + ALPHABET[last >> spare << spare | bits] for bits in range(1, 1 << spare)]


def other_alphabet(segment):
    return segment.replace("-", "+").replace("_", "/")


def inserted(rng, segment):
    at = rng.randrange(len(segment) + 1)
    return segment[:at] + rng.choice(FOREIGN) + segment[at:]


def same_bytes(parts):
    """Spellings whose decoded bytes a lenient reader finds unchanged."""
    for place, segment in enumerate(parts):
        for other in [*last_letters(segment), segment + "=", segment + "==", segment + "===",
                      segment + "A", segment + "AA", segment + "AAAA", segment + "%3D",
                      other_alphabet(segment), " " + segment, segment + " ", segment + "\t"]:
            if other != segment:
                yield [other if number == place else one for number, one in enumerate(parts)]
    yield [*parts, ""]
    yield [*parts, parts[2]]
    yield ["", *parts]
    yield [*parts[:2], ""]
    yield parts[:2]


def twin_signatures(token):
    """(r, n - s) is as good a signature as (r, s); and as DER, which is not how JWS writes it."""
    if header_of(token)["alg"] != "ES256":
        return
    head, body, signature = token.split(".")
    raw = unb64(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    twin = r.to_bytes(32, "big") + (P256_ORDER - s).to_bytes(32, "big")
    der = encode_dss_signature(r, s)
    assert decode_dss_signature(der) == (r, s)
    for other in (twin, der, b"\0" + raw, raw + b"\0", b"\0" * 64):
        yield [head, body, b64(other)]


def spellings(token, count):
    parts = token.split(".")
    found = {".".join(one) for one in [*same_bytes(parts), *twin_signatures(token)]}
    found |= {token.upper(), token.lower(), f'"{token}"', f"'{token}'", token + ",", token + ";",
              f"{token}, {token}", f"{token} {token}", "Bearer " + token, "bearer  " + token}
    rng = random.Random(1)
    while len(found) < count:
        place = rng.randrange(3)
        changed = [inserted(rng, one) if number == place else one
                   for number, one in enumerate(parts)]
        if changed != parts:
            found.add(".".join(changed))
    found.discard(token)
    return sorted(found)[:count] if len(found) > count else sorted(found)


def ways(site, spelling):
    """The headers that a credential may stand in."""
    text = spelling.encode("utf-8").decode("latin-1")
    yield [("Authorization", "Bearer " + text)]
    yield [("Authorization", text)]
    yield [("X-Session-Id", text)]
    yield [("Cookie", f"{site.cookie_name}={text}")]


def accepted(site, spelling):
    """In how many of these headers it is let in."""
    answers = [send(site, head("GET", site.base + "/verify", headers))[0]
               for headers in ways(site, spelling)]
    assert set(answers) <= {204, 400, 401}, (answers, spelling)
    return answers.count(204)


def login_with(site, user, alg):
    """A login whose token a new key of this algorithm has signed."""
    kid = json.loads(site.ctl_ok("--json", "key", "new", "--alg", alg))["kid"]
    site.ctl_ok("key", "rotate", kid)
    wait_until(lambda: header_of(user.login().access)["kid"] == kid, 10)
    return user.login()


def try_spellings(site, figures, login, count):
    token = login.access
    before = accepted(site, token)
    site.ctl_ok("token", "revoke", stdin=token + "\n")
    answer = site.get("/verify", token=token)
    figures.must(f"ways in for a token of {header_of(token)['alg']}", before, 4)
    figures.must("once it is revoked", answer.json()["code"], "token_revoked")
    figures.must("for its session still", site.get("/verify", token=login.session).status_code, 204)
    tried = spellings(token, count)
    figures.must("spellings in 4 headers each", len(tried), count)
    figures.none("accepted", [one for one in tried if accepted(site, one)])


def run(_, figures):
    count = number("SPELLINGS", 1000)
    for instance in run_instance():
        site = instance.site()
        workers = site.workers()
        user = site.register()
        for alg in ("HS256", "ES256", "RS256"):
            try_spellings(site, figures, login_with(site, user, alg), count)
        figures.must("workers lost", len(set(workers) - set(site.workers())))


if __name__ == "__main__":
    attack(run)
