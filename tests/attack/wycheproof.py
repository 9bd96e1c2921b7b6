#!/usr/bin/env python3
"""Wycheproof's vectors for JSON Web Signatures, through `gatehousectl token verify --jws`.

usage: tests/attack/wycheproof.py FILE

FILE is json_web_signature_test.json (testvectors_v1/ of https://github.com/C2SP/wycheproof), or a
checkout of that repository.  Passes when no invalid text is accepted, and no valid one of an
algorithm that is supported is refused; two are labelled valid although bytes that are not base64 stand
among their base64 (RFC 7515 section 2 refuses them), and must be refused.  Some published versions
lost the padding of 367 and 370, so that they are letter for letter the valid 357 (C2SP/wycheproof
issue 236): a text that is labelled both valid and invalid under one key is given its padding back.
"""
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from figures import attack

SUPPORTED = {"HS256", "HS384", "HS512", "RS256", "ES256"}
FOREIGN_BYTES = {372, 373}


def find_vectors(path):
    path = Path(path)
    return path / "testvectors_v1/json_web_signature_test.json" if path.is_dir() else path


def algorithm(key):
    """What the key is for.  One that does not say it is offered for what its kind could do."""
    return key.get("alg") or {"oct": "HS256", "RSA": "RS256", "EC": "ES256"}[key["kty"]]


def verify(tool, key, text, alg):
    """Whether it is accepted; only "yes" and "no" are answers, whatever the bytes."""
    with tempfile.NamedTemporaryFile("w", suffix=".jwk") as file:
        json.dump(key, file)
        file.flush()
        done = subprocess.run([tool, "token", "verify", "--jws", "--alg", alg, "--key", file.name],
                              input=text.encode(), capture_output=True, timeout=60, check=False)
    if alg not in SUPPORTED:
        return "unsupported" if done.returncode == 2 else "broken"
    return {0: "accepted", 1: "refused"}.get(done.returncode, "broken")


def contradicts_itself(group, test):
    return any(other["jws"] == test["jws"] and other["result"] == "valid"
               for other in group["tests"])


def padded(text, payload):
    head, body, signature = text.split(".")
    pad = {2: "==", 3: "="}
    if payload:
        return f"{head}.{body}{pad[len(body) % 4]}.{signature}"
    return f"{text}{pad[len(signature) % 4]}"


def judge(tool, group, test):
    """(test, what it should be, what it was)"""
    key = group.get("public") or group["private"]
    text = test["jws"] if isinstance(test["jws"], str) else json.dumps(test["jws"])
    if test["result"] == "invalid" and contradicts_itself(group, test):
        text = padded(text, payload="Payload" in test["comment"])
    alg = algorithm(key)
    valid = test["result"] == "valid" and test["tcId"] not in FOREIGN_BYTES
    wanted = "unsupported" if alg not in SUPPORTED else "accepted" if valid else "refused"
    return test, wanted, verify(tool, key, text, alg)


def run(site, figures):
    if len(sys.argv) < 2:
        figures.skip("no vectors were given (--wycheproof)")
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    vectors = json.loads(find_vectors(sys.argv[1]).read_text("utf-8"))
    cases = [(tool, group, test) for group in vectors["testGroups"] for test in group["tests"]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda case: judge(*case), cases))
    figures.least("vectors", len(results), 100)
    counts = Counter((test["result"], was) for test, _, was in results)
    figures.note(", ".join(f"{label} {was} {count}" for (label, was), count in sorted(counts.items())))
    wrong = {test["tcId"]: (wanted, was, test["comment"]) for test, wanted, was in results
             if wanted != was}
    figures.none("judged wrongly", wrong)
    figures.note(f"{sorted(FOREIGN_BYTES)} are labelled valid and were to be refused")


if __name__ == "__main__":
    attack(run)
