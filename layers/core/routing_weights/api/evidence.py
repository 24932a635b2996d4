"""The routes of the evidence: checkpoints, the verification of all records, and their export."""

from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, Field

from routing_weights.api.checkpoint_view import CheckpointView, view_of
from routing_weights.api.foreign import without_foreign
from routing_weights.api.problem import answers
from routing_weights.api.request import Since, Until, new_router, person_of, span_of
from routing_weights.application.export_audit import MOST_BYTES, MOST_RECORDS
from routing_weights.bootstrap import evidence as bootstrap
from routing_weights.domain.access import Role, require_within
from routing_weights.domain.evidence import MOST_FINDINGS, Inspection
from routing_weights.domain.types import GenesysId
from routing_weights.settings import AuditorSettings

router = new_router()

REQUEST_S = 25.0
"""How long a verification or an export may take while the API waits."""
QueueParameter = Annotated[GenesysId, Query(alias="queue_id", description="The queue's id.")]
Format = Annotated[Literal["jsonl", "csv"], Query(alias="format", description="JSON Lines, or CSV for a spreadsheet.")]


class Checkpoints(BaseModel):
    """All checkpoints, the oldest first."""

    items: list[CheckpointView]


class FindingView(BaseModel):
    """What is not as it was written."""

    kind: str = Field(description="altered, removed, inserted, moved, document, unreadable, head or checkpoint.")
    sentence: str
    chain: str | None = Field(default=None, description="The queue of the chain; - for records without a queue.")
    number: int | None = Field(default=None, description="The place in the chain, or of the checkpoint.")
    distribution_id: str | None = None
    record: str | None = Field(default=None, description="The kind of the record.")


class Verification(BaseModel):
    """What a verification of everything that is stored came to."""

    sound: bool = Field(description="True if there is no finding.")
    records: int
    chains: int
    older: int = Field(description="Records without a link, of earlier releases. The first checkpoint binds them.")
    documents: int = Field(description="Documents in the bucket that records rely on.")
    checkpoints: int
    finding_count: int
    unreadable: int = Field(
        description="Of the findings, the documents that S3 did not give. Nothing says that they were altered."
    )
    findings: list[FindingView] = Field(description=f"At most {MOST_FINDINGS}.")


@router.get(
    "/checkpoints",
    summary="The signed checkpoints of the audit trail",
    description="Oldest first. The bucket keeps each one for EvidenceRetentionDays, whatever anybody does.",
    responses=answers(HTTPStatus.OK, Checkpoints, {}),
)
def list_checkpoints() -> Checkpoints:
    stored = bootstrap.checkpoints(AuditorSettings.load()).all()
    return Checkpoints(items=[view_of(each.checkpoint) for each in stored if each.checkpoint])


@router.get(
    "/audit/verification",
    summary="Verify every record, link, head, document and checkpoint",
    description="Reads everything that is stored. Whatever was altered, removed, inserted, moved or replayed is named.",
    responses=answers(HTTPStatus.OK, Verification, {}),
)
def verify_audit() -> Verification:
    return report_of(bootstrap.verify_chain(AuditorSettings.load(), REQUEST_S).verify())


@router.get(
    "/audit/export",
    summary="Export the records of a queue",
    description="The answer leads to a file, which can be fetched for 15 minutes. `from` and `to` are inclusive and "
    f"refer to the time at which a distribution was opened. An export has at most {MOST_RECORDS:,} records and "
    f"{MOST_BYTES // 1_000_000} MB: a longer time is refused with 422. A record that cannot be read is a line with its "
    "key and, as `unreadable`, the reason. Operators export the queues that they see. What a record "
    "says of other queues is left out for them.",
    responses=answers(HTTPStatus.SEE_OTHER, None, {HTTPStatus.NOT_FOUND: "The queue is in no division of the caller's"})
    | {303: {"description": "See Other", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def export_audit(
    queue_id: QueueParameter, since: Since = "", until: Until = "", form: Format = "jsonl"
) -> Response[str]:
    seen = person_of(router.current_event).queues_for(Role.OPERATOR)
    require_within(seen, [queue_id])
    begin, end = span_of(since, until)
    export = bootstrap.export_audit(AuditorSettings.load(), REQUEST_S)
    address = export.export(queue_id, begin, end, form, lambda record: without_foreign(record, seen))
    return Response(HTTPStatus.SEE_OTHER, "text/plain", "", headers={"Location": address})


def report_of(inspection: Inspection) -> Verification:
    return Verification(
        sound=not inspection.findings,
        records=inspection.records,
        chains=inspection.chains,
        older=len(list(inspection.older)),
        documents=len(inspection.documents),
        checkpoints=len(inspection.checkpoints),
        finding_count=len(inspection.findings),
        unreadable=sum(each.kind == "unreadable" for each in inspection.findings),
        findings=[FindingView.model_validate(each.to_json()) for each in inspection.findings[:MOST_FINDINGS]],
    )
