"""gatehousectl doctor: each of many mistakes is named, with what to do about it."""
import base64
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from gate import free_ports, plain_environment, wait_until
from test_cli import (CONFIGURATION, DONE, REFUSED, STORE, USAGE,  # noqa: F401
                      conf, exits)

TOP = Path(__file__).resolve().parents[2]
NGINX = TOP / "conf/nginx"
APACHE = TOP / "conf/apache"
LIGHTTPD = TOP / "conf/lighttpd"
SECRET = "s3cret-word-of-this-test"


class Ward:
    """An installation to be spoiled, and the doctor who looks at it."""

    def __init__(self, site, conf, path):  # noqa: F811
        self.site, self.make, self.path = site, conf, path
        self.changes, self.extra, self.web = [], "", ["--web", "none"]
        self.before, self.environment, self.undo = [], {}, []
        # pytest's folders are closed to others.
        self.open = Path(tempfile.mkdtemp(prefix="gatehouse-doctor."))
        self.open.chmod(0o755)
        self.undo.append(lambda: shutil.rmtree(self.open))

    def set(self, *changes, extra=""):
        self.changes += changes
        self.extra += extra

    def sql(self, statement, back=None):
        self.site.sql(statement)
        if back:
            self.undo.append(lambda: self.site.sql(back))

    def redis_set(self, **settings):
        for name, value in settings.items():
            name = name.replace("_", "-")
            old = self.site.redis.config_get(name)[name]
            self.site.redis.config_set(name, value)
            self.undo.append(lambda name=name, old=old: self.site.redis.config_set(name, old))

    def keys(self):
        """A copy of a good directory of keys."""
        directory = self.path / "keys"
        directory.mkdir(mode=0o700)
        self.write("keys/k1.hs256.key", base64.urlsafe_b64encode(bytes(33)).decode(), 0o600)
        self.write("keys/signing", "k1\n", 0o600)
        self.set(f"token.keys={directory}")
        return directory

    def write(self, name, text, mode=0o644):
        path = self.path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def listen(self, name="web.sock", mode=0o600, pool="web"):
        """Somebody's socket in the place of a pool's."""
        path = self.open / name
        path.parent.mkdir(exist_ok=True)
        one = socket.socket(socket.AF_UNIX)
        one.bind(str(path))
        one.listen(1)
        path.chmod(mode)
        self.undo.append(one.close)
        self.set(f"pool.{pool}.listen={path}")
        return path

    def look(self, *options):
        """(exit code, findings)"""
        path = self.make(*self.changes, extra=self.extra)
        tool = os.path.join(self.site.env["BIN_DIR"], "gatehousectl")
        done = subprocess.run([*self.before, tool, "-c", path, "--json", "doctor", *self.web, *options],
                              capture_output=True, text=True, timeout=60, check=False,
                              env={**plain_environment(), **self.environment})
        assert done.stdout, (done.returncode, done.stderr)
        assert "Sanitizer" not in done.stderr
        answer = json.loads(done.stdout)
        for level, count in (("ok", "good"), ("warning", "warnings"), ("failure", "failures")):
            assert answer[count] == sum(one["level"] == level for one in answer["findings"])
        return done.returncode, answer["findings"]

    def service(self, user="nobody", **members):
        """A master that says so of itself, and runs as this user."""
        sleeper = subprocess.Popen(["setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups",
                                    "sleep", "60"])
        self.undo.append(lambda: (sleeper.kill(), sleeper.wait()))
        told = {"pid": sleeper.pid, "version": self.version(), "state": "running", "pools": [],
                "conf": str((self.path / "gatehouse.conf").resolve()), **members}
        one = socket.socket(socket.AF_UNIX)
        one.bind(str(self.open / "status-1.sock"))
        one.listen(1)
        one.settimeout(30)

        def answer():
            peer, _ = one.accept()
            peer.sendall(json.dumps(told).encode())
            peer.close()
        thread = threading.Thread(target=answer)
        thread.start()
        self.undo.append(lambda: (thread.join(), one.close()))
        self.set(f"server.status_dir={self.open}")
        # It has become another user before anybody looks.
        wait_until(lambda: Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n", 10)

    def version(self):
        return self.site.ctl("--version").stdout.split()[-1]

    # Web servers, from the very files that are shipped.

    def nginx(self, server=None, http="", spoil=(), user="www-data"):
        port, = free_ports(1)
        shutil.copytree(NGINX, self.path / "nginx/gatehouse", dirs_exist_ok=True)
        for name in (self.path / "nginx/gatehouse").glob("gatehouse-*.conf"):
            text = name.read_text()
            for pool in ("web", "login"):
                text = text.replace(f"/run/gatehouse/{pool}.sock", self.listens(pool))
            name.write_text(text)
        for name, old, new in spoil:
            self.spoil("nginx/gatehouse/" + name, old, new)
        if server is None:
            server = "include gatehouse/gatehouse-locations.conf;"
        self.write("nginx/fastcgi_params", "fastcgi_param QUERY_STRING $query_string;\n")
        path = self.write("nginx/nginx.conf", f"""
user {user};
pid {self.path}/nginx.pid;
error_log {self.path}/error.log;
events {{ }}
http {{
    access_log off;
    {http or 'include gatehouse/gatehouse-http.conf;'}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
""")
        self.web = ["--web", "nginx", "--web-conf", str(path)]

    def listens(self, pool):
        for change in self.changes:
            if change.startswith(f"pool.{pool}.listen="):
                return change.split("=", 1)[1]
        return self.site.conf(f"pool.{pool}", "listen")

    def spoil(self, name, old, new):
        path = self.path / name
        text = path.read_text()
        assert re.search(old, text, re.M), (name, old)
        path.write_text(re.sub(old, new, text, flags=re.M))

    def apache(self, site="Include gatehouse/gatehouse-locations.conf", spoil=()):
        port, = free_ports(1)
        shutil.copytree(APACHE, self.path / "apache/gatehouse", dirs_exist_ok=True)
        self.set(extra="[pool.apache]\nlisten = 127.0.0.1:9471\n")
        for pool in ("web", "login"):
            self.spoil("apache/gatehouse/gatehouse-backend.conf", f"/run/gatehouse/{pool}.sock",
                       self.listens(pool))
        for name, old, new in spoil:
            self.spoil("apache/gatehouse/" + name, old, new)
        modules = "\n".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in
            ("mpm_event", "authn_core", "authz_core", "authz_user", "authz_host", "alias", "asis", "env",
             "headers", "mime", "setenvif", "rewrite", "proxy", "proxy_fcgi", "authnz_fcgi"))
        path = self.write("apache/httpd.conf", f"""
{modules}
ServerRoot "{self.path}/apache"
DefaultRuntimeDir "{self.path}"
PidFile "{self.path}/apache.pid"
ErrorLog "{self.path}/apache.log"
Mutex pthread default
ServerName localhost
User www-data
Group www-data
Listen 127.0.0.1:{port}
Include gatehouse/gatehouse-server.conf
Include gatehouse/gatehouse-backend.conf
<VirtualHost *:{port}>
    {site}
</VirtualHost>
""")
        self.web = ["--web", "apache", "--web-conf", str(path)]

    def lighttpd(self, spoil=(), body='include "gatehouse/gatehouse-server.conf"'):
        shutil.copytree(LIGHTTPD, self.path / "lighttpd/gatehouse", dirs_exist_ok=True)
        text = (self.path / "lighttpd/gatehouse/gatehouse-server.conf").read_text()
        for pool in ("web", "login"):
            text = text.replace(f"/run/gatehouse/{pool}.sock", self.listens(pool))
        (self.path / "lighttpd/gatehouse/gatehouse-server.conf").write_text(text)
        for name, old, new in spoil:
            self.spoil("lighttpd/gatehouse/" + name, old, new)
        path = self.write("lighttpd/lighttpd.conf", 'server.modules = ( "mod_indexfile" )\n'
                          f'server.document-root = "{self.path}"\nserver.port = 1\n'
                          f'server.username = "www-data"\n{body}\n')
        self.web = ["--web", "lighttpd", "--web-conf", str(path)]


@pytest.fixture
def ward(site, conf, tmp_path):  # noqa: F811
    made = Ward(site, conf, tmp_path)
    yield made
    for undo in reversed(made.undo):
        undo()


# What is good.


def test_what_is_good(ward):
    """The shipped files of each web server, and this instance: nothing fails."""
    for pool in ("web", "login"):
        path = ward.listen(f"{pool}.sock", 0o660, pool)
        shutil.chown(path, group="www-data")
    for front in (ward.nginx, ward.apache, ward.lighttpd):
        front()
        code, findings = ward.look()
        failures = [one for one in findings if one["level"] == "failure" and "9471" not in one["finding"]]
        assert not failures, failures
        areas = {one["area"] for one in findings if one["level"] == "ok"}
        assert {"conf", "keys", "secret", "redis", "mariadb", "socket", "limits", "disk"} <= areas
        assert front.__name__ in areas
        assert all(one["cure"] for one in findings if one["level"] != "ok")
        assert all(not one["cure"] for one in findings if one["level"] == "ok")
        if front != ward.apache:  # nobody listens on the pool that was added for it
            assert code == DONE


def test_the_service_that_runs(site):
    done = site.ctl("doctor", "--web", "none")
    told = exits(done, DONE)
    assert "ok    service    gatehouse" in told and site.env["MASTER_PID"] in told
    assert "WARN  conf       abuse limits are off" in told
    assert re.search(r"^ +-> set enabled = yes", told, re.M)
    assert re.search(r"^\d+ good, (1 warning|\d+ warnings), 0 failures$", told, re.M)
    exits(site.ctl("doctor", "--web", "none", "--strict"), REFUSED)


def test_one_failure_is_not_several(site, conf):  # noqa: F811
    done = site.ctl("doctor", "--web", "none", conf=conf("redis.url=unix:///nowhere/redis.sock"))
    assert re.search(r"warnings?, 1 failure$", done.stdout, re.M), done.stdout


def test_what_runs_is_looked_at(site):
    """Without --web: the web servers of this machine, this instance's among them, each by its name."""
    findings = json.loads(site.ctl("--json", "doctor").stdout)["findings"]
    if site.env["GATEHOUSE_FRONT"] == "nginx":
        assert [one for one in findings if one["area"] == "nginx" and one["level"] == "ok" and
                one["finding"].endswith(f"(of {os.environ['GATEHOUSE_DIR']}/conf/nginx/nginx.conf)")]


@pytest.mark.parametrize("words", [["--web", "iis"], ["--web-conf", "/x"], ["all"]])
def test_wrong_usage(site, words):
    exits(site.ctl("doctor", *words), USAGE)


def test_no_secret_is_told(ward):
    ward.set("redis.url=unix://default:" + SECRET + "@/nowhere.sock")
    code, findings = ward.look()
    assert code == STORE and SECRET not in json.dumps(findings)


# Mistakes.  Each returns (area, what the finding says, what the cure says); exit codes beside them.


def unknown_key(ward):
    ward.set(extra="[redis]\nadress = x\n")
    return "conf", r"gatehouse\.conf:\d+: .*adress", "mend that line"


def password_for_all(ward):
    ward.set(f"redis.url=unix://default:{SECRET}@{ward.site.env['REDIS_SOCKET']}")
    return "conf", "holds a password and everybody may read it", "password_file"


def conf_for_all(ward):
    real = ward.make

    def make(*changes, extra=""):
        path = real(*changes, extra=extra)
        os.chmod(path, 0o666)
        return path
    ward.make = make
    return "conf", "can be changed by somebody", "chmod o-w"


def key_mode(ward):
    (ward.keys() / "k1.hs256.key").chmod(0o644)
    return "keys", "k1.hs256.key has mode 0644", "chmod 600"


def no_keys(ward):
    ward.set(f"token.keys={ward.path}/none")
    return "keys", "No such file", "gatehousectl key new"


def keys_for_all(ward):
    ward.keys().chmod(0o777)
    return "keys", "others may write", "chmod 700"


def no_signing_key(ward):
    (ward.keys() / "signing").write_text("k2\n")
    return "keys", "names the key \"k2\"", "key rotate"


def short_key(ward):
    (ward.keys() / "k1.hs256.key").write_text("AAAA")
    return "keys", "24 bits", "key new --alg HS256"


def old_key(ward):
    os.utime(ward.keys() / "k1.hs256.key", (1600000000, 1600000000))
    return "keys", r"k1, is \d+ days old", "key rotate"


def password_mode(ward):
    path = ward.write("mariadb", SECRET, 0o644)
    ward.set(f"mariadb.password_file={path}")
    return "secret", "has mode 0644", "chmod 600"


def empty_password(ward):
    ward.set(f"mariadb.password_file={ward.write('mariadb', '', 0o600)}")
    return "secret", "is empty", "write the secret"


def short_secret(ward):
    path = ward.write("secret", "short", 0o600)
    ward.set(extra=f"[pool.other]\nlisten = 127.0.0.1:9471\nsecret_file = {path}\n")
    return "secret", "less than 16 bytes", "openssl rand"


def redis_away(ward):
    ward.set(f"redis.url=unix://{ward.path}/none.sock")
    return "redis", "cannot be reached", "systemctl start redis-server"


def redis_evicts(ward):
    ward.redis_set(maxmemory_policy="allkeys-lru", maxmemory="1gb")
    return "redis", "maxmemory-policy is allkeys-lru", "maxmemory-policy noeviction"


def redis_is_full(ward):
    ward.redis_set(maxmemory=str(int(ward.site.redis.info("memory")["used_memory"] * 1.05)))
    return "redis", r"of \d+ MiB are used", "maxmemory"


def redis_forgets(ward):
    ward.redis_set(appendonly="no")
    return "redis", "appendonly is off", "appendonly yes"


def weak_redis_user(ward, *rules):
    ward.site.redis.execute_command("ACL", "SETUSER", "weak", "reset", "on", ">" + SECRET, *rules)
    ward.undo.append(lambda: ward.site.redis.execute_command("ACL", "DELUSER", "weak"))
    ward.set(f"redis.url=unix://weak:{SECRET}@{ward.site.env['REDIS_SOCKET']}")


def redis_rights(ward):
    weak_redis_user(ward, "~gh:*", "+@all", "-zadd")
    return "redis", "ZADD", "ACL SETUSER"


def redis_keys(ward):
    weak_redis_user(ward, "~other:*", "+@all")
    return "redis", "(?i)permission", "~gh:"


def redis_says_nothing(ward):
    weak_redis_user(ward, "~gh:*", "+@all", "-info")
    return "redis", "settings cannot be seen", r"\+info"


def redis_clients(ward):
    ward.redis_set(maxclients="20")
    ward.set(extra="[pool.many]\nlisten = 127.0.0.1:9471\nworkers = 40\n")
    return "redis", "maxclients = 20, but", "lower workers"


def mariadb_away(ward):
    ward.set(f"mariadb.socket={ward.path}/none.sock")
    return "mariadb", "cannot be reached", "systemctl start mariadb"


def schema_behind(ward):
    last = ward.site.sql("SELECT name FROM schema_migrations ORDER BY name DESC LIMIT 1")[0][0]
    ward.sql(f"DELETE FROM schema_migrations WHERE name = '{last}'",
             f"INSERT INTO schema_migrations VALUES ('{last}', UTC_TIMESTAMP(3))")
    return "mariadb", f"the step {last} is missing", "gatehousectl db migrate"


def schema_newer(ward):
    ward.sql("INSERT INTO schema_migrations VALUES ('9999_later', UTC_TIMESTAMP(3))",
             "DELETE FROM schema_migrations WHERE name = '9999_later'")
    return "mariadb", "the step 9999_later, which", "install the gatehouse"


def weak_account(ward, rights):
    database = ward.site.env["MARIADB_DATABASE"]
    ward.sql(f"CREATE USER 'weak'@'localhost' IDENTIFIED BY '{SECRET}'", "DROP USER 'weak'@'localhost'")
    ward.sql(f"GRANT {rights} ON {database}.* TO 'weak'@'localhost'")
    ward.set(f"mariadb.url=mariadb://weak@localhost/{database}",
             f"mariadb.password_file={ward.write('weak', SECRET, 0o600)}")


def few_grants(ward):
    weak_account(ward, "SELECT")
    return "mariadb", "command denied", r"grants\.sql"


def many_grants(ward):
    weak_account(ward, "ALL PRIVILEGES")
    return "mariadb", "may do more than the service needs: .*DROP", "REVOKE"


def old_grants(ward):
    weak_account(ward, "SELECT, INSERT, UPDATE, DELETE")
    return "mariadb", "can read or wipe away the audit trail: .*DELETE, SELECT, UPDATE", r"grants\.sql again"


def nothing_recorded(ward):
    ward.set(extra="[audit]\nmode = off\n")
    return "conf", "nothing is recorded", "best_effort"


def mariadb_reads_only(ward):
    ward.sql("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0")
    return "mariadb", "it is read-only", "read_only = 0"


def mariadb_connections(ward):
    old = ward.site.sql("SELECT @@GLOBAL.max_connections")[0][0]
    ward.sql("SET GLOBAL max_connections = 20", f"SET GLOBAL max_connections = {old}")
    ward.set(extra="[pool.many]\nlisten = 127.0.0.1:9471\nworkers = 40\n")
    return "mariadb", "max_connections = 20, but", "raise max_connections"


def mariadb_forgets(ward):
    ward.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2",
             "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    return "mariadb", "may undo the last second", "innodb_flush_log_at_trx_commit = 1"


def names_compared_loosely(ward):
    column = "VARCHAR(64) CHARACTER SET utf8mb4 COLLATE {} NOT NULL COMMENT 'a name of letters'"
    ward.sql("ALTER TABLE user_roles MODIFY role " + column.format("utf8mb4_general_ci"),
             "ALTER TABLE user_roles MODIFY role " + column.format("utf8mb4_nopad_bin"))
    return "mariadb", r"compared loosely .*user_roles\.role", "utf8mb4_nopad_bin"


def clock_off(ward):
    ward.before = ["faketime", "-f", "+90s"]
    ward.environment = {"ASAN_OPTIONS": "verify_asan_link_order=0"}
    return "redis", r"clocks? .* \d\d s apart", "NTP"


def abuse_limits_off(ward):
    ward.set("limit.enabled=no")
    return "conf", "abuse limits are off", "enabled = yes"


def cookies_in_clear(ward):
    ward.set(extra="[cookie]\nsecure = no\nname = session\n")
    return "conf", "plain HTTP", "secure = yes"


def socket_owner(ward):
    ward.listen()
    ward.nginx()
    return "socket", "user www-data cannot connect to .*web.sock", "group = www-data"


def socket_folder(ward):
    ward.listen("closed/web.sock", 0o666)
    (ward.open / "closed").chmod(0o700)
    ward.nginx()
    return "socket", "/closed is in the way", "chmod o.x"


def socket_peers(ward):
    ward.listen(mode=0o666)
    ward.set("pool.web.peers=nobody root")
    ward.nginx()
    return "socket", "www-data .* not among its peers", "add www-data to peers"


def socket_for_all(ward):
    ward.listen(mode=0o666)
    return "socket", "mode 0666: every user", "group ="


def socket_missing(ward):
    ward.set(f"pool.web.listen={ward.path}/none.sock")
    return "socket", "is not there", "start gatehouse"


def socket_dead(ward):
    ward.listen()
    ward.undo.pop()()
    return "socket", "nobody listens", "start gatehouse"


def socket_is_a_file(ward):
    ward.set(f"pool.web.listen={ward.write('web.sock', '')}")
    return "socket", "is no socket", "remove it"


def backlog(ward):
    ward.set("pool.web.backlog=65535")
    return "socket", "backlog = 65535, but the kernel", "somaxconn=65535"


def tcp_for_all(ward):
    ward.set(extra="[pool.other]\nlisten = 127.0.0.1:9471\n")
    return "socket", "can connect to 127.0.0.1:9471", "secret_file"


def no_service(ward):
    ward.set(f"server.status_dir={ward.path}")
    return "service", "does not run", "systemctl start gatehouse"


def service_cannot_read(ward):
    ward.keys()
    ward.service()
    return "keys", "runs as nobody, who cannot read .*keys", "chgrp nogroup /"


def service_without_workers(ward):
    ward.service("root", pools=[{"name": "web", "wanted": 2, "workers": 0, "deaths": 7}])
    return "service", "the pool web has no worker", "the log says"


def service_loses_workers(ward):
    ward.service("root", pools=[{"name": "web", "wanted": 2, "workers": 2, "deaths": 7}])
    return "service", "7 workers of the pool web", "worker died"


def service_is_older(ward):
    ward.service("root", version="0.0.9")
    return "service", "what runs is version 0.0.9", "USR2"


def few_files(ward):
    ward.set(f"server.status_dir={ward.path}")
    ward.before = ["prlimit", "--nofile=256:256"]
    return "limits", "256 files", "LimitNOFILE"


def full_disk(ward):
    ward.before = ["unshare", "-m", "sh", "-c",
                   "mount -t tmpfs -o size=64k tmpfs /var/log && exec \"$@\"", "sh"]
    return "disk", "/var/log has 0 MiB free", "make room"


# nginx

LOCATIONS = "include gatehouse/gatehouse-locations.conf;\n"
PROTECT = "include gatehouse/gatehouse-protect.conf;"
IDENTITY = "include gatehouse/gatehouse-identity.conf;"
PHP = "fastcgi_pass unix:/run/php.sock;"


def nginx_without_us(ward):
    ward.nginx("location / { }", http="server_tokens off;")
    return "nginx", "does not include gatehouse-http.conf", "install.md"


def nginx_broken(ward):
    ward.nginx(LOCATIONS + "no_such_directive x;")
    return "nginx", "refused: .*no_such_directive", "nginx -t"


def nginx_return(ward):
    ward.nginx(LOCATIONS + f"location ^~ /a/ {{ {PROTECT} return 200 yes; }}")
    return "nginx", r"nginx\.conf:\d+: location \^~ /a/ answers with return", "try_files"


def nginx_open_php(ward):
    ward.nginx(LOCATIONS + f"location ~ \\.php$ {{ include fastcgi_params; {PHP} }}")
    return "nginx", r"location ~ \\\.php\$ leads to .* without the lines", "gatehouse-identity.conf"


def nginx_inner_php(ward):
    ward.nginx(LOCATIONS + f"location ^~ /a/ {{ {PROTECT} location ~ \\.php$ {{ {PHP} }} }}")
    return "nginx", "lies in a protected one", "gatehouse-protect.conf; in the inner"


def nginx_prefix(ward):
    ward.nginx(LOCATIONS + f"location /a/ {{ {PROTECT} }} location ~ \\.php$ {{ {IDENTITY} {PHP} }}")
    return "nginx", r"location /a/ is not asked for what .*\.php", r"location \^~"


def nginx_two_lists(ward):
    ward.nginx(LOCATIONS + f"location ~ \\.php$ {{ {IDENTITY} include fastcgi_params; {PHP} }}")
    return "nginx", "sent twice", "take include fastcgi_params away"


def nginx_slashes(ward):
    ward.nginx(LOCATIONS + "merge_slashes off;")
    return "nginx", "//members/", "take merge_slashes off"


def nginx_stripping(ward):
    ward.nginx(LOCATIONS + f"location ^~ /a/ {{ {PROTECT} }}", spoil=[("gatehouse-identity.conf", "^proxy_set_header Remote-Groups.*\n",
                                                                       "")])
    return "nginx", 'lacks the line "proxy_set_header Remote-Groups', "copy gatehouse-identity.conf"


def nginx_role(ward):
    ward.nginx(spoil=[("gatehouse-verify-params.conf", "^fastcgi_param AUTH_REQUIRE_ROLE.*\n", "")])
    return "nginx", "lacks the line .*AUTH_REQUIRE_ROLE", "copy gatehouse-verify-params.conf"


def nginx_address(ward):
    ward.nginx(spoil=[("gatehouse-http.conf", r"unix:\S*/web\.sock", "unix:/run/other.sock")])
    return "nginx", "upstream gatehouse_web leads to /run/other.sock", "change listen"


def nginx_same_root(ward):
    ward.nginx(f"root /srv/site;\n{LOCATIONS} location ^~ /a/ {{ {PROTECT} }}\n"
               "} server { listen 127.0.0.1:9; return 301 https://$host; root /srv;\n"
               "} server { listen 127.0.0.1:8; root /srv/; location / { try_files $uri =404; }")
    return "nginx", r"nginx\.conf:\d+: this server has the root /srv/ .*location \^~ /a/", "sites-enabled/default"


def nginx_keeps(ward):
    ward.nginx(spoil=[("gatehouse-http.conf", "keepalive_timeout 60s", "keepalive_timeout 5m")])
    return "nginx", "keeps idle connections for 5m", "below idle_timeout"


# Apache


def apache_authorization(ward):
    ward.apache(spoil=[("gatehouse-check.conf", "^CGIPassAuth On\n", "")],
                site="<Location /a/>\nInclude gatehouse/gatehouse-protect.conf\n</Location>\n"
                "Include gatehouse/gatehouse-locations.conf")
    return "apache", "lacks the line \"CGIPassAuth On\": .*Authorization", "copy gatehouse-check.conf"


def apache_routes(ward):
    ward.apache(spoil=[("gatehouse-routes.conf", "^ *CGIPassAuth On\n", "")])
    return "apache", "gatehouse-routes.conf lacks the line \"CGIPassAuth On\"", "copy gatehouse-routes"


def apache_own_check(ward):
    ward.apache("<Location /a/>\nAuthType x\nAuthName x\nRequire valid-user\n"
                "AuthnzFcgiCheckAuthnProvider gatehouse Authoritative On RequireBasicAuth Off\n</Location>\n"
                "Include gatehouse/gatehouse-locations.conf")
    return "apache", "asks gatehouse without CGIPassAuth On", "CGIPassAuth On"


def apache_stripping(ward):
    ward.apache(spoil=[("gatehouse-server.conf", "^RequestHeader unset Remote_User early\n", "")])
    return "apache", "lacks the line \"RequestHeader unset Remote_User early\"", "copy gatehouse-server"


def apache_basic(ward):
    ward.apache(spoil=[("gatehouse-check.conf", "^AuthType gatehouse", "AuthType Basic")],
                site="<Location /a/>\nInclude gatehouse/gatehouse-protect.conf\n</Location>\n"
                "Include gatehouse/gatehouse-locations.conf")
    return "apache", "password of its own", "AuthType gatehouse"


def apache_address(ward):
    ward.apache(spoil=[("gatehouse-backend.conf", r"unix:\S*/login\.sock", "unix:/run/other.sock")])
    return "apache", "leads to /run/other.sock", "change listen"


def apache_order(ward):
    ward.apache("Include gatehouse/gatehouse-locations.conf\n"
                "<Location />\nInclude gatehouse/gatehouse-protect.conf\n</Location>")
    return "apache", "before what it protects", "to the end"


def apache_same_root(ward):
    ward.apache("DocumentRoot /srv\n<Location /a/>\nInclude gatehouse/gatehouse-protect.conf\n</Location>\n"
                "Include gatehouse/gatehouse-locations.conf\n</VirtualHost>\n"
                "<VirtualHost *:9>\nRedirect permanent / https://x/\nDocumentRoot /srv\n</VirtualHost>\n"
                "<VirtualHost *:8>\nDocumentRoot \"/srv\"")
    return "apache", "a virtual host has the DocumentRoot /srv and asks nobody", "a2dissite 000-default"


def apache_broken(ward):
    ward.apache("NoSuchDirective on")
    return "apache", "refused: .*NoSuchDirective", "configtest"


# lighttpd


def lighttpd_stripping(ward):
    ward.lighttpd([("gatehouse-server.conf", '^ *"HTTP_REMOTE_USER" .*\n', "")])
    return "lighttpd", 'nothing sets "HTTP_REMOTE_USER"', "copy gatehouse-server.conf"


def lighttpd_without_us(ward):
    ward.lighttpd(body="")
    return "lighttpd", "does not include", "lighttpd.md"


def lighttpd_address(ward):
    ward.lighttpd([("gatehouse-server.conf", r'"\S*/web\.sock"', '"/run/other.sock"')])
    return "lighttpd", "leads to /run/other.sock", "change listen"


def lighttpd_paths(ward):
    ward.lighttpd(body='include "gatehouse/gatehouse-server.conf"\n'
                  'server.http-parseopts = ( "url-path-2f-decode" => "disable" )')
    return "lighttpd", "passed by", "http-parseopts"


def lighttpd_broken(ward):
    ward.lighttpd(body="nonsense")
    return "lighttpd", "refused", "lighttpd -tt"


MISTAKES = {
    ("failure", CONFIGURATION): [unknown_key, key_mode, no_keys, keys_for_all, no_signing_key, short_key,
                                 password_mode, empty_password],
    ("failure", STORE): [redis_away, mariadb_away],
    ("failure", REFUSED): [
        password_for_all, conf_for_all, short_secret, redis_evicts, redis_rights, redis_keys, schema_behind,
        schema_newer, few_grants, mariadb_reads_only, mariadb_connections, redis_clients,
        names_compared_loosely, clock_off, socket_owner,
        socket_folder, socket_peers, socket_is_a_file, service_cannot_read, service_without_workers, full_disk, nginx_broken,
        nginx_return, nginx_open_php, nginx_inner_php, nginx_prefix, nginx_two_lists, nginx_slashes,
        nginx_stripping, nginx_role, nginx_address, apache_authorization, apache_routes, apache_own_check,
        apache_stripping, apache_basic, apache_address, apache_broken, lighttpd_stripping,
        lighttpd_address, lighttpd_paths, lighttpd_broken],
    ("warning", None): [
        old_key, redis_forgets, redis_is_full, redis_says_nothing, many_grants, old_grants, mariadb_forgets,
        nothing_recorded,
        abuse_limits_off, cookies_in_clear, socket_for_all, socket_missing, socket_dead, backlog, tcp_for_all, no_service, service_loses_workers,
        service_is_older, few_files,
        nginx_without_us, nginx_keeps, nginx_same_root, apache_order, apache_same_root, lighttpd_without_us],
}
SEEDED = [(mistake, level, code) for (level, code), mistakes in MISTAKES.items() for mistake in mistakes]


@pytest.mark.parametrize("mistake,level,code", SEEDED, ids=[one[0].__name__ for one in SEEDED])
def test_a_mistake_is_named_with_its_cure(ward, mistake, level, code):
    area, finding, cure = mistake(ward)
    exit_code, findings = ward.look()
    found = [one for one in findings if one["area"] == area and one["level"] == level
             and re.search(finding, one["finding"], re.S)]
    assert found, "\n".join(str(one) for one in findings if one["area"] == area)
    assert any(re.search(cure, one["cure"]) for one in found), found
    if code is not None:
        assert exit_code == code, findings
    # For people, too: the finding in one line, its cure in the next.
    assert all("\n" not in one["cure"] for one in found)
