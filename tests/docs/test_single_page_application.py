"""docs/single-page-application.md, followed step by step; its script runs in a real browser."""
from gate import STATUS
from page import DOCS, blocks

PAGE = "single-page-application.md"
EMAIL, PASSWORD = "ada@example.org", "spoon-lantern-42"


def test_the_page(host, browser):
    host.copy_snippets()
    host.start_nginx()
    script, = [block for block in blocks(PAGE) if block.language == "js"]
    host.follow(block for block in blocks(PAGE) if block.language != "js")

    # The strict policy of the page's server block holds in this browser.
    browser.get(host.url + "/spa/")
    browser.wait(lambda: browser.run("return document.body.dataset.state") == "out")
    assert browser.work(script.text) == "Ada"
    browser.type("#sign-in [name=email]", EMAIL)
    browser.type("#sign-in [name=password]", PASSWORD)
    browser.click("[value=login]")
    browser.wait(lambda: browser.text("#who") == "Ada")
    log = [entry for entry in browser.driver.get_log("browser")
           if "Content Security Policy" in entry["message"]]
    assert log == []


def test_the_table_of_answers_names_real_codes():
    page = (DOCS / PAGE).read_text("utf-8")
    table = page.split("## What the answers ask")[1].split("\nA refresh token")[0]
    for line in table.splitlines():
        for code in [word for word in line.split("`")[1::2] if "_" in word or word == "forbidden"]:
            assert str(STATUS[code]) in line, code
