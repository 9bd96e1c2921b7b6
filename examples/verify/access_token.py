"""Verifies gatehouse's access tokens without asking gatehouse, with Python's own library alone.

    keys = keys_from_folder("/etc/example-app/keys")         # HS256
    keys = keys_from_jwks(open("jwks.json").read())          # RS256
    claims = claims_of(token, keys, "gatehouse", "gatehouse")  # None: not a good token

What that gives up is said in access_token.php beside this file: a token stays good until its exp, and with
HS256 whoever can verify can also sign.

As a program it reads a token from standard input: python3 access_token.py FOLDER-OF-KEYS
"""
import base64
import hashlib
import hmac
import json
import re
import sys
import time
from pathlib import Path

TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
# What stands before a SHA-256 digest in a signature of RSASSA-PKCS1-v1_5 (RFC 8017, section 9.2).
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def keys_from_folder(folder):
    """{kid: (alg, secret)} of the files KID.hs256.key; each key has its one algorithm."""
    keys = {}
    for file in Path(folder).glob("*.hs256.key"):
        secret = unbase64(file.read_text("ascii").strip())
        if secret is None or len(secret) < 32:
            raise ValueError(f"{file}: not a key of 256 bits")
        keys[file.name.removesuffix(".hs256.key")] = "HS256", secret
    if not keys:
        raise ValueError(f"{folder}: no keys")  # no keys must never mean no check
    return keys


def keys_from_jwks(text):
    """{kid: (alg, (modulus, exponent))} of the RSA keys of a JWK set (RFC 7517)."""
    keys = {}
    for jwk in json.loads(text)["keys"]:
        if jwk.get("kty") == "RSA" and jwk.get("alg") == "RS256":
            n, e = (int.from_bytes(unbase64(jwk[name]), "big") for name in "ne")
            if n.bit_length() < 2048:
                raise ValueError(f"key {jwk['kid']}: not an RSA key of 2048 bits")
            keys[jwk["kid"]] = "RS256", (n, e)
    return keys


def claims_of(token, keys, issuer, audience, now=None):
    """The claims of a good token, else None."""
    parts = TOKEN.fullmatch(token) if len(token) <= 4096 else None
    if parts is None:
        return None
    header, signature = json_object(parts[1]), unbase64(parts[3])
    if header is None or signature is None or "crit" in header or header.get("typ") != "JWT":
        return None
    # The key's name picks a row of a table, never a file, and the algorithm is the key's: a token
    # must not choose how it is verified.
    kid = header.get("kid")
    alg, key = keys.get(kid, (None, None)) if isinstance(kid, str) else (None, None)
    if key is None or header.get("alg") != alg:
        return None
    text = f"{parts[1]}.{parts[2]}".encode()
    if not (signed_hs256 if alg == "HS256" else signed_rs256)(text, signature, key):
        return None
    claims = json_object(parts[2])
    good = (claims is not None and claims.get("iss") == issuer and claims.get("aud") == audience
            and is_int(claims.get("exp")) and claims["exp"] > (time.time() if now is None else now)
            and is_int(claims.get("iat")) and isinstance(claims.get("sub"), str)
            and isinstance(claims.get("sid"), str) and isinstance(claims.get("roles"), list))
    return claims if good else None


def signed_hs256(text, signature, secret):
    # compare_digest takes the same time wherever the two differ.
    return hmac.compare_digest(hmac.digest(secret, text, "sha256"), signature)


def signed_rs256(text, signature, key):
    """The whole padded digest is made and compared: a reader of paddings is where forgeries begin."""
    n, e = key
    size = (n.bit_length() + 7) // 8
    value = int.from_bytes(signature, "big")
    if len(signature) != size or value >= n:
        return False
    info = SHA256_INFO + hashlib.sha256(text).digest()
    padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
    return hmac.compare_digest(pow(value, e, n).to_bytes(size, "big"), padded)


def json_object(part):
    try:
        value = json.loads(unbase64(part) or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def unbase64(text):
    """base64url as RFC 7515 has it: one spelling for each value, nothing else."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text else None


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def main():
    claims = claims_of(sys.stdin.read().strip(), keys_from_folder(sys.argv[1]), "gatehouse",
                       "gatehouse")
    if claims is None:
        sys.exit("not a good token")
    print(json.dumps(claims))


if __name__ == "__main__":
    main()
