"""A WSGI application served by werkzeug in a thread.

The seam to werkzeug. On a busy port, werkzeug's server prints advice and calls `sys.exit`, and moto's own thread would
wait for ever. So we open the socket, and raise our own error. werkzeug closes every connection after its response on
purpose ("keep-alive connections aren't handled well by http.server").
"""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from local.stack.errors import StackError

HOST = "127.0.0.1"
_BACKLOG = 128


class Quiet(WSGIRequestHandler):  # type: ignore[misc]
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

    def start(self, app: Any, handler: type[WSGIRequestHandler] = Quiet) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its handler writes a line per request
        self._server = make_server(HOST, self.port, app, True, 1, handler, fd=self._socket.fileno())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        self._socket.close()
