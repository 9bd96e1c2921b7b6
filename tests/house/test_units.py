"""The ways to start say what the service says: names of pools, addresses, paths; and the sandbox is as
tight as it is said to be.
"""
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
UNITS = TOP / "conf/systemd"


def settings(path):
    """{key: [values]} of a unit."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        key, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("pool", ["web", "login"])
def test_a_socket_unit_is_for_a_pool(pool):
    unit = settings(UNITS / f"gatehouse-{pool}.socket")
    assert unit["FileDescriptorName"] == [pool]
    # Where the examples of web servers look for it.
    assert unit["ListenStream"] == [f"/run/gatehouse/{pool}.sock"]
    assert f"unix:/run/gatehouse/{pool}.sock" in (TOP / "conf/nginx/gatehouse-http.conf").read_text()
    backlog = re.search(r'POOL_INT\(backlog, "(\d+)"',
                        (TOP / "src/base/conf_options.h").read_text())[1]
    assert unit["Backlog"] == [backlog]
    assert unit["SocketMode"] == ["0660"]


def test_the_service_is_written_for_where_it_is_installed():
    unit = settings(UNITS / "gatehouse.service.in")
    assert unit["ExecStart"] == ["@sbindir@/gatehouse"]
    assert unit["User"] == unit["Group"] == unit["RuntimeDirectory"] == ["gatehouse"]
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == [""]


def test_exposure(tmp_path):
    """systemd's own rating, offline; 2.0 is what is promised."""
    unit = tmp_path / "gatehouse.service"
    unit.write_text((UNITS / "gatehouse.service.in").read_text().replace("@sbindir@", "/usr/sbin"))
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", str(unit)], timeout=60,
                          capture_output=True, text=True, check=False)
    rating = re.search(r"Overall exposure level for gatehouse\.service: ([\d.]+)", done.stdout)
    assert rating, done.stdout + done.stderr
    assert float(rating[1]) <= 2.0


def test_the_init_script_is_a_script():
    done = subprocess.run(["sh", "-n", str(TOP / "conf/init/gatehouse.in")], timeout=30,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = re.search(r'usage: \$0 ([a-z|-]+)', (TOP / "conf/init/gatehouse.in").read_text())[1]
    page = (TOP / "man/gatehouse.8").read_text()
    assert all(re.search(rf"\b{word}\b", page) for word in words.split("|") if word != "force-reload")
