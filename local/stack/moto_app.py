"""moto's services as a WSGI application, and a way to it without a socket.

The seam to moto's server, which puts each request through Flask: a quarter of the stack's CPU time. Here, a request
goes straight to the handler that moto has for its path. The stack's own clients (those of the interpreter, the event
source mappings and the schedules) call the application in their own thread, as they would over HTTP.
"""

from __future__ import annotations

import io
import sys
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse
from moto.moto_server.werkzeug_app import BackendRequest, DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

_WITH_PAGES = "moto_api"  # moto's own routes, some of which render a page with Flask
_OF_BODY = {"CONTENT_TYPE", "CONTENT_LENGTH"}
_MOST_PATHS = 4_096  # whose routes are kept


class _Answer(Response):  # type: ignore[misc]
    default_mimetype = "text/html"  # as Flask's


class _Service:
    """The routes of one service. `app` is the Flask application that moto makes of them."""

    def __init__(self, app: Any) -> None:
        self._handlers = {endpoint: view.callback for endpoint, view in app.view_functions.items()}
        routes = app.url_map.bind("localhost")
        self._endpoint = lru_cache(_MOST_PATHS)(lambda path, method: routes.match(path, method)[0])

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = BackendRequest(environ)
        try:
            handler = self._handlers[self._endpoint(request.path, request.method)]
            result = handler(request, _url(request), dict(request.headers))
        except ClientError as error:
            result = 400, {}, error.response["Error"]["Message"]
        except HTTPException as error:  # the errors of moto's services are such exceptions, too
            return error(environ, start_response)
        status, headers, content = result if len(result) == 3 else (200, {}, result)  # noqa: PLR2004
        answer = _Answer(content, status, headers)
        if request.method == "HEAD" and "content-length" in headers:
            answer.headers["Content-Length"] = headers["content-length"]
        return answer(environ, start_response)


def _url(request: BackendRequest) -> str:
    query = f"?{request.query_string.decode()}" if request.query_string else ""
    return f"http://{request.environ.get('HTTP_HOST', 'localhost')}{request.raw_path}{query}"


def _service(name: Any) -> Any:
    app = create_backend_app(name)
    app.debug = False  # or Flask would read each request's form twice
    return app if name == _WITH_PAGES else _Service(app)


def application() -> Any:
    """Return a WSGI application that serves every service of moto, by the scope of a request's credential."""
    app = DomainDispatcherApplication(_service)
    # It compares each request with the addresses of some hundred services: a third of the stack's CPU time.
    app.get_backend_for_host = cache(app.get_backend_for_host)
    return app


def connect(client: Any, app: Any) -> None:
    """Make a boto3 client call a WSGI application instead of sending its requests."""
    client.meta.events.register("before-send.*.*", lambda request, **_: _call(app, request))


def mock(app: Any) -> None:
    """Make `moto.mock_aws` call a WSGI application. By itself, it looks through the addresses of some hundred services.

    A bucket that is part of the host stays with moto: its server knows buckets as part of the path.
    """

    def call(stubber: BotocoreStubber, request: Any, **options: Any) -> Any:
        if not stubber.enabled or ".s3." in request.url:
            return theirs(stubber, request=request, **options)
        return _call(app, request)

    theirs, BotocoreStubber.__call__ = BotocoreStubber.__call__, call


def _call(app: Any, request: Any) -> AWSResponse:
    url, body = urlsplit(request.url), _body(request.body)
    environ = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote_to_bytes(url.path).decode("latin-1"),
        "QUERY_STRING": url.query,
        "RAW_URI": url.path + (f"?{url.query}" if url.query else ""),
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port or 443),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": url.netloc,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": url.scheme,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        environ[key if key in _OF_BODY else f"HTTP_{key}"] = text
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    content = b"".join(app(environ, lambda status, headers, _error=None: begun.append((status, headers))))
    status, headers = begun[-1]
    answered = HTTPHeaders.from_pairs(headers)
    return AWSResponse(request.url, int(status.partition(" ")[0]), answered, MockRawResponse(content))


def _body(body: Any) -> bytes:
    content = body.read() if hasattr(body, "read") else body or b""
    return content.encode() if isinstance(content, str) else content
