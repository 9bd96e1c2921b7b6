"""examples/www in a real browser: the login page, its way back, sign-up and the sign-out button."""
import time

import pytest

from gate import PASSWORD, fresh_name

IDLE = 4.3  # seconds, after which a session of the lab has idled out
MEMBERS = "/members/?page=2&x=%20y"


def sign_in(browser, who, password=PASSWORD):
    browser.wait(lambda: browser.find("#login").is_displayed())
    browser.type("[name=who]", who)
    browser.type("[name=password]", password)
    browser.click("#login button")


def login_page(browser, lab, search=""):
    browser.get(lab.tls + "/login.html" + search)


def test_a_protected_page_and_back(browser, lab):
    user = lab.add_user()
    browser.get(lab.tls + MEMBERS)
    browser.wait_address(lab.tls + "/login.html?next=" + MEMBERS)
    sign_in(browser, user.email)
    browser.wait_address(lab.tls + MEMBERS)
    assert browser.text("h1") == "Members"

    # No script can read the session; the password is in no address and no history entry.
    assert browser.run("return document.cookie") == ""
    cookies = browser.cookies()
    assert set(cookies) == {lab.cookie_name, lab.refresh_cookie_name}
    assert all(cookie["httpOnly"] and cookie["secure"] for cookie in cookies.values())
    assert cookies[lab.cookie_name]["sameSite"] == "Lax"
    assert browser.run("return localStorage.length") == 0

    browser.click("form[data-gatehouse-logout] button")
    browser.wait_address(lab.tls + "/")
    assert browser.cookies() == {}
    browser.get(lab.tls + MEMBERS)
    browser.wait_address(lab.tls + "/login.html?next=" + MEMBERS)


def test_an_idle_session_comes_back_without_a_password(browser, lab):
    user = lab.add_user()
    login_page(browser, lab, "?next=/members/")
    sign_in(browser, user.email)
    browser.wait_address(lab.tls + "/members/")
    time.sleep(IDLE)
    browser.get(lab.tls + MEMBERS)
    browser.wait_address(lab.tls + MEMBERS)
    assert browser.text("h1") == "Members"


def test_a_page_that_refuses_all_the_same_does_not_go_round(browser, lab):
    """… it ends at the form, after one attempt with the refresh cookie."""
    user = lab.add_user()
    login_page(browser, lab, "?next=/members/")
    sign_in(browser, user.email)
    browser.wait_address(lab.tls + "/members/")
    (lab.www / "round").mkdir(exist_ok=True)
    (lab.www / "round/index.html").write_text(
        "<script>sessionStorage.rounds = Number(sessionStorage.rounds || 0) + 1;"
        "location.replace('/login.html?next=/round/')</script>")
    login_page(browser, lab, "?next=/round/")
    browser.wait(lambda: browser.run("return sessionStorage.rounds") == "1")
    browser.wait_address(lab.tls + "/login.html?next=/round/")
    time.sleep(0.5)
    assert browser.run("return sessionStorage.rounds") == "1"
    assert browser.find("#login").is_displayed()


def test_wrong_and_right(browser, lab):
    name = fresh_name()
    user = lab.register(username=name)
    login_page(browser, lab)
    sign_in(browser, user.email, "not the password")
    browser.wait(lambda: browser.text(".trouble"))
    assert browser.text(".trouble") == "The name or the password is not right."
    assert browser.cookies() == {}
    sign_in(browser, name)
    browser.wait_address(lab.tls + "/")
    assert lab.cookie_name in browser.cookies()


def test_sign_up(browser, lab):
    name = fresh_name()
    login_page(browser, lab, "?next=/members/")
    browser.click("a[data-keeps-next]")
    browser.wait_address(lab.tls + "/register.html?next=/members/")
    browser.type("[name=email]", name + "@example.org")
    browser.type("[name=username]", name)
    browser.type("[name=password]", "password")
    browser.click("#register button")
    browser.wait(lambda: browser.text(".trouble"))
    assert "password" in browser.text(".trouble")
    browser.type("[name=password]", PASSWORD)
    browser.click("#register button")
    browser.wait_address(lab.tls + "/members/")


HOSTILE = [
    "//evil.example.net/", "/\\evil.example.net/", "\\\\evil.example.net", "%2F%09%2Fevil.example.net",
    "https://evil.example.net/", "https:evil.example.net", "javascript:alert(1)", "%2F%2Fevil.example.net",
    "%2f%5cevil.example.net", "https%3A%2F%2Fevil.example.net", "data:text/html,x", "evil.example.net",
    "//www.example.org@evil.example.net/", "", "%", "/login.html", "/login.html?next=/members/",
    "javascript%3Aalert(1)", "%0a//evil.example.net", "/\t/evil.example.net", "///evil.example.net",
    "http://www.example.org/", "%20//evil.example.net",
]
SAFE = {
    "/%09/evil.example.net": "/%09/evil.example.net",
    "/members/": "/members/", "/members/?a=b&next=c": "/members/?a=b&next=c",
    "/./members/": "/members/", "/.//evil.example.net/": "//evil.example.net/",
    "%2Fmembers%2F%3Fa%3Db": "/members/?a=b", "/x/..//evil.example.net": "//evil.example.net",
}


def way_back(browser, value):
    return browser.run("history.replaceState(null, '', '/login.html?next=' + arguments[0]);"
                       "return wayBack();", value)


def test_the_way_back_stays_on_this_site(browser, lab):
    login_page(browser, lab)
    for value in HOSTILE:
        assert way_back(browser, value) == "/", value
    for value, path in SAFE.items():
        target = way_back(browser, value)
        # An address with its origin: the path alone, "//evil…", would be another host.
        assert target == lab.tls + path, value


@pytest.mark.parametrize("value", ["//evil.example.net/", "/.//evil.example.net/"])
def test_nobody_is_led_away(browser, lab, value):
    user = lab.add_user()
    login_page(browser, lab, "?next=" + value)
    sign_in(browser, user.email)
    browser.wait(lambda: "/login.html" not in browser.driver.current_url)
    assert browser.driver.current_url.startswith(lab.tls + "/")


def test_the_form_is_accessible_and_hidden_without_its_script(browser, lab):
    for page in ("/login.html", "/register.html"):
        text = (lab.www / page[1:]).read_text()
        assert "<noscript>" in text and 'data-base="/auth" hidden>' in text
        assert "<script>" not in text and "onclick" not in text  # a strict policy may stay
        browser.get(lab.tls + page)
        browser.wait(lambda: browser.find("form").is_displayed())
        for field in browser.driver.find_elements("css selector", "input"):
            assert field.accessible_name, page
            assert field.get_attribute("autocomplete"), page
        assert browser.run("return document.activeElement.tagName") == "INPUT"
        assert browser.run("return document.documentElement.lang") == "en"
