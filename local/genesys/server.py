"""HTTP/1.1 with keep-alive: parses a Request, writes a Reply, and survives any input."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import uuid
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

from local.genesys import control
from local.genesys.wire import ApiError, Reply, Request

if TYPE_CHECKING:
    from local.genesys.simulator import GenesysSimulator

MAX_BODY = 1_000_000
_MAX_DISCARDED = 16 * MAX_BODY
_BODILESS = (204, 304)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close() then joins the handlers, whose sockets close_connections() has closed
    request_queue_size = 128

    def __init__(self, host: str, port: int, simulator: GenesysSimulator) -> None:
        self.simulator = simulator
        self._connections: set[socket.socket] = set()
        self.in_use: set[socket.socket] = set()
        """The open connections that have sent a request to Genesys."""
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own method resolves a name, which can take seconds

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        self.in_use.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        error = sys.exception()
        if not isinstance(error, ConnectionError):  # a client that hangs up is no error
            print(f"genesys simulator: {type(error).__name__}: {error}", file=sys.stderr)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def _serve(self) -> None:
        context_id = str(uuid.uuid4())
        try:
            request = self._read()
            if request is None:
                return
            simulator = self.server.simulator
            if request.segments[:1] == ["_sim"]:
                reply: Reply | None = control.handle(simulator, request)
            else:
                self.server.in_use.add(self.connection)
                reply = simulator.answer(request, context_id)
        except ApiError as error:
            reply = error.reply(context_id)
        if reply is None:
            self.close_connection = True
        else:
            self._send(reply, context_id)
            self.log_request(reply.status)

    # http.server finds the methods by these names
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def _read(self) -> Request | None:
        """Read the body. None if the client hung up in the middle."""
        length = self.headers.get("Content-Length", "0")
        chunked = "Transfer-Encoding" in self.headers
        if chunked or not (length.isascii() and length.isdecimal()):
            self.close_connection = True  # the end of this request is unknown
            status, code = (411, "length.required") if chunked else (400, "bad.request")
            raise ApiError(status, code, "A valid Content-Length is required.")
        if len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
            self._discard(int(length[:9]))
            raise ApiError(413, "request.too.large", f"The request body is larger than {MAX_BODY} bytes.")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        path, _, query = self.path.partition("?")
        return Request(
            method=self.command,
            path=path,
            query=query,
            body=body,
            authorization=self.headers.get("Authorization", ""),
            content_type=self.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            idempotency_key=self.headers.get("X-Genesys-Idempotency-Key"),
            correlation_id=self.headers.get("X-Correlation-Id"),
        )

    def _discard(self, length: int) -> None:
        """Discard a big body: a close with unread bytes resets the connection before the reply arrives."""
        self.close_connection = True
        left = min(length, _MAX_DISCARDED)
        while left and (chunk := self.rfile.read(min(left, 65_536))):
            left -= len(chunk)

    def _send(self, reply: Reply, context_id: str) -> None:
        body = reply.body
        if body is None or reply.status in _BODILESS:
            body = b""
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {
            "Date": self.date_time_string(self.server.simulator.wall_time()),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "ININ-Correlation-Id": context_id,
            "Connection": "close" if self.close_connection else "keep-alive",
            **reply.headers,
        }
        lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        if reply.cut:
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(head if self.command == "HEAD" else head + body)  # a single system call, so a single segment

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer a request that http.server itself refuses, such as a bad request line, in the platform's shape."""
        self.close_connection = True
        context_id = str(uuid.uuid4())
        error = ApiError(int(code), "bad.request", message or responses.get(code, "Bad request"))
        self._send(error.reply(context_id), context_id)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        if self.server.simulator.settings.verbose:
            super().log_message(format, *args)
