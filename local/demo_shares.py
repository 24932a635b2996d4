"""The demo's part on shares: a simulated day under three actuators, and real draws through the running stack.

`python -m local.demo_shares > docs/share-day.svg` draws the chart for the docs.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "core"))

from local.genesys.conversations import Agent, Figures, Floor, Queue, Stream
from local.share_day import DAY_S, LIMIT, QUEUE, READ_EVERY_S, ShareDay, ranked_day
from local.text import wrapped
from routing_weights.charts.sheet import LEFT, RIGHT, Sheet
from routing_weights.domain.types import ShareOptions
from routing_weights.projection.drawn import DrawnReplication
from routing_weights.projection.simulation import (
    Demand,
    Drawing,
    Place,
    Scenario,
    Seat,
    simulate,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.demo import Side

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / ".demo" / "shares.svg"
AHT_S = PATIENCE_S = 180.0
ACTUATORS = ("share", "ring", "proficiency")
COLOURS = {"share": "after", "ring": "warn", "proficiency": "unsure"}
SHAPES = {"share": "circle", "ring": "triangle", "proficiency": "diamond"}
THREE = {"agent-001": 0.40, "agent-002": 0.35, "agent-003": 0.25}
TWENTY = {f"agent-{place:03}": (31 - place) / 410 for place in range(1, 21)}
HOTLINE, DRAWS = "hotline", 40
_AS_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Team:
    """Agents with requested shares, and what each received on the same day under each actuator."""

    title: str
    erlangs: float
    weights: Mapping[str, float]
    shown_every: int
    attainable: Mapping[str, float]
    days: Mapping[str, Figures]

    @classmethod
    def simulate(cls, title: str, erlangs: float, weights: Mapping[str, float], shown_every: int) -> Team:
        stream = Stream(QUEUE, erlangs / AHT_S, AHT_S, patience_s=PATIENCE_S)
        contacts = stream.contacts(seed=1, until_s=DAY_S)
        days = {
            "share": ShareDay(weights).run(contacts),
            "ring": ranked_day("ring", weights, contacts),
            "proficiency": ranked_day("proficiency", weights, contacts),
        }
        return cls(title, erlangs, weights, shown_every, attainable(weights, erlangs), days)

    def largest_error(self, shares: Mapping[str, float]) -> float:
        """In points."""
        return 100 * max(abs(shares.get(user_id, 0.0) - weight) for user_id, weight in self.weights.items())


@cache
def teams() -> list[Team]:
    return [
        Team.simulate("Three agents, 1.2 erlangs", 1.2, THREE, 1),
        Team.simulate("Twenty agents, 12 erlangs", 12.0, TWENTY, 4),
    ]


def show_simulated_days() -> None:
    print("\n" + wrapped("Shares: what agents receive of the same contacts, on one simulated day\n", indent="") + "\n")
    simulated = teams()
    for team in simulated:
        _table(team)
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(chart(simulated), encoding="utf-8")
    note = (
        f"How it was made: a day of Poisson arrivals with exponential handling and patience of {AHT_S:g} s, in the "
        "simulator of this repository, after the published rules of Genesys Cloud. Draws, readings of agents and "
        "corrections are those of the product. Attainable is what the projection says, which has another simulation. "
        f"No figure comes from a live organisation. The chart: {CHART.relative_to(ROOT)}"
    )
    print(wrapped(note))


def attainable(weights: Mapping[str, float], erlangs: float) -> Mapping[str, float]:
    """Return by user the share that the projection calls attainable. It has a simulation of its own."""
    demand = Demand(
        QUEUE,
        offered_per_s=erlangs / AHT_S,
        aht_s=AHT_S,
        patience_s=PATIENCE_S,
        within_s=Queue(QUEUE).within_s,
        rule="share",
        drawing=Drawing(ShareOptions(), READ_EVERY_S, LIMIT),
    )
    seats = tuple(Seat(user_id, {QUEUE: Place(weight)}) for user_id, weight in weights.items())
    shares = simulate(Scenario((demand,), seats), seed=1, events=DrawnReplication).queues[QUEUE].shares
    return {user_id: share.mean for user_id, share in shares.items()}


def show_real_draws(side: Side) -> bool:
    """Apply a plan with shares, draw through the API, and read back what the agents received. True: as promised."""
    side.genesys("PUT", f"queues/{HOTLINE}", json={"members": [{"user": {"id": user_id}} for user_id in THREE]})
    plan = {
        "queue_id": HOTLINE,
        "member_weights": THREE,
        "overflow_threshold": 0.85,
        "utilization_target": 0.8,
        "strategy_reference": "share-by-weight",
        "projected_load": 1.2,
        "requested_by": "demo",
        "reason": "40, 35 and 25 % of the contacts",
    }
    introduction = (
        f"Real draws: queue {HOTLINE} has three agents. A plan puts shares in force, then {DRAWS} messages come."
    )
    print("\n" + wrapped(introduction, indent="") + "\n")
    print("   POST /plans  strategy share-by-weight")
    now = datetime.now(UTC)
    ended = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)  # before the plan: it splits the span
    record = side.submit(plan, show=True)
    rules = side.genesys("GET", "state")["queues"][HOTLINE]["queue"]["routingRules"]
    print(f"   -> {record['status']}; routingRules of the queue: {len(rules)}")

    times: list[float] = []
    answers: dict[str, dict[str, Any]] = {}

    def draw(conversation_id: str, queue_id: str, media: str, _now: float) -> tuple[list[str], list[int]]:
        begin = time.monotonic()
        answers[conversation_id] = answer = side.draw(queue_id, conversation_id, media)
        times.append(time.monotonic() - begin)
        return answer["agents"], answer["scores"]

    stream = Stream(HOTLINE, 1.2 / AHT_S, AHT_S, media="message")
    contacts = stream.contacts(seed=1, until_s=DAY_S)[:DRAWS]
    queue, members = Queue(HOTLINE, rules=tuple(rules)), [Agent(user_id, {HOTLINE: 1}) for user_id in THREE]
    floor = Floor([queue], members, draw=draw)
    floor.receive(contacts)
    floor.run(DAY_S)
    first = contacts[0].conversation_id
    again = side.draw(HOTLINE, first, "message") == answers[first]
    side.genesys("PUT", "analytics", json=floor.analytics(ended - timedelta(hours=12)))
    page = side.api(f"queues/{HOTLINE}/shares?from={ended - timedelta(days=1):{_AS_TIME}}&to={ended:{_AS_TIME}}")

    drawn = Counter(answer["agents"][0] for answer in answers.values() if answer["agents"])
    realised = {view["user_id"]: view["contacts"] for view in (*page["members"], *page["others"])}
    print(f"   POST /queues/{HOTLINE}/draws  {len(times)} times, {1000 * median(times):.0f} ms each (median)")
    print(f"   the first conversation again: {'the same answer' if again else 'another answer (!)'}")
    print(f"   GET /queues/{HOTLINE}/shares  {page['contacts']} contacts\n")
    print(f"  {'':<15}{'requested':>10}{'drawn':>12}{'realised':>10}")
    for user_id, weight in THREE.items():
        print(f"  {user_id:<15}{DRAWS * weight:>10.0f}{drawn[user_id]:>12}{realised.get(user_id, 0):>10}")
    note = (
        "The contacts are simulated, and put into the last 24 hours. Whoever was busy got fewer than it was drawn for: "
        "the correction, every quarter of an hour, comes after the end of this demo."
    )
    print("\n" + wrapped(note))
    exact = all(abs(drawn[user_id] - DRAWS * weight) < 1 for user_id, weight in THREE.items())
    return again and exact and record["status"] == "completed" and page["contacts"] == DRAWS


def _table(team: Team) -> None:
    row = "  {:<15}{:>10}{:>12}{:>10}{:>10}{:>13}"
    shown = "" if team.shown_every == 1 else f", every {team.shown_every}th agent"
    print(f"  {team.title}: {team.days['share'].offered} contacts{shown}\n")
    print(row.format("", "requested", "attainable", *ACTUATORS))
    for user_id, weight in list(team.weights.items())[:: team.shown_every]:
        shares = (weight, team.attainable[user_id], *(team.days[name].shares.get(user_id, 0.0) for name in ACTUATORS))
        print(row.format(user_id, *(f"{100 * share:.1f} %" for share in shares)))
    errors = (team.largest_error(team.attainable), *(team.largest_error(team.days[name].shares) for name in ACTUATORS))
    print(row.format("largest error", "", *(f"{error:.1f} pt" for error in errors)))
    levels = [f"{100 * team.days[name].service_level:.1f} %" for name in ACTUATORS]
    print(row.format("service level", "", "", *levels) + "\n")


def chart(teams: list[Team]) -> str:
    """Draw each agent's requested share as a line, and what the agent received as a mark for each actuator."""
    sheet = Sheet()
    sheet.y = 18
    sheet.text(LEFT, sheet.y + 12, "Requested and realised shares of one simulated day", 18, bold=True)
    sheet.y += 34
    start, end = LEFT + 90, RIGHT - 20
    for team in teams:
        sheet.heading(team.title)
        highest = 1.1 * max(*team.weights.values(), *(max(day.shares.values()) for day in team.days.values()))
        pitch = 30.0 if len(team.weights) < 10 else 15.0  # noqa: PLR2004 - few rows have room
        _axis(sheet, start, end, highest, pitch * len(team.weights))
        for user_id, weight in team.weights.items():
            middle, x = sheet.y + pitch / 2, start + (end - start) * weight / highest
            sheet.text(start - 10, middle + 4, user_id, 11, "muted", "end")
            sheet.line(start, middle, end, middle, "grid")
            sheet.line(x, sheet.y + 2, x, sheet.y + pitch - 2, "ink", 2)
            for name in ACTUATORS:
                x = start + (end - start) * team.days[name].shares.get(user_id, 0.0) / highest
                sheet.mark(x, middle, 4.5, SHAPES[name], COLOURS[name])
            sheet.y += pitch
        sheet.y += 30
    x = start
    sheet.line(x, sheet.y + 2, x, sheet.y + 14, "ink", 2)
    sheet.text(x + 10, sheet.y + 12, "requested", 12)
    for number, name in enumerate(ACTUATORS, 1):
        sheet.mark(x + 110 * number, sheet.y + 8, 4.5, SHAPES[name], COLOURS[name])
        sheet.text(x + 110 * number + 12, sheet.y + 12, name, 12)
    sheet.y += 24
    described = "; ".join(
        f"{team.title}: largest error of share {team.largest_error(team.days['share'].shares):.1f} points"
        for team in teams
    )
    return sheet.svg("Requested and realised shares of one simulated day", described)


def _axis(sheet: Sheet, start: float, end: float, highest: float, height: float) -> None:
    step = 10 if highest > 0.2 else 2  # noqa: PLR2004 - per cent
    for percent in range(0, math.floor(100 * highest) + 1, step):
        x = start + (end - start) * percent / 100 / highest
        sheet.line(x, sheet.y, x, sheet.y + height, "grid")
        sheet.text(x, sheet.y + height + 14, f"{percent}\u00a0%", 11, "muted", "middle")


if __name__ == "__main__":
    print(chart(teams()), end="")
