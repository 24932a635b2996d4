"""The desk: pages for people, over PeopleApi with the person's own token."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from desk.server import serve
from routing_weights.bootstrap import desk as bootstrap
from routing_weights.settings import DeskSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    """An answer of payload 2.0. Whatever goes wrong becomes a page that says so."""
    return serve(event, bootstrap.desk(DeskSettings.load()), logger)
