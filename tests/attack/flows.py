"""Flow tests that are attacks already, run with greater numbers."""
import os
import re
import subprocess
import sys
from pathlib import Path

FLOW = Path(__file__).resolve().parents[1] / "flow"


def run_flows(file, **variables):
    """(how many tests of the file passed, how many there are); what failed goes to standard error."""
    settings = {name: str(value) for name, value in variables.items()}
    done = subprocess.run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           str(FLOW / file)], capture_output=True, text=True, check=False,
                          timeout=1100, env={**os.environ, **settings})
    counts = {word: int(count) for count, word
              in re.findall(r"(\d+) (passed|failed|errors?)", done.stdout.splitlines()[-1])}
    if done.returncode != 0:
        print(done.stdout, done.stderr, file=sys.stderr)
    return counts.get("passed", 0), max(sum(counts.values()), 1)
