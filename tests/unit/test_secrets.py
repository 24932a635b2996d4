"""Secrets, and the token function: a secret is never shown, and a failure keeps its class."""

import io
import json

import pytest

from routing_weights.adapters.aws.secrets import JsonSecret
from routing_weights.adapters.aws.token_function import TokenFunction
from routing_weights.errors import (
    ConfigurationInvalid,
    RateLimited,
    RoutingWeightsError,
)
from tests.unit.test_run import lambda_cause


@pytest.fixture
def secret(aws):
    def make(text=None):
        aws("secretsmanager").create_secret(Name="token", **({"SecretString": text} if text is not None else {}))
        return JsonSecret("token")

    return make


def test_a_secret_comes_back_as_it_was_written(secret):
    token = secret("{}")
    token.write({"access_token": "t", "expires_at": 1.5})
    assert token.read() == {"access_token": "t", "expires_at": 1.5}


def test_a_secret_is_read_anew_each_time(secret):
    token = secret('{"a": 1}')
    token.read()
    token.write({"a": 2})
    assert token.read() == {"a": 2}


def test_a_secret_without_a_value_is_empty(secret):
    assert secret().read() == {}


@pytest.mark.parametrize("text", ["p4ss-word", '"p4ss-word"', '["p4ss-word"]', '{"p4ss-word"', "7"])
def test_a_secret_that_is_no_json_object_is_refused_and_not_shown(secret, text):
    with pytest.raises(ConfigurationInvalid, match="The secret token does not hold a JSON object") as caught:
        secret(text).read()
    assert "p4ss" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def lambda_answer(payload, function_error=None):
    answer = {"Payload": io.BytesIO(json.dumps(payload).encode())}
    return answer | ({"FunctionError": function_error} if function_error else {})


def test_the_token_function_is_told_which_token_was_refused(aws_answers):
    asked = aws_answers("lambda", "Invoke", lambda_answer({"stored": True}))
    assert TokenFunction("token-function").refresh("abc", 1) is True
    assert [json.loads(request["body"]) for request in asked] == [{"refused": "abc", "number": 1}]


def test_a_token_function_that_finds_another_one_at_it_says_so(aws_answers):
    aws_answers("lambda", "Invoke", lambda_answer({"stored": False}))
    assert TokenFunction("token-function").refresh("abc", 1) is False


def test_a_token_function_that_is_throttled_is_to_be_asked_again_and_not_a_failure(aws_answers):
    aws_answers("lambda", "Invoke", "TooManyRequestsException")
    assert TokenFunction("token-function").refresh("abc", 1) is False


def test_a_failure_of_the_token_function_is_raised_as_its_own_class(aws_answers):
    failure = json.loads(lambda_cause(RateLimited("Wait.", retry_after_s=30)))
    aws_answers("lambda", "Invoke", lambda_answer(failure, "Unhandled"))
    with pytest.raises(RateLimited) as caught:
        TokenFunction("token-function").refresh("", 0)
    assert (caught.value.message, caught.value.details) == ("Wait.", {"retry_after_s": 30})


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"errorMessage": "Task timed out after 30.00 seconds"}, "Lambda.Unknown: Task timed out after 30.00 seconds"),
        ({"errorType": "Runtime.ExitError"}, "Runtime.ExitError"),
    ],
)
def test_a_token_function_that_dies_is_an_error_that_says_so(aws_answers, payload, message):
    aws_answers("lambda", "Invoke", lambda_answer(payload, "Unhandled"))
    with pytest.raises(RoutingWeightsError) as caught:
        TokenFunction("token-function").refresh("", 0)
    assert caught.value.message == message
