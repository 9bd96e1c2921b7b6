"""gatehousectl status: what it tells of a running service, and plainly that none runs."""
import json
import os
import pwd
import signal
import socket
import subprocess

import pytest

from gate import PASSWORD, plain_environment, wait_until
from test_cli import DONE, REFUSED, USAGE, conf, exits  # noqa: F401  (a fixture)


def status(site):
    services = json.loads(exits(site.ctl("--json", "status"), DONE))["services"]
    assert len(services) == 1
    return services[0]


def pool(site, name):
    found, = [pool for pool in status(site)["pools"] if pool["name"] == name]
    return found


def workers(site, name):
    return [worker for worker in status(site)["workers"] if worker["name"].startswith(name + "/")]


def test_what_people_see(site, user):
    user.login()
    shown = exits(site.ctl("status"), DONE)
    for word in ("is running", "POOL", "web.sock", "WORKER", "login/1", "idle", "redis", "hashing"):
        assert word in shown, shown
    assert site.env["MASTER_PID"] in shown


def test_what_scripts_see(site, user):
    before = status(site)
    user.login()
    after = status(site)
    assert (after["pid"], after["state"]) == (int(site.env["MASTER_PID"]), "running")
    assert after["conf"] == os.path.realpath(site.env["CONF"])
    assert sorted(worker["pid"] for worker in after["workers"]) == site.workers()
    assert after["requests"] > before["requests"]
    assert after["hashing"]["count"] > before["hashing"]["count"]
    for store in ("redis", "mariadb"):
        assert after[store]["count"] > before[store]["count"]
        assert 0 < after[store]["meanUs"] and after[store]["halfUs"] <= after[store]["mostUs"]
    counted = sum(worker["requests"] for worker in before["workers"])
    # A worker counts what it has answered once the answer is on its way.
    wait_until(lambda: sum(worker["requests"] for worker in status(site)["workers"]) > counted, 10)
    for pool_ in after["pools"]:
        assert pool_["workers"] == pool_["wanted"] > 0
        assert os.path.exists(pool_["address"]) and pool_["waiting"] is not None


def test_no_secret_is_told(site, login):
    told = site.ctl_ok("--json", "status")
    for secret in (login.access, login.session, login.refresh_token, PASSWORD, login.user.email):
        assert secret not in told


def test_it_answers_while_every_worker_hangs(site):
    """… and shows the queue before them."""
    stopped = workers(site, "login")
    waiting = []
    try:
        for worker in stopped:
            os.kill(worker["pid"], signal.SIGSTOP)
        for _ in range(3):
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].connect(pool(site, "login")["address"])
        assert pool(site, "login")["waiting"] == 3
        assert "3 of 1024" in exits(site.ctl("status"), DONE)
    finally:
        for one in waiting:
            one.close()
        for worker in stopped:
            os.kill(worker["pid"], signal.SIGCONT)
    wait_until(lambda: pool(site, "login")["waiting"] == 0, 10)


def test_a_worker_that_hangs_at_a_store_is_seen(site):
    """Its request waits for a row that somebody else has locked."""
    user = site.register()
    from gate import at_once  # noqa: E402
    import pymysql
    link = pymysql.connect(unix_socket=site.env["MARIADB_SOCKET"], user="root",
                           database=site.env["MARIADB_DATABASE"])
    seen = []

    def work(number):
        if number == 0:
            return user.try_login().status_code
        wait_until(lambda: [worker for worker in workers(site, "login")
                            if worker["doing"] == "mariadb"] and not seen.append("mariadb"), 10)
        link.rollback()
        return None
    try:
        with link.cursor() as cursor:
            cursor.execute("UPDATE users SET version = version WHERE email = %s", (user.email,))
        assert at_once(2, work)[0] in (200, 503)
    finally:
        link.close()
    assert seen


def test_deaths_and_generations_are_counted(site):
    before, deaths = status(site), pool(site, "web")["deaths"]
    os.kill(workers(site, "web")[0]["pid"], signal.SIGKILL)
    wait_until(lambda: pool(site, "web")["deaths"] == deaths + 1, 10)
    wait_until(lambda: all(one["doing"] != "starting" for one in workers(site, "web")), 10)
    os.kill(before["pid"], signal.SIGHUP)
    wait_until(lambda: status(site)["generation"] == before["generation"] + 1, 20)
    wait_until(lambda: {one["generation"] for one in status(site)["workers"]} ==
               {before["generation"] + 1}, 20)
    assert status(site)["state"] == "running"


def test_its_socket_is_for_root_alone(site):
    directory = site.conf("server", "status_dir")
    path = os.path.join(directory, f"status-{site.env['MASTER_PID']}.sock")
    assert os.stat(path).st_mode & 0o777 == 0o600
    nobody = pwd.getpwnam("nobody")
    tool = os.path.join(site.env["BIN_DIR"], "gatehousectl")
    done = subprocess.run([tool, "-c", site.env["CONF"], "status"], capture_output=True, text=True,
                          timeout=30, check=False, user=nobody.pw_uid, group=nobody.pw_gid,
                          extra_groups=[], env=plain_environment())
    exits(done, REFUSED)
    assert "ask as root" in done.stderr


# Where nobody runs.


def test_it_says_so_when_nobody_runs(site, conf, tmp_path):  # noqa: F811
    path = conf(f"server.status_dir={tmp_path}")
    done = site.ctl("status", conf=path)
    exits(done, REFUSED)
    assert done.stdout == "" and "gatehouse does not run with " + path in done.stderr
    assert "start it" in done.stderr
    exits(site.ctl("--json", "status", conf=path), REFUSED)
    done = site.ctl("status", conf=conf(f"server.status_dir={tmp_path}/none"))
    assert "does not run" in done.stderr


def test_others_are_not_taken_for_ours(site, conf):  # noqa: F811
    done = site.ctl("status", conf=conf())
    exits(done, REFUSED)
    assert "another configuration" in done.stderr


def test_what_does_not_speak_is_passed_over(site, conf, tmp_path):  # noqa: F811
    """A socket that a dead master left, and one of somebody who says nonsense."""
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "status-1.sock"))
    dead.close()
    path = conf(f"server.status_dir={tmp_path}")
    assert "does not run" in site.ctl("status", conf=path).stderr
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(str(tmp_path / "status-2.sock"))
        odd.listen(1)
        with subprocess.Popen([os.path.join(site.env["BIN_DIR"], "gatehousectl"), "-c", path, "status"],
                              stderr=subprocess.PIPE, text=True, env=plain_environment()) as done:
            peer, _ = odd.accept()
            peer.sendall(b"{\"conf\": \"\x1b[31m")
            peer.close()
            assert "do not answer" in done.communicate(timeout=30)[1]
            assert done.returncode == REFUSED


@pytest.mark.parametrize("address, workers, told", [
    (None, 0, "has no socket"), (None, 3, "has no socket"), ("/x/web.sock", 0, "has no worker"),
    ("/x/web.sock", 1, None)])
def test_a_pool_that_is_not_there_is_told_of(site, conf, tmp_path, address, workers, told):  # noqa: F811
    """After SIGUSR2 a pool may wait for its socket; a master that says so."""
    path = conf(f"server.status_dir={tmp_path}")
    pools = [{"name": "web", "address": address, "wanted": 2, "workers": workers, "busy": 0, "deaths": 0},
             {"name": "off", "address": None, "wanted": 0, "workers": 0, "busy": 0, "deaths": 0}]
    with socket.socket(socket.AF_UNIX) as master:
        master.bind(str(tmp_path / "status-1.sock"))
        master.listen(1)
        with subprocess.Popen([os.path.join(site.env["BIN_DIR"], "gatehousectl"), "-c", path, "status"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env=plain_environment()) as done:
            peer, _ = master.accept()
            peer.sendall(json.dumps({"conf": os.path.realpath(path), "pools": pools}).encode())
            peer.close()
            stderr = done.communicate(timeout=60)[1]
            assert done.returncode == (REFUSED if told else DONE)
            assert (told in stderr) if told else stderr == ""


@pytest.mark.parametrize("words", [["status", "all"], ["status", "--all"]])
def test_wrong_usage(site, words):
    exits(site.ctl(*words), USAGE)
