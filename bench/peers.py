"""What people would run instead: bench/peers/, each with nginx, Redis and MariaDB of the stage."""

import os
import pathlib
import shutil

from stage import BENCH, CLASSIC_WORKERS, CORES, Failure, free_port, run

PEERS = BENCH / "peers"
MODULES = pathlib.Path("/usr/lib/nginx/modules")

FPM = """
[global]
error_log = {dir}/servers.log
daemonize = no
[www]
user = root
listen = {dir}/php.sock
listen.backlog = 1024
pm = static
pm.max_children = {children}
"""


class Php:
    name, packages = "PHP-FPM + phpredis", "php-fpm php-redis php-mysql"

    def start(self, stage, env):
        program = next(iter(sorted(pathlib.Path("/usr/sbin").glob("php-fpm*"))), None)
        if program is None:
            raise Failure("php-fpm is not installed")
        conf = stage.dir / "php-fpm.conf"
        conf.write_text(FPM.format(dir=stage.dir, children=CLASSIC_WORKERS))
        self.env, self.stage = env, stage
        self.process = stage.start(program, "-R", "-F", "-y", conf, ready=stage.dir / "php.sock")
        return self

    def upstream(self):
        return f"unix:{self.stage.dir}/php.sock"

    def location(self, kind):
        keep = "on" if kind else "off"
        dsn = (f"mysql:unix_socket={self.env['mariadb']};dbname={self.env['database']};"
               "charset=utf8mb4")
        return f"""
        location /peer/php/ {{
            location ~ ^/peer/php/(?<php_route>\\w+)$ {{
                fastcgi_keep_conn {keep};
                fastcgi_param REQUEST_METHOD $request_method;
                fastcgi_param CONTENT_TYPE $content_type;
                fastcgi_param CONTENT_LENGTH $content_length;
                fastcgi_param REQUEST_ID $request_id;
                fastcgi_param SCRIPT_FILENAME {PEERS}/php/peer.php;
                fastcgi_param BENCH_ROUTE $php_route;
                fastcgi_param BENCH_REDIS {self.env['redis']};
                fastcgi_param BENCH_KEY {self.env['key']};
                fastcgi_param BENCH_DSN "{dsn}";
                fastcgi_pass php{kind};
            }}
        }}"""


class Fastify:
    name, packages = "Fastify + ioredis", "nodejs npm"

    def start(self, stage, env):
        home = stage.dir / "fastify"
        home.mkdir(exist_ok=True)
        for file in (PEERS / "fastify").iterdir():
            shutil.copy(file, home)
        if not shutil.which("npm"):
            raise Failure("npm is not installed")
        if not (home / "node_modules").exists():
            run("npm", "ci", "--no-audit", "--no-fund", cwd=home)
        self.port = free_port()
        self.process = stage.start("node", home / "server.js", self.port, CORES, env["redis"],
                                   env["key"], env["mariadb"], env["database"], ready=self.port)
        return self

    def upstream(self):
        return f"127.0.0.1:{self.port}"

    def location(self, kind):
        keep = 'proxy_http_version 1.1; proxy_set_header Connection "";' if kind else ""
        return f"""
        location /peer/fastify/ {{
            {keep}
            proxy_set_header X-Request-Id $request_id;
            proxy_pass http://fastify{kind}/;
        }}"""


class Lua:
    """Nothing to start: it is nginx itself."""

    name, packages = "Lua in nginx", "libnginx-mod-http-lua lua-nginx-redis lua-cjson"
    process = None

    def start(self, _stage, env):
        self.env = env
        if not (MODULES / "ngx_http_lua_module.so").exists():
            raise Failure("libnginx-mod-http-lua is not installed")
        return self

    def upstream(self):
        return None

    def main(self):
        return "".join(f"load_module {MODULES}/{module}.so;\n"
                       for module in ("ndk_http_module", "ngx_http_lua_module"))

    def http(self):
        return f"""
    lua_package_path "{PEERS}/lua/?.lua;/usr/share/lua/5.1/?.lua;;";
    init_by_lua_block {{
        peer = require "peer"
        local file = assert(io.open("{self.env['key']}", "rb"))
        peer_key = file:read "*a"
        file:close()
    }}"""

    def location(self, _kind):
        return f"""
        location = /peer/lua/verify {{
            content_by_lua_block {{ peer.verify(peer_key, "{self.env['redis']}") }}
        }}"""


def start_all(stage, env, wanted):
    """{short name: peer} of those that can be started; says of the others why not."""
    started, missing = {}, []
    for short, kind in (("php", Php), ("fastify", Fastify), ("lua", Lua)):
        if short not in wanted:
            continue
        try:
            started[short] = kind().start(stage, env)
        except (Failure, OSError) as problem:
            missing.append(f"{kind.name}: {str(problem).splitlines()[0]} ({kind.packages})")
    return started, missing


def processes(peer):
    """A peer's own, with the children of its master."""
    if peer.process is None:
        return []
    master = peer.process.pid
    below = [int(pid) for task in os.listdir(f"/proc/{master}/task")
             for pid in pathlib.Path(f"/proc/{master}/task/{task}/children").read_text().split()]
    return [master, *below]
