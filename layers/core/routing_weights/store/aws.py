"""boto3, lazily: importing it costs more than most functions do in all (ADR 3)."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from routing_weights.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def client(service: str) -> Any:
    """One client per service and process, with time-outs below every function's own."""
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    # The token function may take 30 s, and who gave up on it would ask it again; the others answer at once.
    patience_s = 35 if service == "lambda" else 10
    retries: Any = {"mode": "standard", "total_max_attempts": 4}
    return boto3.client(service, config=Config(connect_timeout=3, read_timeout=patience_s, retries=retries))  # type: ignore[call-overload]


@contextmanager
def reported(action: str, *, expected: tuple[str, ...] = ()) -> Iterator[None]:
    """Turn what AWS refuses into StoreUnavailable; error codes in `expected` pass through, for a `try` around it."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in expected:
            raise
        raise StoreUnavailable(f"Could not {action}: {code}.", aws_error=code) from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"Could not {action}: {type(error).__name__}.") from error
