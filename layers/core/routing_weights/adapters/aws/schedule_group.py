"""The schedules of one group in EventBridge Scheduler."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, listing, reported

_MISSING, _THERE = "ResourceNotFoundException", "ConflictException"


@dataclass(frozen=True)
class Group:
    name: str

    def put(self, request: dict[str, Any]) -> None:
        """Create a schedule, or replace the whole schedule of its name."""
        for operation, otherwise in (
            ("update_schedule", _MISSING),
            ("create_schedule", _THERE),
            ("update_schedule", ""),  # somebody else has created it since
        ):
            try:
                with reported("store the schedule", expected=(otherwise,)):
                    getattr(client("scheduler"), operation)(GroupName=self.name, **request)
                break
            except ClientError:
                continue

    def find(self, name: str) -> dict[str, Any] | None:
        try:
            with reported("read the schedule", expected=(_MISSING,)):
                schedule: dict[str, Any] = client("scheduler").get_schedule(GroupName=self.name, Name=name)
        except ClientError:
            return None
        return schedule

    def exists(self, name: str) -> bool:
        return self.find(name) is not None

    def delete(self, name: str) -> bool:
        """Delete the schedule. Returns False if there is none."""
        try:
            with reported("delete the schedule", expected=(_MISSING,)):
                client("scheduler").delete_schedule(GroupName=self.name, Name=name)
        except ClientError:
            return False
        return True

    def page(self, limit: int, after: str | None, prefix: str = "") -> tuple[list[str], str | None]:
        """Return names of schedules, and the token of the next page. Raises RequestInvalid for a forged `after`."""
        query = {"GroupName": self.name, "MaxResults": limit}
        query |= ({"NextToken": after} if after else {}) | ({"NamePrefix": prefix} if prefix else {})
        with listing("list the schedules", after):
            answer = client("scheduler").list_schedules(**query)
        return [item["Name"] for item in answer["Schedules"]], answer.get("NextToken")

    def names(self, prefix: str = "") -> Iterator[str]:
        after: str | None = None
        while True:
            names, after = self.page(100, after, prefix)
            yield from names
            if after is None:
                return
