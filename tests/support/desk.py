"""Somebody with a browser: keeps cookies, follows redirects, and signs in at the simulated Genesys."""

import re
from html import unescape
from urllib.parse import urljoin

import requests

from tests.support.world import DEADLINE_S

REDIRECT = "redirect_uris"


class Visitor:
    """A person at the desk. Without `sign_in` nobody is signed in."""

    def __init__(self, desk_url):
        self.desk_url = desk_url
        self.http = requests.Session()
        self.http.trust_env = False

    def sign_in(self, user_id, path=""):
        """Ask for a page of the desk, sign in as Genesys asks, and return the page where this ends."""
        return self.answer(self.get(path), user_id)

    def answer(self, asked, user_id):
        """Answer the page of the login host. The redirect leads back to the desk."""
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text))
        fields = {name: unescape(value) for name, value in fields.items()} | {"user": user_id}
        return self.http.post(urljoin(asked.url, "/oauth/authorize"), data=fields, timeout=DEADLINE_S)

    def get(self, path="", **options):
        return self.http.get(f"{self.desk_url}{path}", timeout=DEADLINE_S, **options)

    def csrf(self):
        return re.search(r'name="csrf" value="(\w+)"', self.get().text)[1]

    def post(self, path, csrf=None, headers=None, **form):
        """Send a form of the desk's own page."""
        own = {"Origin": self.desk_url.removesuffix("/desk"), "Sec-Fetch-Site": "same-origin"}
        return self.http.post(
            f"{self.desk_url}{path}",
            data={"csrf": self.csrf() if csrf is None else csrf} | form,
            headers=own | (headers or {}),
            timeout=DEADLINE_S,
        )
