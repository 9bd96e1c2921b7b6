"""Redis: hung, killed, full, loading, read-only, unable to save."""
import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

from gate import PASSWORD, granted, wait_until
from lab import REDIS_TIMEOUT, OwnRedis, fault
from system import folder, own_service

ALL = {"verify": 6, "session": 3, "ended": 3, "forged": 1, "refresh": 1, "login": 1, "profile": 1}


def refused_in_time(lab, tally, limit):
    """Whatever was answered 503 meanwhile was so in time."""
    slowest = max((max(took) for took in tally.took.values()), default=0)
    lab.in_time(slowest, limit, f"slowest answer {slowest:.2f} s (at most {limit:.1f} s)")


@fault("redis-hangs", seconds=10, brief=0.8)
def redis_hangs(lab):
    """SIGSTOP of Redis, twice: 503 within the timeout, and at full speed a second after"""
    for _ in range(1 if lab.brief else 2):
        with lab.counted("store_errors_total", store="redis"), \
                lab.under_load(mix=ALL, after=1.2) as load:
            lab.store.send(signal.SIGSTOP)
            time.sleep(lab.seconds)
            lab.store.send(signal.SIGCONT)
            lab.mended = time.monotonic()
        refused_in_time(lab, load.tally, REDIS_TIMEOUT + 0.1)
        lab.verdict(load.tally.count(503) > 0, f"answered 503: {load.tally.count(503)}")
        lab.never_wrong(load.tally)
        lab.recovers(load.tally, 1)
    lab.says("Redis cannot be asked")
    lab.works()
    lab.says("Redis answers again")


@fault("redis-killed", seconds=5, brief=0.5)
def redis_killed(lab):
    """kill -9 of Redis with its append-only file: nothing that was acknowledged is lost"""
    with lab.under_load(mix=ALL, after=1.5) as load:
        time.sleep(0.3 + lab.seconds / 5)
        lab.store.kill()
        time.sleep(lab.seconds)
        lab.store.start()
        lab.mended = time.monotonic()
    lab.verdict(load.tally.count(503) > 0, f"answered 503: {load.tally.count(503)}")
    lab.never_wrong(load.tally)
    lab.recovers(load.tally, 1)
    lab.verdict(load.tally.acked["logout"] > 0,
                f"acknowledged: {dict(load.tally.acked)}; none of it undone")
    lab.works()


@fault("redis-forgets", seconds=5, brief=0.5)
def redis_forgets(lab):
    """kill -9 of a Redis that saves nothing: everybody signs in again"""
    lab.store.end()
    lab.store.forget()
    lab.store.start(appendonly="no", maxmemory_policy="allkeys-lru")
    lab.healthy()
    lab.told(signal.SIGHUP, "reload done")
    lab.says("Redis keeps no append-only file")
    lab.says("Redis drops keys when its memory is full")
    try:
        login = lab.fresh_login()
        with lab.under_load(mix=ALL, after=1.5):
            time.sleep(0.3)
            lab.store.kill()
            time.sleep(lab.seconds)
            lab.store.start(appendonly="no")
            lab.mended = time.monotonic()
        answers = [lab.site.get("/verify", token=login.access), lab.site.get("/verify"), login.refresh()]
        lab.verdict([answer.status_code for answer in answers] == [401] * 3,
                    "a session that was lost is refused")
        lab.works()
    finally:
        lab.store.end()
        lab.store.start()
        lab.healthy()


@fault("redis-goes-back", seconds=5, brief=0.5)
def redis_goes_back(lab):
    """kill -9 of a Redis that saves snapshots alone: what ended since the last one stays ended"""
    lab.store.end()
    lab.store.forget()
    lab.store.start(appendonly="no")
    lab.healthy()
    try:
        ended = [lab.fresh_login() for _ in range(5)]
        granted(lab.site.get("/verify", token=ended[0].access), 204)
        lab.store.cli("save")
        for login in ended:
            granted(lab.site.post("/logout", {}, token=login.session))
        lab.store.kill()
        time.sleep(lab.seconds)
        lab.store.start(appendonly="no")
        lab.healthy()
        back = [login for login in ended
                if lab.site.get("/verify", token=login.session).status_code == 204
                or lab.site.get("/verify", token=login.access).status_code == 204
                or login.refresh().status_code == 200]
        lab.verdict(not back, f"sessions that came back: {len(back)} of {len(ended)}")
        lab.works()
    finally:
        lab.store.end()
        lab.store.forget()
        lab.store.start()
        lab.healthy()


@contextlib.contextmanager
def lost_since_the_snapshot(lab, meanwhile, afterwards=lambda: None):
    """A Redis that saves snapshots alone is killed; what was done since the last one. Its own again after."""
    lab.store.end()
    lab.store.forget()
    lab.store.start(appendonly="no")
    lab.healthy()
    try:
        meanwhile()
        lab.store.kill()
        lab.store.start(appendonly="no")
        afterwards()
        lab.healthy()
        yield
    finally:
        lab.store.end()
        lab.store.forget()
        lab.store.start()
        lab.healthy()


def comes_back(lab, login):
    return lab.site.get("/verify", token=login.session).status_code == 204 or \
        lab.site.get("/verify", token=login.access).status_code == 204 or \
        login.refresh().status_code == 200


@fault("redis-loses-others", seconds=1, brief=0.2)
def redis_loses_others(lab):
    """kill -9 of a Redis that saves snapshots alone: what gatehousectl had ended stays ended"""
    logins = []

    def meanwhile():
        logins[:] = [lab.fresh_login() for _ in range(4)]
        lab.site.set_roles(logins[2].user.email, "admin")
        lab.store.cli("save")
        lab.site.ctl_ok("session", "revoke", logins[0].sid)
        lab.site.disable(logins[1].user.email)
        lab.site.ctl_ok("user", "role", logins[2].user.email, "-admin")
        ended = [lab.site.get("/verify", token=login.access).status_code for login in logins]
        lab.verdict(ended == [401, 401, 204, 204], f"before: {ended}")
        # The service's mark moves once a second while it is asked anything.
        time.sleep(1.1)
        granted(lab.site.get("/verify", token=logins[3].access), 204)
    with lost_since_the_snapshot(lab, meanwhile):
        back = [comes_back(lab, login) for login in logins[:2]]
        lab.verdict(not any(back), f"sessions that came back: {sum(back)} of 2")
        roles = lab.site.get("/verify", token=logins[2].access).headers.get("Remote-Groups", "")
        lab.verdict(roles == "", f"a role that came back: {roles or 'none'}")
        lab.says("Redis has lost what it had acknowledged")


@fault("redis-loses-one", seconds=1, brief=0.2)
def redis_loses_one(lab):
    """… and a logout, whatever somebody else ends before the service looks again"""
    logins = []

    def meanwhile():
        logins[:] = [lab.fresh_login() for _ in range(2)]
        lab.store.cli("save")
        granted(lab.site.post("/logout", {}, token=logins[0].session))

    def afterwards():
        lab.site.ctl_ok("session", "revoke", logins[1].sid)
    with lost_since_the_snapshot(lab, meanwhile, afterwards):
        lab.verdict(not comes_back(lab, logins[0]), "a logout stays one")


@fault("redis-loses-after-upgrade", seconds=1, brief=0.2)
def redis_loses_after_upgrade(lab):
    """… and what a program had ended that was replaced since"""
    logins = []

    def meanwhile():
        logins[:] = [lab.fresh_login() for _ in range(2)]
        lab.store.cli("save")
        granted(lab.site.post("/logout", {}, token=logins[0].session))
        lab.told(signal.SIGUSR2, "taken over from the program before")
        wait_until(lambda: lab.site.get("/verify", token=logins[1].access).status_code == 204, 10)
    with lost_since_the_snapshot(lab, meanwhile):
        lab.verdict(not comes_back(lab, logins[0]), "a logout stays one")


@fault("redis-loses-late", seconds=1, brief=0.2)
def redis_loses_late(lab):
    """… and a service that meets the loss late ends what it has to, and nobody's who has signed in since"""
    logins = []
    with folder() as path:
        with own_service(lab, path) as late:
            def meanwhile():
                logins[:] = [lab.fresh_login() for _ in range(2)]
                lab.store.cli("save")
                answer = late.call("POST", "/logout", {}, logins[0].session)
                lab.verdict(answer[0] == 200, "the other service ends a session")
            with lost_since_the_snapshot(lab, meanwhile):
                since = lab.fresh_login()
                seen = [late.call("GET", "/verify", token=login.session)[0]
                        for login in (logins[0], logins[1], since)]
                lab.verdict(seen == [401, 401, 204], f"what had ended, what lived then, what began since: {seen}")
                # It has nothing to end again.
                later = lab.fresh_login()
                workers = set(late.workers())
                late.process.send_signal(signal.SIGHUP)
                wait_until(lambda: not workers & set(late.workers()), 20)
                seen = [late.call("GET", "/verify", token=login.session)[0] for login in (since, later)]
                lab.verdict(seen == [204, 204], f"… and after another connection: {seen}")


@fault("redis-drops-marks", seconds=1, brief=0.1)
def redis_drops_marks(lab):
    """a Redis that drops keys when it is full drops the marks: nobody is signed out for that"""
    login = lab.fresh_login()
    lab.store.cli("del", "gh:marks")
    workers = set(lab.site.workers())
    lab.told(signal.SIGHUP, "reload done")
    wait_until(lambda: not workers & set(lab.site.workers()), 20)
    seen = {lab.site.get("/verify", token=login.access).status_code for _ in range(20)}
    lab.verdict(seen == {204}, f"who was signed in: {seen}")


@fault("redis-moves", seconds=1, brief=0.1)
def redis_moves(lab):
    """a reload names another Redis, and the first again: nobody is signed out at either"""
    conf = Path(lab.site.env["CONF"])
    good = conf.read_text(encoding="utf-8")
    here, user = lab.fresh_login(), lab.site.register()
    with folder() as path, folder() as place:
        second = OwnRedis(place)
        second.start()
        conf.write_text(good.replace(lab.store.url, second.url), encoding="utf-8")
        try:
            with own_service(lab, path) as other:
                there = other.call("POST", "/login", {"email": user.email, "password": PASSWORD})[1]["accessToken"]
                lab.told(signal.SIGHUP, "reload done")
                seen = {lab.site.get("/verify", token=there).status_code for _ in range(20)}
                lab.verdict(seen == {204}, f"who was signed in at the second: {seen}")
                time.sleep(1.1)
                granted(lab.site.get("/verify", token=there), 204)
        finally:
            conf.write_text(good, encoding="utf-8")
            lab.told(signal.SIGHUP, "reload done")
            second.end()
    seen = {lab.site.get("/verify", token=here.access).status_code for _ in range(20)}
    lab.verdict(seen == {204}, f"who was signed in at the first: {seen}")


@fault("redis-emptied", seconds=1, brief=0.1)
def redis_emptied(lab):
    """FLUSHALL on purpose: everybody signs in again, once"""
    before = lab.fresh_login()
    granted(lab.site.post("/logout", {}, token=lab.fresh_login().access))
    lab.store.cli("flushall")
    after = lab.fresh_login()
    workers = set(lab.site.workers())
    lab.told(signal.SIGHUP, "reload done")
    wait_until(lambda: not workers & set(lab.site.workers()), 20)
    seen = [lab.site.get("/verify", token=login.access).status_code
            for login in (before, after) for _ in range(20)]
    lab.verdict(seen == [401] * 20 + [204] * 20, "who signed in before is signed out, who did since is not")


@fault("redis-full", seconds=2, brief=0.3)
def redis_full(lab):
    """no memory left, with noeviction: what cannot be kept is answered 503"""
    login, leaving = lab.fresh_login(), lab.fresh_login()
    other = leaving.user.login()
    used = int(lab.store.cli("info", "memory").split("used_memory:")[1].split()[0])
    with lab.counted("store_errors_total", store="redis"):
        lab.store.cli("config", "set", "maxmemory", str(used // 2))
        try:
            refused = {name: ask().status_code for name, ask in {
                "login": login.user.try_login, "refresh": login.refresh,
                "revoke": lambda: lab.site.delete("/sessions", token=login.access)}.items()}
            kept = lab.site.get("/verify", token=login.access).status_code
            ways = {"by access token": (leaving.access, {}), "by session token": (leaving.session, {}),
                    "everywhere": (leaving.session, {"everywhere": True})}
            logout = {way: (lab.site.post("/logout", body, token=token).status_code,
                            lab.site.get("/verify", token=leaving.session).status_code,
                            lab.site.get("/verify", token=other.session).status_code)
                      for way, (token, body) in ways.items()}
            time.sleep(lab.seconds)
        finally:
            lab.store.cli("config", "set", "maxmemory", "0")
    lab.show(f"while full: {refused}, verify {kept}, logouts and verifications after each {logout}")
    lab.verdict(set(refused.values()) == {503}, "what had to be written: 503")
    lab.verdict(kept == 204, "who is signed in stays so")
    lab.verdict(set(logout.values()) == {(503, 204, 204)}, "a logout is answered 503, and not carried out")
    again = lab.site.post("/logout", {"everywhere": True}, token=leaving.session).status_code
    left = [lab.site.get("/verify", token=one.session).status_code for one in (leaving, other)]
    lab.verdict((again, left) == (200, [401, 401]), "… until there is room")
    lab.says("Redis refused a command")
    lab.works()


@fault("redis-full-goes-back", seconds=1, brief=0.2)
def redis_full_goes_back(lab):
    """no memory left, and then kill -9 without an append-only file: what gatehousectl ended stays ended"""
    logins = []

    def meanwhile():
        logins[:] = [lab.fresh_login() for _ in range(2)]
        lab.store.cli("save")
        lab.store.cli("config", "set", "maxmemory", "1mb")
        lab.site.ctl_ok("session", "revoke", logins[0].sid)
        # The service's mark moves once a second while it is asked anything, whether there is room or not.
        time.sleep(1.1)
        granted(lab.site.get("/verify", token=logins[1].access), 204)
    with lost_since_the_snapshot(lab, meanwhile):
        lab.verdict(not comes_back(lab, logins[0]), "a session that was ended stays so")
        lab.says("Redis has lost what it had acknowledged")


@fault("redis-evicts", seconds=7, brief=2)
def redis_evicts(lab):
    """no memory left, with each policy that drops keys: nothing revoked comes back"""
    policies = ["allkeys-lru", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-ttl",
                "allkeys-lfu", "volatile-random"][:int(lab.seconds)]
    client = json.loads(lab.site.ctl_ok("--json", "client", "add", f"evicts{time.monotonic_ns()}"))
    for policy in policies:
        logins = [lab.fresh_login() for _ in range(4 if lab.brief else 10)]
        for login in logins:
            answer = lab.site.raw("POST", lab.site.base + "/revoke", data={"token": login.access},
                                  auth=(client["client"], client["secret"]))
            assert answer.status_code == 200, answer.text
        used = int(lab.store.cli("info", "memory").split("used_memory:")[1].split()[0])
        lab.store.cli("config", "set", "maxmemory-policy", policy)
        lab.store.cli("config", "set", "maxmemory", str(used + 3000000))
        try:
            lab.store.cli("eval", "for i = 1, 300 do redis.call('set', 'ballast:' .. i, "
                          "string.rep('x', 100000), 'ex', 1000) end", "0")
        finally:
            lab.store.cli("config", "set", "maxmemory", "0")
            lab.store.cli("config", "set", "maxmemory-policy", "noeviction")
        back = sum(lab.site.get("/verify", token=login.access).status_code == 204
                   for login in logins)
        sessions = sum(lab.store.cli("exists", "gh:session:" + login.sid) == "1" for login in logins)
        lists = len(lab.store.cli("--scan", "--pattern", "gh:blacklist:*").split())
        # What is left of them ends, whether their users' indexes are left or not.
        for login in logins:
            lab.site.disable(login.user.email)
        left = sum(comes_back(lab, login) for login in logins)
        lab.verdict(left == 0, f"{policy}: disabled users let in: {left} of {len(logins)}")
        lab.verdict(back == 0, f"{policy}: revoked tokens let in: {back} of {len(logins)} "
                    f"(sessions left {sessions}, entries of the blacklist {lists})")
    lab.works()


@fault("redis-loading", seconds=4, brief=0.7)
def redis_loading(lab):
    """Redis starts and still reads its files: 503 until it is done"""
    login = lab.fresh_login()
    lab.store.cli("eval", "for i = 1, 20000 do redis.call('set', 'ballast:' .. i, i) end", "0")
    lab.store.cli("bgrewriteaof")
    wait_until(lambda: "aof_rewrite_in_progress:0" in lab.store.cli("info", "persistence") and
               "aof_rewrite_scheduled:0" in lab.store.cli("info", "persistence"), 20)
    lab.store.end()
    delay = int(lab.seconds * 1000000 / 20000)
    with lab.under_load(mix={"verify": 5, "session": 3, "ended": 2}, after=1.2) as load:
        lab.store.start(wait=False, key_load_delay=str(delay),
                        loading_process_events_interval_bytes="1024")
        wait_until(lambda: "LOADING" in lab.store.cli("get", "x"), 10)
        during = lab.site.get("/verify", token=login.access).status_code
        if "LOADING" not in lab.store.cli("get", "x"):
            during = "not asked in time"
        wait_until(lambda: "LOADING" not in lab.store.cli("get", "x"), 60)
        lab.mended = time.monotonic()
    lab.verdict(during in (503, "not asked in time"), f"while it was loading: {during}")
    lab.never_wrong(load.tally)
    lab.recovers(load.tally, 1)
    lab.says("Redis cannot be asked")
    lab.verdict(lab.site.get("/verify", token=login.access).status_code == 204,
                "sessions of before are there")
    lab.store.cli("eval", "for i = 1, 20000 do redis.call('del', 'ballast:' .. i) end", "0")
    lab.store.end()
    lab.store.start()
    lab.healthy()


@fault("redis-read-only", seconds=4, brief=0.6)
def redis_read_only(lab):
    """the primary becomes a replica: it is neither written to nor believed for long"""
    login = lab.fresh_login()
    with lab.under_load(mix=ALL, after=1.2) as load:
        lab.store.cli("replicaof", "127.0.0.1", "1")
        written = login.refresh().status_code
        time.sleep(lab.seconds)
        read = lab.site.get("/health").status_code
        lab.store.cli("replicaof", "no", "one")
        lab.mended = time.monotonic()
    lab.verdict(written == 503, f"a refresh meanwhile: {written}")
    lab.verdict(read == 503, f"health meanwhile: {read}")
    lab.never_wrong(load.tally)
    lab.recovers(load.tally, 1)
    lab.says("READONLY")
    lab.says("it is a replica")
    lab.works()


@fault("redis-cannot-save", seconds=2, brief=0.3)
def redis_cannot_save(lab):
    """Redis refuses to write because it cannot save (MISCONF)"""
    login = lab.fresh_login()
    folder = f"{lab.store.folder}/gone"
    os.mkdir(folder)
    lab.store.cli("config", "set", "dir", folder)
    shutil.rmtree(folder)
    lab.store.cli("config", "set", "save", "3600 1")
    try:
        lab.store.cli("bgsave")
        wait_until(lambda: "MISCONF" in lab.store.cli("set", "x", "y"), 10)
        refresh, verify = login.refresh().status_code, \
            lab.site.get("/verify", token=login.access).status_code
        time.sleep(lab.seconds)
    finally:
        lab.store.cli("config", "set", "dir", lab.store.folder)
        lab.store.cli("config", "set", "save", "")
        lab.store.cli("config", "set", "stop-writes-on-bgsave-error", "no")
    lab.verdict((refresh, verify) == (503, 204), f"meanwhile: refresh {refresh}, verify {verify}")
    lab.says("MISCONF")
    lab.works()
    lab.store.end()
    lab.store.start()
    lab.healthy()
