"""The token function, for the functions that call Genesys."""

import json
from dataclasses import dataclass

from botocore.exceptions import ClientError

from routing_weights import errors
from routing_weights.adapters.aws.client import client, reported


@dataclass(frozen=True)
class TokenFunction:
    """Asks the token function for new tokens."""

    name: str

    def refresh(self, refused: str, number: int) -> bool:
        """Have the refused token `number` replaced, unless that is done already.

        Raises the error that the function reports.

        Returns False if another invocation is getting a token, or if Lambda throttled this one (429). Ask again then.
        """
        event = json.dumps({"refused": refused, "number": number})
        try:
            with reported("invoke the token function", expected=("TooManyRequestsException",)):
                response = client("lambda").invoke(FunctionName=self.name, Payload=event)
                payload = json.loads(response["Payload"].read())
        except ClientError:
            return False
        if response.get("FunctionError"):
            raise errors.from_wire(
                str(payload.get("errorType", "Lambda.Unknown")), str(payload.get("errorMessage", ""))
            )
        return bool(payload["stored"])
