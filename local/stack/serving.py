"""A WSGI application served by werkzeug in a thread.

The seam to werkzeug. On a busy port, werkzeug's server prints advice and calls `sys.exit`, and moto's own thread would
wait for ever. So we open the socket, and raise our own error. After each response werkzeug waits 10 ms for more of the
request, and then closes the connection. The new threads and connections took half of the stack's CPU time.
"""

from __future__ import annotations

import io
import logging
import socket
import threading
import traceback
from contextlib import suppress
from http import HTTPMethod, HTTPStatus
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from local.stack.errors import StackError

HOST = "127.0.0.1"
_BACKLOG = 128
_LONGEST_STOP_S = 0.25  # the server looks that often if it shall end


class KeepAlive(WSGIRequestHandler):  # type: ignore[misc]
    """Serves many requests over one connection. It reads each request to its end and gives each response a length."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a response leaves in one piece
    disable_nagle_algorithm = True  # a large one leaves in two, and the second would wait 40 ms for an acknowledgement

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        environ["wsgi.input"] = io.BytesIO(self._body(environ))
        begun: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            parts = self.server.app(environ, lambda status, headers, _error=None: begun.append((status, headers)))
            content = b"".join(parts)
            getattr(parts, "close", bool)()
        except Exception:  # noqa: BLE001 - whatever the application raises, its caller gets an answer
            traceback.print_exc()
            begun, content = [("500 Internal Server Error", [])], b""
        status, headers = begun[-1]
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if int(code) != HTTPStatus.NO_CONTENT and "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != HTTPMethod.HEAD:
            self.wfile.write(content)

    def _body(self, environ: dict[str, Any]) -> bytes:
        stream = environ["wsgi.input"]
        if environ.get("wsgi.input_terminated"):
            return stream.read()  # type: ignore[no-any-return]
        length = environ.get("CONTENT_LENGTH") or "0"
        if length.isdecimal():
            return stream.read(int(length))  # type: ignore[no-any-return]
        self.close_connection = True  # nobody knows where the next request begins
        return b""

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Logs nothing. The functions have a log of their own."""


class Served:
    """Serves `app` on `port` (0: a free port). Raises StackError if the port is taken."""

    def __init__(self, name: str, port: int, variable: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, port))
        except OSError as error:
            self._socket.close()
            raise StackError(f"port {port} for {name}: {error.strerror}; set {variable} to another") from error
        self._socket.listen(_BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self, app: Any, handler: type[KeepAlive] = KeepAlive) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its handler writes a line per request
        self._server = make_server(HOST, self.port, app, True, 1, handler, fd=self._socket.fileno())
        self._server.connections = set()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_LONGEST_STOP_S,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            for connection in list(self._server.connections):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._socket.close()
