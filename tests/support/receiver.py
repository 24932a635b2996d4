"""A receiver of our webhooks: it answers by a script, and keeps the requests that it got and accepted."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from routing_weights.domain.signing import verify
from routing_weights.errors import WebhookRefused
from tests.support.leaks import look_at_received


class WfmSystem:
    """`script` has the answers to come: a status, a status with headers, or None to hang up; after those 204."""

    def __init__(self, secret, clock):
        self.secret, self.clock, self.script, self.sent = secret, clock, [], []
        self._lock = threading.Lock()
        system = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                system._take(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def of(self, distribution_id):
        """The requests about a distribution: status that was answered, delivery id, and body."""
        with self._lock:
            sent = [(status, headers["x-webhook-id"], json.loads(body)) for status, headers, body, _ in self.sent]
        return [one for one in sent if one[2].get("distribution_id") == distribution_id]

    def _take(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"] or 0))
        look_at_received("a webhook", body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self._lock:
            status = self.script.pop(0) if self.script else 204
        status, more = status if isinstance(status, tuple) else (status, {})
        try:
            verify(headers, body, [self.secret], self.clock())
        except WebhookRefused:
            status = 401
        with self._lock:
            self.sent.append((status, headers, body, request.path))
        if status is None:
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in {"Content-Length": "0", **more}.items():
            request.send_header(name, value)
        request.end_headers()
