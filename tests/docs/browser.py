"""A real Chromium, headless, that takes every *.example.org and *.example.net for this machine."""
import shutil
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync --no-proxy-server
    --disable-dev-shm-usage --ignore-certificate-errors --window-size=900,800""".split()
HOSTS = "--host-resolver-rules=MAP *.example.org 127.0.0.1, MAP *.example.net 127.0.0.1"
PATIENCE = 20  # seconds


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="gatehouse-chromium.")
        options = webdriver.ChromeOptions()
        for flag in [*FLAGS, HOSTS, "--user-data-dir=" + self.profile]:
            options.add_argument(flag)
        options.binary_location = shutil.which("chromium")
        self.driver = webdriver.Chrome(options=options,
                                       service=Service(shutil.which("chromedriver")))
        self.driver.set_script_timeout(PATIENCE)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def forget(self):
        """One new tab, no cookies."""
        old = self.driver.window_handles
        self.driver.switch_to.new_window("tab")
        new = self.driver.current_window_handle
        for handle in old:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(new)
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})

    def get(self, url):
        self.driver.get(url)

    def new_tab(self, url):
        self.driver.switch_to.new_window("tab")
        self.driver.get(url)
        return self.driver.current_window_handle

    def tab(self, handle):
        self.driver.switch_to.window(handle)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def type(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def click(self, selector):
        self.find(selector).click()

    def run(self, script, *values):
        return self.driver.execute_script(script, *values)

    def work(self, script, *values):
        """What an async function with this body returns; what it throws, as {"error": its name}."""
        return self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async () => {{ {script} }})().then(done, (e) => done({{error: e.name}}));", *values)

    def wait(self, question):
        """Until question() is true; what it was then."""
        return WebDriverWait(self.driver, PATIENCE, 0.05).until(lambda _: question())

    def wait_address(self, url):
        self.wait(lambda: self.driver.current_url == url)
        self.wait(lambda: self.run("return document.readyState") == "complete")

    def cookies(self):
        """All of the browser's cookies, HttpOnly ones too, by name."""
        found = self.driver.execute_cdp_cmd("Network.getAllCookies", {})["cookies"]
        return {cookie["name"]: cookie for cookie in found}
