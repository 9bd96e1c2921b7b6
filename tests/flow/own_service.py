"""A master of one's own, with one worker for each pool, on the stores of the site."""
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import fastcgi
from gate import PASSWORD, fresh_email, plain_environment, wait_until

# Routes whose work is a password hash; the web server sends them to a pool of its own.
HASHING = {("POST", "/login"), ("POST", "/register"), ("POST", "/password"),
           ("DELETE", "/profile")}


class Service:
    """A master in the foreground; its two sockets.  settings: lines for a section, by its name."""

    def __init__(self, site, directory, *wrapper, settings=None):
        self.settings = settings or {}
        self.sockets = {pool: f"{directory}/{pool}.sock" for pool in ("web", "login")}
        conf = Path(directory, "gatehouse.conf")
        conf.write_text(self._conf(Path(site.env["CONF"]).read_text(encoding="utf-8")),
                        encoding="utf-8")
        self.log = open(f"{directory}/log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [*wrapper, os.path.join(site.env["BIN_DIR"], "gatehouse"), "-c", str(conf), "-f"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=plain_environment())
        wait_until(self._ready, 120)

    def _conf(self, text):
        """The site's own, but for the master's pid file, the sockets and the number of workers."""
        lines = [line for line in text.splitlines() if not line.startswith("pid_file")]
        text = re.sub(r"(?s)\[pool\.[^]]*\][^[]*", "", "\n".join(lines))
        return text + "".join(
            f"\n[pool.{pool}]\nlisten = {path}\nworkers = 1\n" + self.settings.get(pool, "")
            for pool, path in self.sockets.items())

    def _ready(self):
        assert self.process.poll() is None, Path(self.log.name).read_text(encoding="utf-8")
        try:
            return self.call("GET", "/health")[0] == 200
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def call(self, method, path, body=None, token=None, pool=None, **headers):
        """One request for a route: (status, object or None)."""
        if body is not None:
            headers.setdefault("Content_Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        pool = pool or ("login" if (method, path) in HASHING else "web")
        status, answer = fastcgi.ask(self.sockets[pool], method, "/auth" + path, headers,
                                     body or b"")
        return status, json.loads(answer) if answer else None

    def sign_in(self):
        """Somebody new; the answer to their login."""
        body = {"email": fresh_email(), "password": PASSWORD}
        assert self.call("POST", "/register", body)[0] == 201
        status, answer = self.call("POST", "/login", body)
        assert status == 200
        return answer

    def workers(self):
        master = self.process.pid
        with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as children:
            return [int(pid) for pid in children.read().split()]

    def stop(self):
        """In an orderly way; the master's exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self.log.close()
