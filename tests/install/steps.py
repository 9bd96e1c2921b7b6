"""What the pages of docs/ say, done on a machine, and how what they set up is asked."""
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/docs"))
from page import blocks  # noqa: E402

NO_PACKAGES = "apt-get "  # are installed before a machine boots


def follow(machine, page, *sections, changed=lambda script: script, shown=()):
    """Does what these sections of a page say, in one shell's folder; what the commands print.
    shown: languages of blocks that show something and ask for nothing."""
    printed = ""
    for block in blocks(page, *sections):
        if block.file:
            machine.write(block.file, block.text)
        elif block.language == "sh":
            lines = [line for line in block.text.splitlines() if not line.startswith(NO_PACKAGES)]
            script = changed("\n".join(lines) + "\n")
            printed += machine.run(
                f'cd "$(cat /srv/.here 2>/dev/null || echo /srv)"\n{script}\npwd >/srv/.here',
                timeout=600)
        elif block.language not in shown:
            raise AssertionError(f"{block!r}: what is to be done with it?")
    return printed


def files(machine):
    """All that lies where make install could leave something."""
    return set(machine.run("find /usr /etc /var/lib /opt -xdev | sort").splitlines())


def asked(machine, path, *options):
    """(status, body) of one request through the web server."""
    words = " ".join(options)
    out = machine.run("curl -sk --resolve www.example.org:443:127.0.0.1 -w '\\n%{http_code}' "
                      f"-H Content-Type:application/json {words} https://www.example.org/auth{path}")
    body, _, status = out.rpartition("\n")
    return int(status), body


def processes(machine):
    """{pid: user} of all that is gatehouse."""
    lines = machine.tried("ps -C gatehouse,gatehouse:web,gatehouse:login -o pid=,user=").stdout
    return {int(pid): user for pid, user in map(str.split, lines.splitlines())}
