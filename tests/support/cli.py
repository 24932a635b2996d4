"""A fake of the HTTP API for unit tests of the command line: one function answers each request."""

import json
from http import HTTPStatus

import requests
from requests.adapters import BaseAdapter


def answer(status, body, **headers):
    """A response as the API sends it."""
    response = requests.Response()
    response.status_code, response.reason = status, HTTPStatus(status).phrase
    response._content = json.dumps(body).encode()
    response.headers.update({"Content-Type": "application/json"} | headers)
    return response


class FakeApi(BaseAdapter):
    """Answers every request of `session` with what `reply` returns for it; an exception is raised instead."""

    def __init__(self, reply):
        super().__init__()
        self.reply, self.requests = reply, []
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("http://", self)
        self.session.mount("https://", self)

    def send(self, request, **_):
        self.requests.append(request)
        response = self.reply(request)
        if isinstance(response, Exception):
            raise response
        response.request, response.url = request, request.url
        return response

    def close(self):
        pass
