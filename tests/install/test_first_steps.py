"""docs/first-steps.md, as somebody new follows it: from the tarball to a protected PHP page, each command
timed and written down with what it printed (first-steps.txt in the folder of the build)."""
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/docs"), str(TOP / "tests/flow")]
from gate import free_ports  # noqa: E402
from page import blocks, matches  # noqa: E402

COMMANDS_MOST = 10

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="./dev up needs root")


class Newcomer:
    """A shell's folder, and what was typed there."""

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment
        self.port, tls_port = free_ports(2)
        self.up = f"./dev up --php --port {self.port} --tls-port {tls_port}"
        self.transcript, self.spent = "", 0

    def type(self, command):
        """What it prints, on both outputs."""
        run = command.replace("./dev up --php", self.up).replace(":8080/", f":{self.port}/")
        begun = time.monotonic()
        done = subprocess.run(["bash", "-c", run + '\ncode=$?; pwd >"$HERE"; exit $code'], cwd=self.folder,
                              env={**self.environment, "HERE": str(self.folder) + ".here"}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False,
                              stdin=subprocess.DEVNULL)
        seconds = time.monotonic() - begun
        self.spent += seconds
        here = Path(str(self.folder) + ".here")
        self.folder = Path(here.read_text("utf-8").strip())
        here.unlink()
        self.transcript += f"$ {command}\n{done.stdout}[{seconds:.1f} s]\n"
        assert done.returncode == 0, self.transcript
        return done.stdout.replace(f":{self.port}", ":8080")


@pytest.fixture
def newcomer(tarball):
    folder = Path("/tmp") / f"gatehouse-first-{os.getpid()}"
    folder.mkdir(mode=0o755)
    subprocess.run(["cp", str(tarball), str(folder)], check=True)
    # Quick to build, and without settings that are the tests' own.
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("GATEHOUSE_", "DEV_"))} | {"CFLAGS": "-O0"}
    made = Newcomer(folder, environment)
    yield made
    for left in folder.glob("gatehouse-*/dev"):
        subprocess.run([str(left), "down", "--wipe"], env=environment, timeout=120, check=False,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_from_the_tarball_to_a_protected_page(newcomer):
    (block,) = blocks("first-steps.md")
    commands = block.commands()
    assert block.language == "console" and 5 < len(commands) < COMMANDS_MOST
    for command, expected in commands:
        printed = newcomer.type(command)
        assert matches(printed, expected), (command, printed, expected)
    newcomer.transcript += f"{len(commands)} commands, {newcomer.spent:.0f} s\n"
    build = Path(os.environ.get("BIN_DIR", TOP / "build"))
    (build / "first-steps.txt").write_text(newcomer.transcript, "utf-8")
    print(newcomer.transcript)
