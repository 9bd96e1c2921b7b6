"""Where faults happen: an instance whose stores may be harmed, what is read off it, and the verdict.

A fault is a function that takes a Lab, harms something under load, and says how that went in figures
and verdicts. `run.py` runs each at its full length; tests/flow/test_faults.py runs each for a second or
two, which is the same code.
"""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/flow"))
os.environ.setdefault("GATEHOUSE_DEV", str(TOP / "dev"))

# pylint: disable=wrong-import-position
from gate import fresh_email, granted, run_instance, wait_until  # noqa: E402
from load import Load  # noqa: E402
from test_outage import running, threads_stand_still  # noqa: E402

REDIS_TIMEOUT, MARIADB_TIMEOUT = 0.3, 1.0
# What a machine that is busy with other things may add to any time: in seconds, at full length and in a
# test, which has to be right on every machine.
SLACK, TEST_SLACK = 0.5, 10.0
FAULTS = {}


def fault(name, seconds, brief=1.0, short=True):
    """Registers a fault. seconds: how long it lasts at full length, brief: in a test; short: whether
    it is one of ./dev test."""
    def register(function):
        FAULTS[name] = function
        function.seconds, function.brief, function.short = seconds, brief, short
        function.about = function.__doc__.strip().splitlines()[0]
        return function
    return register


class OwnRedis:
    """A Redis of the lab's own, to be killed, filled and started anew with other settings."""

    def __init__(self, folder):
        self.folder, self.socket = folder, f"{folder}/redis.sock"
        self.url, self.process, self.settings = f"unix://{self.socket}", None, {}

    def start(self, wait=True, **settings):
        self.settings = {"appendonly": "yes", "save": '""', "maxmemory-policy": "noeviction",
                         **{name.replace("_", "-"): value for name, value in settings.items()}}
        conf = Path(self.folder, "redis.conf")
        lines = ["port 0", f"unixsocket {self.socket}", "unixsocketperm 777", f"dir {self.folder}",
                 f"logfile {self.folder}/redis.log", "enable-protected-configs yes",
                 *(f"{name} {value}" for name, value in self.settings.items())]
        conf.write_text("\n".join(lines) + "\n", encoding="ascii")
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(["redis-server", str(conf)], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        if wait:
            wait_until(self.answers, 30)

    def cli(self, *words):
        done = subprocess.run(["redis-cli", "-s", self.socket, *words], capture_output=True,
                              text=True, timeout=30, check=False)
        return (done.stdout + done.stderr).strip()

    def answers(self):
        return self.cli("ping") == "PONG"

    def send(self, number):
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            wait_until(lambda: threads_stand_still(self.process.pid), 5)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def forget(self):
        """Without its files, as on a disk of its own that was lost."""
        for name in os.listdir(self.folder):
            if name.endswith(".rdb"):
                os.unlink(f"{self.folder}/{name}")
        shutil.rmtree(f"{self.folder}/appendonlydir", ignore_errors=True)


class Lab:
    """One instance and its Redis; the fault at hand has its name, length and verdicts here."""

    def __init__(self, instance, store, brief):
        self.instance, self.store, self.brief = instance, store, brief
        self.site = instance.site()
        self.failures, self.seconds, self.at = [], 0, 0
        self.mended = None

    # The fault's frame.

    def run(self, name):
        function = FAULTS[name]
        self.seconds = function.brief if self.brief else function.seconds
        self.failures, self.mended = [], None
        self.at = os.path.getsize(self.site.env["LOG"])
        self.show(f"{name}: {function.about}", indent="")
        function(self)
        return self.failures

    @staticmethod
    def show(text, indent="  "):
        print(indent + text, flush=True)

    def verdict(self, good, text):
        self.show(("pass  " if good else "FAIL  ") + text)
        if not good:
            self.failures.append(text)

    def in_time(self, took, limit, text):
        """took and limit in seconds."""
        self.verdict(took < limit + (TEST_SLACK if self.brief else SLACK), text)

    def no_slower(self, was, now, factor):
        """Of two tallies. A second of a machine that does other things says nothing: judged at full
        length only."""
        was, now = was.percentile(0.99), now.percentile(0.99)
        text = f"checks p99 {was * 1000:.1f} ms -> {now * 1000:.1f} ms"
        if self.brief:
            self.show("      " + text)
        else:
            self.verdict(now <= factor * was + 0.05, text)

    # Load.

    def load(self, clients=None, **options):
        return Load(self.site, clients or (3 if self.brief else 4), **options)

    @contextlib.contextmanager
    def under_load(self, quiet=0.3, after=0.7, **options):
        """Load before, during and after whatever is done in the block; figures at the end."""
        with self.load(**options) as load:
            time.sleep(quiet)
            self.mended = None
            yield load
            self.mended = self.mended or time.monotonic()
            time.sleep(after * (0.6 if self.brief else 1))
        self.figures(load.tally)

    def figures(self, tally):
        """One line, the same for every fault."""
        recovery = f"{tally.recovery(self.mended):.2f} s" if self.mended else "-"
        self.show(f"requests {tally.requests}, wrong yes {len(tally.wrong_yes)}, wrong no "
                  f"{len(tally.wrong_no)}, 503 {tally.count(503)}, other failures "
                  f"{tally.failed - tally.count(503)}, longest without service "
                  f"{tally.without_service():.2f} s, recovered in {recovery}, checks p50 "
                  f"{tally.percentile(0.5) * 1000:.1f} ms p99 {tally.percentile(0.99) * 1000:.1f} ms")
        self.verdict(not tally.wrong_yes, f"wrong yes: {tally.wrong_yes[:3] or 0}")

    def never_wrong(self, tally):
        self.verdict(not tally.wrong_no, f"wrong no: {tally.wrong_no[:3] or 0}")

    def none_failed(self, tally):
        self.verdict(tally.failed == 0, f"failed: {tally.failed} of {tally.requests} "
                     f"{dict(tally.bad) if len(tally.bad) < 5 else ''}")

    def recovers(self, tally, limit):
        took = tally.recovery(self.mended)
        self.in_time(took, limit, f"recovered in {took:.2f} s (at most {limit:g} s)")

    # What can be read off.

    def log(self):
        with open(self.site.env["LOG"], "rb") as file:
            file.seek(self.at)
            return file.read().decode("utf-8", "replace")

    def says(self, words, seconds=5):
        """The log said so since the fault began, and what to do about it."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: words in self.log(), seconds)
        lines = [line for line in self.log().splitlines() if words in line]
        self.verdict(bool(lines), f"the log says: {words}")
        return lines[0] if lines else ""

    def metric(self, name, **labels):
        """The sum of a metric's series that have these labels."""
        total = 0.0
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        for line in self.site.get("/metrics").text.splitlines():
            if re.match(rf"gatehouse_{name}[{{ ]", line) and all(one in line for one in wanted):
                total += float(line.rsplit(" ", 1)[1])
        return total

    @contextlib.contextmanager
    def counted(self, name, **labels):
        before = self.metric(name, **labels)
        yield
        after = self.metric(name, **labels)
        shown = "".join(f" {label}={value}" for label, value in labels.items())
        self.verdict(after > before, f"counted: gatehouse_{name}{shown} by {after - before:g}")

    def master(self):
        return int(self.site.env["MASTER_PID"])

    def size(self):
        """(KiB that master and workers have for themselves, descriptors), zombies."""
        kib, fds, zombies = 0, 0, 0
        for pid in [self.master(), *self.site.workers()]:
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
                kib += sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+)", rollup, re.M))
                fds += len(os.listdir(f"/proc/{pid}/fd"))
            except OSError:
                zombies += os.path.exists(f"/proc/{pid}") and not running(pid)
        return kib, fds, zombies

    def healthy(self, seconds=15):
        wait_until(lambda: self.site.get("/health").status_code == 200, seconds)

    # What faults do.

    def signal(self, number):
        os.kill(self.master(), number)

    def told(self, number, words, seconds=30):
        """Sends the master a signal and waits until the log says that it was followed."""
        before = self.log().count(words)
        self.signal(number)
        wait_until(lambda: self.log().count(words) > before, seconds)

    @contextlib.contextmanager
    def conf_with(self, text):
        """The configuration with a few lines more; not reloaded."""
        path = Path(self.site.env["CONF"])
        good = path.read_text(encoding="utf-8")
        path.write_text(good + "\n" + text + "\n", encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(good, encoding="utf-8")

    @contextlib.contextmanager
    def conf_changed(self, old, new):
        """The configuration with one line changed, reloaded; and back."""
        path = Path(self.site.env["CONF"])
        good = path.read_text(encoding="utf-8")
        assert old in good
        path.write_text(good.replace(old, new), encoding="utf-8")
        try:
            self.told(signal.SIGHUP, "reload done")
            yield
        finally:
            path.write_text(good, encoding="utf-8")
            self.told(signal.SIGHUP, "reload done")

    def restart_stores(self):
        """Brings back what was killed of the instance's own servers."""
        self.instance.up()
        self.site.env.update(self.instance.site().env)

    def fresh_login(self):
        return self.site.register().login()

    def works(self):
        """From sign-up to a look behind the door, and out again."""
        login = self.fresh_login()
        granted(self.site.get("/verify", token=login.access), 204)
        granted(self.site.post("/logout", {}, token=login.access))
        self.verdict(self.site.get("/verify", token=login.access).status_code == 401,
                     "sign-up, sign-in and sign-out work again")


def new_lab(brief, **settings):
    folder = tempfile.mkdtemp(prefix="gatehouse-faults.")
    os.chmod(folder, 0o755)
    store = OwnRedis(folder)
    try:
        store.start()
        for instance in run_instance(**{
                "redis__url": store.url, "redis__timeout": "300ms", "mariadb__timeout": "1s",
                "pool__web__workers": "4" if brief else "8", "pool__login__workers": "2",
                "server__hang": "1s", "log__repeat": "100000/1s", **settings}):
            yield Lab(instance, store, brief)
    finally:
        store.end()
        shutil.rmtree(folder, ignore_errors=True)


__all__ = ["FAULTS", "Lab", "Load", "OwnRedis", "fault", "fresh_email", "new_lab"]
