"""Nobody gets in while nobody can be asked; and everybody again as soon as somebody can."""
import os
import signal
import time
from contextlib import contextmanager

import pytest

from front_ask import ask, bearer
from test_front_probes import SECRETS

PAGES = ["/members/", "/members/page.txt", "/admin/", "/app/whoami.php"]


@contextmanager
def held(site, name):
    """A process that neither answers nor goes away."""
    pid = int(site.env[name])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def served_again(site, login):
    end = time.monotonic() + 20
    while ask(site, "/members/", bearer(login.access)).status != 200:
        assert time.monotonic() < end, "it does not recover"
        time.sleep(0.05)


def one_number(answer):
    """Whether the answer says when to come again, once and in seconds."""
    said = answer.headers.get_all("Retry-After")
    return said is not None and len(said) == 1 and said[0].isdigit()


@pytest.mark.parametrize("accept", ["*/*", "text/html,*/*;q=0.8"])
def test_redis_hangs(front, people, accept):
    login = people["admin"]
    with held(front, "REDIS_PID"):
        for path in PAGES:
            for method in ("GET", "HEAD", "POST"):
                pairs = bearer(login.access) + [("Accept", accept)]
                answer = ask(front, path, pairs, method=method)
                assert answer.status == 503, (path, method, answer)
                assert one_number(answer), answer
                assert not [word for word in SECRETS if word in answer.text]
        answer = ask(front, "/auth/profile", bearer(login.access))
        assert answer.status == 503 and '"unavailable"' in answer.text and one_number(answer)
        assert ask(front, "/index.html").status == 200
        assert ask(front, "/open/whoami.php").status == 200
    served_again(front, login)


def test_gatehouse_is_gone(front, front_name, stage, people):
    """A person, a program and whoever is signed in: all are told to come back later; by lighttpd, which
    answers by itself, not when."""
    masters = front.env["MASTER_PIDS"].split()
    stage.place = None
    for master in masters or [front.env["FRONT_PID"]]:
        os.kill(int(master), signal.SIGTERM)
    end = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{master}") and not is_zombie(master) for master in masters):
        assert time.monotonic() < end
        time.sleep(0.05)
    if masters:
        for path in PAGES:
            for pairs in ([], bearer("garbage"), bearer(people["admin"].access),
                          [("Accept", "text/html")]):
                answer = ask(front, path, pairs)
                assert answer.status in (500, 502, 503), (path, answer)
                assert one_number(answer) or front_name == "lighttpd", answer
                assert not [word for word in SECRETS if word in answer.text]
        answer = ask(front, "/auth/profile")
        assert answer.status in (502, 503) and (one_number(answer) or front_name == "lighttpd"), answer
        assert ask(front, "/index.html").status == 200
    served_again(stage.at(front_name), people["admin"])


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
