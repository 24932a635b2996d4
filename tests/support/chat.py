"""Slack and Teams as far as notifications need them. They refuse what the real ones refuse.

`SlackSystem` has an incoming webhook and the methods chat.postMessage and chat.update; `TeamsSystem` has a workflow.
Each is a function of a request, behind a session (`session`, no socket) or a server (`served`).

Sources: docs.slack.dev (incoming webhooks, chat.postMessage, chat.update, rate limits, Block Kit reference), and
learn.microsoft.com (Adaptive Cards, limits of cards).
"""

import io
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import urlsplit

from local.planted import planted
from tests.support.leaks import look_at_received

ACTED_ON = re.compile(r"<([^<>]*)>")
"""What Slack reads as a mention or a link in a text of type mrkdwn."""
TEAMS_BYTES = 28_000
TOKEN = planted("slack-token", "xoxb")


class SlackSystem:
    """`channel` has the messages that people see, the newest state of each, by `ts`; `threads` has the answers."""

    def __init__(self):
        self.token, self.channel_id = TOKEN, "C0123456789"
        self.path = f"/services/T000/B000/{planted('slack-webhook', '1')}"
        self.channel, self.threads, self.deleted, self.script, self.requests = {}, {}, set(), [], []

    def secret(self, base="https://slack.example"):
        return {
            "slack_webhook_url": base + self.path,
            "slack_api_url": f"{base}/api",
            "slack_bot_token": self.token,
            "slack_channel": self.channel_id,
        }

    def take(self, path, headers, body):
        """Return status, headers and body of the response."""
        self.requests.append(path)
        if self.script:
            return self.script.pop(0)
        try:
            message = json.loads(body)
        except ValueError:
            return 400, {}, "invalid_payload"
        if path == self.path:
            error = refusal(message)
            if error:
                return 400, {}, error
            self._post(message)
            return 200, {}, "ok"
        if path in {"/api/chat.postMessage", "/api/chat.update"}:
            return 200, {}, json.dumps(self._call(path.rpartition(".")[2], headers, message))
        return 404, {}, "no_service"

    def _call(self, method, headers, message):
        thread, ts = message.get("thread_ts"), message.get("ts")
        if error := self._error(method, headers, message, thread or ts):
            return {"ok": False, "error": error}
        if method == "update":
            self.channel[ts] = message
        elif thread:
            self.threads[thread].append(message)
            ts = f"{thread}9"
        else:
            ts = self._post(message)
        return {"ok": True, "ts": ts}

    def _error(self, method, headers, message, ts):
        if headers.get("authorization") != f"Bearer {self.token}":
            return "invalid_auth"
        if message.get("channel") != self.channel_id:
            return "channel_not_found"
        if (ts or method == "update") and (ts not in self.channel or ts in self.deleted):
            return "message_not_found" if method == "update" else "thread_not_found"
        return refusal(message)

    def _post(self, message):
        ts = f"17000000{len(self.channel):02}.000100"
        self.channel[ts], self.threads[ts] = message, []
        return ts

    def texts(self):
        """The headings of the messages in the channel."""
        return [message["text"] for message in self.channel.values()]


def refusal(message):
    """The error of a message that Slack refuses, or None."""
    if not message.get("text") and not message.get("blocks"):
        return "no_text"
    if len(message.get("text", "")) > 40_000:
        return "msg_too_long"
    blocks = message.get("blocks", [])
    if len(blocks) > 50:
        return "invalid_blocks"
    for block in blocks:
        match block:
            case {"type": "header", "text": {"type": "plain_text", "text": str(text)}}:
                fits = 1 <= len(text) <= 150
            case {"type": "section", "fields": list(fields)}:
                fits = 1 <= len(fields) <= 10 and all(_is_text(each, 2_000) for each in fields)
            case {"type": "section", "text": text}:
                fits = _is_text(text, 3_000)
            case {"type": "context", "elements": list(elements)}:
                fits = 1 <= len(elements) <= 10 and all(_is_text(each, 3_000) for each in elements)
            case _:
                fits = False
        if not fits:
            return "invalid_blocks"
    return None


def _is_text(text, longest):
    known = text.keys() <= {"type", "text", "emoji", "verbatim"} and text.get("type") in {"plain_text", "mrkdwn"}
    return known and 1 <= len(text["text"]) <= longest and not (text["type"] == "mrkdwn" and "emoji" in text)


def acted_on(message):
    """Every mention and link that Slack makes of a message: the parts in angle brackets of what it reads as mrkdwn."""
    marked = [message["text"]]
    for block in message["blocks"]:
        texts = [block.get("text", {}), *block.get("fields", []), *block.get("elements", [])]
        marked += [each["text"] for each in texts if each.get("type") == "mrkdwn"]
    assert (message["parse"], message["link_names"]) == ("none", False)
    return [found for text in marked for found in ACTED_ON.findall(text)]


class TeamsSystem:
    """A workflow. Its URL has a signature, which is the only secret."""

    def __init__(self):
        self.path = "/workflows/0f/triggers/manual/paths/invoke"
        self.query = f"api-version=1&sig={planted('teams-webhook', '1')}"
        self.cards, self.script = [], []

    def secret(self, base="https://teams.example"):
        return {"teams_webhook_url": f"{base}{self.path}?{self.query}"}

    def take(self, path, _headers, body):
        if self.script:
            return self.script.pop(0)
        if path != f"{self.path}?{self.query}":
            return 401, {}, ""
        if len(body) > TEAMS_BYTES:
            return 413, {}, ""
        match json.loads(body):
            case {
                "type": "message",
                "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
            } if is_card(card):
                self.cards.append(card)
                return 202, {}, ""
        return 400, {}, ""


def is_card(card):
    known = {"$schema", "type", "version", "fallbackText", "body", "actions"}
    runs = [run for block in card["body"] for run in block["inlines"]]
    return (
        card.keys() <= known
        and card["type"] == "AdaptiveCard"
        and all(block["type"] == "RichTextBlock" for block in card["body"])
        and all(run["type"] == "TextRun" and isinstance(run["text"], str) and run["text"] for run in runs)
        and all(action["type"] == "Action.OpenUrl" for action in card.get("actions", []))
    )


def lines_of(card):
    """What people read in a card. It has TextRuns only, in which Teams reads no Markdown."""
    return ["".join(run["text"] for run in block["inlines"]) for block in card["body"]]


def session(*systems):
    """Something like a requests.Session whose requests reach the first system that knows the address."""

    def post(address, data, headers, **options):
        assert options.pop("allow_redirects") is False
        assert options.keys() == {"timeout", "stream"}
        parts = urlsplit(address)
        system = next(each for each in systems if type(each).__name__.lower().startswith(parts.hostname.split(".")[0]))
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        status, more, body = system.take(path, {name.lower(): value for name, value in headers.items()}, data)
        if isinstance(status, Exception):
            raise status
        raw = SimpleNamespace(read=lambda most, **_: io.BytesIO(body.encode()).read(most))
        return _Response(status_code=status, headers=more, raw=raw)

    return SimpleNamespace(post=post)


class _Response(SimpleNamespace):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@contextmanager
def served(system):
    """Serve a system on loopback, and return its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            look_at_received(type(system).__name__, body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, text = system.take(self.path, headers, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(text.encode())), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
