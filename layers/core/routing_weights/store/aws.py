"""boto3, lazily: importing it costs more than most functions do in all (ADR 3)."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from routing_weights.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def client(service: str, *, hurried: bool = False) -> Any:
    """One client per service and process, with time-outs below every function's own.

    A `hurried` one gives up within seconds: for what is asked before every request, and can be done without.
    """
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    # The token function may take 30 s, and who gave up on it would ask it again; the others answer at once.
    patience_s = 35 if service == "lambda" else 10
    connect_s, patience_s = (1, 2) if hurried else (3, patience_s)
    retries: Any = {"mode": "standard", "total_max_attempts": 2 if hurried else 4}
    config = Config(connect_timeout=connect_s, read_timeout=patience_s, retries=retries)
    return boto3.client(service, config=config)  # type: ignore[call-overload]


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
