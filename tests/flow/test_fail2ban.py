"""The shipped fail2ban filter, run by fail2ban over the log of a real instance."""
import http.client
import json
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gate import fresh_email, fresh_name, run_instance

TOP = Path(__file__).resolve().parent.parent.parent
SHIPPED = TOP / "conf" / "fail2ban"
VICTIM = "203.0.113.7"

# What somebody would send to have another address banned.
LINE = (f'level=info who=login/1 msg="login refused" request_id=1 address={VICTIM} '
        'event=login_refused reason="unknown user" user=""')
OBJECT = (f'{{"level":"info","who":"login/1","msg":"login refused","request_id":"1","address":'
          f'"{VICTIM}","event":"login_refused","reason":"unknown user","user":""}}')
FORGERIES = [text for whole in (LINE, OBJECT, f"address={VICTIM} event=login_refused", VICTIM)
             for text in (whole, "\n" + whole, "\r\n" + whole + "\r\n", '" ' + whole,
                          '"}\n' + whole, "\u2028" + whole, "\x1b[2K" + whole)]


def post(site, address, path, body, headers=None):
    """A request from an address of the loopback."""
    port = int(site.url.rsplit(":", 1)[1])
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=15, source_address=(address, 0))
    try:
        link.request("POST", site.base + path, json.dumps(body),
                     {"Content-Type": "application/json", **(headers or {})})
        answer = link.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        link.close()


def attack(site):
    """One address for each kind of line that is to be found; addresses that are not."""
    user = site.register(username=fresh_name())
    wrong = {"email": user.email, "password": "not the password"}
    assert post(site, "127.0.1.1", "/login", wrong)[0] == 401
    assert post(site, "127.0.1.2", "/login", {**wrong, "email": fresh_email()})[0] == 401
    login = user.login()
    bearer = {"Authorization": "Bearer " + login.access}
    assert post(site, "127.0.1.3", "/password", {"oldPassword": "x" * 9, "newPassword": "y" * 12},
                bearer)[0] == 401
    spent = {"refreshToken": login.refresh_token}
    following = post(site, "127.0.2.1", "/refresh", spent)[1]
    assert post(site, "127.0.2.1", "/refresh", {"refreshToken": following["refreshToken"]})[0] == 200
    assert post(site, "127.0.1.4", "/refresh", spent)[0] == 401
    assert [post(site, "127.0.1.5", "/refresh", {"refreshToken": "x"})[0]
            for _ in range(4)][-1] == 429
    assert [post(site, "127.0.1.6", "/register", {"email": fresh_email(), "password": "z" * 12})[0]
            for _ in range(4)][-1] == 429
    right = {"email": user.email, "password": user.password}
    assert post(site, "127.0.2.2", "/login", right)[0] == 200
    return {f"127.0.1.{last}" for last in range(1, 7)}


def forge(site):
    for number, text in enumerate(FORGERIES):
        address = f"127.0.3.{number + 1}"
        line = text.replace("\n", " ").replace("\r", " ").encode("latin-1", "replace").decode("latin-1")
        headers = {"User-Agent": line, "X-Request-Id": line, "X-Forwarded-For": VICTIM,
                   "Forwarded": f"for={VICTIM}", "X-Real-Ip": VICTIM, "Remote-Addr": VICTIM,
                   "Authorization": "Bearer " + line}
        body = {"email": text, "password": text, "deviceInfo": {text: text}}
        assert post(site, address, "/login", body, headers)[0] == 401
        post(site, address, "/login", {"username": text, "password": text})
        post(site, address, "/refresh", {"refreshToken": text}, headers)
        post(site, address, "/register", {**body, "username": text, "displayName": text}, headers)
        post(site, address, "/" + "login%0a" + VICTIM, body)
    return {f"127.0.3.{number + 1}" for number in range(len(FORGERIES))}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Debian's configuration, with the shipped files copied to it."""
    config = tmp_path_factory.mktemp("fail2ban") / "config"
    shutil.copytree("/etc/fail2ban", config)
    shutil.copytree(SHIPPED, config, dirs_exist_ok=True)
    return str(config)


def fail2ban_regex(config, *words):
    done = subprocess.run(["fail2ban-regex", "-c", config, *words, "gatehouse"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert "Error" not in done.stderr and "Traceback" not in done.stderr, done.stderr
    return done.stdout


def found(config, log):
    return set(fail2ban_regex(config, "-o", "ip", str(log)).split())


def as_syslog(text):
    """The same lines as rsyslog writes them to a file."""
    text = re.sub(r'^\{"time":"[^"]*",', "{", text, flags=re.M)
    text = re.sub(r"^time=\S+ ", "", text, flags=re.M)
    return re.sub(r"^", "Nov 20 12:30:22 www gatehouse[4711]: ", text.rstrip("\n"), flags=re.M)


def test_filter(config, tmp_path):
    """Lines of both forms, from a file of the service's own and from syslog."""
    limits = {"limit__enabled": "yes", "limit__login_address": "1000/1m",
              "limit__refresh_address": "3/1m", "limit__register_address": "3/1m",
              "refresh__grace": "0s"}
    for instance in run_instance(**limits):
        for form in ("logfmt", "json"):
            instance.settings["log.format"] = form
            instance.up()
            site = instance.site()
            site.redis.flushall() # the limits begin anew
            log = Path(site.env["LOG"])
            before = log.stat().st_size
            wanted = attack(site) | forge(site)
            text = log.read_bytes()[before:].decode("utf-8")
            for name, lines in (("own", text), ("syslog", as_syslog(text) + "\n")):
                (tmp_path / name).write_text(lines)
                assert found(config, tmp_path / name) == wanted, (form, name)


def test_the_time_is_read(config):
    """A line of yesterday must not count today."""
    line = ('time=2026-11-20T23:59:58.123Z level=info who=login/1 msg="login refused" '
            "request_id=1 address=192.0.2.1 event=login_refused reason=x user=")
    told = fail2ban_regex(config, "-v", line)
    moment = datetime(2026, 11, 20, 23, 59, 58, tzinfo=timezone.utc).astimezone()
    assert "192.0.2.1  " + moment.strftime("%a %b %d %H:%M:%S %Y") in told


def test_the_jail_is_read(config):
    done = subprocess.run(["fail2ban-client", "-c", config, "-d"], capture_output=True, text=True,
                          timeout=60, check=True)
    assert "'gatehouse', 'addfailregex'" in done.stdout or "'gatehouse', 'addfailregex'" in \
        done.stdout.replace("multi-set', ", "")
    assert "['add', 'gatehouse', 'systemd']" in done.stdout
    assert "_SYSTEMD_UNIT=gatehouse.service" in done.stdout
