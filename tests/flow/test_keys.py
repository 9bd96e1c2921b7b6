"""Keys: made, published, rotated and retired while the service runs, and what others see of them."""
import base64
import hmac
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from own_service import Service
from gate import (alive, at_once, b64, claims_of, granted, header_of, plain_environment, refused,
                  run_instance, unb64, wait_until)

ALGS = ["HS256", "HS384", "HS512", "RS256", "ES256"]
P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
# "Within a second", with room for a machine that does ten other things.
SOON = 10


@pytest.fixture(scope="module", name="site")
def fixture_site():
    """One of its own: keys come and go here, while other tests hold what the common site's key signed."""
    for instance in run_instance():
        yield instance.site()


@pytest.fixture
def patient(site):
    """The site, whose tokens live long; the key that signed at first signs again afterwards."""
    before = signing(site)
    yield site
    sign_again(site, before)


def sign_again(site, kid):
    site.ctl_ok("key", "rotate", kid)
    person = site.register()
    wait_until(lambda: header_of(person.login().access)["kid"] == kid, SOON)


def ctl_json(site, *words):
    return json.loads(site.ctl_ok("--json", *words))


def signing(site):
    return next(key["kid"] for key in listed(site) if key["state"] == "signing")


def listed(site):
    return ctl_json(site, "key", "list")["keys"]


def state_of(site, kid):
    return next(key["state"] for key in listed(site) if key["kid"] == kid)


def new_key(site, alg):
    made = ctl_json(site, "key", "new", "--alg", alg)
    assert made == {"kid": made["kid"], "alg": alg, "signs": False}
    return made["kid"]


def jwks(site):
    return site.get("/.well-known/jwks.json").json()["keys"]


def sign_with(site, kid, person):
    """Rotates, and waits until logins are signed by that key; the login."""
    site.ctl_ok("key", "rotate", kid)
    login = [person.login()]

    def taken_up():
        login[0] = person.login()
        return header_of(login[0].access)["kid"] == kid
    wait_until(taken_up, SOON)
    return login[0]


def key_file(site, kid):
    return next(path for path in Path(site.conf("token", "keys")).glob(kid + ".*")
                if path.suffix in (".key", ".pem"))


# What tokens are.


@pytest.mark.parametrize("alg", ALGS)
def test_each_algorithm(patient, user, alg):
    kid = new_key(patient, alg)
    login = sign_with(patient, kid, user)
    assert header_of(login.access) == {"typ": "JWT", "alg": alg, "kid": kid}
    alive(patient, login.access)
    # … on every worker, and again from memory.
    assert all(at_once(8, lambda _: patient.get("/verify", token=login.access).ok))
    old = user.login()
    patient.ctl_ok("token", "verify", stdin=old.access)


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_pyjwt_verifies_what_we_sign(patient, user, alg):
    kid = new_key(patient, alg)
    login = sign_with(patient, kid, user)
    found = [key for key in jwks(patient) if key["kid"] == kid]
    assert len(found) == 1
    key = jwt.PyJWK(found[0]).key
    claims = jwt.decode(login.access, key, algorithms=[alg], audience="gatehouse",
                        issuer="gatehouse")
    assert claims["sub"] == user.id
    # Some signatures of ECDSA begin with a zero byte.
    for _ in range(30 if alg == "ES256" else 3):
        jwt.decode(user.login().access, key, algorithms=[alg], audience="gatehouse")


def test_we_verify_what_pyjwt_signs(patient, user):
    for alg in ("RS256", "ES256"):
        kid = new_key(patient, alg)
        login = sign_with(patient, kid, user)
        private = serialization.load_pem_private_key(key_file(patient, kid).read_bytes(), None)
        alive(patient, jwt.encode(claims_of(login.access), private, alg, headers={"kid": kid}))


# What is published.


def test_public_keys(patient):
    rs, es, hs = (new_key(patient, alg) for alg in ("RS256", "ES256", "HS512"))
    wait_until(lambda: {rs, es} <= {key["kid"] for key in jwks(patient)}, SOON)
    found = {key["kid"]: key for key in jwks(patient)}
    assert hs not in found
    assert all(key["kty"] != "oct" for key in found.values())
    assert set(found[rs]) == {"kty", "use", "alg", "kid", "n", "e"}
    assert set(found[es]) == {"kty", "use", "alg", "kid", "crv", "x", "y"}
    assert (found[rs]["kty"], found[rs]["alg"], found[rs]["use"]) == ("RSA", "RS256", "sig")
    assert (found[es]["kty"], found[es]["alg"], found[es]["crv"]) == ("EC", "ES256", "P-256")
    assert len(unb64(found[rs]["n"])) == 3072 // 8 and unb64(found[rs]["e"]) == b"\1\0\1"
    assert len(unb64(found[es]["x"])) == len(unb64(found[es]["y"])) == 32
    # Shown before it signs.
    assert state_of(patient, rs) == state_of(patient, es) == "published"
    for kid in (rs, es):
        patient.ctl_ok("key", "retire", kid)
    wait_until(lambda: not {rs, es} & {key["kid"] for key in jwks(patient)}, SOON)


def test_the_public_keys_are_for_everybody(site):
    for method in ("GET", "HEAD"):
        answer = site.call(method, "/.well-known/jwks.json", headers={"Origin": "https://x.example"})
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Content-Type"] == "application/json"
        assert "Set-Cookie" not in answer.headers
    refused(site.post("/.well-known/jwks.json", {}), "method_not_allowed")
    refused(site.get("/.well-known/"), "not_found")


def test_the_public_keys_may_be_kept_where_the_configuration_says_so(other):
    answer = other.get("/.well-known/jwks.json")
    assert answer.text == '{"keys":[]}'
    assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_whoever_rotates_early_is_told(patient):
    told = "may not know it yet"
    fresh = new_key(patient, "ES256")
    assert told in patient.ctl_ok("key", "rotate", fresh)
    # A secret is nobody else's to know.
    assert told not in patient.ctl_ok("key", "rotate", new_key(patient, "HS256"))


# Tokens made by hand.


class Mint:
    """Tokens of one login, signed by hand with a pair of keys."""

    def __init__(self, site, alg, user):
        self.site, self.alg = site, alg
        self.kid = new_key(site, alg)
        login = sign_with(site, self.kid, user)
        self.header, self.claims = header_of(login.access), claims_of(login.access)
        self.pem = key_file(site, self.kid).read_bytes()
        self.private = serialization.load_pem_private_key(self.pem, None)

    def input(self, header=None, **claims):
        head = {**self.header, **(header or {})}
        return ".".join(b64(json.dumps(part).encode()) for part in (head, {**self.claims, **claims}))

    def sign(self, text):
        if self.alg == "RS256":
            return self.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def token(self, header=None, **claims):
        text = self.input(header, **claims)
        return text + "." + b64(self.sign(text))

    def refused(self, token):
        refused(self.site.get("/verify", token=token), "token_invalid")


@pytest.fixture(scope="module", params=["RS256", "ES256"])
def mint(site, request):
    before = signing(site)
    mint = Mint(site, request.param, site.register())
    alive(site, mint.token())
    yield mint
    sign_again(site, before)


def test_the_public_key_is_no_secret(mint):
    """HS256 with the public key as the secret, in each of its forms."""
    public = mint.private.public_key()
    forms = [public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
             for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)]
    for secret in (*forms, forms[0].strip(), mint.pem, b"", b"\0"):
        for alg in ("HS256", mint.alg):
            text = mint.input({"alg": alg})
            mint.refused(text + "." + b64(hmac.digest(secret, text.encode(), "sha256")))


@pytest.mark.parametrize("alg", ["none", "None", "", "PS256", "RS384", "RS512", "ES384", "ES256K",
                                 "EdDSA", "rs256", "es256", "Rs256", "HS256", None, 7, ["RS256"]])
def test_the_algorithm_is_the_keys(mint, alg):
    mint.refused(mint.token({"alg": alg}))
    mint.refused(mint.input({"alg": alg}) + ".")


def test_another_padding_and_digest(mint):
    text = mint.input()
    if mint.alg == "RS256":
        for signature in (
                mint.private.sign(text.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32),
                                  hashes.SHA256()),
                mint.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA512())):
            mint.refused(text + "." + b64(signature))
    else:
        der = mint.private.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
        mint.refused(text + "." + b64(der))
        mint.refused(text + "." + b64(mint.private.sign(text.encode(), ec.ECDSA(hashes.SHA512()))))


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True},
                                    {"crit": ["b64"], "b64": False}, {"typ": "dpop+jwt"}])
def test_what_would_have_to_be_understood(mint, header):
    mint.refused(mint.token(header))


def test_keys_that_the_token_brings(mint):
    own = rsa.generate_private_key(65537, 2048)
    numbers = own.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": b64(numbers.n.to_bytes(256, "big")), "e": "AQAB"}
    text = mint.input({"alg": "RS256", "jwk": jwk, "jku": "http://127.0.0.1:1/", "x5u": "file:///"})
    mint.refused(text + "." + b64(own.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())))


@pytest.mark.parametrize("kid", ["../" * 8 + "etc/passwd", "/dev/null", "signing", "", "%00", "*",
                                 "' or 1=1 --", "a" * 65, None, {}])
def test_kid_is_only_a_name(mint, kid):
    mint.refused(mint.token({"kid": kid}))


def test_spellings_of_a_signature(mint):
    """No other text passes for the same signature."""
    head, body, signature = mint.token().split(".")
    raw = unb64(signature)
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [signature + "=", signature + "==", signature + "A", signature + "AAAA", "",
              signature[:-1], " " + signature, signature + "%20", b64(raw + b"\0"), b64(b"\0" + raw),
              b64(raw[1:]), b64(raw[:-1]), b64(raw * 2), b64(bytes(len(raw))),
              b64(b"\xff" * len(raw)), base64.b64encode(raw + b"\xff\xff").decode()]
    leftover = {0: 0, 2: 4, 3: 2}[len(signature) % 4]
    others += [signature[:-1] + digits[digits.index(signature[-1]) + bit]
               for bit in range(1, 2 ** leftover)]
    for other in others:
        mint.refused(f"{head}.{body}.{other}")


def test_out_of_range_signatures(mint):
    if mint.alg != "ES256":
        text = mint.input()
        n = mint.private.public_key().public_numbers().n
        value = int.from_bytes(mint.sign(text), "big") + n
        mint.refused(text + "." + b64(value.to_bytes(385, "big")))
        return
    text = mint.input()
    raw = mint.sign(text)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    for pair in ((0, 0), (r, 0), (0, s), (P256_ORDER, s), (r, P256_ORDER), (1, 1),
                 (P256_ORDER - r, s), (s, r)):
        mint.refused(text + "." + b64(b"".join(part.to_bytes(32, "big") for part in pair)))


@pytest.mark.parametrize("mint", ["ES256"], indirect=True)  # RSA has one signature for each text
def test_the_other_half_of_a_signature_revokes_nothing_less(mint):
    """(r, n - s) is a signature too, of the same token: its revocation holds for both."""
    token = mint.token(jti="Z" + os.urandom(8).hex())
    text = token.rsplit(".", 1)[0]
    raw = unb64(token.rsplit(".", 1)[1])
    mirrored = raw[:32] + (P256_ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    twin = text + "." + b64(mirrored)
    alive(mint.site, twin)
    user = mint.site.register()
    claims = claims_of(user.login().access)
    token = mint.token(**{**claims, "jti": "Y" + os.urandom(8).hex()})
    text, signature = token.rsplit(".", 1)
    raw = unb64(signature)
    twin = text + "." + b64(raw[:32] + (P256_ORDER - int.from_bytes(raw[32:], "big"))
                            .to_bytes(32, "big"))
    alive(mint.site, twin)
    granted(mint.site.post("/logout", token=token))
    for one in (token, twin):
        refused(mint.site.get("/verify", token=one), "token_revoked")


# The life of a key.


def test_states(patient, user):
    first = signing(patient)
    old = user.login()
    kid = new_key(patient, "ES256")
    assert state_of(patient, kid) == "published"
    wait_until(lambda: kid in {key["kid"] for key in jwks(patient)}, SOON)
    assert header_of(user.login().access)["kid"] == first
    assert ctl_json(patient, "key", "rotate") == {"signing": kid, "before": first, "changed": True}
    assert (state_of(patient, kid), state_of(patient, first)) == ("signing", "verify-only")
    again = ctl_json(patient, "key", "rotate", kid)
    assert again == {"signing": kid, "before": kid, "changed": False}
    wait_until(lambda: header_of(user.login().access)["kid"] == kid, SOON)
    alive(patient, old.access)
    new = user.login()
    # Back again, and the key in between goes.
    sign_with(patient, first, user)
    alive(patient, new.access)
    assert ctl_json(patient, "key", "retire", kid) == {"kid": kid, "changed": True}
    wait_until(lambda: patient.get("/verify", token=new.access).status_code == 401, SOON)
    refused(patient.get("/verify", token=new.access), "token_invalid")
    alive(patient, old.access)
    alive(patient, new.session)
    assert state_of(patient, kid) == "retired"
    assert not list(Path(patient.conf("token", "keys")).glob(kid + ".*.pem"))
    assert ctl_json(patient, "key", "retire", kid) == {"kid": kid, "changed": False}


def test_what_is_refused(patient):
    first = signing(patient)
    for words, sentence in ((("retire", first), "let another sign first"),
                            (("retire", "nosuch"), "there is no key"),
                            (("rotate", "nosuch"), "there is no key"),
                            (("rotate", "../signing"), "there is no key")):
        done = patient.ctl("key", *words)
        assert done.returncode == 1 and sentence in done.stderr, done
    kid = new_key(patient, "HS256")
    patient.ctl_ok("key", "retire", kid)
    done = patient.ctl("key", "rotate", kid)
    assert done.returncode == 1 and "is retired" in done.stderr
    for alg in ("EdDSA", "none", "hs256", "PS256", "RS512", ""):
        assert patient.ctl("key", "new", "--alg", alg).returncode == 2
    assert signing(patient) == first


def test_a_copy_does_not_bring_a_retired_key_back(patient, user):
    first = signing(patient)
    kid = new_key(patient, "HS256")
    kept = key_file(patient, kid).read_bytes()
    path = key_file(patient, kid)
    token = sign_with(patient, kid, user).access
    sign_with(patient, first, user)
    patient.ctl_ok("key", "retire", kid)
    wait_until(lambda: patient.get("/verify", token=token).status_code == 401, SOON)
    path.write_bytes(kept)
    path.chmod(0o600)
    try:
        assert state_of(patient, kid) == "retired"
        time.sleep(1)
        refused(patient.get("/verify", token=token), "token_invalid")
    finally:
        path.unlink()


def log_lines(site, words):
    with open(site.env["LOG"], encoding="utf-8") as log:
        return sum(words in line for line in log)


def test_a_broken_directory_changes_nothing(patient, user):
    directory = Path(patient.conf("token", "keys"))
    login = user.login()
    kid = new_key(patient, "ES256")
    wait_until(lambda: kid in {key["kid"] for key in jwks(patient)}, SOON)
    before = log_lines(patient, "the keys cannot be taken up")
    bad = directory / "bad.rs256.pem"
    bad.write_text("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n")
    bad.chmod(0o600)
    try:
        wait_until(lambda: log_lines(patient, "the keys cannot be taken up") == before + 1, SOON)
        alive(patient, login.access)
        alive(patient, user.login().access)
        assert kid in {key["kid"] for key in jwks(patient)}
        done = patient.ctl("key", "list")
        assert done.returncode == 78 and str(bad) in done.stderr and kid in done.stdout
    finally:
        bad.unlink()
    taken = log_lines(patient, "keys taken up")
    patient.ctl_ok("key", "retire", kid)
    wait_until(lambda: log_lines(patient, "keys taken up") > taken, SOON)
    assert log_lines(patient, "the keys cannot be taken up") == before + 1


def test_files_are_the_owners_alone(patient):
    for alg in ALGS:
        path = key_file(patient, new_key(patient, alg))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not [path for path in path.parent.iterdir() if path.name.startswith(".")]


# When a verb has returned.


def test_a_verb_has_returned_and_it_is_so(patient, user):
    """No time in between: the next request is answered by the keys as they are now."""
    old = signing(patient)
    for alg in ("ES256", "RS256", "HS256"):
        kid = new_key(patient, alg)
        assert (kid in [key["kid"] for key in jwks(patient)]) == (alg != "HS256")
        patient.ctl_ok("key", "rotate", kid)
        logins = at_once(4, lambda _: user.login())
        assert {header_of(login.access)["kid"] for login in logins} == {kid}
        patient.ctl_ok("key", "rotate", old)
        patient.ctl_ok("key", "retire", kid)
        answers = at_once(8, lambda _: patient.get("/verify", token=logins[0].access))
        assert {answer.status_code for answer in answers} == {401}
        assert kid not in [key["kid"] for key in jwks(patient)]


def test_a_service_that_does_not_look_is_told_of(patient):
    kid, (service,) = new_key(patient, "HS256"), ctl_json(patient, "status")["services"]
    master = service["pid"]
    os.kill(master, signal.SIGSTOP)
    try:
        done = patient.ctl("key", "retire", kid)
    finally:
        os.kill(master, signal.SIGCONT)
    assert done.returncode == 0 and "has not said within 2 s" in done.stderr, done.stderr
    done = patient.ctl("key", "retire", kid)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def copied(patient, tmp_path):
    """A service that runs a copy of the program, which a test may replace; and that copy."""
    program = tmp_path / "gatehouse"
    shutil.copy(os.path.join(patient.env["BIN_DIR"], "gatehouse"), program)
    service = Service(patient, tmp_path, "sh", "-c", 'shift; exec "$0" "$@"', str(program))
    yield service, program
    service.stop()


def change_conf(service, pattern, replacement):
    """In its file; its path."""
    path = Path(service.log.name).parent / "gatehouse.conf"
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"))
    assert count == 1
    path.write_text(text, encoding="utf-8")
    return str(path)


def served_with(service, token):
    return service.call("GET", "/verify", token=token)[0]


def test_workers_of_the_program_before_keep_a_retired_key_from_being_gone(patient, copied, user):
    """After SIGUSR2 they serve until new ones are ready, and do not hear of keys any more."""
    service, program = copied
    before, kid = signing(patient), new_key(patient, "HS256")
    token = sign_with(patient, kid, user).access
    patient.ctl_ok("key", "rotate", before)
    assert served_with(service, token) == 204
    # A program whose check says yes, and whose workers wait for a socket.
    place = Path(service.log.name).parent / "new"
    path = change_conf(service, re.escape(service.sockets["web"]), f"{place}/web.sock")
    script = program.with_name("script")
    script.write_text(f'''#!/bin/sh
case "$*" in *" -T") exit 0 ;; esac
exec {patient.env["BIN_DIR"]}/gatehouse "$@"
''', encoding="utf-8")
    script.chmod(0o755)
    script.rename(program)
    log = Path(service.log.name)
    service.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: "the new program is not ready" in log.read_text(encoding="utf-8"), 60)
    done = patient.ctl("key", "retire", kid, conf=path)
    assert done.returncode == 0 and "has not said within 2 s" in done.stderr, done.stderr
    assert "refused" not in done.stdout and served_with(service, token) == 204
    place.mkdir()
    service.sockets["web"] = f"{place}/web.sock"
    wait_until(lambda: patient.ctl("key", "retire", kid, conf=path).stderr == "", 60)
    assert served_with(service, token) == 401


def test_a_service_that_goes_by_another_directory_is_told_of(patient, copied, user, tmp_path):
    """Its configuration was changed, and it was not told."""
    service, _ = copied
    before, kid = signing(patient), new_key(patient, "HS256")
    token = sign_with(patient, kid, user).access
    patient.ctl_ok("key", "rotate", before)
    old, new = patient.conf("token", "keys"), str(tmp_path / "keys")
    shutil.copytree(old, new)
    path = change_conf(service, "(?m)^keys = .*$", f"keys = {new}")
    done = patient.ctl("key", "retire", kid, conf=path)
    assert done.returncode == 0 and "refused" not in done.stdout
    assert f"goes by the keys in {old}, not by those in {new}; reload it" in done.stderr
    assert served_with(service, token) == 204
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: patient.ctl("key", "retire", kid, conf=path).stderr == "", 60)
    wait_until(lambda: served_with(service, token) == 401, 60)


def test_where_nothing_runs_nobody_is_waited_for(site, directory):
    _, conf = directory
    done = site.ctl("key", "new", conf=conf)
    assert (done.returncode, done.stderr) == (0, "")


# Rotation under load.


def test_rotation_under_load(site):
    """A key a second, and the one before the last retired: no valid token is refused meanwhile, and
    what a retired key signed is refused soon, on every worker."""
    first, failures, counts, stop = signing(site), [], [], threading.Event()
    people = [site.register() for _ in range(3)]
    fresh = {"token": people[0].login().access}

    def ask():
        count = 0
        while not stop.is_set():
            token = fresh["token"]
            answer = site.get("/verify", token=token)
            # A retired key's tokens are not asked for: fresh is never older than one rotation.
            if answer.status_code != 204:
                failures.append((header_of(token), answer.status_code, answer.text))
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        before = first
        for turn in range(8):
            kid = new_key(site, ("ES256", "HS256", "HS512")[turn % 3])
            old = people[turn % 3].login().access
            login = sign_with(site, kid, people[turn % 3])
            fresh["token"] = login.access
            alive(site, old)
            if before != first:
                time.sleep(0.2)
                site.ctl_ok("key", "retire", before)
                wait_until(lambda: site.get("/verify", token=old).status_code == 401, SOON)
                assert {site.get("/verify", token=old).status_code for _ in range(10)} == {401}
            before = kid
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sign_again(site, first)
    assert failures == []
    assert len(counts) == len(threads) and all(counts)


# One signature by itself.


@contextmanager
def key_text(text):
    with tempfile.NamedTemporaryFile("wb", suffix=".key") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
        file.flush()
        yield file.name


def jws(site, text, alg, key):
    with key_text(key) as path:
        return site.ctl("token", "verify", "--jws", "--alg", alg, "--key", path, stdin=text)


def hs256(header, payload, secret):
    text = b64(header.encode()) + "." + b64(payload)
    return text + "." + b64(hmac.digest(secret, text.encode(), "sha256"))


def test_a_signature_alone(site):
    secret = bytes(range(32))
    jwk = json.dumps({"kty": "oct", "k": b64(secret)})
    good = hs256('{"alg":"HS256"}', b"no JSON \0 at all", secret)
    for key in (jwk, b64(secret), b64(secret) + "\n"):
        assert jws(site, good, "HS256", key).returncode == 0
        assert jws(site, good + "\n", "HS256", key).returncode == 0
        assert jws(site, good + "=", "HS256", key).returncode == 1
    assert jws(site, hs256('{"alg":"HS256"}', b"", secret), "HS256", jwk).returncode == 0
    head, body, signature = good.split(".")
    for bad in ("", ".", "..", head, f"{head}.{body}", f"{head}.{body}.", f"{good}.", f" {good}",
                f"{head}.{body}A.{signature}", f"{good}\n\n", good.replace(".", ". ", 1),
                f"{head}=.{body}.{signature}", f"{head}.{body}?.{signature}", "{}"):
        assert jws(site, bad, "HS256", jwk).returncode == 1, bad
    for header in ('{"alg":"HS512"}', '{"alg":"none"}', '{"alg":"hs256"}', '{"alg":"HS256","crit":[]}',
                   '{"alg":"HS256","b64":false}', '{"alg":"HS256","alg":"HS256"}', "{}", "[]", ""):
        assert jws(site, hs256(header, b"x", secret), "HS256", jwk).returncode == 1, header


@pytest.mark.parametrize("change", [
    {"use": "enc"}, {"use": 5}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"alg": "HS512"},
    {"alg": None}, {"kty": "RSA"}, {"k": ""}, {"k": "AAAA"}, {"k": "A" * 44}, {"k": 5},
])
def test_a_jwk_for_something_else(site, change):
    secret = bytes(range(32))
    jwk = {"kty": "oct", "k": b64(secret), "use": "sig", "key_ops": ["sign", "verify"],
           "alg": "HS256"}
    text = hs256('{"alg":"HS256"}', b"x", secret)
    assert jws(site, text, "HS256", json.dumps(jwk)).returncode == 0
    assert jws(site, text, "HS256", json.dumps({**jwk, **change})).returncode == 1


MARK = b"\xef\xbb\xbf"  # of byte order, in UTF-8
SECRETS = [bytes(range(32)), bytes(range(10, 200)) * 3, b"{" + bytes(range(50)), bytes(range(40)) + b"\n",
           b"a secret that is words, not bytes", b"a secret of lines\nand another\nand more\r\n",
           b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY",  # base64url, too
           b"31415926535897932384626433832795028841",  # JSON, too
           MARK + bytes(range(40)), b"all about kty and 'keys' and \\ and [{]}"]


@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_a_secret_in_every_form(site, secret):
    text, other = (hs256('{"alg":"HS256"}', b"x", key) for key in (secret, bytes(32)))
    plain, padded = base64.b64encode(secret), base64.urlsafe_b64encode(secret)
    forms = [secret, secret + b"\n", secret + b"\r\n", plain, padded, plain.rstrip(b"="), padded.rstrip(b"="),
             plain + b"\n", base64.encodebytes(secret), json.dumps({"kty": "oct", "k": b64(secret)})]
    for key in forms:
        done = jws(site, text, "HS256", key)
        assert done.returncode == 0, (key, done.stdout, done.stderr)
        assert jws(site, other, "HS256", key).returncode == 1, key


def test_a_reading_that_is_too_short_is_none(site):
    """45 bytes in base64url are too few for HS384, 60 letters are not."""
    letters = b64(bytes(range(45))).encode()
    text = b64(b'{"alg":"HS384"}') + "." + b64(b"x")
    text += "." + b64(hmac.digest(letters, text.encode(), "sha384"))
    assert jws(site, text, "HS384", letters).returncode == 0
    for key in (b"", b"\n", bytes(31), b64(bytes(23)), json.dumps({"kty": "oct", "k": b64(bytes(31))})):
        done = jws(site, hs256('{"alg":"HS256"}', b"x", bytes(31)), "HS256", key)
        assert done.returncode == 1 and "shorter than 32 bytes" in done.stderr, key


def test_no_public_key_is_a_secret(site):
    private = rsa.generate_private_key(65537, 2048)
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    number = private.public_key().public_numbers().n
    jwk = json.dumps({"kty": "RSA", "n": b64(number.to_bytes(256, "big")), "e": "AQAB"}).encode()
    wide = [text.decode().encode(code) for text in (pem, jwk, b'[%s]' % jwk)
            for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")]
    for key in (pem, b"# ours\n" + pem, jwk, b"\n" + jwk, b'{"keys": [%s]}' % jwk,
                b'{"keys": [%s, %s]}' % (jwk, jwk), jwk[:-1], jwk[:-1] + b', "e": "AQAB"}',
                MARK + jwk, MARK + pem, MARK + jwk[:-1], b"[%s]" % jwk, b"[%s" % jwk, b"[[%s]]" % jwk,
                b"// ours\n" + jwk, b"key = " + jwk, json.dumps(jwk.decode()).encode(),
                b"// ours\n" + json.dumps(jwk.decode()).encode(), json.dumps(pem.decode()).encode(),
                str(json.loads(jwk)).encode(), *wide):
        for secret in (key, key.strip()):
            done = jws(site, hs256('{"alg":"HS256"}', b"x", secret), "HS256", key)
            assert done.returncode == 1 and "no key for HS256" in done.stderr, key


def test_a_mark_of_byte_order_is_passed_over(site):
    private = rsa.generate_private_key(65537, 2048)
    number = private.public_key().public_numbers().n
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    jwk = {"kty": "RSA", "n": b64(number.to_bytes(256, "big")), "e": "AQAB"}
    secret = bytes(range(32))
    for alg, text, keys in (
            ("RS256", jwt.encode({}, private, "RS256"), (pem, json.dumps(jwk).encode())),
            ("HS256", hs256('{"alg":"HS256"}', b"x", secret),
             (json.dumps({"kty": "oct", "k": b64(secret)}).encode(), b64(secret).encode()))):
        for key in keys:
            assert jws(site, text, alg, MARK + key).returncode == 0, key
    done = jws(site, jwt.encode({}, private, "RS256"), "RS256", json.dumps([jwk]))
    assert done.returncode == 1 and "JSON array" in done.stderr


def test_the_key_of_a_set(site):
    pairs = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
    keys = [{"kty": "RSA", "kid": kid, "e": "AQAB",
             "n": b64(pair.public_key().public_numbers().n.to_bytes(256, "big"))}
            for kid, pair in zip(("one", "two"), pairs)]
    keys.append({"kty": "oct", "kid": "two", "k": b64(bytes(32))})
    two = jwt.encode({}, pairs[1], "RS256", headers={"kid": "two"})
    for members, text, code in ((keys, two, 0), (keys[1:2], two, 0), (keys[:1], two, 1),
                                (keys, jwt.encode({}, pairs[1], "RS256"), 1),
                                (keys[1:2], jwt.encode({}, pairs[1], "RS256"), 0),
                                (keys, jwt.encode({}, pairs[1], "RS256", headers={"kid": "one"}), 1),
                                (keys, jwt.encode({}, pairs[1], "RS256", headers={"kid": "three"}), 1),
                                ([], two, 1), ([5, None, *keys], two, 0), ([{}], two, 1)):
        done = jws(site, text, "RS256", json.dumps({"keys": members}))
        assert done.returncode == code, (members, text, done.stdout, done.stderr)
    text = jwt.encode({}, bytes(32), "HS256", headers={"kid": "two"})
    assert jws(site, text, "HS256", json.dumps({"keys": keys})).returncode == 0


def test_pairs_by_themselves(site):
    for alg, private in (("RS256", rsa.generate_private_key(65537, 2048)),
                         ("ES256", ec.generate_private_key(ec.SECP256R1()))):
        text = jwt.encode({"any": "thing"}, private, alg)
        pems = [private.private_bytes(serialization.Encoding.PEM,
                                      serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()),
                private.private_bytes(serialization.Encoding.PEM,
                                      serialization.PrivateFormat.TraditionalOpenSSL,
                                      serialization.NoEncryption()),
                private.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)]
        for pem in pems:
            assert jws(site, text, alg, pem).returncode == 0
            assert jws(site, text[:-8] + "AAAAAAA" + text[-1], alg, pem).returncode == 1
            assert jws(site, text, "ES256" if alg == "RS256" else "RS256", pem).returncode == 1
            assert jws(site, text, "HS256", pem).returncode == 1


def test_usage(site):
    for words in (["--jws"], ["--jws", "--alg", "HS256"], ["--alg", "HS256"], ["--key", "x"],
                  ["--jws", "--alg", "PS256", "--key", "x"],
                  ["--jws", "--alg", "HS256", "--key", "x", "--at", "1"]):
        assert site.ctl("token", "verify", *words).returncode == 2, words
    done = site.ctl("token", "verify", "--jws", "--alg", "HS256", "--key", "/nonexistent")
    assert done.returncode == 1 and "/nonexistent" in done.stderr


# What a key must be.


def openssl(*words):
    return subprocess.run(["openssl", *words], capture_output=True, check=True, timeout=60).stdout


@pytest.fixture
def directory(site):
    """A copy of the directory of keys, and a configuration that names it."""
    with tempfile.TemporaryDirectory() as place:
        keys = Path(place) / "keys"
        shutil.copytree(site.conf("token", "keys"), keys)
        keys.chmod(0o700)
        conf = Path(place) / "gatehouse.conf"
        text = Path(site.env["CONF"]).read_text("utf-8")
        own = re.sub(r"(?m)^keys *=.*$", f"keys = {keys}", text)
        assert own != text
        conf.write_text(own)
        conf.chmod(0o600)
        yield keys, str(conf)


def listing(site, conf):
    return site.ctl("key", "list", conf=conf)


@pytest.mark.parametrize("name,words,sentence", [
    ("x.rs256.pem", ("genrsa", "1024"), "2048 bits"),
    ("x.rs256.pem", ("ecparam", "-genkey", "-name", "prime256v1"), "no RSA key"),
    ("x.es256.pem", ("genrsa", "2048"), "no key of an elliptic curve"),
    ("x.es256.pem", ("ecparam", "-genkey", "-name", "secp384r1"), "not P-256"),
    ("x.es256.pem", ("ecparam", "-genkey", "-name", "secp256k1"), "not P-256"),
    ("x.es256.pem", ("genpkey", "-algorithm", "ed25519"), "no key of an elliptic curve"),
    ("x.rs256.pem", ("genpkey", "-algorithm", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"),
     "no RSA key"),
    ("x.es256.pem", ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-aes256", "-pass", "pass:secret"), "encrypted"),
    ("x.rs256.pem", ("genrsa", "-aes128", "-passout", "pass:secret", "-traditional", "2048"),
     "encrypted"),
    ("x.rs256.pem", ("rand", "-base64", "600"), "no PEM"),
])
def test_keys_that_are_refused(site, directory, name, words, sentence):
    keys, conf = directory
    (keys / name).write_bytes(openssl(*words))
    (keys / name).chmod(0o600)
    done = listing(site, conf)
    assert done.returncode == 78 and sentence in done.stderr and str(keys / name) in done.stderr, done
    service = subprocess.run([os.path.join(site.env["BIN_DIR"], "gatehouse"), "-c", conf, "-T"],
                             capture_output=True, text=True, timeout=30, check=False,
                             stdin=subprocess.DEVNULL, env=plain_environment())
    assert service.returncode == 78 and sentence in service.stderr


@pytest.mark.parametrize("words", [
    ("ecparam", "-genkey", "-name", "prime256v1"),
    ("ecparam", "-genkey", "-noout", "-name", "prime256v1"),
    ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
])
def test_keys_that_others_make(site, directory, words):
    keys, conf = directory
    pem = openssl(*words)
    (keys / "made.es256.pem").write_bytes(pem)
    (keys / "made.es256.pem").chmod(0o600)
    assert listing(site, conf).returncode == 0
    assert site.ctl("key", "rotate", "made", conf=conf).returncode == 0


def test_a_public_key_only_verifies(site, directory):
    keys, conf = directory
    private = ec.generate_private_key(ec.SECP256R1())
    path = keys / "theirs.es256.pem"
    path.write_bytes(private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    path.chmod(0o600)
    done = site.ctl("--json", "key", "list", conf=conf)
    found = {key["kid"]: key["state"] for key in json.loads(done.stdout)["keys"]}
    assert found["theirs"] == "verify-only"
    done = site.ctl("key", "rotate", "theirs", conf=conf)
    assert done.returncode == 1 and "no private half" in done.stderr
    (keys / "signing").write_text("theirs\n")
    done = listing(site, conf)
    assert done.returncode == 78 and "no private half" in done.stderr


@pytest.mark.parametrize("make,sentence", [
    (lambda keys, first: (keys / f"{first}.hs512.key").write_text(b64(bytes(64))), "several keys"),
    (lambda keys, first: (keys / "short.hs384.key").write_text(b64(bytes(47))), "376 bits"),
    (lambda keys, first: (keys / "short.hs512.key").write_text(b64(bytes(63))), "504 bits"),
    (lambda keys, first: (keys / "two.es256.pem").write_bytes(
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256") * 2),
     "more than one key"),
    (lambda keys, first: (keys / f"{first}.hs256.retired").write_text("x"), "is retired"),
    (lambda keys, first: (keys / "signing").unlink(), "no key signs"),
])
def test_directories_that_are_refused(site, directory, make, sentence):
    keys, conf = directory
    make(keys, (keys / "signing").read_text().strip())
    for path in keys.iterdir():
        path.chmod(0o600)
    done = listing(site, conf)
    assert done.returncode == 78 and sentence in done.stderr, done


def test_the_only_key_signs_already(site, directory):
    """key new and key rotate, as a rotation is written down, in a directory that had no key."""
    keys, conf = directory
    shutil.rmtree(keys)

    def key(*words):
        done = site.ctl("--json", "key", *words, conf=conf)
        return done.returncode, json.loads(done.stdout or "null")

    first = key("new")[1]["kid"]
    assert key("rotate") == (0, {"signing": first, "before": first, "changed": False})
    assert site.ctl("key", "rotate", conf=conf).stdout == f"{first} signs already.\n"
    second = key("new")[1]["kid"]
    assert key("rotate") == (0, {"signing": second, "before": first, "changed": True})
    # The first has signed and none waits: a rotation would be one back.
    assert key("rotate") == (1, None)
    assert key("retire", first)[0] == 0
    assert key("rotate") == (0, {"signing": second, "before": second, "changed": False})


def test_a_rotation_mends_what_names_no_key(site, directory):
    keys, conf = directory
    first = (keys / "signing").read_text().strip()
    for text in ("nosuch\n", "../x\n", "\n"):
        (keys / "signing").write_text(text)
        assert listing(site, conf).returncode == 78
        assert site.ctl("key", "rotate", first, conf=conf).returncode == 0
        assert listing(site, conf).returncode == 0
    assert (keys / "signing").read_text() == first + "\n"
