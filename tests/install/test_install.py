"""docs/install.md by its own commands: from the tarball to a running service under each way to start,
on a machine of its own with a real systemd.

That machine has the packages of this one.  With GATEHOUSE_INSTALL_ROOT, as ./dev test-install sets it,
it is a bare Debian below that folder instead, and the packages are installed by the page's commands too.
"""
import json
import re
import time

import pytest

from steps import asked, blocks, files, processes
from steps import follow as follow_page

PAGE = "install.md"
UNITS = "/usr/local/lib/systemd/system"


def follow(machine, *sections):
    return follow_page(machine, PAGE, *sections)


def try_it(machine):
    """The page's own trial, and what its answers must be."""
    machine.tried("gatehousectl user delete ada@example.org --yes")
    printed = follow(machine, "Try it")
    answers = [json.loads(line) for line in re.sub(r"\}\s*\{", "}\n{", printed).splitlines()]
    health, registered, login = answers
    assert health["status"] == "ok"
    assert registered["message"] == "Registered"
    assert login["message"] == "Logged in"
    bearer = f"-H 'Authorization: Bearer {login['accessToken']}'"
    assert asked(machine, "/verify", bearer)[0] == 204
    assert asked(machine, "/verify")[0] == 401
    assert asked(machine, "/login", "-d '{\"email\":\"ada@example.org\",\"password\":\"wrong\"}'")[0] == 401
    return bearer


def workers_change(machine, reload):
    """A reload by the page's words: new workers, the same masters, and tokens that go on."""
    before = processes(machine)
    bearer = try_it(machine)
    reload()
    end = time.monotonic() + 30
    while set(before) & set(workers(machine)) and time.monotonic() < end:
        time.sleep(0.1)
    assert workers(machine) and not set(before) & set(workers(machine))
    assert set(masters(machine)) <= set(before)
    assert asked(machine, "/verify", bearer)[0] == 204


def masters(machine):
    return [int(pid) for pid in machine.tried("pgrep -x gatehouse").stdout.split()]


def workers(machine):
    return [int(pid) for pid in machine.tried("pgrep -x 'gatehouse:.*'").stdout.split()]


def nobody_left(machine):
    end = time.monotonic() + 20
    while processes(machine) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes(machine) == {}


def stop_units(machine):
    machine.run("systemctl disable -q --now gatehouse-web.socket gatehouse-login.socket "
                "gatehouse.service; rm -rf /etc/systemd/system/gatehouse.service.d; "
                "systemctl daemon-reload; systemctl reset-failed")
    nobody_left(machine)


@pytest.fixture
def units(machine):
    yield machine
    stop_units(machine)


# Under systemd.


def test_units_are_good(machine):
    assert machine.run(f"systemd-analyze verify --man=no {UNITS}/gatehouse*") == ""
    # Tenths: 20 is an exposure of 2.0.
    machine.run("systemctl daemon-reload; systemd-analyze security --threshold=20 gatehouse.service")


def test_systemd_sockets(units):
    follow(units, "systemd, sockets")
    try_it(units)
    # Requests wait while the service is away, also while nobody knows that it is wanted.
    units.run("systemctl stop gatehouse.service")
    nobody_left(units)
    assert asked(units, "/health")[0] == 200
    # Its workers may answer before systemd has heard that it is ready.
    end = time.monotonic() + 20
    while units.tried("systemctl is-active gatehouse.service").stdout != "active\n":
        assert time.monotonic() < end
        time.sleep(0.1)
    workers_change(units, lambda: units.run("systemctl reload gatehouse"))
    sockets = units.run("stat -c '%U:%G %a' /run/gatehouse/web.sock /run/gatehouse/login.sock")
    assert sockets == "root:www-data 660\n" * 2


def test_systemd_service(units):
    follow(units, "systemd, service")
    workers_change(units, lambda: units.run("systemctl reload gatehouse"))
    assert set(processes(units).values()) == {"gatehou+"} or \
        set(processes(units).values()) == {"gatehouse"}
    sockets = units.run("stat -c '%U:%G %a' /run/gatehouse/web.sock /run/gatehouse/login.sock")
    assert sockets == "gatehouse:www-data 660\n" * 2
    log = units.run("journalctl -u gatehouse -o cat")
    assert "level=warning" not in log and "level=error" not in log, log
    master, = masters(units)
    seccomp = units.run(f"grep -E '^(CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/{master}/status")
    assert seccomp.split() == ["CapPrm:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1",
                               "Seccomp:", "2"]


def test_systemd_upgrade_keeps_the_process(units):
    follow(units, "systemd, service")
    master, = masters(units)
    workers_change(units, lambda: follow(units, "Upgrade"))
    assert masters(units) == [master]
    assert "taken over" in units.run("journalctl -u gatehouse -o cat")
    assert "active\n" == units.run("systemctl is-active gatehouse.service")


def test_systemd_reload_of_a_mistake_fails(units):
    follow(units, "systemd, service")
    good = units.path("/etc/gatehouse/gatehouse.conf").read_text("utf-8")
    before = processes(units)
    try:
        units.write("/etc/gatehouse/gatehouse.conf", good + "[session]\nidle = never\n")
        assert units.tried("systemctl reload gatehouse").returncode != 0
        assert "idle" in units.run("journalctl -u gatehouse -o cat | tail -5")
        assert processes(units) == before
    finally:
        units.write("/etc/gatehouse/gatehouse.conf", good)
    assert asked(units, "/health")[0] == 200
    units.run("systemctl reload gatehouse")


def test_systemd_brings_back_what_was_repaired(units):
    """Behind sockets too, with people at the door, and however long it took."""
    good = units.path("/etc/gatehouse/gatehouse.conf").read_text("utf-8")
    try:
        units.write("/etc/gatehouse/gatehouse.conf", good + "[session]\nidle = never\n")
        units.tried("systemctl daemon-reload; systemctl start gatehouse-web.socket gatehouse-login.socket")
        for _ in range(25):
            units.tried("curl -sk -m 0.1 --resolve www.example.org:443:127.0.0.1 -o /dev/null "
                        "https://www.example.org/auth/health")
    finally:
        units.write("/etc/gatehouse/gatehouse.conf", good)
    end = time.monotonic() + 20
    while asked(units, "/health")[0] != 200 and time.monotonic() < end:
        time.sleep(0.2)
    assert asked(units, "/health")[0] == 200


def test_systemd_watchdog_finds_a_master_that_hangs(units):
    units.write("/run/systemd/system/gatehouse.service.d/soon.conf",
                "[Service]\nWatchdogSec=1s\n")
    follow(units, "systemd, service")
    time.sleep(1.5)
    master, = masters(units)
    assert "NRestarts=0" in units.run("systemctl show -p NRestarts gatehouse")
    units.run(f"kill -STOP {master}")
    end = time.monotonic() + 30
    while master in masters(units) and time.monotonic() < end:
        time.sleep(0.2)
    while asked(units, "/health")[0] != 200 and time.monotonic() < end:
        time.sleep(0.2)
    assert master not in masters(units)
    assert asked(units, "/health")[0] == 200
    units.run("rm -r /run/systemd/system/gatehouse.service.d")


def lines_by(units, transport):
    """What gatehouse itself said to the journal on that way: [(priority, line)]."""
    text = units.run(f"journalctl -t gatehouse _TRANSPORT={transport} -o json")
    entries = [json.loads(line) for line in text.splitlines()]
    assert {entry["_SYSTEMD_UNIT"] for entry in entries} == {"gatehouse.service"}
    return [(entry["PRIORITY"], json.loads(entry["MESSAGE"])) for entry in entries]


def test_systemd_journal_and_syslog(units):
    """The real ones, and each line has its priority; and in the unit's sandbox the queue is known."""
    follow(units, "systemd, service")
    conf = "/etc/gatehouse/gatehouse.conf"
    good = units.path(conf).read_text("utf-8")
    try:
        for target, transport in (("journal", "journal"), ("syslog", "syslog")):
            units.write(conf, good + f"[log]\ntarget = {target}\nformat = json\n")
            before = set(workers(units))
            units.run("systemctl reload gatehouse")
            end = time.monotonic() + 30
            while before & set(workers(units)) and time.monotonic() < end:
                time.sleep(0.1)
            assert asked(units, "/login", "-d '{\"email\":\"nobody@example.org\",\"password\":\"x\"}'")[0] == 401
            units.write(conf, good + "[session]\nidle = never\n")
            units.run(f"kill -HUP {masters(units)[0]}")  # without the unit's own look at it
            told, mistakes, end = [], [], time.monotonic() + 30
            while not mistakes and time.monotonic() < end:
                units.run("journalctl --sync")
                told = lines_by(units, transport)
                mistakes = [entry for entry in told if "the configuration is refused" in entry[1]["msg"]]
            refusal, = [entry for entry in told if entry[1].get("event") == "login_refused"]
            assert refusal[0] == "6" and refusal[1]["level"] == "info" and "time" not in refusal[1]
            mistake, = mistakes
            assert mistake[0] == "3" and mistake[1]["level"] == "error"
    finally:
        units.write(conf, good)
    units.run("systemctl reload gatehouse")
    shown = units.run("curl -sk --resolve www.example.org:443:127.0.0.1 https://www.example.org/auth/metrics")
    assert "gatehouse_queue{pool=\"web\"} 0\n" in shown
    assert "gatehouse_log_lost_total 0\n" in shown


def test_systemd_credentials(units):
    follow(units, "systemd, service", "With systemd")
    try:
        assert units.run("stat -c '%U %a' /etc/gatehouse/mariadb.password") == "root 600\n"
        workers_change(units, lambda: units.run("systemctl reload gatehouse"))
    finally:
        units.run("chgrp gatehouse /etc/gatehouse/mariadb.password; "
                  "chmod 640 /etc/gatehouse/mariadb.password")


# Without it.


def test_init_script(machine):
    script = "/etc/init.d/gatehouse"
    follow(machine, "init script")
    workers_change(machine, lambda: machine.run(script + " reload"))
    users = processes(machine)
    master, = masters(machine)
    assert users.pop(master) == "root" and set(users.values()) <= {"gatehouse", "gatehou+"}
    assert machine.run("cat /run/gatehouse.pid") == f"{master}\n"
    assert "runs already" in machine.run(script + " start")

    good = machine.path("/etc/gatehouse/gatehouse.conf").read_text("utf-8")
    machine.write("/etc/gatehouse/gatehouse.conf", "[session]\nidle = never\n")
    refused = [machine.tried(f"{script} {word}") for word in ("reload", "restart", "upgrade")]
    machine.write("/etc/gatehouse/gatehouse.conf", good)
    for done in refused:
        assert done.returncode == 1 and "idle" in done.stdout and "goes on as it was" in done.stdout
    assert masters(machine) == [master]

    workers_change(machine, lambda: machine.run(script + " upgrade"))
    assert masters(machine) == [master]
    machine.run(script + " restart")
    assert masters(machine) != [master]
    try_it(machine)
    machine.run(script + " stop")
    assert machine.tried(script + " status").returncode == 3
    nobody_left(machine)
    # What lies in the file may be anybody's.
    machine.write("/run/gatehouse.pid", "1\n")
    assert machine.tried(script + " status").returncode == 1
    assert "does not run" in machine.run(script + " stop")
    assert machine.tried(script + " reload").returncode == 7
    assert machine.tried(script + " dance").returncode == 2
    machine.run(f"rm /run/gatehouse.pid; update-rc.d -f gatehouse remove; rm {script}")


def test_spawn_fcgi(machine):
    *starting, reload = blocks(PAGE, "spawn-fcgi")
    for block in starting:
        machine.run(block.text)
    assert len(masters(machine)) == 2
    assert set(processes(machine).values()) <= {"gatehouse", "gatehou+"}
    workers_change(machine, lambda: machine.run(reload.text))
    workers_change(machine, lambda: machine.run(reload.text.replace("-HUP", "-USR2")))
    niced = machine.run("ps -C gatehouse:web -o nice= | sort -u").split()
    assert sorted(niced) == ["0", "10"]
    machine.run(reload.text.replace("-HUP", "-TERM"))
    nobody_left(machine)
    machine.run("rm -r /run/gatehouse /run/gatehouse-*.pid")


# The tarball.


def test_nothing_is_installed_into_etc(machine):
    added = {path for path in machine.after - machine.before if path.startswith("/etc/")}
    assert added and all(path.startswith(("/etc/gatehouse", "/etc/nginx/", "/etc/ssl/")) or
                         re.match(r"/etc/(sub)?(passwd|group|shadow|gshadow|uid|gid)", path)
                         for path in added), added


def test_every_option_is_in_the_example(machine):
    example = machine.run("cat /usr/local/share/doc/gatehouse/examples/gatehouse.conf.example")
    assert example == machine.run("gatehouse -E")


def test_a_destdir_is_whole_and_leaves_nothing(machine):
    """Also that an uninstall takes away the last file and the last folder."""
    machine.run("make -s -C /srv/gatehouse-build install DESTDIR=/tmp/aside")
    listed = machine.run("cd /tmp/aside/usr/local && find . ! -type d | sort").splitlines()
    missing = machine.run("cd /usr/local && ls -d " + " ".join(listed)).splitlines()
    assert sorted(missing) == sorted(listed) and len(listed) > 20
    machine.run("make -s -C /srv/gatehouse-build uninstall DESTDIR=/tmp/aside")
    assert machine.run("find /tmp/aside ! -type d") == ""
    assert machine.run("find /tmp/aside -path '*gatehouse*'") == ""


def test_uninstall(machine):
    """The last: nothing is left but what the page says."""
    machine.run("systemctl daemon-reload; cd /srv/gatehouse-build; echo $PWD >/srv/.here")
    follow(machine, "Uninstall")
    left = {path for path in files(machine) - machine.before
            if path.startswith("/usr/") and "gatehouse" in path}
    assert left == set()
