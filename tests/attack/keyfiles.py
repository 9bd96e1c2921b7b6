#!/usr/bin/env python3
"""Keys that are missing, empty, of a wrong kind, too short, or open to others: at the start gatehouse refuses
to run; while it runs it goes on with the keys of before, and what a broken key would sign is never let in."""
import os
import secrets
import shutil
import signal
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from figures import attack
from gate import PASSWORD, SigningKey, b64, claims_of, wait_until
from masters import Master


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Keys:
    """A copy of a key directory, to be spoilt."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.kid = (self.directory / "signing").read_text(encoding="ascii").strip()
        self.file = self.directory / f"{self.kid}.hs256.key"

    def write(self, data, path=None, mode=0o600):
        path = path or self.file
        # As an administrator does it: whole or not at all.
        aside = path.with_name("." + path.name + ".new")
        aside.write_bytes(data)
        aside.chmod(mode)
        os.replace(aside, path)

    def replace_by(self, make):
        self.file.unlink()
        make(self.file)

    def other(self, suffix, data):
        """Another key, which would sign."""
        self.file.unlink()
        self.write(data, self.directory / f"{self.kid}.{suffix}")


def remove_all(keys):
    shutil.rmtree(keys.directory)


def empty(keys):
    for path in keys.directory.iterdir():
        path.unlink()


BROKEN = {
    "the directory is missing": remove_all,
    "the directory is empty": empty,
    "the directory is a file": lambda keys: (remove_all(keys), keys.directory.write_text("x")),
    "others may write to the directory": lambda keys: keys.directory.chmod(0o777),
    "the key is missing": lambda keys: keys.file.unlink(),
    "the key is empty": lambda keys: keys.write(b""),
    "the key is a line end": lambda keys: keys.write(b"\n"),
    "the key has 16 bytes": lambda keys: keys.write(b64(secrets.token_bytes(16)).encode()),
    "the key has 31 bytes": lambda keys: keys.write(b64(secrets.token_bytes(31)).encode()),
    "the key is cut off": lambda keys: keys.write(keys.file.read_bytes()[:20]),
    "the key is no text": lambda keys: keys.write(bytes(range(256))),
    "the key has a NUL first": lambda keys: keys.write(b"\0" + keys.file.read_bytes()),
    "the key is of a megabyte": lambda keys: keys.write(b"A" * 1048576),
    "others may read the key": lambda keys: keys.file.chmod(0o644),
    "the group may write the key": lambda keys: keys.file.chmod(0o660),
    "the key is a directory": lambda keys: keys.replace_by(lambda path: path.mkdir()),
    "the key is a pipe": lambda keys: keys.replace_by(os.mkfifo),
    "the key is /dev/zero": lambda keys: keys.replace_by(lambda path: path.symlink_to("/dev/zero")),
    "the key is /dev/null": lambda keys: keys.replace_by(lambda path: path.symlink_to("/dev/null")),
    "the key is a public PEM": lambda keys: keys.write(
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)),
    "ES256 with P-384": lambda keys: keys.other("es256.pem", pem(ec.generate_private_key(ec.SECP384R1()))),
    "ES256 with RSA": lambda keys: keys.other("es256.pem", pem(rsa.generate_private_key(65537, 2048))),
    "RS256 with 1024 bits": lambda keys: keys.other("rs256.pem", pem(rsa.generate_private_key(65537, 1024))),
    "RS256 with a secret": lambda keys: keys.other("rs256.pem", b64(secrets.token_bytes(32)).encode()),
    "signing is missing": lambda keys: (keys.directory / "signing").unlink(),
    "signing is empty": lambda keys: keys.write(b"", keys.directory / "signing"),
    "signing names none": lambda keys: keys.write(b"nosuchkey\n", keys.directory / "signing"),
    "signing leads elsewhere": lambda keys: keys.write(b"../../etc/passwd\n", keys.directory / "signing"),
}
# What a service might take a broken key for.
POOR = [b"\0", b"\0" * 32, b"null", b"\n", b"A" * 32, bytes(range(256))[:128]]


class Broken:
    """A master with keys of its own; the good ones are kept aside."""

    def __init__(self, site):
        self.site = site
        self.top = Path(tempfile.mkdtemp(prefix="gatehouse-attack-keys."))
        self.top.chmod(0o755)
        self.good, self.used = self.top / "good", self.top / "keys"
        shutil.copytree(site.conf("token", "keys"), self.good)
        self.good.chmod(0o700)
        self.restore()
        self.key = SigningKey(site)

    def restore(self):
        if self.used.is_dir():
            shutil.rmtree(self.used)
        elif self.used.exists():
            self.used.unlink()
        shutil.copytree(self.good, self.used)
        self.used.chmod(0o700)

    def master(self):
        return Master(self.site, {"token.keys": str(self.used)}, workers=1)

    def forged(self, login):
        header = {"alg": "HS256", "typ": "JWT", "kid": self.key.kid}
        claims = {**claims_of(login.access), "jti": secrets.token_hex(16)}
        return [self.key.sign(header, claims, secret=poor) for poor in POOR] + [
            ".".join(self.key.sign({**header, "alg": alg}, claims).split(".")[:2]) + "."
            for alg in ("HS256", "none")]


def refuses_to_start(broken, spoil):
    """None: it does not run, says so, and listens on nothing."""
    broken.restore()
    spoil(Keys(broken.used))
    master = broken.master()
    try:
        status = master.start()
        said = master.log.read_text(encoding="utf-8")
        if status != 78:
            return f"exit {status}"
        if str(broken.used) not in said:
            return "it does not say where: " + said[-200:]
        return "it listens" if any(os.path.exists(path) for path in master.sockets.values()) else None
    finally:
        master.__exit__()


def reload(master):
    before = master.log.read_text(encoding="utf-8").count("reload")
    os.kill(master.process.pid, signal.SIGHUP)
    wait_until(lambda: master.log.read_text(encoding="utf-8").count("reload") >= before + 2, 15)


def goes_on(broken, master, login, user, spoil):
    """None: the keys of before serve, and nothing else does."""
    spoil(Keys(broken.used))
    time.sleep(1.1)
    for step in ("by itself", "after a reload"):
        if step == "after a reload":
            reload(master)
        if master.call("GET", "/verify", token=login.access)[0] != 204:
            return "a good token is refused " + step
        status, body = master.call("POST", "/login", {"email": user.email, "password": PASSWORD})
        if status != 200 or master.call("GET", "/verify", token=body["accessToken"])[0] != 204:
            return f"no login ({status}) " + step
        for token in broken.forged(login):
            if master.call("GET", "/verify", token=token)[0] != 401:
                return "a forged token is let in " + step
    return None


def run(site, figures):
    user = site.register()
    login = user.login()
    broken = Broken(site)
    try:
        started = {what: refuses_to_start(broken, spoil) for what, spoil in BROKEN.items()}
        figures.least("ways to break the keys", len(BROKEN), 20)
        figures.none("started with", {what: why for what, why in started.items() if why})
        running = {}
        for what, spoil in BROKEN.items():
            broken.restore()
            with broken.master() as master:
                running[what] = goes_on(broken, master, login, user, spoil)
        figures.none("disturbed a running service", {what: why for what, why in running.items() if why})
    finally:
        shutil.rmtree(broken.top, ignore_errors=True)


if __name__ == "__main__":
    attack(run)
