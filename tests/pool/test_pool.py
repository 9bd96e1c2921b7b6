"""The pool, with the toy program (toy.c) in the place of gatehouse.

GATEHOUSE_TOY is the path of the toy.  Every test has a directory of its own and ends what it
started.
"""

import fcntl
import grp
import json
import os
import pwd
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time

import pytest

TOY = os.environ.get("GATEHOUSE_TOY", "")
PATIENCE = 20
IS_ROOT = os.geteuid() == 0
EX_CONFIG = 78

UPGRADE_REFUSED = "new program refused, the old one goes on"
RELOAD_REFUSED = "reload refused, the old configuration goes on"
NOT_READY = "the new program is not ready, the workers of the one before go on"

pytestmark = pytest.mark.skipif(not TOY, reason="GATEHOUSE_TOY is not set")


def until(what, seconds=PATIENCE):
    """Waits for what() to be true and returns it; a fault when it does not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def processes():
    """(pid, ppid, state) of every process."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(name), int(fields[1]), fields[0]


def is_running(pid):
    return any(one == pid and state != "Z" for one, _, state in processes())


def ask(address, line="hello", timeout=PATIENCE):
    """One request; the words of the answer, or [] when the connection was closed without one."""
    family = socket.AF_UNIX if isinstance(address, str) else (
        socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        client.connect(address)
        client.sendall(line.encode() + b"\n")
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
    return answer.decode().split()


class Later(threading.Thread):
    """A request in the background; .answer after join()."""

    def __init__(self, address, line):
        super().__init__(daemon=True)
        self.address, self.line, self.answer = address, line, None
        self.start()

    def run(self):
        try:
            self.answer = ask(self.address, self.line)
        except OSError as error:
            self.answer = error


class Load:
    """Clients that ask without pause; every answer and every failure is counted."""

    def __init__(self, address, clients=4):
        self.address, self.ended = address, threading.Event()
        self.answers, self.failures = [], []
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def _run(self):
        while not self.ended.is_set():
            try:
                answer = ask(self.address)
                (self.answers if answer else self.failures).append(answer)
            except OSError as error:
                self.failures.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(PATIENCE)

    def wait_for(self, more):
        goal = len(self.answers) + more
        until(lambda: len(self.answers) >= goal or self.failures)


class Toy:
    def __init__(self, directory):
        self.dir = directory
        self.program = TOY
        self.plan_path = os.path.join(directory, "plan")
        self.log_path = os.path.join(directory, "log")
        self.web = os.path.join(directory, "web.sock")
        self.master = None
        self.started = []

    def plan(self, *lines):
        temporary = self.plan_path + ".new"
        with open(temporary, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        os.replace(temporary, self.plan_path)

    def simple(self, tag="one", workers=3, *more):
        self.plan(f"pool web {self.web} {workers}", f"tag {tag}", *more)

    def launch(self, wrapper=(), **options):
        with open(self.log_path, "ab") as log:
            started = subprocess.Popen([*wrapper, self.program, self.plan_path], stderr=log,
                                       cwd=self.dir, **options)
        self.started.append(started)
        return started

    def start(self, **options):
        before = self.count("ready")
        self.master = self.launch(**options)
        until(lambda: self.count("ready") > before or self.master.poll() is not None)
        assert self.master.poll() is None, self.log()
        return self

    def log(self):
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def count(self, message):
        return self.log().count(f'msg="{message}"') if os.path.exists(self.log_path) else 0

    def reload(self, message="reload done"):
        before = self.count(message)
        self.send(signal.SIGHUP)
        until(lambda: self.count(message) > before)

    def upgrade(self, message="ready"):
        before = self.count(message)
        self.send(signal.SIGUSR2)
        until(lambda: self.count(message) > before)

    def slow(self, ms):
        """A request that takes so long, and that a worker has begun."""
        before = self.count("a slow request has begun")
        request = Later(self.web, f"slow {ms}")
        until(lambda: self.count("a slow request has begun") > before)
        return request

    def send(self, number):
        self.master.send_signal(number)

    def workers(self):
        return [pid for pid, parent, state in processes()
                if parent == self.master.pid and state != "Z"]

    def zombies(self):
        return [pid for pid, parent, state in processes()
                if parent == self.master.pid and state == "Z"]

    def fds(self):
        return len(os.listdir(f"/proc/{self.master.pid}/fd"))

    def settled(self, count):
        """Exactly so many workers, which all have been ready once."""
        until(lambda: len(self.workers()) == count and not self.zombies())

    def stop(self, number=signal.SIGTERM):
        self.send(number)
        return self.master.wait(PATIENCE)

    def refused(self, code=EX_CONFIG, **options):
        assert self.launch(**options).wait(PATIENCE) == code

    def end(self):
        for one in self.started:
            workers = [pid for pid, parent, _ in processes() if parent == one.pid]
            if one.poll() is None:
                one.kill()
                one.wait()
            for pid in workers:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        log = self.log() if os.path.exists(self.log_path) else ""
        assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture(name="toy")
def fixture_toy():
    directory = tempfile.mkdtemp(prefix="ghpool")
    os.chmod(directory, 0o755)
    toy = Toy(directory)
    try:
        yield toy
        toy.end()
    finally:
        for one in toy.started:
            if one.poll() is None:
                one.kill()
                one.wait()
        shutil.rmtree(directory)


def connected(toy, directory):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(os.path.join(directory, f"status-{toy.master.pid}.sock"))
    return client


def whole(client):
    text = b""
    while chunk := client.recv(65536):
        text += chunk
    return json.loads(text)


def status(toy, directory=None):
    """What the master says about itself."""
    with connected(toy, directory or toy.dir) as client:
        return whole(client)


def own_copy(toy):
    """Runs a copy of the toy, which the test may replace."""
    toy.program = os.path.join(toy.dir, "program")
    shutil.copy(TOY, toy.program)


def replace_program(toy, text=None):
    """By a script, or by another copy: another file under the same name, as packages do it."""
    new = toy.program + ".new"
    if text is None:
        shutil.copy(TOY, new)
    else:
        with open(new, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(new, 0o755)
    os.replace(new, toy.program)


# Workers -----------------------------------------------------------------------------------------


def test_killed_workers_are_replaced(toy):
    toy.simple("one", 4)
    toy.start()
    toy.settled(4)
    fds = toy.fds()
    for _ in range(10):
        before = toy.workers()
        os.kill(before[0], signal.SIGKILL)
        until(lambda gone=before[0]: gone not in toy.workers())
        toy.settled(4)
    assert toy.fds() == fds
    assert toy.count("worker died") == 10
    assert "signal=9" in toy.log()
    assert ask(toy.web)[0] == "web"


def test_a_worker_that_stands_still_is_killed(toy):
    toy.simple("one", 3, "hang 800")
    toy.start()
    toy.settled(3)
    before = toy.workers()
    # Stopped between two requests, when nothing else would notice.
    os.kill(before[0], signal.SIGSTOP)
    until(lambda: before[0] not in toy.workers())
    toy.settled(3)
    assert toy.count("worker hangs and is killed") == 1
    assert sorted(set(before[1:]) & set(toy.workers())) == sorted(before[1:])
    assert ask(toy.web)[0] == "web"


def test_a_worker_that_stands_still_before_it_is_ready_is_killed(toy):
    """Nobody would be: at the first start, when one is replaced, and after SIGUSR2."""
    trouble, hangs = os.path.join(toy.dir, "trouble"), "worker hangs and is killed"
    open(trouble, "w", encoding="ascii").close()
    toy.simple("one", 2, "hang 400", f"stall_if {trouble}")
    toy.master = toy.launch()
    until(lambda: toy.count(hangs) >= 2)
    os.unlink(trouble)
    until(lambda: toy.count("ready") == 1)
    assert "state=starting" in toy.log() and ask(toy.web)[2] == "one"
    open(trouble, "w", encoding="ascii").close()
    before = toy.count(hangs)
    toy.upgrade(NOT_READY)
    assert toy.count(hangs) > before
    assert ask(toy.web)[2] == "one"
    os.unlink(trouble)
    until(lambda: toy.count("ready") == 2)
    assert toy.stop() == 0


def test_a_worker_that_takes_its_time_to_be_ready_is_not_killed(toy):
    """… as long as it goes on."""
    toy.simple("one", 2, "hang 600", "never")
    toy.master = toy.launch()
    until(lambda: len(toy.workers()) == 2)
    workers = sorted(toy.workers())
    time.sleep(2.5)
    assert sorted(toy.workers()) == workers and toy.count("worker hangs and is killed") == 0


def test_a_machine_that_stood_still_is_no_reason_to_kill(toy):
    toy.simple("one", 3, "hang 600")
    toy.start()
    toy.settled(3)
    everybody = [toy.master.pid, *toy.workers()]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)
    for pid in everybody:  # the master first
        os.kill(pid, signal.SIGCONT)
    time.sleep(1)
    assert sorted(toy.workers()) == sorted(everybody[1:])
    assert toy.count("worker hangs") == 0


def test_exit_code_of_a_worker_is_logged(toy):
    toy.simple("one", 1)
    toy.start()
    assert ask(toy.web, "exit 42") == []
    until(lambda: "exit_code=42" in toy.log())
    assert ask(toy.web)[2] == "one"


def test_the_master_believes_no_worker(toy):
    """One that was taken over writes all over the board; the master counts and goes on."""
    toy.simple("one", 1)
    toy.start()
    assert ask(toy.web, "scribble") != []
    assert ask(toy.web, "exit 42") == []
    assert ask(toy.web, "deaths") == ["1"]
    assert toy.count("worker died") == 1
    assert toy.stop() == 0


def test_worker_that_dies_at_once_is_slowed_down(toy):
    toy.simple("one", 1, "die")
    toy.master = toy.launch()
    time.sleep(2)
    # 0, 0, 100, 300, 700, 1500 ms
    assert 2 <= toy.count("worker died") <= 7
    toy.simple("two", 2)
    toy.reload()
    assert ask(toy.web)[2] == "two"
    assert toy.stop() == 0


# Reload ------------------------------------------------------------------------------------------


def test_reload_under_load_fails_nobody(toy):
    toy.simple("tag0", 3)
    toy.start()
    with Load(toy.web) as load:
        for i in range(1, 21):
            toy.simple(f"tag{i}", 2 + i % 3)
            toy.reload()
            load.wait_for(20)
    assert load.failures == []
    assert ask(toy.web)[2] == "tag20"
    toy.settled(4)


def test_refused_reload_changes_nothing(toy):
    toy.simple("one", 2)
    toy.start()
    workers = sorted(toy.workers())
    fds = toy.fds()
    refused = "reload refused, the old configuration goes on"
    toy.simple("two", 2, "refuse")
    toy.reload(refused)
    blocked = os.path.join(toy.dir, "missing", "x.sock")
    fine = os.path.join(toy.dir, "fine.sock")
    toy.plan(f"pool web {toy.web} 2", f"pool fine {fine} 1", f"pool bad {blocked} 1", "tag three")
    toy.reload(refused)
    toy.simple("four", 600)
    toy.reload(refused)
    assert not os.path.exists(fine)
    assert sorted(toy.workers()) == workers
    assert toy.fds() == fds
    assert ask(toy.web)[2] == "one"


def test_reload_whose_workers_die_is_given_up(toy):
    toy.simple("one", 2)
    toy.start()
    workers = sorted(toy.workers())
    toy.simple("two", 2, "die")
    with Load(toy.web) as load:
        toy.reload("reload refused, the old configuration goes on")
        load.wait_for(20)
    assert load.failures == []
    toy.settled(2)
    assert sorted(toy.workers()) == workers


def test_overlapping_reloads_are_one_after_another(toy):
    toy.simple("one", 3)
    toy.start()
    toy.simple("two", 3)
    with Load(toy.web) as load:
        for _ in range(25):
            toy.send(signal.SIGHUP)
        load.wait_for(50)
        until(lambda: toy.count("reload done") >= 1)
        until(lambda: ask(toy.web)[2] == "two")
        load.wait_for(50)
    assert load.failures == []
    toy.settled(3)
    assert 1 <= toy.count("reload done") <= 25
    assert toy.count("reloading") == toy.count("reload done")


def test_reload_opens_and_closes_sockets(toy):
    old, new = os.path.join(toy.dir, "old.sock"), os.path.join(toy.dir, "new.sock")
    toy.plan(f"pool web {toy.web} 2", f"pool old {old} 1")
    toy.start()
    inode = os.stat(toy.web).st_ino
    fds = toy.fds()
    toy.plan(f"pool web {toy.web} 2 0640", f"pool new {new} 1")
    toy.reload()
    assert ask(new)[0] == "new"
    assert not os.path.exists(old)
    assert os.stat(toy.web).st_ino == inode
    assert stat.S_IMODE(os.stat(toy.web).st_mode) == 0o640
    assert toy.fds() == fds
    os.unlink(toy.web)
    toy.reload()
    assert ask(toy.web)[0] == "web"


def test_reload_finishes_what_old_workers_have_begun(toy):
    toy.simple("one", 1)
    toy.start()
    slow = toy.slow(700)
    toy.simple("two", 1)
    toy.reload()
    assert ask(toy.web)[2] == "two"
    slow.join(PATIENCE)
    assert slow.answer[2] == "one"
    toy.settled(1)


# Stop --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_finishes_what_has_begun(toy, number):
    toy.simple()
    toy.start()
    slow = toy.slow(800)
    toy.send(number)
    until(lambda: not os.path.exists(toy.web))
    assert toy.stop() == 0  # a second order changes nothing
    slow.join(PATIENCE)
    assert slow.answer[0] == "web"
    assert toy.count("stopped") == 1


def waiting_at(address):
    """Three who have been let in by the kernel, and by no worker, which are all busy."""
    clients = []
    for _ in range(3):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE)
        client.connect(address)
        client.sendall(b"hello\n")
        clients.append(client)
    return clients


def answer_to(client):
    with client:
        try:
            return client.recv(4096).decode().split()
        except ConnectionResetError:
            return []


def test_stop_answers_who_waits_at_its_own_socket(toy):
    toy.simple("one", 2)
    toy.start()
    slow = [Later(toy.web, "slow 700") for _ in range(2)]
    time.sleep(0.3)
    clients = waiting_at(toy.web)
    assert toy.stop() == 0
    assert [answer_to(client)[:1] for client in clients] == [["web"]] * 3
    for one in slow:
        one.join(PATIENCE)
        assert one.answer[2] == "one"


def test_who_waits_at_a_supervisors_socket_waits_for_the_next(toy):
    with listening(toy.web) as socket_:
        toy.simple("one", 1)
        start_activated(toy, [socket_], "web")
        slow = Later(toy.web, "slow 700")
        time.sleep(0.3)
        clients = waiting_at(toy.web)
        assert toy.stop() == 0
        slow.join(PATIENCE)
        assert slow.answer[2] == "one"
        toy.simple("two", 1)
        start_activated(toy, [socket_], "web")
        assert [answer_to(client)[2:3] for client in clients] == [["two"]] * 3


def test_a_master_that_stops_tells_of_no_socket(toy):
    """Its sockets are closed, and their numbers belong to others: to whoever asks, for one."""
    login = os.path.join(toy.dir, "login.sock")
    toy.plan(f"pool web {toy.web} 1", f"pool login {login} 1", f"status_dir {toy.dir}")
    toy.start()
    slow = toy.slow(60000)
    toy.send(signal.SIGTERM)
    until(lambda: toy.count("stopping"))
    told = status(toy)
    assert told["state"] == "stopping"
    assert [(pool["address"], pool["wanted"], pool["waiting"]) for pool in told["pools"]] == [
        (None, 0, None)] * 2
    assert toy.stop(signal.SIGQUIT) == 0
    slow.join(PATIENCE)


def test_stop_has_an_end(toy):
    toy.simple("one", 2, "shutdown 300")
    toy.start()
    slow = toy.slow(60000)
    assert toy.stop() == 0
    slow.join(PATIENCE)
    assert slow.answer == [] or isinstance(slow.answer, OSError)
    assert toy.count("worker did not finish in time and is killed") == 1


def test_quit_finishes_nothing(toy):
    """No request that is any work: a hash takes longer than what is waited for."""
    toy.simple("one", 2, "shutdown 60000")
    toy.start()
    slow = toy.slow(60000)
    assert toy.stop(signal.SIGQUIT) == 0
    slow.join(PATIENCE)
    assert slow.answer == []
    assert " patience_ms=50\n" in toy.log()


def test_quit_waits_for_nobody(toy):
    toy.simple("one", 2, "shutdown 60000")
    toy.start()
    slow = toy.slow(60000)
    toy.send(signal.SIGTERM)
    until(lambda: len(toy.workers()) == 1)  # who was idle has gone
    assert toy.master.poll() is None
    assert toy.stop(signal.SIGQUIT) == 0
    slow.join(PATIENCE)
    assert slow.answer == []


def test_stop_while_a_reload_waits(toy):
    toy.simple()
    toy.start()
    toy.simple("two", 3, "never")
    toy.send(signal.SIGHUP)
    until(lambda: len(toy.workers()) == 6)
    assert toy.stop() == 0


def test_workers_outlive_a_killed_master_only_to_finish(toy):
    toy.simple("one", 3)
    toy.start()
    workers = toy.workers()
    slow = toy.slow(1500)
    toy.master.kill()
    toy.master.wait()
    toy.simple("two", 2)
    toy.start()  # at once, although one of the orphans still listens
    assert ask(toy.web)[2] == "two"
    slow.join(PATIENCE)
    assert slow.answer[2] == "one"
    until(lambda: not any(is_running(pid) for pid in workers))
    assert toy.stop() == 0
    assert not os.path.exists(toy.web)


def test_orphans_have_an_end(toy):
    toy.simple("one", 1, "shutdown 200")
    toy.start()
    workers = toy.workers()
    slow = toy.slow(60000)
    toy.master.kill()
    toy.master.wait()
    until(lambda: not any(is_running(pid) for pid in workers))
    slow.join(PATIENCE)
    assert slow.answer == [] or isinstance(slow.answer, OSError)


# Sockets -----------------------------------------------------------------------------------------


def test_second_instance_is_refused(toy):
    toy.simple()
    toy.start()
    toy.refused()
    assert "already served by another process" in toy.log()
    assert ask(toy.web)[0] == "web"
    assert toy.stop() == 0


def test_stale_socket_is_replaced(toy):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(toy.web)
    toy.simple()
    toy.start()
    assert ask(toy.web)[0] == "web"


def test_socket_of_somebody_else_is_not_removed(toy):
    toy.simple()
    toy.start()
    os.unlink(toy.web)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(toy.web)
        assert toy.stop() == 0
        assert os.path.exists(toy.web)


@pytest.mark.parametrize("listen, why", [
    ("/tmp/" + "x" * 105, "longer than"),
    ("nowhere", "not an address"),
    ("localhost:80", "not an address"),
    ("-", "no pool has a socket"),
])
def test_bad_addresses_are_refused(toy, listen, why):
    toy.plan(f"pool web {listen} 1")
    toy.refused()
    assert why in toy.log()


def test_other_files_and_double_addresses_are_refused(toy):
    with open(toy.web, "w", encoding="ascii") as file:
        file.write("precious")
    toy.simple()
    toy.refused()
    assert "no socket is in the way" in toy.log()
    with open(toy.web, encoding="ascii") as file:
        assert file.read() == "precious"
    os.unlink(toy.web)
    toy.plan(f"pool web {toy.web} 1", f"pool login {toy.web} 1")
    toy.refused()
    assert "share an address" in toy.log()
    toy.plan(f"pool web {toy.web} 513")
    toy.refused()
    assert "too many workers" in toy.log()


@pytest.mark.parametrize("mode", ["0600", "0660", "0666"])
def test_mode_of_the_socket(toy, mode):
    toy.plan(f"pool web {toy.web} 1 {mode}")
    before = os.umask(0o077)
    try:
        toy.start()
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(toy.web).st_mode) == int(mode, 8)


@pytest.mark.skipif(not IS_ROOT, reason="only root gives files away")
def test_owner_of_the_socket(toy):
    toy.plan(f"pool web {toy.web} 1 0660 nobody daemon")
    toy.start()
    there = os.stat(toy.web)
    assert there.st_uid == pwd.getpwnam("nobody").pw_uid
    assert there.st_gid == grp.getgrnam("daemon").gr_gid
    assert stat.S_IMODE(there.st_mode) == 0o660
    toy.stop()
    toy.plan(f"pool web {toy.web} 1 0660 nobody-of-that-name")
    toy.refused()
    assert not os.path.exists(toy.web)


@pytest.mark.parametrize("host, text", [("127.0.0.1", "127.0.0.1:{}"), ("::1", "[::1]:{}")])
def test_tcp(toy, host, text):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as free:
            # Below the ports that the kernel gives to clients.
            port = random.randrange(10001, 20000, 2)
            free.bind((host, port))
    except OSError:
        pytest.skip(f"no {host} on this machine")
    toy.plan("pool web " + text.format(port) + " 2", "tag one")
    toy.start()
    assert ask((host, port))[0] == "web"
    toy.refused()
    toy.plan("pool web " + text.format(port) + " 2", "tag two")
    with Load((host, port), 2) as load:
        toy.reload()
        load.wait_for(10)
    assert load.failures == []
    assert ask((host, port))[2] == "two"
    assert toy.stop() == 0
    toy.start()  # although connections of before are still in TIME_WAIT
    assert ask((host, port))[2] == "two"


def listening(path):
    one = socket.socket(socket.AF_UNIX)
    one.bind(path)
    one.listen(64)
    os.chmod(path, 0o666)
    return one


def test_descriptor_0(toy):
    path = os.path.join(toy.dir, "given.sock")
    login = os.path.join(toy.dir, "login.sock")
    with listening(path) as given:
        toy.plan(f"pool web {toy.web} 2", f"pool login {login} 2", "tag one")
        toy.start(stdin=given)
        assert ask(path)[0] == "web"
        assert not os.path.exists(toy.web) and not os.path.exists(login)
        toy.settled(2)
        toy.plan(f"pool web {toy.web} 3", f"pool login {login} 2", "tag two")
        toy.reload()
        assert ask(path)[2] == "two"
        toy.upgrade()
        assert ask(path)[:1] == ["web"]
        toy.settled(3)
        assert toy.stop() == 0
        assert os.path.exists(path)


def start_activated(toy, sockets, names):
    """As systemd does: descriptors from 3 on, and variables for exactly this process."""
    high = [fcntl.fcntl(one, fcntl.F_DUPFD, 50) for one in sockets]
    redirections = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(high))
    script = f'LISTEN_PID=$$ exec "$@" {redirections}'
    environment = dict(os.environ, LISTEN_FDS=str(len(high)))
    if names:
        environment["LISTEN_FDNAMES"] = names
    try:
        toy.start(wrapper=["bash", "-c", script, "bash"], pass_fds=high, env=environment)
    finally:
        for fd in high:
            os.close(fd)


@pytest.mark.parametrize("names, first, second", [
    ("login:web", "login", "web"),
    ("", "web", "login"),
    ("unknown:web", "login", "web"),
])
def test_socket_activation(toy, names, first, second):
    paths = [os.path.join(toy.dir, name) for name in ("a.sock", "b.sock", "extra.sock")]
    with listening(paths[0]) as one, listening(paths[1]) as two:
        lines = [f"pool web {toy.web} 1", "pool login - 1", f"pool extra {paths[2]} 1"]
        toy.plan(*lines, "tag one")
        start_activated(toy, [one, two], names)
        assert ask(paths[0])[0] == first
        assert ask(paths[1])[0] == second
        assert ask(paths[2])[0] == "extra"
        assert not os.path.exists(toy.web)
        toy.plan(*lines, "tag two")
        toy.reload()
        assert [ask(path)[0] for path in paths] == [first, second, "extra"]
        toy.upgrade()
        assert [ask(path)[0] for path in paths] == [first, second, "extra"]
        assert ask(paths[0])[2] == "two"
        assert toy.stop() == 0
        assert os.path.exists(paths[0]) and os.path.exists(paths[1])
        assert not os.path.exists(paths[2])


def test_activation_meant_for_another_process_is_ignored(toy):
    toy.simple()
    toy.start(env=dict(os.environ, LISTEN_PID="1", LISTEN_FDS="3"))
    assert ask(toy.web)[0] == "web"


# Upgrade -----------------------------------------------------------------------------------------


def test_upgrade_under_load_fails_nobody(toy):
    own_copy(toy)
    toy.simple("tag0", 3)
    toy.start()
    fds, inode = toy.fds(), os.stat(toy.web).st_ino
    with Load(toy.web) as load:
        for i in range(1, 6):
            toy.simple(f"tag{i}", 3)
            replace_program(toy)
            toy.upgrade()
            load.wait_for(20)
    assert load.failures == []
    assert ask(toy.web)[2] == "tag5"
    toy.settled(3)
    assert toy.fds() == fds
    assert os.stat(toy.web).st_ino == inode
    with open(f"/proc/{toy.master.pid}/environ", "rb") as file:
        environment = file.read()
    for pid in toy.workers():
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            assert toy.program.encode() in file.read()
    assert b"LISTEN_FDS" not in environment
    assert toy.stop() == 0
    assert not os.path.exists(toy.web)


def test_upgrade_finishes_what_old_workers_have_begun(toy):
    toy.simple("one", 1)
    toy.start()
    slow = toy.slow(1500)
    toy.simple("two", 1)
    toy.upgrade()
    assert ask(toy.web)[2] == "two"
    slow.join(PATIENCE)
    assert slow.answer[2] == "one"
    toy.settled(1)


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", "no program at all\0"])
def test_upgrade_to_a_broken_program_is_refused(toy, text):
    own_copy(toy)
    toy.simple()
    toy.start()
    workers, fds = sorted(toy.workers()), toy.fds()
    replace_program(toy, text)
    toy.upgrade("new program refused, the old one goes on")
    assert sorted(toy.workers()) == workers
    assert toy.fds() == fds
    replace_program(toy)
    toy.simple("two")
    toy.upgrade()
    assert ask(toy.web)[2] == "two"


def test_upgrade_is_refused_with_a_bad_configuration(toy):
    toy.simple()
    toy.start()
    toy.simple("two", 3, "refuse")
    toy.upgrade("new program refused, the old one goes on")
    assert ask(toy.web)[2] == "one"


def test_upgrade_is_refused_when_the_plan_cannot_be(toy):
    toy.simple()
    toy.start()
    toy.simple("two", 513)
    toy.upgrade("new program refused, the old one goes on")
    assert "too many workers" in toy.log()
    assert ask(toy.web)[2] == "one"


def free_port():
    """Below the ports that the kernel gives to clients."""
    for _ in range(100):
        with socket.socket() as free:
            try:
                port = random.randrange(10001, 20000, 2)
                free.bind(("0.0.0.0", port))
                return port
            except OSError:
                pass
    raise AssertionError("no port is free")


@pytest.mark.parametrize("every", [False, True])
def test_upgrade_is_refused_where_a_reload_is(toy, every):
    """A pool moves to where no socket can be had: neither is it off afterwards nor is the service gone."""
    login = os.path.join(toy.dir, "login.sock")
    toy.plan(f"pool web {toy.web} 1", f"pool login {login} 1", "tag one")
    toy.start()
    workers, fds = sorted(toy.workers()), toy.fds()
    toy.plan(f"pool login {toy.dir + '/missing/l.sock' if every else login} 1",
             f"pool fine {toy.dir}/fine.sock 1", f"pool web {toy.dir}/missing/w.sock 1", "tag two")
    toy.reload(RELOAD_REFUSED)
    toy.upgrade(UPGRADE_REFUSED)
    assert toy.log().count("No such file or directory") == 2
    assert sorted(toy.workers()) == workers and toy.fds() == fds
    assert ask(toy.web)[2] == ask(login)[2] == "one"
    assert not os.path.exists(f"{toy.dir}/fine.sock")  # the check took back what it could have
    os.mkdir(f"{toy.dir}/missing")
    toy.upgrade()
    assert ask(f"{toy.dir}/missing/w.sock")[2] == ask(f"{toy.dir}/fine.sock")[2] == "two"
    assert toy.stop() == 0


def test_what_it_has_keeps_no_upgrade_from_it(toy):
    """… nor do addresses that change hands, ports among them, and a file that somebody removed."""
    login, port, other = os.path.join(toy.dir, "login.sock"), free_port(), free_port()
    toy.plan(f"pool web {toy.web} 1", f"pool login {login} 1", f"pool tcp 127.0.0.1:{port} 1", "tag one")
    toy.start()
    os.unlink(login)
    toy.plan(f"pool login {login} 1", f"pool other 127.0.0.1:{port} 1", f"pool tcp 127.0.0.1:{other} 1",
             f"pool web {toy.web} 1", "tag two")
    toy.upgrade()
    assert ask(toy.web)[2] == "two"
    assert [ask(at)[0] for at in (toy.web, login, ("127.0.0.1", port), ("127.0.0.1", other))] == [
        "web", "login", "other", "tcp"]


@pytest.mark.parametrize("others", [False, True])
def test_a_port_that_is_its_own_wants_a_restart(toy, others):
    """From one address to all of them: the old socket is in the way of the new one, until it is gone."""
    port = free_port()
    if others:
        with socket.create_server(("127.0.0.2", port)):
            toy.plan(f"pool web {toy.web} 1", "tag one")
            toy.start()
            toy.plan(f"pool web 0.0.0.0:{port} 1", "tag two")
            toy.reload(RELOAD_REFUSED)
            toy.upgrade(UPGRADE_REFUSED)
        assert toy.log().count("already served by another process") == 2
        assert ask(toy.web)[2] == "one"
        return
    toy.plan(f"pool web 127.0.0.1:{port} 1", "tag one")
    toy.start()
    toy.plan(f"pool web 0.0.0.0:{port} 1", "tag two")
    toy.reload(RELOAD_REFUSED)
    toy.upgrade(UPGRADE_REFUSED)
    assert toy.log().count(f"the service's own socket 127.0.0.1:{port} holds this port") == 2
    assert "another process" not in toy.log()
    assert ask(("127.0.0.1", port))[2] == "one"
    assert toy.stop() == 0
    toy.start()
    assert ask(("127.0.0.1", port))[2] == "two"


def unchecked(toy):
    """Puts a program into the place of the toy's copy whose check always says yes."""
    replace_program(toy, f'#!/bin/sh\ncase "$*" in *" -T") exit 0 ;; esac\nexec {TOY} "$@"\n')


@pytest.mark.parametrize("every", [False, True])
def test_a_new_program_without_a_socket_waits_for_it(toy, every):
    """What was there at the check is gone: the workers of before serve until it is there again."""
    own_copy(toy)
    login, new, place = (os.path.join(toy.dir, name) for name in ("login.sock", "new/w.sock", "new"))
    toy.plan(f"pool web {toy.web} 1", f"pool login {login} 1", "tag one", f"status_dir {toy.dir}")
    toy.start()
    unchecked(toy)
    toy.plan(f"pool web {new} 1", f"pool login {place + '/l.sock' if every else login} 1", "tag two",
             f"status_dir {toy.dir}")
    toy.upgrade(NOT_READY)
    assert ask(toy.web)[2] == "one"
    assert ask(login)[0] == "login"
    told = status(toy)
    assert told["state"] == "starting"
    assert [(pool["address"], pool["wanted"]) for pool in told["pools"]] == [
        (None, 1), (None if every else login, 1)]
    assert {"web/1", "login/1"} == {one["name"] for one in told["workers"] if one["doing"] == "serving"}
    assert [pool["workers"] for pool in told["pools"]] == [1, 1 if every else 2]
    os.mkdir(place)
    until(lambda: toy.count("ready") == 2)
    assert ask(new)[2] == "two"
    until(lambda: not os.path.exists(toy.web))
    toy.settled(2)
    assert toy.count(NOT_READY) == 1
    assert [pool["address"] for pool in status(toy)["pools"]][0] == new
    assert toy.stop() == 0


def test_a_reload_ends_the_wait_of_a_new_program(toy):
    own_copy(toy)
    port = free_port()
    toy.plan(f"pool web 127.0.0.1:{port} 1", "tag one")
    toy.start()
    unchecked(toy)
    toy.plan(f"pool web 0.0.0.0:{port} 1", "tag two")
    toy.upgrade(NOT_READY)
    assert ask(("127.0.0.1", port))[2] == "one"
    toy.reload(RELOAD_REFUSED)
    assert ask(("127.0.0.1", port))[2] == "one"
    # A reload that fails late takes nothing from the workers of before.
    toy.plan(f"pool web {toy.web} 1", "tag three", "die")
    toy.reload(RELOAD_REFUSED)
    assert not os.path.exists(toy.web)
    assert ask(("127.0.0.1", port))[2] == "one"
    toy.plan(f"pool web {toy.web} 1", "tag four")
    toy.reload()
    assert ask(toy.web)[2] == "four"
    toy.settled(1)
    with pytest.raises(ConnectionRefusedError):
        ask(("127.0.0.1", port))
    assert toy.stop() == 0


def test_workers_of_before_go_on_while_new_ones_die(toy):
    toy.simple("one", 2)
    toy.start()
    toy.simple("two", 2, "die")
    toy.upgrade(NOT_READY)
    assert "new workers die before they are ready" in toy.log()
    assert ask(toy.web)[2] == "one"
    toy.simple("three", 2)
    toy.reload()
    assert ask(toy.web)[2] == "three"
    toy.settled(2)


def test_upgrade_goes_on_without_its_pid_file(toy):
    """… for the same reason: it was written when root started it, or lay on a disk that is full now."""
    folder = os.path.join(toy.dir, "pids")
    os.mkdir(folder)
    toy.simple("one", 2, f"pid_file {folder}/pid")
    toy.start()
    shutil.rmtree(folder)
    toy.simple("two", 2, f"pid_file {folder}/pid")
    toy.upgrade()
    assert ask(toy.web)[2] == "two"
    assert toy.count("pid file cannot be written") == 1
    toy.settled(2)
    assert toy.stop() == 0


def test_upgrade_moves_its_files(toy):
    """… as a reload does: what the program before has written is not left behind."""
    own_copy(toy)
    for name in ("before", "after"):
        os.mkdir(os.path.join(toy.dir, name))
    toy.simple("one", 1, f"pid_file {toy.dir}/before/pid", f"status_dir {toy.dir}/before")
    toy.start()
    name = f"status-{toy.master.pid}.sock"
    assert sorted(os.listdir(f"{toy.dir}/before")) == ["pid", name]
    toy.upgrade()
    assert sorted(os.listdir(f"{toy.dir}/before")) == ["pid", name]
    toy.simple("two", 1, f"pid_file {toy.dir}/after/pid", f"status_dir {toy.dir}/after")
    toy.upgrade()
    assert os.listdir(f"{toy.dir}/before") == []
    assert sorted(os.listdir(f"{toy.dir}/after")) == ["pid", name]
    assert status(toy, f"{toy.dir}/after")["pid"] == toy.master.pid
    toy.simple("three", 1)
    toy.upgrade()
    assert os.listdir(f"{toy.dir}/after") == []
    assert toy.stop() == 0


def test_who_asks_for_the_status_amid_an_upgrade_waits(toy):
    """The socket is never without a listener: that would say that no service runs."""
    own_copy(toy)
    begun, go = os.path.join(toy.dir, "begun"), os.path.join(toy.dir, "go")
    toy.simple("one", 1, f"status_dir {toy.dir}")
    toy.start()
    replace_program(toy, f'''#!/bin/sh
case "$*" in *" -T") exit 0 ;; esac
: > {begun}
while [ ! -e {go} ]; do sleep 0.05; done
exec {TOY} "$@"
''')
    toy.send(signal.SIGUSR2)
    until(lambda: os.path.exists(begun))
    with connected(toy, toy.dir) as client:
        open(go, "w", encoding="ascii").close()
        assert whole(client)["pid"] == toy.master.pid
    until(lambda: toy.count("ready") == 2)
    assert toy.stop() == 0
    assert not [name for name in os.listdir(toy.dir) if name.startswith("status-")]


def test_loop_goes_on_while_a_new_program_is_checked(toy):
    own_copy(toy)
    toy.simple()
    toy.start()
    replace_program(toy, "#!/bin/sh\nexec sleep 60\n")
    toy.send(signal.SIGUSR2)
    until(lambda: toy.count("checking the new program"))
    toy.simple("two")
    toy.reload()
    assert ask(toy.web)[2] == "two"
    assert toy.stop() == 0


def test_upgrade_and_stop_at_the_same_time(toy):
    for delay in (0, 0.01, 0.05, 0.1):
        toy.simple()
        toy.start()
        workers = toy.workers()
        toy.send(signal.SIGUSR2)
        time.sleep(delay)
        assert toy.stop() == 0
        assert not any(is_running(pid) for pid in workers)
        assert not os.path.exists(toy.web)


def test_upgrade_and_reload_at_the_same_time(toy):
    toy.simple("one", 2)
    toy.start()
    toy.simple("two", 2)
    with Load(toy.web) as load:
        for _ in range(5):
            toy.send(signal.SIGHUP)
            toy.send(signal.SIGUSR2)
            load.wait_for(5)
            toy.send(signal.SIGHUP)
        until(lambda: toy.count("taken over from the program before") >= 1)
        until(lambda: ask(toy.web)[2] == "two")
        load.wait_for(50)
    assert load.failures == []
    assert toy.master.poll() is None
    toy.settled(2)


# Around it ---------------------------------------------------------------------------------------


def test_pid_file(toy):
    first, second = os.path.join(toy.dir, "pid"), os.path.join(toy.dir, "pid2")
    toy.simple("one", 1, f"pid_file {first}")
    toy.start()
    with open(first, encoding="ascii") as file:
        assert file.read() == f"{toy.master.pid}\n"
    toy.simple("one", 1, f"pid_file {second}")
    toy.reload()
    assert os.path.exists(second) and not os.path.exists(first)
    assert toy.stop() == 0
    assert not os.path.exists(second)
    toy.start()
    with open(second, "w", encoding="ascii") as file:
        file.write("1\n")
    assert toy.stop() == 0
    assert os.path.exists(second)


def test_pid_file_that_cannot_be_written(toy):
    toy.simple("one", 1, f"pid_file {toy.dir}/missing/pid")
    toy.refused(73)
    assert not os.path.exists(toy.web)


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@pytest.mark.skipif(not IS_ROOT, reason="only root has privileges to drop")
@pytest.mark.parametrize("user, group", [("daemon", ""), ("daemon", "games"), ("", "")])
def test_workers_have_no_privileges(toy, user, group):
    lines = [f"user {user}"] if user else []
    lines += [f"group {group}"] if group else []
    toy.simple("one", 2, *lines)
    toy.start()
    if not user:
        names = [one.pw_name for one in pwd.getpwall()]
        user = "gatehouse" if "gatehouse" in names else "nobody"
    entry = pwd.getpwnam(user)
    gid = grp.getgrnam(group).gr_gid if group else entry.pw_gid
    for pid in toy.workers():
        status = status_of(pid)
        assert status["Uid"].split() == [str(entry.pw_uid)] * 4
        assert status["Gid"].split() == [str(gid)] * 4
        assert set(map(int, status["Groups"].split())) == set(os.getgrouplist(user, gid))
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == 0
    assert ask(toy.web)[3] == str(entry.pw_uid)


@pytest.mark.skipif(not IS_ROOT, reason="only root has privileges to drop")
@pytest.mark.parametrize("line", ["user root", "user nobody-of-that-name",
                                  "group no-group-of-that-name"])
def test_workers_never_run_as_root(toy, line):
    toy.simple("one", 1, line)
    toy.refused()
    assert not os.path.exists(toy.web)


def sockets_of(pid):
    """The bound paths of a process's Unix sockets; an empty one for each that has none."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    inodes = {link[len("socket:["):-1] for link in links if link.startswith("socket:")}
    with open(f"/proc/{pid}/net/unix", encoding="utf-8") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    paths = [row[7] if len(row) > 7 else "" for row in rows if row[6] in inodes]
    assert len(paths) == len(inodes)
    return sorted(paths)


@pytest.mark.skipif(not IS_ROOT, reason="only root looks into processes that cannot be dumped")
def test_workers_hold_only_what_they_need(toy):
    login = os.path.join(toy.dir, "login.sock")
    toy.plan(f"pool web {toy.web} 1", f"pool login {login} 1")
    toy.start()
    for path in (toy.web, login):
        pid = int(ask(path)[1])
        # Its own listening socket, and the two ends of its pool's queue and of the permits' bell.
        assert sockets_of(pid) == ["", "", "", "", path]


def test_service_manager_is_told(toy):
    path = os.path.join(toy.dir, "notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(PATIENCE)

        def told():
            return manager.recv(4096).decode().splitlines()

        toy.simple()
        toy.start(env=dict(os.environ, NOTIFY_SOCKET=path))
        ready = told()
        assert "READY=1" in ready and f"MAINPID={toy.master.pid}" in ready
        assert "STATUS=web 3" in ready
        toy.reload()
        reloading = told()
        assert "RELOADING=1" in reloading
        assert any(line.startswith("MONOTONIC_USEC=") for line in reloading)
        assert "READY=1" in told()
        toy.upgrade()
        assert "RELOADING=1" in told()
        assert "READY=1" in told()
        toy.stop()
        assert "STOPPING=1" in told()


@pytest.fixture
def manager(toy):
    """A service manager's socket; .told() is the next message, as a list of lines."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        path = os.path.join(toy.dir, "manager.sock")
        link.bind(path)
        link.settimeout(PATIENCE)
        yield Manager(link, path)


class Manager:
    def __init__(self, link, path):
        self.link, self.path = link, path

    def environment(self, **more):
        return dict(os.environ, NOTIFY_SOCKET=self.path, **more)

    def told(self):
        return self.link.recv(4096).decode().splitlines()

    def hears(self, line):
        until(lambda: line in self.told())

    def forget(self):
        """All that has come so far."""
        self.link.setblocking(False)
        try:
            while True:
                self.link.recv(4096)
        except BlockingIOError:
            self.link.settimeout(PATIENCE)

    def hears_nothing(self, seconds):
        self.link.settimeout(seconds)
        try:
            return self.link.recv(4096).decode() == ""
        except TimeoutError:
            return True
        finally:
            self.link.settimeout(PATIENCE)


def test_watchdog_is_told_over_reload_and_upgrade(toy, manager):
    toy.simple()
    toy.start(env=manager.environment(WATCHDOG_USEC="200000"))
    for change in (lambda: None, toy.reload, toy.upgrade):
        change()
        manager.forget()
        manager.hears("WATCHDOG=1")
        manager.hears("WATCHDOG=1")


@pytest.mark.parametrize("variables", [
    {}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"},
    {"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}])
def test_watchdog_that_does_not_watch_us_is_not_told(toy, manager, variables):
    toy.simple()
    toy.start(env=manager.environment(**variables))
    manager.hears("READY=1")
    assert manager.hears_nothing(0.5)


def test_watchdog_is_not_told_while_a_pool_is_dead(toy, manager):
    """A master without workers is no service: whoever watches it is to know."""
    trouble = os.path.join(toy.dir, "trouble")
    login = os.path.join(toy.dir, "login.sock")
    toy.plan(f"pool web {toy.web} 2", f"pool login {login} 1", f"die_if {trouble}")
    toy.start(env=manager.environment(WATCHDOG_USEC="100000"))
    manager.hears("WATCHDOG=1")
    open(trouble, "w", encoding="ascii").close()
    before = toy.count("worker died")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(login)
        client.sendall(b"exit 3\n")
        client.recv(10)
    until(lambda: toy.count("worker died") > before + 1)
    manager.forget()
    assert manager.hears_nothing(0.7)
    assert ask(toy.web)[0] == "web"
    os.unlink(trouble)
    manager.hears("WATCHDOG=1")
    assert ask(login)[0] == "login"


def test_manager_is_asked_for_as_long_as_stopping_may_take(toy, manager):
    toy.simple("one", 1, "shutdown 7000")
    toy.start(env=manager.environment())
    toy.send(signal.SIGTERM)
    manager.hears("EXTEND_TIMEOUT_USEC=9000000")
