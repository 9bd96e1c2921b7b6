"""examples/verify: the two verifiers and the service itself judge the same tokens alike."""
import importlib.util
import json
import secrets
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gate import SigningKey, b64, claims_of, header_of

FOLDER = Path(__file__).resolve().parents[2] / "examples/verify"
SPEC = importlib.util.spec_from_file_location("access_token", FOLDER / "access_token.py")
python = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(python)

PHP = """
require $argv[1] . '/access_token.php';
['keys' => $folder, 'jwks' => $jwks, 'tokens' => $tokens] = json_decode(stream_get_contents(STDIN), true);
$keys = $folder !== null ? token_keys_from_folder($folder) : token_keys_from_jwks($jwks);
echo json_encode(array_map(
    fn ($token) => token_claims($token, $keys, 'gatehouse', 'gatehouse') !== null, $tokens));
"""


def by_php(tokens, keys=None, jwks=None):
    done = subprocess.run(["php", "-d", "display_errors=stderr", "-r", PHP, str(FOLDER)],
                          input=json.dumps({"keys": keys, "jwks": jwks, "tokens": tokens}),
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


def by_python(tokens, keys):
    return [python.claims_of(token, keys, "gatehouse", "gatehouse") is not None
            for token in tokens]


@pytest.fixture(scope="module")
def tokens(site):
    """{what is wrong with it: token}; what is good has a name that begins with "good"."""
    login = site.add_user().login()
    key = SigningKey(site)
    header, claims = header_of(login.access), claims_of(login.access)
    head, body, signature = login.access.split(".")
    now = int(time.time())

    def token(head=None, without=(), **changes):
        whole = {name: value for name, value in {**claims, **changes}.items() if name not in without}
        return key.sign({**header, **(head or {})}, whole)

    found = {
        "good": login.access, "good, made here": token(), "good, more claims": token(x={"y": [1]}),
        "empty": "", "two parts": f"{head}.{body}", "four parts": login.access + ".x",
        "no signature": f"{head}.{body}.", "a space": login.access + " ", "a line": login.access + "\n",
        "padded": login.access + "=", "bits left over":
            f"{head}.{body}.{signature[:-1]}" + chr(ord(signature[-1]) + 1),
        "another secret": key.sign(header, claims, secret=secrets.token_bytes(32)),
        "longer than 4096": token(x="y" * 4096), "claims are a list": key.sign(header, "[]"),
        "claims are no JSON": key.sign(header, "{"), "header is a list": key.sign("[]", claims),
        "sha512": key.sign({**header, "alg": "HS512"}, claims, digest="sha512"),
        "exp now": token(exp=now), "exp past": token(exp=now - 1), "exp text": token(exp=str(now + 60)),
        "exp true": token(exp=True), "exp half": token(exp=now + 60.5), "exp null": token(exp=None),
    }
    for alg in ("none", "None", "", "hs256", "HS512", "RS256", 5, None, ["HS256"]):
        found[f"alg {alg}"] = token({"alg": alg})
    for kid in ("", "x", "../" + key.kid, key.kid + "\0", 0, None, [key.kid], "signing"):
        found[f"kid {kid}"] = token({"kid": kid})
    for name, value in (("crit", ["exp"]), ("crit", []), ("typ", "at+jwt"), ("typ", "refresh")):
        found[f"{name} {value}"] = token({name: value})
    for name in ("iss", "aud", "exp", "iat", "sub", "sid", "roles"):
        found[f"without {name}"] = token(without=[name])
    for name in ("iss", "aud"):
        for value in ("", "Gatehouse", "gatehouse ", ["gatehouse"], None, 0, True):
            found[f"{name} {value!r}"] = token(**{name: value})
    return found


def test_php_and_python_judge_alike(site, tokens):
    expected = {name: name.startswith("good") for name in tokens}
    folder = site.conf("token", "keys")
    keys = python.keys_from_folder(folder)
    assert dict(zip(tokens, by_php(list(tokens.values()), folder))) == expected
    assert dict(zip(tokens, by_python(tokens.values(), keys))) == expected


def test_nothing_passes_that_the_service_refuses(site, tokens):
    for name, token in tokens.items():
        if name.startswith("good"):
            assert site.get("/verify", token=token).status_code == 204, name


def test_one_changed_letter(site, tokens):
    good = tokens["good"]
    changed = [good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1:]
               for at in range(0, len(good) - 1, 7) if good[at] != "."]
    folder = site.conf("token", "keys")
    assert not any(by_php(changed, folder))
    assert not any(by_python(changed, python.keys_from_folder(folder)))


def test_without_keys_nothing_is_verified(tmp_path):
    with pytest.raises(ValueError, match="no keys"):
        python.keys_from_folder(tmp_path)
    (tmp_path / "k.hs256.key").write_text(b64(b"short") + "\n")
    with pytest.raises(ValueError, match="256 bits"):
        python.keys_from_folder(tmp_path)
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(AssertionError, match="no keys|256 bits"):
            by_php([], str(folder))


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def test_rs256(site, tokens):
    pair, other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    public = pair.public_key().public_numbers()
    jwks = json.dumps({"keys": [
        {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "r", "n": number(public.n),
         "e": number(public.e)}, {"kty": "EC", "alg": "ES256", "kid": "e"}]})
    claims = claims_of(tokens["good"])

    def sign(key, algorithm=None, **head):
        text = ".".join(b64(json.dumps(part).encode()) for part in (
            {"alg": "RS256", "typ": "JWT", "kid": "r", **head}, claims))
        return text + "." + b64(key.sign(text.encode(), algorithm or padding.PKCS1v15(),
                                         hashes.SHA256()))

    good = sign(pair)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    # The public key as an HMAC secret: the confusion that a table of algorithms prevents.
    confused = SigningKey(site).sign({"alg": "HS256", "typ": "JWT", "kid": "r"}, claims,
                                     secret=jwks.encode())
    bad = [sign(other), sign(pair, pss), sign(pair, alg="PS256"), sign(pair, kid="e"),
           sign(pair, alg="HS256"), confused, good[:-2], good + "AA", tokens["good"]]
    assert by_php([good, *bad], jwks=jwks) == [True] + [False] * len(bad)
    assert by_python([good, *bad], python.keys_from_jwks(jwks)) == [True] + [False] * len(bad)
