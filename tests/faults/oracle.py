"""What must be true after a run, whatever hit it. The simulator shows what Genesys holds, not the system."""

from typing import Any

import pytest

from tests.faults.scenes import Scene
from tests.support.world import early

COMPLETED = ("completed",)


def judge(
    scene: Scene,
    records: dict[str, Any],
    held: dict[str, Any],
    *,
    statuses: tuple[str, ...],
    outcomes: tuple[str | None, ...],
    stuck: tuple[str, ...] | None = (),
) -> None:
    """The state is old or new and never between, except `stuck` (None: as the record says). The record is true.

    `held` is the scene's snapshot; `stuck` are the members and settings whose restoration is impossible.
    """
    assert "9-closed" in records, "the record is not closed"
    record = records["9-closed"]
    restore = record.get("restore") or {}
    found = f"{record['status']}, restore {restore}, errors {record['errors']}"
    assert record["status"] in statuses, found
    assert restore.get("outcome") in outcomes, found
    assert_state(scene, record, restore, held, stuck)
    assert_record(scene, record, held)
    assert_nothing_else_changed(scene, held)


def assert_state(scene, record, restore, held, stuck) -> None:
    now = scene.values(held) | scene.settings(held)
    old, new = scene.old | scene.settings_old, scene.new | scene.settings_new
    wanted = dict(new if record["status"] in COMPLETED else old) | scene.edits
    differing = sorted(name for name in wanted if now.get(name) != pytest.approx(wanted[name], abs=1e-9))
    unrestored = sorted(restore.get("unrestored") or [])
    assert differing == unrestored, (
        f"{record['status']}: {differing} differ from what was there before, the record says {unrestored}: {now}"
    )
    assert all(now[name] == pytest.approx(new[name], abs=1e-9) for name in differing), f"neither old nor new: {now}"
    if stuck is not None:
        assert differing == sorted(stuck), f"these could have been restored: {set(differing) ^ set(stuck)}"


def assert_record(scene, record, held) -> None:
    """Assert that Genesys holds what the record calls applied."""
    values, settings = scene.values(held), scene.settings(held)
    if "applied_weights" in record:
        assert record["applied_weights"] == pytest.approx(scene.claimed(held), abs=1e-6)
        changed = {line.get("member") or line["setting"]: line for line in record["changes"]}
        now, old = values | settings, scene.old | scene.settings_old
        differing = {name for name in old if now.get(name) != pytest.approx(old[name], abs=1e-9)}
        assert set(changed) == differing, "the record's changes are not what has changed"
        for name, line in changed.items():
            if "setting" in line:
                told = (line["before"], line["after"])
            else:
                told = (line.get("value_before", line["before"]), line.get("value_after", line["after"]))
            assert told == pytest.approx((old[name], now[name]), abs=1e-9), line
    else:
        now, old = values | settings, scene.old | scene.settings_old | scene.edits
        changed = {name for name in old if now.get(name) != pytest.approx(old[name], abs=1e-9)}
        named = (record.get("restore") or {}).get("unrestored") or []
        assert changed <= set(named), "the queue is changed, and the record says nothing of it"
    assert (record["errors"] == []) == (record["status"] in COMPLETED)


def assert_nothing_else_changed(scene, held) -> None:
    before, now = scene.others(scene.before), scene.others(held)
    assert now["queue"] == before["queue"] | scene.edited_fields
    assert now["members"] == before["members"]


def assert_manners(requests: list[dict[str, Any]]) -> None:
    assert early(requests) == [], "it asked before Retry-After allowed it"
