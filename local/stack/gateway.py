"""API Gateway: the gateway of `sam local start-api`, in front of our functions.

The seam to SAM CLI's gateway. SAM CLI wrote it for REST APIs; `_Gateway` adds the behaviour of an HTTP API.
It does not check IAM signatures: whoever reaches the port may call every route. It listens on 127.0.0.1 only.
PeopleApi has a port of its own, and its authorizer is enforced.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import abort, jsonify, make_response, request
from samcli.lib.providers.provider import Api
from samcli.local.apigw import local_apigw_service
from samcli.local.apigw.event_constructor import construct_v2_event_http
from samcli.local.apigw.local_apigw_service import LocalApigwService
from samcli.local.apigw.route import Route

from local.stack import authorizers
from local.stack.errors import StackError
from local.stack.rules import RequestTooLarge, Throttled
from local.stack.serving import HOST, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.stack.authorizers import Identity
    from local.stack.runtime import Outcome

    Authorize = Callable[[Any, Mapping[str, Any]], Identity | None]

PUBLIC = "POST /webhooks/genesys/callback"
"""The only route with `Auth: { Authorizer: NONE }`, as tests/template asserts."""
_MAX_BODY = 10 * 1024 * 1024  # of an HTTP API
_TEXT = ("application/json", "application/javascript", "application/xml")


class _NoTelemetry:
    """Turns off SAM CLI's telemetry, which counts requests: nothing leaves this machine."""

    @staticmethod
    def track_event(**_event: Any) -> None: ...


class _Binary:
    """Send every body that is not text in UTF-8 to the function in base64. HTTP APIs have no list of binary types."""

    def __contains__(self, kind: object) -> bool:
        if kind == "*/*":
            return False
        kind = str(kind)
        if not (kind in _TEXT or kind.startswith("text/") or kind.endswith("+json")):
            return bool(request.get_data())
        try:
            request.get_data().decode()
        except UnicodeDecodeError:
            return True
        return False


class _Gateway(LocalApigwService):  # type: ignore[misc]
    authorize: Authorize

    def _generate_lambda_event(self, flask_request: Any, route: Route, method: str, _endpoint: str) -> dict[str, Any]:
        """Give each event its own time and id (SAM CLI's are those of its start), and lower-case header names."""
        now = datetime.now(UTC)
        event: dict[str, Any] = construct_v2_event_http(
            flask_request=flask_request,
            port=self.port,
            binary_types=_Binary(),
            stage_name="$default",
            route_key=self._v2_route_key(method, route.path, route.is_default_route),
            request_time_epoch=int(now.timestamp() * 1000),
            request_time=now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        )
        event["requestContext"]["requestId"] = str(uuid.uuid4())
        event["headers"] = {name.lower(): value for name, value in event["headers"].items()}
        # SAM CLI's is always localhost. On AWS it has no port, and is the host that the gateway has found this API by.
        event["requestContext"]["domainName"] = f"{HOST}:{self.port}"
        if event["routeKey"] != PUBLIC:
            identity = self.authorize(flask_request, event)
            if identity is not None:
                event["requestContext"]["authorizer"] = identity
        return event


class _Runner:
    """The part of SAM CLI's Lambda runner that `LocalApigwService` uses."""

    def __init__(self, invoke: Callable[[str, bytes], Outcome]) -> None:
        self._invoke = invoke

    def is_debugging(self) -> bool:
        return False

    def invoke(self, name: str, event: str, stdout: Any, **_: Any) -> None:
        try:
            outcome = self._invoke(name, event.encode())
        except RequestTooLarge:  # a body that is not text is in base64 in the event
            abort(_message(413, "Request Entity Too Large"))
        except Throttled:
            abort(_message(503, "Service Unavailable"))
        if outcome.failed:
            abort(_message(500, "Internal Server Error"))
        stdout.write_str(outcome.payload.decode())


def serve(
    api: Any,
    served: Served,
    invoke: Callable[[str, bytes], Outcome],
    authorize: Authorize,
    around: Callable[[Any], Any] = lambda app: app,
) -> None:
    """Serve the routes of the template, in the WSGI application that `around` makes of them.

    Raises StackError for a route that is not of an HTTP API with payload 2.0.
    """
    for route in api.routes:
        if route.event_type != Route.HTTP or route.payload_format_version != "2.0":
            raise StackError(f"{route.path}: only HttpApi events with PayloadFormatVersion 2.0 are served here")
    if not hasattr(local_apigw_service, "EventTracker"):
        raise RuntimeError("SAM CLI's gateway no longer has EventTracker: see what it sends to its makers now")
    local_apigw_service.EventTracker = _NoTelemetry
    service = _Gateway(api, _Runner(invoke), port=served.port, host=HOST)
    service.authorize = authorize
    service.create()
    app = service._app  # noqa: SLF001  its own `run` wants the main thread
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    for code, status, message in [
        (404, 404, "Not Found"),  # a REST API says 403 Missing Authentication Token
        (405, 404, "Not Found"),
        (413, 413, "Request Entity Too Large"),
        (500, 500, "Internal Server Error"),
    ]:
        app.register_error_handler(code, _always(status, message))
    app.url_map.merge_slashes = False  # werkzeug would redirect `/queues//drift`; the gateway has no such route
    app.after_request(_without_type_where_there_is_no_body)
    for rule in app.url_map.iter_rules():
        rule.methods.discard("HEAD")  # Flask's own, no route's
    served.start(around(app))


def of_definition(document: Mapping[str, Any], invoke: Callable[[str, bytes], Outcome]) -> tuple[Api, Authorize]:
    """Return the routes and the authorizer of an API that the template defines as OpenAPI."""
    components = document["components"]
    integrations = {
        name: _function_in(it["uri"]) for name, it in components["x-amazon-apigateway-integrations"].items()
    }
    methods = {path: item["x-amazon-apigateway-any-method"] for path, item in document["paths"].items()}
    routes = [
        Route(
            integrations[method["x-amazon-apigateway-integration"]["$ref"].rpartition("/")[2]],
            path,
            Route.ANY_HTTP_METHODS,
            event_type=Route.HTTP,
            payload_format_version="2.0",
        )
        for path, method in methods.items()
    ]
    ((name, scheme),) = components["securitySchemes"].items()
    authorizer = scheme["x-amazon-apigateway-authorizer"]
    if authorizer["identitySource"] != "$request.header.Authorization":
        raise StackError("only $request.header.Authorization is an identity source here")
    if wrong := [path for path, method in methods.items() if method.get("security") not in ([], [{name: []}])]:
        raise StackError(f"security of {', '.join(wrong)}: only [] and the API's one authorizer are known here")
    authorize = _authorize_with(authorizer, invoke)
    without = {path for path, method in methods.items() if not method["security"]}
    return Api(routes), lambda request, event: None if _path_in(event) in without else authorize(request, event)


def _authorize_with(authorizer: Mapping[str, Any], invoke: Callable[[str, bytes], Outcome]) -> Authorize:
    if authorizer["type"] == "jwt":
        configuration = authorizer["jwtConfiguration"]
        return authorizers.Jwt(configuration["issuer"], *configuration["audience"])
    name = _function_in(authorizer["authorizerUri"])
    return authorizers.Function(invoke, name, float(authorizer["authorizerResultTtlInSeconds"]))


def _path_in(event: Mapping[str, Any]) -> str:
    return str(event["routeKey"]).partition(" ")[2]


def _function_in(uri: Mapping[str, str]) -> str:
    return uri["Fn::Sub"].rpartition("${")[2].partition(".")[0]


def _without_type_where_there_is_no_body(response: Any) -> Any:
    """Remove the Content-Type application/json that SAM CLI adds to an answer without one."""
    if response.status_code == HTTPStatus.NO_CONTENT:
        response.headers.pop("Content-Type", None)
    return response


def _always(status: int, message: str) -> Callable[[Exception], Any]:
    return lambda _error: _message(status, message)


def _message(status: int, message: str) -> Any:
    return make_response(jsonify({"message": message}), status)
