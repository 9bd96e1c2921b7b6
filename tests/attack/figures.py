"""What the attacks share: figures that are printed in one line, and what they must not exceed.

An attack is a program of its own beside this file.  `./dev attack` runs it with the addresses of an
instance in the environment; it prints one line and exits with 1 when it missed a criterion.
"""
import os
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flow"))
from gate import Site  # noqa: E402  pylint: disable=wrong-import-position


class Figures:
    def __init__(self):
        self.parts = []
        self.missed = []
        self.begun = time.monotonic()

    def note(self, text):
        self.parts.append(text)

    def must(self, what, value, wanted=0):
        """A figure that has to be exactly this."""
        self._figure(value == wanted, f"{value} {what}", f"wanted {wanted}")

    def none(self, what, wrong):
        """A collection of what went wrong; its first members are shown."""
        shortened = str(list(wrong.items() if isinstance(wrong, dict) else wrong)[:5])[:600]
        self._figure(not wrong, f"{len(wrong)} {what}", shortened)

    def most(self, what, value, limit, unit=""):
        """A figure that may not be above the limit."""
        self._figure(value <= limit, f"{what} {shown(value)}{unit}", f"at most {shown(limit)}{unit}")

    def least(self, what, value, limit):
        """A figure below which nothing would have been shown."""
        self._figure(value >= limit, f"{shown(value)} {what}", f"at least {shown(limit)}")

    def _figure(self, good, text, criterion):
        if not good:
            text = f"{text} [MISSED: {criterion}]"
            self.missed.append(text)
        self.parts.append(text)

    def skip(self, why):
        print(f"{name():10} skipped: {why}", flush=True)
        sys.exit(0)

    def end(self):
        word = "MISSED" if self.missed else "passed"
        seconds = time.monotonic() - self.begun
        print(f"{name():10} {word} ({seconds:.0f} s): {'; '.join(self.parts)}", flush=True)
        sys.exit(1 if self.missed else 0)


def name():
    return Path(sys.argv[0]).stem


def shown(value):
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def attack(run):
    """Runs run(site, figures) against the instance that the environment describes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    figures, site = Figures(), Site(dict(os.environ))
    run(site, figures)
    figures.end()


def number(variable, default):
    """A count that whoever has less time may lower: ATTACK_ROUNDS=10 ./dev attack refresh."""
    return int(os.environ.get("ATTACK_" + variable, default))


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def resident(pids):
    """{pid: KiB of memory in use}; what has died is left out."""
    sizes = {}
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        except OSError:
            continue
        sizes[pid] = int(text.split("VmRSS:")[1].split()[0])
    return sizes


def busy(pids):
    """Milliseconds for which these processes have had a processor."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])
               for pid in pids) / 1e6


class LogPart:
    """What the service writes to its log from here on."""

    def __init__(self, path):
        self.path = Path(path)
        self.start = self.path.stat().st_size

    def text(self):
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read()

    def lines(self, *words):
        """Lines that hold all of these words."""
        return [line for line in self.text().decode("utf-8").splitlines()
                if all(word in line for word in words)]
