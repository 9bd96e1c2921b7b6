"""A gatehouse of one's own on the stores of the site, reached over its sockets alone."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import fastcgi
from gate import plain_environment, wait_until

HASHING = {("POST", "/login"), ("POST", "/register"), ("POST", "/password")}


class Master:
    """with Master(site, {"token.leeway": "30s"}) as master: …"""

    def __init__(self, site, settings=None, environment=None, workers=2):
        self.site = site
        self.directory = Path(tempfile.mkdtemp(prefix="gatehouse-attack-master."))
        self.directory.chmod(0o755)
        self.sockets = {pool: f"{self.directory}/{pool}.sock" for pool in ("web", "login")}
        self.conf = self.directory / "gatehouse.conf"
        self.log = self.directory / "log"
        self.log.touch()
        self.environment = {**plain_environment(), **(environment or {})}
        self.write_conf(settings or {}, workers)
        self.process = None

    def write_conf(self, settings, workers):
        """The site's own, but for the pid file, the pools and what is set here."""
        lines = [line for line in Path(self.site.env["CONF"]).read_text(encoding="utf-8").splitlines()
                 if not line.startswith("pid_file")]
        text = re.sub(r"(?s)\[pool\.[^]]*\][^[]*", "", "\n".join(lines))
        for pool, path in self.sockets.items():
            text += f"\n[pool.{pool}]\nlisten = {path}\nworkers = {workers}\n"
        for name, value in settings.items():
            section, key = name.rsplit(".", 1)
            text = re.sub(rf"(?ms)(^\[{re.escape(section)}\]\n[^[]*?)^{key} = [^\n]*\n", r"\1", text)
            text += f"\n[{section}]\n{key} = {value}\n"
        self.conf.write_text(text, encoding="utf-8")

    def start(self):
        """Runs it; its exit status when it refuses to run, else None."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.site.env["BIN_DIR"], "gatehouse"), "-c", str(self.conf), "-f"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        wait_until(lambda: self.process.poll() is not None or self.healthy(), 60)
        return self.process.poll()

    def healthy(self):
        try:
            return self.call("GET", "/health")[0] == 200
        except (FileNotFoundError, ConnectionError, AssertionError):
            return False

    def __enter__(self):
        if self.start() is not None:
            print(self.log.read_text(encoding="utf-8"), file=sys.stderr)
            raise AssertionError("gatehouse does not start")
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    def workers(self):
        pid = self.process.pid
        return [int(one) for one in
                Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]

    def call(self, method, path, body=None, token=None, timeout=20, **headers):
        """One request for a route: (status, object or None)."""
        if body is not None:
            headers.setdefault("Content_Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        pool = "login" if (method, path) in HASHING else "web"
        status, answer = fastcgi.ask(self.sockets[pool], method, "/auth" + path, headers,
                                     body or b"", timeout)
        return status, json.loads(answer) if answer else None
