"""The servers of a benchmark: everything here is private, lives in one temporary directory, and is
ended by its process id."""

import base64
import configparser
import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
CORES = len(os.sched_getaffinity(0))
PARAMS = ROOT / "conf" / "nginx"
MODES = ("empty", "jwt", "redis")
# Who signs in: a session's record is as long as they are.
BROWSER = ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Chrome/142.0.0.0 Safari/537.36")
CLASSIC_WORKERS = 16
KEPT = CLASSIC_WORKERS  # what one nginx worker may keep: see README.md

SERVER = """
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root {dir}/www;
        include {params}/gatehouse-params.conf;
        {keep}
        location /bare/empty {{ fastcgi_pass bare_empty{kind}; }}
        location /bare/jwt {{ fastcgi_pass bare_jwt{kind}; }}
        location /bare/redis {{ fastcgi_pass bare_redis{kind}; }}
        location /auth/ {{ fastcgi_pass web{kind}; }}
        location = /auth/login {{ fastcgi_pass login; }}
        location /behind/bare/ {{ auth_request /.verify/bare; }}
        location /behind/auth/ {{ auth_request /.verify/auth; }}
        location /behind/kept/ {{ auth_request /.verify/kept; }}
        location /.verify/ {{
            internal;
            include {params}/gatehouse-verify-params.conf;
            fastcgi_pass_request_body off;
            fastcgi_keep_conn off; # nginx keeps none from a sub-request
            location = /.verify/bare {{ fastcgi_pass bare_redis; }}
            location = /.verify/auth {{ fastcgi_pass web; }}
            location = /.verify/kept {{
                fastcgi_pass web;
                fastcgi_cache gatehouse_decisions;
                {decisions}
            }}
        }}
        {peers}
    }}
"""

NGINX = """
{main}
{user}
daemon off;
worker_processes {cores};
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    default_type text/html;
    client_body_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp;
    uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
    keepalive_requests 1000000000;
    map "" $gatehouse_role {{ default ""; }}
    {http}
{upstreams}
{servers}
}}
"""


class Failure(Exception):
    """What the operator is told instead of a figure."""


def run(*command, **options):
    """Standard output of a command that must succeed."""
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True,
                          check=False, **options)
    if done.returncode != 0:
        raise Failure(f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port():
    """Below those that the system gives to clients, who come by thousands here."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) != 0:
                return port


def resign(token, key):
    """The same claims under an HS256 key of our own: as long, and as much work to check."""
    payload = token.split(".")[1]
    header = base64url(b'{"alg":"HS256","typ":"JWT"}')
    mac = hmac.new(key, f"{header}.{payload}".encode(), hashlib.sha256).digest()
    return f"{header}.{payload}.{base64url(mac)}"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(),
                                     {"Content-Type": "application/json", "User-Agent": BROWSER})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def pss(pids):
    """Proportional set size in KiB: pages shared by n processes count 1/n for each."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def children(pid):
    return [int(p) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            for p in (task / "children").read_text().split()]


class Stage:
    """A temporary directory and the processes started for it."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-bench."))
        self.dir.chmod(0o755)  # servers that give up root must get at their sockets below
        self.running = []
        self.key = os.urandom(32)
        self.instances = []

    def close(self):
        for process in reversed(self.running):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for instance in self.instances:
            instance.down()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *command, ready):
        """Starts a server, and waits for the socket it makes: a path or a port."""
        log = open(self.dir / "servers.log", "ab")
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True)
        log.close()
        self.running.append(process)
        for _ in range(200):
            if process.poll() is not None:
                break
            if answers(ready):
                return process
            time.sleep(0.05)
        raise Failure(f"{command[0]} does not start:\n" + (self.dir / "servers.log").read_text())

    def stop(self, process):
        process.terminate()
        process.wait()
        self.running.remove(process)

    def build(self):
        """The yardsticks."""
        self.compile("bare", "fcgi", "hiredis", "libjwt")
        self.compile("crypt", "libcrypt")

    def compile(self, program, *packages):
        """A program of this directory, with libraries that pkg-config knows."""
        flags = "-std=gnu11 -O2 -D_GNU_SOURCE -Wall -Wextra".split()
        libraries = run("pkg-config", "--cflags", "--libs", *packages).split() if packages else []
        run(os.environ.get("CC", "gcc"), *flags, BENCH / f"{program}.c", "-o", self.dir / program,
            *libraries)

    def redis(self, name="redis"):
        """A Redis of our own, without gatehouse."""
        path = self.dir / f"{name}.sock"
        self.start("redis-server", "--port", 0, "--unixsocket", path, "--unixsocketperm", 777,
                   "--save", "", "--dir", self.dir, "--hash-max-listpack-value", 1024, ready=path)
        return str(path)

    def pid_of(self, redis):
        info = run("redis-cli", "-s", redis, "INFO", "server")
        return int(re.search(r"process_id:(\d+)", info).group(1))

    def record(self, redis_socket, who):
        """The session's record that bare looks up, beside gatehouse's own in the same Redis."""
        fields = {"user_id": who["sub"], "username": "bench0", "email": who["email"],
                  "name": "Bench Nought", "roles": "user", "expires": str(who["exp"])}
        run("redis-cli", "-s", redis_socket, "HSET", f"bench:session:{who['sid']}",
            *(part for pair in fields.items() for part in pair))

    def bare(self, redis_socket):
        """The three responders.  Returns the process of the one that asks Redis."""
        key = self.dir / "key"
        key.write_bytes(self.key)
        for mode in MODES:
            path = self.dir / f"bare-{mode}.sock"
            last = self.start(self.dir / "bare", mode, path, CLASSIC_WORKERS, redis_socket, key,
                              ready=path)
        return last

    def nginx(self, web, login, peers=None):
        """One nginx for all, with the parameters that gatehouse ships.  Returns its process and two
        ports: a connection each, and kept.  peers: as peers.start_all returns them."""
        peers = peers or {}
        keep_yes, zone = decisions()
        (self.dir / "tmp").mkdir(exist_ok=True)
        for way in ("bare", "auth", "kept"):
            page = self.dir / "www" / "behind" / way / "page.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text("<!doctype html><title>A page</title>" + "<p>Text.</p>\n" * 80)
        sockets = {f"bare_{mode}": f"unix:{self.dir}/bare-{mode}.sock" for mode in MODES}
        sockets.update(web=web, login=login)
        sockets.update({name: peer.upstream() for name, peer in peers.items() if peer.upstream()})
        upstreams = [f"    upstream {name} {{ server {at}; }}" for name, at in sockets.items()]
        upstreams += [f"    upstream {name}_kept {{ server {at}; keepalive {KEPT}; "
                      "keepalive_timeout 1s; }" for name, at in sockets.items()]
        ports = free_port(), free_port()
        servers = [SERVER.format(port=port, dir=self.dir, params=PARAMS, kind=kind, keep=keep,
                                 decisions=keep_yes,
                                 peers="".join(peer.location(kind) for peer in peers.values()))
                   for port, kind, keep in ((ports[0], "", ""),
                                            (ports[1], "_kept", "fastcgi_keep_conn on;"))]
        lua = peers.get("lua")
        zone = zone.replace("/run/gatehouse-decisions", f"{self.dir}/decisions")
        conf = self.dir / "nginx.conf"
        conf.write_text(NGINX.format(user="user root;" if os.getuid() == 0 else "", cores=CORES,
                                     dir=self.dir, upstreams="\n".join(upstreams),
                                     main=lua.main() if lua else "",
                                     http=zone + (lua.http() if lua else ""),
                                     servers="".join(servers)))
        process = self.start("nginx", "-e", self.dir / "nginx.log", "-p", self.dir, "-c", conf,
                             ready=ports[0])
        return process, *ports

    def gatehouse(self, **settings):
        instance = Gatehouse(self, self.dir / f"gatehouse{len(self.instances)}", settings)
        self.instances.append(instance)
        instance.up()
        return instance


def decisions():
    """The lines of conf/nginx that keep a yes: how, in the location; and what they need above."""
    text = (PARAMS / "gatehouse-locations.conf").read_text()
    text = text[text.index("$gatehouse_cache;"):]
    lines = re.findall(r"^    fastcgi_(?:cache_|ignore|buffer).*$", text, re.M)
    second = (PARAMS / "gatehouse-http.conf").read_text()
    second = second[second.index("map $msec"):]
    zone = (PARAMS / "gatehouse-cache.conf").read_text()
    return "\n".join(lines), second + zone[zone.index("fastcgi_cache_path"):]


def answers(where):
    """Whether somebody listens: at a path, or a port of this host."""
    family, address = ((socket.AF_INET, ("127.0.0.1", where)) if isinstance(where, int)
                       else (socket.AF_UNIX, str(where)))
    with socket.socket(family) as s:
        return s.connect_ex(address) == 0


class Gatehouse:
    """A private instance of ./dev up, with its stores."""

    USERS = 32
    PASSWORD = "a long walk on the dyke"

    def __init__(self, stage, directory, settings):
        self.stage = stage
        self.dir = directory
        self.settings = settings
        self.env = {}

    def up(self):
        settings = [word for name, value in self.settings.items()
                    for word in ("--set", f"{name}={value}")]
        run(ROOT / "dev", "up", "--dir", self.dir, "--port", free_port(), *settings, cwd=ROOT)
        lines = run(ROOT / "dev", "env", "--dir", self.dir, cwd=ROOT).splitlines()
        self.env = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
        self.env = {name: value.strip("'\"") for name, value in self.env.items()}

    def down(self):
        if self.dir.exists():
            subprocess.run([ROOT / "dev", "down", "--dir", self.dir, "--wipe"], cwd=ROOT,
                           check=False, stdout=subprocess.DEVNULL)

    def listen(self, pool):
        """Where a pool listens, as nginx writes it."""
        conf = configparser.ConfigParser(interpolation=None, strict=False)
        conf.read(self.env["CONF"])
        where = conf[f"pool.{pool}"]["listen"]
        return f"unix:{where}" if where.startswith("/") else where

    def register(self):
        """The users; returns the login of the first."""
        url = self._url()
        for i in range(self.USERS):
            post(f"{url}/register", {"email": f"bench{i}@example.org", "username": f"bench{i}",
                                     "displayName": "Bench Nought", "password": self.PASSWORD})
        return self.login()

    def login(self):
        return post(f"{self._url()}/login", {"username": "bench0", "password": self.PASSWORD})

    def _url(self):
        return self.env["GATEHOUSE_URL"].rstrip("/").removesuffix("/auth") + "/auth"

    def sql(self, text):
        run("mariadb", "--socket", self.env["MARIADB_SOCKET"], "-u", "root",
            self.env["MARIADB_DATABASE"], "-e", text)

    def rotate(self, alg):
        """Signs with a new key of that algorithm; workers hear of it within a second."""
        ctl = pathlib.Path(self.env["BIN_DIR"], "gatehousectl")
        for words in (("key", "new", "--alg", alg), ("key", "rotate")):
            run(ctl, "-c", self.env["CONF"], *words)
            time.sleep(1)

    def flood(self, port, rate, seconds):
        """That many logins a second or more, in the background; returns what waits for their end and
        says how many were good and how many refused.  A connection waits a second between two, and
        the answer as long again at most."""
        connections = max(32, int(2 * rate))
        process = subprocess.Popen(
            ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s",
             "-s", str(BENCH / "flood.lua"), f"http://127.0.0.1:{port}/auth/login", "--",
             str(self.USERS), self.PASSWORD, "1000"],
            stdout=subprocess.PIPE, text=True)

        def end():
            out = process.communicate()[0]
            bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
            refused = int(bad.group(1)) if bad else 0
            return int(re.search(r"(\d+) requests in", out).group(1)) - refused, refused
        return end

    def processes(self):
        master = int(self.env["MASTER_PID"])
        return master, children(master)
