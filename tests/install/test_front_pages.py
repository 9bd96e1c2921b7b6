"""docs/apache.md and docs/lighttpd.md by their own commands, and the whole example sites as they are
shipped: each protected location is asked for without and with a credential, without and with the role."""
import json
import re
import shlex

import pytest

from steps import TOP, asked, files, follow, processes

PASSWORD = "spoon-lantern-42"
CURL = ("curl -sk --path-as-is --resolve www.example.org:443:127.0.0.1 "
        "--resolve www.example.org:80:127.0.0.1 ")
# What is to be found below a location; none of it is anybody's who may not have it.
BELOW = ["", "index.html", "page.txt", "page.php", "page.php/more", "bare/", "bare/page.txt",
         "missing", "missing.php", "./page.txt", "%70age.txt", "?a=/login.html", "bare/../page.txt"]
MARK = "NOT-FOR-EVERYBODY"
FORGED = [f"-H 'Remote-{name}: forged' -H 'X-Remote-{name}: forged' -H 'Remote_{name}: forged'"
          for name in ("User", "User-Id", "Email", "Groups")]
# HTTP/1.1 with a body: over HTTP/2 lighttpd cuts some of those off that it refuses.
WAYS = ["", "-I", "-r 0-3", "--http1.1 -X POST -d a=b", "-X OPTIONS", "-X PROPFIND",
        "-H 'Authorization: Bearer x.y.z'", "-H 'Authorization: Basic YTpi'",
        "-b __Host-session=garbage", "-H 'If-None-Match: *'", " ".join(FORGED)]


def furnish(machine):
    folders = [f"/var/www/example.org/{name}" for name in ("members", "admin", "app")]
    for folder in folders:
        machine.run(f"mkdir -p {folder}/bare")
        for name in ("index.html", "page.txt", "bare/page.txt"):
            machine.write(f"{folder}/{name}", MARK + "\n")
        machine.write(f"{folder}/page.php", f"<?php echo '{MARK} ', $_SERVER['REMOTE_USER'], ' ', "
                                            "$_SERVER['AUTH_GROUPS'], \"\\n\";\n")
    machine.write("/var/www/example.org/app/index.php", f"<?php echo '{MARK} ', $_SERVER['REMOTE_USER'];\n")
    machine.write("/var/www/example.org/outside.php",
                  "<?php echo json_encode([$_SERVER['REMOTE_USER'], $_SERVER['AUTH_GROUPS']]);\n")


@pytest.fixture(scope="module")
def host(machine):
    """gatehouse as a service, with a pool for Apache, two users, and an application on port 3000."""
    kept = files(machine)
    conf = machine.path("/etc/gatehouse/gatehouse.conf")
    before = conf.read_text("utf-8")
    conf.write_text(before + ini("apache.md"), "utf-8")
    furnish(machine)
    machine.copy(TOP / "tests/install/echo.pl", "/srv/echo.pl")
    machine.run("systemctl stop nginx; systemd-run -q --unit=echo perl /srv/echo.pl; "
                "systemctl start 'php*-fpm'; systemctl start php8.2-fpm")
    for who, role in (("ada", ""), ("grace", "--role admin")):
        machine.run(f"echo {PASSWORD} | gatehousectl user add {who}@example.org {role}")
    follow(machine, "install.md", "systemd, service")
    yield machine
    # Which of them run depends on the tests that were chosen.
    machine.run("systemctl stop apache2 lighttpd echo php8.2-fpm 2>/dev/null || true; "
                "systemctl disable -q --now gatehouse; systemctl daemon-reload; "
                "for who in ada grace; do gatehousectl user delete $who@example.org --yes; done")
    conf.write_text(before, "utf-8")
    assert not processes(machine)
    added = " ".join(shlex.quote(path) for path in sorted(files(machine) - kept)
                     if path.startswith("/usr/"))
    assert added == ""
    machine.run("systemctl start nginx; rm -rf /var/www/example.org/members /var/www/example.org/admin "
                "/var/www/example.org/app /var/www/example.org/outside.php")


def ini(page):
    """What a page adds to gatehouse.conf."""
    return re.search(r"```ini\n(.*?)```", (TOP / "docs" / page).read_text("utf-8"), re.S)[1]


def statuses(machine, targets, options="", scheme="https"):
    """{target: status} of requests over one connection."""
    words = " ".join(f"-o /dev/null {shlex.quote(f'{scheme}://www.example.org{target}')}"
                     for target in targets)
    found = machine.run(f"{CURL} -w '%{{http_code}}\\n' {options} {words}").split()
    assert len(found) == len(targets)
    return dict(zip(targets, map(int, found)))


def page(machine, target, options=""):
    return machine.run(f"{CURL} {options} {shlex.quote('https://www.example.org' + target)}")


def login(machine, who):
    status, body = asked(machine, "/login", "-d", shlex.quote(json.dumps(
        {"email": who + "@example.org", "password": PASSWORD})))
    assert status == 200, body
    answer = json.loads(body)
    return [f"-H 'Authorization: Bearer {answer['accessToken']}'",
            f"-b __Host-session={answer['sessionId']}"]


# The example sites: {location: role}.

APACHE = re.compile(r"<Location (/\S+)>\s+(?:Define gatehouse_role (\S+)\s+)?"
                    r"Include gatehouse/gatehouse-(?:fcgid-)?protect.conf")
LIGHTTPD = re.compile(r'"\^(/\w+/)" \{\s+include "gatehouse/gatehouse-protect.conf"'
                      r'(?:\s+setenv.set-environment \+= \( "AUTH_REQUIRE_ROLE" => "(\w+)" \))?')


def protected(path, pattern):
    return {place: role or "" for place, role in pattern.findall((TOP / path).read_text("utf-8"))}


def try_site(machine, places):
    ada, grace = login(machine, "ada"), login(machine, "grace")
    targets = [place + rest for place in places for rest in BELOW]
    for way in WAYS:
        for target, status in statuses(machine, targets, way).items():
            assert status in (401, 405), (way, target, status)
    assert MARK not in "".join(page(machine, target) for target in targets[:8])
    led = statuses(machine, targets, "-H 'Accept: text/html'")
    assert set(led.values()) == {302}, led
    for place, role in places.items():
        some = [place + rest for rest in ("", "page.txt", "page.php", "page.txt?x")]
        for credential in ada:
            assert set(statuses(machine, some, credential).values()) == {403 if role else 200}
            if role:
                assert set(statuses(machine, [place + rest for rest in BELOW], credential).values()
                           ) == {403}
                assert MARK not in page(machine, place + "page.php", credential)
        for credential in grace:
            assert set(statuses(machine, some, credential).values()) == {200}
    for credential in grace:
        assert page(machine, "/app/page.php", credential) == f"{MARK} grace@example.org admin\n"
        assert page(machine, "/app/no/such/page", credential) == f"{MARK} grace@example.org"
        assert json.loads(page(machine, "/outside.php", credential + " " + " ".join(FORGED))) == [
            "", ""]
    plain = statuses(machine, [place + "page.txt" for place in places] + ["/", "/auth/login"], ada[0],
                     scheme="http")
    assert set(plain.values()) == {301}
    # Whoever answers on port 80 for another name, such as the site that Debian's Apache comes with.
    stranger = f"{CURL} -H 'Host: 203.0.113.9' http://www.example.org"
    for place in places:
        assert MARK not in machine.run(f"{stranger}{place}page.txt; {stranger}{place}page.php")
    assert statuses(machine, ["/login.html", "/outside.php", "/auth/health"]) == {
        "/login.html": 200, "/outside.php": 200, "/auth/health": 200}
    return ada[0]


def try_proxied(machine, credential):
    heard = page(machine, "/proxied/x", credential + " " + " ".join(FORGED)).replace("\r", "")
    assert "forged" not in heard
    told = {name.lower(): value for name, value in re.findall(r"^([\w-]+): (.*)$", heard, re.M)}
    assert told["remote-user"] == told["remote-email"] == "ada@example.org"
    assert not [name for name in told if name.startswith(("x-remote", "remote_"))]


def test_apache_by_sockets(host):
    places = protected("conf/apache/gatehouse.conf", APACHE)
    assert places == {"/members/": "", "/admin/": "admin", "/app/": "", "/proxied/": ""}
    follow(host, "apache.md", "gatehouse runs by itself", shown=("ini", "apache"))
    try_proxied(host, try_site(host, places))


def test_apache_starts_it(host):
    places = protected("conf/apache/gatehouse-fcgid-site.conf", APACHE)
    assert places == {"/members/": "", "/admin/": "admin", "/app/": "", "/proxied/": ""}
    host.run("systemctl stop gatehouse apache2; a2dismod -q authnz_fcgi; a2dissite -q gatehouse")
    try:
        follow(host, "apache.md", "mod_fcgid starts it")
        try_proxied(host, try_site(host, places))
        assert set(processes(host).values()) == {"www-data"}
    finally:
        host.run("systemctl stop apache2; chgrp -R gatehouse /etc/gatehouse; "
                 "chgrp root /etc/gatehouse/gatehouse.conf; chmod 644 /etc/gatehouse/gatehouse.conf; "
                 "systemctl start gatehouse")
    assert set(processes(host).values()) <= {"gatehouse", "gatehou+"}


def test_lighttpd(host):
    places = protected("conf/lighttpd/gatehouse.conf", LIGHTTPD)
    assert places == {"/members/": "", "/admin/": "admin", "/app/": ""}
    follow(host, "lighttpd.md", "lighttpd", "The whole example")
    # systemd does not know when lighttpd listens.
    host.run("for i in $(seq 100); do curl -sk -o /dev/null https://127.0.0.1/ && exit 0; sleep 0.2; done; "
             "exit 1")
    try_site(host, places)
