"""A machine of its own: the host's files, read-only, with a layer in memory on top, under a real
systemd in namespaces of its own.  Nothing that happens there reaches the host.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE = 60
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def cgroup_top():
    """Where the host has the unified hierarchy, or None."""
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, where, kind = line.split()[:3]
        if kind == "cgroup2":
            return Path(where)
    return None


class Machine:
    """lower: the root that it begins with."""

    def __init__(self, lower="/"):
        self.scratch = Path(tempfile.mkdtemp(prefix="gatehouse-machine."))
        self.cgroup = cgroup_top() / self.scratch.name
        self.cgroup.mkdir()
        # Into the cgroup before the namespace is made, of which that cgroup is then the root; and gone
        # with whoever runs the test, however that ends.
        self.outer = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", 'echo 0 >"$1/cgroup.procs"; shift; exec "$@"', "sh", str(self.cgroup),
             "unshare", "--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--cgroup",
             "--kill-child", "sh", str(HERE / "boot.sh"), str(lower), str(self.scratch)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            self.first = self._wait_for(self._first_process)
            self._wait_for(self._has_booted)
        except BaseException:
            self.off()
            raise

    def _wait_for(self, question):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = question()
            if answer:
                return answer
            assert self.outer.poll() is None, self.outer.stdout.read()
            time.sleep(0.05)
        raise AssertionError("the machine does not boot")

    def _first_process(self):
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        found = children.read_text("ascii").split()
        return int(found[0]) if found else None

    def _has_booted(self):
        if Path(f"/proc/{self.first}/comm").read_text("ascii") != "systemd\n":
            return False
        return self.tried("systemctl is-active -q basic.target").returncode == 0

    def tried(self, script, timeout=PATIENCE, cwd="/srv", login=None):
        """Runs a script of bash there; the CompletedProcess."""
        words = ["nsenter", "-t", str(self.first), "-m", "-p", "-n", "-u", "-i", "-C",
                 f"--root=/proc/{self.first}/root", f"--wd=/proc/{self.first}/root{cwd}",
                 "env", "-i", f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8"]
        if login:
            words += ["runuser", "-u", login, "--"]
        return subprocess.run([*words, "bash", "-euo", "pipefail", "-c", script],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)

    def run(self, script, **options):
        """What it prints; that it fails is a fault."""
        done = self.tried(script, **options)
        assert done.returncode == 0, (script, done.returncode, done.stdout[-6000:])
        return done.stdout

    def path(self, path):
        """A file there, as the host sees it."""
        return Path(f"/proc/{self.first}/root{path}")

    def write(self, path, text):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text, "utf-8")

    def copy(self, source, path):
        shutil.copy(source, self.path(path))

    def off(self):
        self.outer.send_signal(signal.SIGKILL)
        self.outer.wait()
        self.outer.stdout.close()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                for folder, _, _ in os.walk(self.cgroup, topdown=False):
                    os.rmdir(folder)
                break
            except OSError:  # somebody there has not quite died
                time.sleep(0.05)
        self.scratch.rmdir()
