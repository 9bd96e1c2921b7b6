"""A host for the documentation's reader, below one directory: its own /etc/nginx, /var/www and so
on, a real nginx and a real PHP-FPM, and the installed examples, beside the running gatehouse.

What a page says is done as it stands.  Only paths are moved into the directory, ports are others,
and systemctl is a script that does to the private servers what it would do to the system's.
"""
import configparser
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from gate import free_ports, plain_environment, wait_until
from page import blocks, matches

PASSWORD = "spoon-lantern-42"  # what the pages sign in with
MOVED = re.compile(r"(?<![\w.-])/(?:etc|var/www|usr/local|run/php)(?=/)")

NGINX = """\
user root;
worker_processes 1;
daemon off;
pid {top}/run/nginx.pid;
error_log {top}/log/nginx-error.log;
events {{ }}
http {{
    include mime.types;
    default_type application/octet-stream;
    access_log {top}/log/nginx-access.log;
    client_body_temp_path {top}/tmp/body;
    fastcgi_temp_path {top}/tmp/fastcgi;
    proxy_temp_path {top}/tmp/proxy;
    scgi_temp_path {top}/tmp/scgi;
    uwsgi_temp_path {top}/tmp/uwsgi;
    include conf.d/*.conf;
    include sites-enabled/*;
}}
"""

# What Debian's packages bring along and have enabled, without its comments: neither is any page's.
SITES = {
    "nginx/sites-enabled/default": """\
server {
    listen 80 default_server;
    root /var/www/html;
    index index.html index.htm index.nginx-debian.html;
    server_name _;
    location / {
        try_files $uri $uri/ =404;
    }
}
""",
    "apache2/sites-enabled/000-default.conf": """\
<VirtualHost *:80>
    ServerAdmin webmaster@localhost
    DocumentRoot /var/www/html
</VirtualHost>
""",
}

PHP = """\
[global]
error_log = {top}/log/php-error.log
daemonize = no
[www]
user = root
listen = {top}/run/php/php8.2-fpm.sock
listen.mode = 0666
pm = static
pm.max_children = 2
clear_env = yes
php_admin_flag[display_errors] = off
php_admin_flag[log_errors] = on
php_admin_value[error_log] = {top}/log/php-error.log
"""

# ./bin of the host: what the reader's commands find first.
TOOLS = {
    "systemctl": 'case "$1 $2" in "reload nginx") kill -HUP "$(cat {top}/run/nginx.pid)" ;; '
                 '"restart apache2") kill -HUP "$(cat {top}/run/apache.pid)" ;; *) exit 1 ;; esac\n'
                 'sleep 0.3\n',
    "apachectl": 'exec apache2 -d {top}/etc/apache2 -f apache2.conf -t\n',
    "nginx": '[ "$*" = -t ] && exec {nginx} -q -t -p {top}/ -c {top}/etc/nginx/nginx.conf\n',
    "gatehousectl": '[ "$1 $2" != "user add" ] || exec {bin}/gatehousectl -c {conf} "$@" '
                    '<{top}/user/typed\nexec {bin}/gatehousectl -c {conf} "$@"\n',
}

CURLRC = """\
insecure
noproxy = *
max-time = 20
connect-to = "www.example.org:443:127.0.0.1:{tls}"
connect-to = "app.example.org:443:127.0.0.1:{tls}"
connect-to = ":80:127.0.0.1:{plain}"
"""


class Host:
    """installed: what make install puts beside the programs, below a folder."""

    def __init__(self, site, top, installed):
        self.site = site
        self.top = Path(top)
        self.servers = []
        self.also = {}  # further texts of a page, and what stands here in their place
        self.tls, self.plain = free_ports(2)
        self.url = f"https://www.example.org:{self.tls}"
        self.make_directories()
        shutil.copytree(installed / "usr", self.top / "usr")
        self.make_tools()

    def make_directories(self):
        for name in ("etc/ssl/certs", "etc/ssl/private", "var/www/html", "run/php", "log", "tmp",
                     "bin", "user"):
            (self.top / name).mkdir(parents=True)
        for name in ("nginx", "apache2"):
            shutil.copytree("/etc/" + name, self.top / "etc" / name, symlinks=True)
        for name in ("nginx/conf.d", "nginx/sites-enabled", "apache2/sites-enabled"):
            shutil.rmtree(self.top / "etc" / name)
            (self.top / "etc" / name).mkdir()
        for name, text in SITES.items():
            (self.top / "etc" / name).write_text(self.moved(text))
        (self.top / "var/www/html/index.html").write_text("It works!\n")
        (self.top / "etc/nginx/nginx.conf").write_text(NGINX.format(top=self.top))
        conf = self.top / "etc/apache2/apache2.conf"
        conf.write_text(conf.read_text().replace("<Directory /var/www/>",
                                                 f"<Directory {self.top}/var/www/>"))
        (self.top / "etc/apache2/ports.conf").write_text(
            f"Listen 127.0.0.1:{self.tls}\nListen 127.0.0.1:{self.plain}\n")
        for name in ("www.example.org", "app.example.org"):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                 "-keyout", self.top / f"etc/ssl/private/{name}.key",
                 "-out", self.top / f"etc/ssl/certs/{name}.pem"],
                check=True, capture_output=True, timeout=60)

    def make_tools(self):
        for name, script in TOOLS.items():
            file = self.top / "bin" / name
            file.write_text("#!/bin/sh\n" + script.format(
                top=self.top, nginx=shutil.which("nginx", path=os.defpath + ":/usr/sbin:/sbin"),
                bin=self.site.env["BIN_DIR"], conf=self.site.env["CONF"]))
            file.chmod(0o755)
        (self.top / "user/typed").write_text(PASSWORD + "\n")
        (self.top / "user/.curlrc").write_text(CURLRC.format(tls=self.tls, plain=self.plain))

    # What stands in a page, moved here.

    def moved(self, text):
        for written, here in self.also.items():
            text = text.replace(written, here)
        text = MOVED.sub(lambda found: str(self.top) + found[0], text)
        text = text.replace("/run/gatehouse/", os.path.dirname(self.site.env["REDIS_SOCKET"]) + "/")
        for port, here in ((443, self.tls), (80, self.plain)):
            text = text.replace(f"listen {port} ", f"listen 127.0.0.1:{here} ").replace(
                f"<VirtualHost *:{port}>", f"<VirtualHost 127.0.0.1:{here}>")
        return text.replace("127.0.0.1:9471", self.site.conf("pool.apache", "listen", "127.0.0.1:9471"))

    def path(self, path):
        return Path(self.moved(path))

    def follow(self, steps):
        """Does what a page says, block by block."""
        for block in steps:
            if block.file:
                self.path(block.file).parent.mkdir(parents=True, exist_ok=True)
                self.path(block.file).write_text(self.moved(block.text))
            elif block.language == "sh":
                self.run(block.text, block)
            elif block.language == "console":
                for command, expected in block.commands():
                    printed = self.run(command, block)
                    assert matches(printed, expected), (command, printed, expected)
            elif block.language == "ini":
                self.check_settings(block.text)
            else:
                raise AssertionError(f"{block!r}: what is to be done with it?")

    def check_settings(self, text):
        """gatehouse itself finds nothing wrong with them."""
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        settings = {f"GATEHOUSE_{section}_{key}".upper(): self.moved(value)
                    for section in parser.sections() for key, value in parser.items(section)}
        assert settings, text

        def tried():
            return subprocess.run(
                [self.site.env["BIN_DIR"] + "/gatehouse", "-c", self.site.env["CONF"], "-t"],
                capture_output=True, text=True, timeout=30, check=False,
                env=plain_environment() | settings)
        # Another test of the same site may just be showing what a broken key does.
        wait_until(lambda: "/keys/bad." not in tried().stderr, 30)
        done = tried()
        assert done.returncode == 0, done.stderr

    def run(self, script, block=None):
        environment = self.apache_environment() | {
            "HOME": str(self.top / "user"), "CURL_HOME": str(self.top / "user"),
            "PATH": f"{self.top}/bin:{os.environ['PATH']}"}
        self.move_snippets()
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", self.moved(script)],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False, cwd=self.top / "user", env=environment)
        assert done.returncode == 0, (block, script, done.stdout, done.stderr)
        self.move_snippets()
        return done.stdout

    def move_snippets(self):
        """The copied snippets name gatehouse's sockets, and files of their own."""
        for file in (self.top / "etc").glob("*/gatehouse/*.conf"):
            text = file.read_text()
            if str(self.top) not in text:
                file.write_text(self.moved(text) + f"# moved to {self.top}\n")

    def copy_snippets(self, section="nginx"):
        """What protect-a-folder.md does first, and the other pages suppose."""
        first = [block for block in blocks("protect-a-folder.md", section)
                 if "gatehouse-*.conf" in block.text]
        assert len(first) == 1
        self.follow(first)
        self.run("mkdir -p /var/www/example.org; "
                 "cp /usr/local/share/doc/gatehouse/examples/www/* /var/www/example.org/")

    # Servers.

    def start(self, *command, environment=None):
        with open(self.top / "log/start.log", "ab") as log:
            self.servers.append(subprocess.Popen(command, stdout=log, stderr=log,
                                                 stdin=subprocess.DEVNULL, cwd=self.top,
                                                 env=environment or plain_environment()))

    def start_nginx(self):
        self.start("nginx", "-p", f"{self.top}/", "-c", f"{self.top}/etc/nginx/nginx.conf", "-e",
                   f"{self.top}/log/nginx-error.log")
        wait_until((self.top / "run/nginx.pid").exists, 20)

    def apache_environment(self):
        """What Debian's envvars set, and a2enmod reads."""
        return plain_environment() | {
            "APACHE_CONFDIR": f"{self.top}/etc/apache2", "APACHE_STATEDIRECTORY": f"{self.top}/tmp",
            "APACHE_RUN_USER": "www-data", "APACHE_RUN_GROUP": "www-data",
            "APACHE_PID_FILE": f"{self.top}/run/apache.pid", "APACHE_RUN_DIR": f"{self.top}/run",
            "APACHE_LOCK_DIR": f"{self.top}/run", "APACHE_LOG_DIR": f"{self.top}/log"}

    def start_apache(self):
        self.start("apache2", "-d", f"{self.top}/etc/apache2", "-f", "apache2.conf",
                   "-DFOREGROUND", environment=self.apache_environment())
        wait_until((self.top / "run/apache.pid").exists, 20)

    def start_php(self):
        (self.top / "php-fpm.conf").write_text(PHP.format(top=self.top))
        self.start("php-fpm8.2", "-R", "-F", "-y", str(self.top / "php-fpm.conf"))
        wait_until((self.top / "run/php/php8.2-fpm.sock").exists, 20)

    def stop(self):
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
        for server in self.servers:
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

    # Requests past curl: method, headers and target exactly as written.

    def curl(self, target, *options):
        """The status of one request; target: a path of https://www.example.org."""
        return self.curls([target], *options)[0]

    def curls(self, targets, *options):
        """The status of each, over one connection."""
        words = [word for target in targets
                 for word in ("-o", "/dev/null", "https://www.example.org" + target)]
        done = subprocess.run(
            ["curl", "-s", "-w", "%{http_code}\\n", "--path-as-is", *options, *words],
            capture_output=True, text=True, timeout=60, check=True, cwd=self.top / "user",
            env=os.environ | {"CURL_HOME": str(self.top / "user")})
        statuses = [int(line) for line in done.stdout.split()]
        assert len(statuses) == len(targets)
        return statuses

    def plainly(self, target, name="www.example.org"):
        """The body of the answer on port 80 for a site of that name."""
        return self.run(f"curl -s --path-as-is 'http://{name}{target}'")

    def forget_user(self, email):
        self.site.ctl("user", "delete", email, "--yes")

    def wait_healthy(self):
        """Until both stores answer the service again."""
        wait_until(lambda: self.site.get("/health").status_code == 200, 20)


def make_host(site, installed):
    """For fixtures: a host below a directory of its own."""
    top = Path(tempfile.mkdtemp(prefix="gatehouse-docs."))
    top.chmod(0o755)
    host = None
    try:
        host = Host(site, top, installed)
        for name in ("ada", "grace"):
            host.forget_user(name + "@example.org")
        yield host
    finally:
        if host:
            host.stop()
        shutil.rmtree(top, ignore_errors=True)
