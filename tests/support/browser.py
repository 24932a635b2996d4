"""A real browser, Debian's Chromium, and what it asks for. Without it the tests skip, and say why."""

import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect, sync_playwright

PATIENCE_MS = 60_000
"""As for everything that a test waits for: no machine is too slow."""
_SILENT = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium():
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium: `make chromium` installs Debian's, as root")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_SILENT))
        yield browser
        browser.close()


class Reader:
    """A person with a browser of their own: cookies, a page, and the addresses that were asked for."""

    def __init__(self, browser, desk_url, **options):
        self.desk_url = desk_url
        self.context = browser.new_context(**{"locale": "en-GB", "timezone_id": "Europe/Berlin"} | options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.asked, self.refused = [], []
        self.page = self.new_page()

    def new_page(self):
        page = self.context.new_page()
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda line: line.type == "error" and self.refused.append(line.text))
        return page

    def sign_in(self, name, path=""):
        self.page.goto(f"{self.desk_url}{path}")
        self.page.get_by_role("button", name=name, exact=True).click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        return self

    def open(self, path=""):
        self.page.goto(f"{self.desk_url}{path}")
        return self.page

    def close(self):
        self.context.close()
