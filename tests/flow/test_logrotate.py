"""The shipped rsyslog and logrotate files, run by rsyslog and logrotate: no line is lost."""
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from gate import wait_until

CONF = Path(__file__).resolve().parent.parent.parent / "conf"


@pytest.fixture
def rsyslog(tmp_path):
    """A private rsyslog with the shipped rules; (socket, log, process id)."""
    log, link = tmp_path / "gatehouse.log", tmp_path / "dev-log"
    rules = (CONF / "rsyslog" / "gatehouse.conf").read_text()
    assert "/var/log/gatehouse.log" in rules
    conf = tmp_path / "rsyslog.conf"
    conf.write_text(f'global(workDirectory="{tmp_path}")\n'
                    'module(load="imuxsock" SysSock.Use="off" SysSock.RateLimit.Interval="0")\n'
                    f'input(type="imuxsock" Socket="{link}" RateLimit.Interval="0")\n'
                    + rules.replace("/var/log/gatehouse.log", str(log))
                    + f'action(type="omfile" file="{tmp_path}/other.log")\n')
    server = subprocess.Popen(["rsyslogd", "-n", "-f", str(conf), "-i", str(tmp_path / "pid")])
    try:
        wait_until(link.exists, 15)
        yield link, log, server.pid
    finally:
        server.terminate()
        server.wait(15)


def test_rotation_loses_no_line(rsyslog, tmp_path):
    link, log, pid = rsyslog
    rules = (CONF / "logrotate" / "gatehouse").read_text()
    assert "/usr/lib/rsyslog/rsyslog-rotate" in rules
    conf = tmp_path / "logrotate.conf"
    conf.write_text(rules.replace("/var/log/gatehouse.log", str(log))
                    .replace("/usr/lib/rsyslog/rsyslog-rotate", f"kill -HUP {pid}"))
    command = ["logrotate", "-s", str(tmp_path / "state")]
    count, half = 4000, threading.Event()

    def write():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.connect(str(link))
            for number in range(count):
                to.send(f"<30>Nov 20 12:30:22 gatehouse[7]: level=info number={number} ".encode())
                if number == count // 4:
                    half.set()
            to.send(b"<30>Nov 20 12:30:22 another[7]: not ours")

    writer = threading.Thread(target=write)
    writer.start()
    assert half.wait(30)
    wait_until(lambda: log.exists() and log.stat().st_size > 0, 15)
    check = subprocess.run([*command, "-d", str(conf)], capture_output=True, text=True, check=True)
    assert "error" not in check.stderr.lower()
    for _ in range(2):
        subprocess.run([*command, "-f", str(conf)], check=True, timeout=60)
    writer.join()

    def lines():
        files = [name for name in os.listdir(tmp_path) if name.startswith("gatehouse.log")]
        texts = [subprocess.run(["zcat", "-f", str(tmp_path / name)], capture_output=True, text=True,
                                check=True).stdout for name in files]
        return [line for text in texts for line in text.splitlines()]

    wait_until(lambda: len(lines()) >= count, 30)
    numbers = [line.split("number=")[1].split()[0] for line in lines()]
    assert sorted(map(int, numbers)) == list(range(count))
    assert (tmp_path / "gatehouse.log.1").exists()
