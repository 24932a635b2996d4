"""How the API shows a checkpoint."""

from pydantic import BaseModel, Field

from routing_weights.domain.evidence import Checkpoint


class CheckpointView(BaseModel):
    """A signed statement about all chains."""

    number: int
    at: str
    chains: int = Field(description="How many chains it covers.")
    root: str = Field(description="The Merkle root over the heads of the chains: SHA-256, in hex.")
    before: str = Field(description="The SHA-256 of the checkpoint before, as it is stored; empty for the first one.")
    key: str = Field(description="The ARN of the key that signed it.")
    signature: str = Field(
        description="Over the canonical JSON of the statement (RFC 8785); ECDSA with SHA-256, base64."
    )


def view_of(checkpoint: Checkpoint) -> CheckpointView:
    return CheckpointView.model_validate({**checkpoint.statement, "signature": checkpoint.signature})
