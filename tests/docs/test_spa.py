"""examples/spa in a real browser, where tokens last two seconds and an idle session four."""
import os
import signal
import time

import pytest

from gate import PASSWORD, alive, fresh_email

PAGE = "/spa/index.html"
EXPIRED, IDLE = 2.2, 4.3  # seconds


def state(browser):
    return browser.run("return document.body.dataset.state")


def open_page(browser, lab, base=None):
    browser.get((base or lab.tls) + PAGE)
    browser.wait(lambda: state(browser))


def sign_in(browser, email, transport="cookie", button="login"):
    browser.wait(lambda: browser.find("#sign-in").is_displayed())
    browser.type("#sign-in [name=email]", email)
    browser.type("#sign-in [name=password]", PASSWORD)
    browser.click(f"[value={transport}]")
    browser.click(f"[value={button}]")
    browser.wait(lambda: browser.text("#who") == email)


@pytest.fixture
def user(lab):
    return lab.add_user()


def profile(browser):
    """What the application's own client says now: the email, or the failure's name."""
    return browser.work("return (await session.call('GET', '/profile')).email;")


def test_sign_up_and_reload(browser, lab):
    email = fresh_email()
    open_page(browser, lab)
    sign_in(browser, email, button="register")
    assert browser.run("return document.cookie") == ""
    assert "eyJ" not in browser.run("return JSON.stringify([{...localStorage}, "
                                    "{...sessionStorage}, document.body.innerHTML])")
    cookies = browser.cookies()
    assert set(cookies) == {lab.cookie_name, lab.refresh_cookie_name}
    assert all(cookie["httpOnly"] and cookie["secure"] for cookie in cookies.values())
    open_page(browser, lab)
    assert state(browser) == "in" and browser.text("#who") == email
    browser.click("#sign-out")
    browser.wait(lambda: state(browser) == "out")
    assert browser.cookies() == {}
    assert browser.work("try { await session.call('GET', '/profile'); }"
                        "catch (e) { return e.constructor.name; }") == "SignedOut"


def test_bearer_stays_in_memory(browser, lab, user):
    open_page(browser, lab)
    sign_in(browser, user.email, "bearer")
    assert browser.cookies() == {}
    assert set(browser.run("return Object.keys({...localStorage, ...sessionStorage})")) <= \
        {"gatehouse-renewed"}  # a time
    time.sleep(EXPIRED)  # the access token is past its exp
    assert profile(browser) == user.email
    open_page(browser, lab)
    assert state(browser) == "out"


@pytest.mark.parametrize("transport", ["cookie", "bearer"])
def test_an_idle_session_is_renewed_by_many_requests_at_once(browser, lab, user, transport):
    open_page(browser, lab)
    sign_in(browser, user.email, transport)
    time.sleep(IDLE)
    before = refreshes(lab)
    found = browser.work("return Promise.all(Array.from({length: 8}, () => "
                         "session.call('GET', '/profile').then((u) => u.email)));")
    assert found == [user.email] * 8
    assert refreshes(lab) - before == 1


def refreshes(lab):
    """How often the web server was asked for a refresh."""
    log = os.path.join(os.path.dirname(lab.env["LOG"]), "nginx-access.log")
    with open(log, encoding="utf-8") as lines:
        return sum('"POST /auth/refresh ' in line for line in lines)


def test_two_tabs(browser, lab, user):
    """They share a session, may renew it at the same time, and end together."""
    open_page(browser, lab)
    sign_in(browser, user.email)
    first = browser.driver.current_window_handle
    second = browser.new_tab(lab.tls + PAGE)
    browser.wait(lambda: state(browser) == "in")
    assert browser.text("#who") == user.email

    time.sleep(IDLE)
    soon = time.time() * 1000 + 700
    for tab in (first, second):
        browser.tab(tab)
        browser.run("setTimeout(() => session.call('GET', '/profile').then((u) => {"
                    " window.found = u.email; }), arguments[0] - Date.now());", soon)
    for tab in (first, second):
        browser.tab(tab)
        browser.wait(lambda: browser.run("return window.found")) == user.email

    browser.click("#sign-out")
    browser.tab(first)
    browser.wait(lambda: state(browser) == "out")
    assert browser.cookies() == {}
    assert browser.work("return (await fetch('/auth/profile')).status;") == 401


def test_tabs_without_locks_have_the_grace(browser, lab, user):
    """The same refresh token, several times at once: nobody loses anything."""
    open_page(browser, lab)
    sign_in(browser, user.email)
    statuses = browser.work(
        "const refresh = () => fetch('/auth/refresh', {method: 'POST'});"
        "return (await Promise.all([1, 2, 3, 4, 5].map(refresh))).map((a) => a.status);")
    assert statuses == [200] * 5
    assert profile(browser) == user.email


def test_a_session_ended_elsewhere(browser, lab, user):
    open_page(browser, lab)
    sign_in(browser, user.email)
    lab.ctl_ok("session", "revoke", "--user", user.email)
    browser.click("#reload")
    browser.wait(lambda: state(browser) == "out")


@pytest.mark.parametrize("transport", ["cookie", "bearer"])
@pytest.mark.parametrize("age", [0, EXPIRED])
def test_a_wrong_password_ends_no_session(browser, lab, user, transport, age):
    """A 401 that speaks of the body, also behind one that a refresh has cured."""
    open_page(browser, lab)
    sign_in(browser, user.email, transport)
    time.sleep(age)
    told = browser.work(
        "const sent = {oldPassword: 'not this one', newPassword: 'another one 9'};"
        "return session.call('POST', '/password', sent).then(() => 'done',"
        " (e) => `${e.constructor.name} ${e.code}`);")
    assert told == "Refused invalid_credentials"
    assert profile(browser) == user.email


def test_ending_another_session(browser, lab, user):
    elsewhere = user.login()
    open_page(browser, lab)
    sign_in(browser, user.email)
    alive(lab, elsewhere.refresh().json()["accessToken"])
    browser.click("#sessions button")
    browser.wait(lambda: not browser.driver.find_elements("css selector", "#sessions button"))
    assert elsewhere.refresh().status_code == 401
    assert state(browser) == "in"


def test_an_outage_ends_no_session(browser, lab, user):
    """Redis hangs; meanwhile the pages wait, and afterwards they go on with what they have."""
    tabs = []
    for transport in ("bearer", "cookie"):
        tabs.append(browser.new_tab(lab.tls + PAGE))
        browser.wait(lambda: state(browser))
        sign_in(browser, user.email, transport)
    time.sleep(EXPIRED)
    redis = int(lab.env["REDIS_PID"])
    os.kill(redis, signal.SIGSTOP)
    try:
        for tab in tabs:
            browser.tab(tab)
            browser.click("#reload")
            browser.wait(lambda: browser.find("#wait").is_displayed())
    finally:
        os.kill(redis, signal.SIGCONT)
    for tab in tabs:
        browser.tab(tab)
        browser.wait(lambda: not browser.find("#wait").is_displayed())
        assert profile(browser) == user.email
        assert state(browser) == "in" and browser.text("#trouble") == ""


def test_names_are_text(browser, lab, user):
    open_page(browser, lab)
    sign_in(browser, user.email)
    name = "<img src=x onerror=document.title='caught'>"
    browser.type("[name=displayName]", name)
    browser.click("#profile button")
    browser.wait(lambda: browser.text("#who") == name)
    assert browser.driver.title == "Single-page application"


def test_from_a_listed_origin(browser, lab, user):
    """The page is on another host of the same site, and says where gatehouse is."""
    page = lab.www / "spa/elsewhere.html"
    text = (lab.www / "spa/index.html").read_text()
    page.write_text(text.replace('data-auth="/auth"', f'data-auth="{lab.tls}/auth"'))
    browser.get(f"https://app.example.org:{lab.tls_port}/spa/elsewhere.html")
    browser.wait(lambda: state(browser))
    for transport in ("cookie", "bearer"):
        sign_in(browser, user.email, transport)
        time.sleep(EXPIRED)
        assert profile(browser) == user.email
        browser.click("#sign-out")
        browser.wait(lambda: state(browser) == "out")


ATTACK = """<!doctype html><title>Attack</title><iframe name="hole"></iframe>
<form id="form" method="post" enctype="text/plain" target="hole" action="{auth}/logout">
<input name='{{"everywhere":true,"x":"' value='"}}'></form>
<form id="empty" method="post" target="hole" action="{auth}/logout"></form>
<script>
const auth = '{auth}';
const tries = {{
  read: () => fetch(auth + '/profile', {{credentials: 'include'}}),
  blind: () => fetch(auth + '/logout', {{method: 'POST', mode: 'no-cors', credentials: 'include'}}),
  json: () => fetch(auth + '/profile', {{method: 'PATCH', credentials: 'include',
    headers: {{'Content-Type': 'application/json'}}, body: '{{"displayName":"caught"}}'}}),
  remove: () => fetch(auth + '/sessions', {{method: 'DELETE', credentials: 'include'}}),
}};
async function attack() {{
  const seen = {{}};
  for (const [name, run] of Object.entries(tries)) {{
    seen[name] = await run().then((a) => a.type, (e) => e.name);
  }}
  for (const form of document.forms) {{
    const loaded = new Promise((done) => {{ document.querySelector('iframe').onload = done; }});
    form.submit();
    await loaded;
  }}
  return seen;
}}
</script>
"""


@pytest.mark.parametrize("host,sent", [("evil.example.org", True), ("evil.example.net", False)])
def test_a_page_from_elsewhere(browser, site, host, sent):
    """Another host of the same site gets the cookie sent, which SameSite does not prevent; another
    site does not.  Neither reads anything or changes anything."""
    port = site.env["GATEHOUSE_TLS_URL"].rsplit(":", 1)[1]
    user, home = site.add_user(), f"https://www.example.org:{port}"
    other = user.login(transport="bearer")
    browser.get(home + "/login.html")
    assert browser.work(
        "return (await fetch('/auth/login', {method: 'POST', body: JSON.stringify(arguments[0]),"
        "headers: {'Content-Type': 'application/json'}})).status;",
        {"email": user.email, "password": PASSWORD, "transport": "cookie"}) == 200
    before = browser.cookies()

    page = os.path.join(os.environ["GATEHOUSE_DIR"], "www/attack.html")
    with open(page, "w", encoding="utf-8") as file:
        file.write(ATTACK.format(auth=home + "/auth"))
    seen = statuses(site, host, "POST /auth/logout", "DELETE /auth/sessions")
    browser.get(f"https://{host}:{port}/attack.html")
    assert browser.work("return attack();") == {
        "read": "TypeError", "blind": "opaque", "json": "TypeError", "remove": "TypeError"}
    os.unlink(page)

    # What the browser let through was refused as a forgery; or came without a cookie, and then
    # there was nothing to do.  (A preflight keeps the DELETE from being sent.)
    new = statuses(site, host, "POST /auth/logout", "DELETE /auth/sessions")[len(seen):]
    assert sorted(new) == (["403", "403", "415"] if sent else ["200", "200", "415"])
    assert browser.cookies() == before
    browser.get(home + "/members/")
    browser.wait_address(home + "/members/")
    alive(site, other.access)


def statuses(site, host, *requests):
    """The statuses that these requests of that host's pages got, by the web server's log."""
    log = os.path.join(os.path.dirname(site.env["LOG"]), "nginx-access.log")
    with open(log, encoding="utf-8") as lines:
        return [line.split('" ')[1].split()[0] for line in lines
                if f'"https://{host}:' in line and any(f'"{request} ' in line for request in requests)]
