"""The stack's own clients call moto as they would over a socket."""

import json

import boto3
import pytest
from moto.moto_server.werkzeug_app import MotoRequestHandler

from local.stack import moto_app
from local.stack.serving import KeepAlive, Served

ANSWER = json.dumps({"SecretString": "é"}).encode()


class Handler(KeepAlive, MotoRequestHandler):
    """The handler of the embedded AWS."""


def an_application():
    """Make a WSGI application that answers, and keeps its requests."""

    def app(environ, start_response):
        kept = {name: value for name, value in environ.items() if isinstance(value, str) and not_of_a_socket(name)}
        app.requests.append(kept | {"body": environ["wsgi.input"].read()})
        start_response("200 OK", [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Meta-Kept", "yes")])
        return [b"" if environ["PATH_INFO"].startswith("/b/") else ANSWER]

    app.requests = []
    return app


@pytest.fixture(scope="module")
def served():
    served = Served("AWS", 0, "AWS_PORT")
    served.application = an_application()
    served.start(served.application, Handler)
    yield served
    served.close()


def not_of_a_socket(name):
    return name.startswith("HTTP_") or name in {
        *("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "RAW_URI", "CONTENT_TYPE", "CONTENT_LENGTH")
    }


CALLS = {
    "secretsmanager": lambda client: client.get_secret_value(SecretId="é")["SecretString"],
    "dynamodb": lambda client: client.put_item(TableName="t", Item={"id": {"S": "é"}}),
    "lambda": lambda client: client.invoke(FunctionName="f", Payload=b'{"a": "\xc3\xa9"}')["Payload"].read(),
    "s3": lambda client: (
        client.put_object(Bucket="b", Key="a b/é%2F+~", Body=b"\x00\xff", Metadata={"kept": "1"}),
        client.get_object(Bucket="b", Key="a/b", VersionId="v 1")["Metadata"],
    ),
    "scheduler": lambda client: client.list_schedules(GroupName="a b", MaxResults=3),
}


@pytest.mark.parametrize("service", CALLS)
def test_a_client_without_a_socket_makes_the_same_requests(served, service):
    application = an_application()
    served.application.requests.clear()
    answers = []
    for connected in (False, True):
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        client = boto3.client(service, "us-east-1", endpoint_url=served.url, **keys)
        if connected:
            moto_app.connect(client, application)
        answers.append(without_metadata(CALLS[service](client)))
        client.close()
    assert [alike(each) for each in application.requests] == [alike(each) for each in served.application.requests] != []
    assert answers[0] == answers[1]


def alike(request):
    """Return a request with the headers that are in both, but have another value in each request."""
    new = {"HTTP_AMZ_SDK_INVOCATION_ID", "HTTP_AUTHORIZATION", "HTTP_X_AMZ_DATE"}
    return {
        name: value is not None if name in new else value
        for name, value in request.items()
        if name != "HTTP_ACCEPT_ENCODING"  # http.client's own
    }


def without_metadata(answer):
    if isinstance(answer, tuple):
        return [without_metadata(each) for each in answer]
    return {k: v for k, v in answer.items() if k != "ResponseMetadata"} if isinstance(answer, dict) else answer
