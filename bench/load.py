"""The load, and what it costs: wrk's figures, and the processor time of the servers."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from stage import Failure, run

TICK = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass
class Result:
    """Of one measurement: requests a second, milliseconds, microseconds of processor a request."""

    rate: float
    p50: float
    p99: float
    cpu: float = 0.0
    refused: int = 0


def _milliseconds(out, percentile):
    found = re.search(rf"^ +{percentile}%\s+([\d.]+)(us|ms|s|m)\s*$", out, re.M)
    if not found:
        raise Failure(f"wrk measured nothing:\n{out}")
    return float(found.group(1)) * UNITS[found.group(2)]


def wrk(url, seconds, connections, *more, refusals=False):
    """An answer that is not 2xx, or none, spoils the measurement, unless refusals are expected."""
    out = run("wrk", "-t", 1, "-c", connections, "-d", f"{seconds}s", "--timeout", "10s",
              "--latency", url, *more)
    bad = re.search(r"Socket errors.*" if refusals else r"Non-2xx.*|Socket errors.*", out)
    if bad:
        raise Failure(f"{url}: {bad.group()}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return Result(float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
                  _milliseconds(out, 50), _milliseconds(out, 99),
                  refused=int(refused.group(1)) if refused else 0)


def cpu_seconds(pids):
    """Of these processes so far; nginx's loader of its cache ends by itself."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def measured(pids, url, seconds, connections, *more):
    """wrk, and what the servers spent on each request."""
    before = cpu_seconds(pids)
    result = wrk(url, seconds, connections, *more)
    result.cpu = (cpu_seconds(pids) - before) * 1e6 / (result.rate * seconds)
    return result
