"""Every function that reads what comes from outside, with what it may raise, and a generator of hostile inputs.

The property: a refusal is of a documented class, says path and kind of each problem, has a bounded text that anybody
can store and send, and starts nothing. Nothing else is ever raised.
"""

from __future__ import annotations

import ast
import base64
import json
import random
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from local.checks import hostile
from routing_weights.adapters.http.retry_after import retry_after_s
from routing_weights.api import approvals, draws, forecasts, request, shares, webhook
from routing_weights.application.receive_webhook import ReceiveWebhook
from routing_weights.application.sign_in import SignIn
from routing_weights.application.submit import Submit, queue_named_in
from routing_weights.application.suggest import draft_of
from routing_weights.application.validate import accept_input
from routing_weights.bootstrap import people
from routing_weights.domain import change_events, inputs, signing, strict_json
from routing_weights.domain.access import GenesysUser
from routing_weights.domain.agent_events import agent_event_in
from routing_weights.domain.chain import digest
from routing_weights.domain.draw import Draw
from routing_weights.domain.fleet_plans import read_file, read_plans
from routing_weights.domain.fleet_request import parse_request
from routing_weights.domain.named_plan import plan_to_save
from routing_weights.domain.notifications import LONGEST_HEADING, plain
from routing_weights.domain.pages import key_in, token_of
from routing_weights.domain.plan import check_plan, parse_plan
from routing_weights.domain.problems import request_invalid
from routing_weights.domain.record import timestamp
from routing_weights.domain.run import Origin, Run, Started
from routing_weights.domain.schedule.calendar import next_runs
from routing_weights.domain.schedule.clock import known_expiry, known_zone
from routing_weights.domain.schedule.expression import parse_expression
from routing_weights.domain.schedule.schedule import parse_schedule, require_runs
from routing_weights.domain.types import in_utc
from routing_weights.errors import (
    FleetInvalid,
    PlanInvalid,
    RequestInvalid,
    RoutingWeightsError,
    ScheduleInvalid,
    SignInExpired,
    SignInRefused,
    WebhookInvalid,
    WebhookRefused,
    WebhookTooLarge,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers" / "core" / "routing_weights"
NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
LONGEST_TEXT = 2_000
"""No text of an error is longer, so none holds a whole hostile input that is."""
LONGEST_DETAILS = 131_072
"""In bytes, as JSON: 100 problems."""
ORGANISATION = "0f3b6a1e-1111-4222-8333-444455556666"
SECRET = "a-secret-of-fuzzing"  # noqa: S105


class Broken(AssertionError):
    """A parser does not do with an input what it must."""


class Parser(NamedTuple):
    """How one parser is fuzzed."""

    covers: tuple[str, ...]
    """The public functions that the input reaches first, as `module.function` below the package."""
    make: Callable[[random.Random], Any]
    """Makes an input."""
    read: Callable[[Any], object]
    raises: tuple[type[Exception], ...]


# ---- what a refusal must be ------------------------------------------------------------------------------------------


def judge(parser: Parser, given: Any) -> bool:
    """Read an input. True if it was accepted: nothing is raised, and the answer is not None. Raises Broken."""
    try:
        return parser.read(given) is not None
    except parser.raises as error:
        if isinstance(error, RoutingWeightsError):
            require_good_refusal(error)
        elif len(str(error)) > LONGEST_TEXT:
            raise Broken(f"{type(error).__name__} has a text of {len(str(error))} characters") from error
        return False
    except Broken:
        raise
    except Exception as error:  # hides nothing: any error that a parser does not document is what the fuzzing looks for
        raise Broken(f"{type(error).__name__}: {str(error)[:300]}") from error


def require_good_refusal(error: RoutingWeightsError) -> None:
    """Raises Broken unless the error can be shown, stored and sent, and names each problem's place and kind."""
    if not 400 <= error.http_status < 500:
        raise Broken(f"{type(error).__name__} is a {error.http_status}")
    if not error.message or len(error.message) > LONGEST_TEXT:
        raise Broken(f"the message has {len(error.message)} characters")
    wire = json.dumps({"message": error.message, **error.details}, ensure_ascii=False)
    try:
        size = len(wire.encode())
    except UnicodeEncodeError as wrong:
        raise Broken("the refusal cannot be sent as UTF-8") from wrong
    if size > LONGEST_DETAILS:
        raise Broken(f"the refusal has {size} bytes")
    problems = error.details.get("errors", [])
    for each in problems:
        if not (isinstance(each["path"], str) and each["message"] and each["type"]):
            raise Broken(f"a problem without path, message or kind: {each}")
    if problems and error.details["error_count"] < len(problems):
        raise Broken("more problems are listed than counted")


# ---- doors in memory -------------------------------------------------------------------------------------------------


@dataclass
class _Door:
    """The ports of the doors. They keep what would be started, written or queued."""

    effects: list[Any] = field(default_factory=list)
    refusals: list[Any] = field(default_factory=list)

    def keep_plan(self, plan: Any) -> str:
        self.effects.append(plan)
        return f"plans/{plan.fingerprint()}.json"

    def start(self, given: Any, _key: str | None) -> Started:
        self.effects.append(given.to_json())
        return Started("d-1", "arn:d-1", NOW)

    def append(self, record: Any, _holder: str = "") -> None:
        self.refusals.append(json.dumps(record.to_json(), ensure_ascii=False).encode())
        digest(record.to_json())  # without a canonical form it could not be chained

    def kept_plan(self, _reference: str) -> str | None:
        return _sample("plan.json").decode()

    def fleet_line(self, _fleet_id: str, _start: int, _length: int) -> None:
        return None

    def find_image(self, _distribution_id: str, _which: str) -> None:
        return None

    def find_work(self, _distribution_id: str) -> None:
        return None

    def find(self, _queue_id: str, _name: str) -> None:
        return None

    def current(self) -> tuple[str, ...]:
        return (SECRET,)

    def bearers(self) -> tuple[str, ...]:
        return (SECRET,)

    def known(self, _names: Any, _now: float) -> bool:
        return False

    def note(self, _names: Any, _now: float) -> None:
        return None

    def send(self, event: Any, _after_s: float | None = None) -> None:
        self.effects.append(event.model_dump_json())


def _without_effect(read: Callable[[_Door], object]) -> object:
    """Call a door. A refusal must leave nothing behind except its record."""
    door = _Door()
    try:
        return read(door)
    except Exception:  # hides nothing: it is raised again, or named with what the refused input has started
        if door.effects:
            raise Broken(f"a refused input has started {door.effects[0]!r:.200}") from None
        raise


def _submit(raw: bytes) -> object:
    return _without_effect(lambda door: Submit(door, door, door).submit(raw, Origin(door="api"), None, NOW))  # type: ignore[arg-type]


def _execute(document: Any) -> object:
    run = Run(distribution_id="d-1", execution_arn="arn:d-1", started_at=NOW)
    event = json.loads(json.dumps(document))  # as Lambda hands it over
    return _without_effect(lambda door: accept_input(run, event, door, door, door, NOW))  # type: ignore[arg-type]


def _receive(given: tuple[dict[str, str], bytes, bool]) -> object:
    headers, raw, bearer = given

    def receive(door: _Door) -> object:
        return ReceiveWebhook(door, door, door, bearer).receive(headers, raw, NOW.timestamp())  # type: ignore[arg-type]

    answer = webhook.answer(
        {"headers": headers, "body": raw.decode("latin-1"), "isBase64Encoded": False},
        lambda: ReceiveWebhook(_Door(), _Door(), _Door(), bearer),  # type: ignore[arg-type]
        NOW.timestamp(),
    )
    if answer["statusCode"] >= 500:
        raise Broken(f"the webhook's door answers {answer['statusCode']}")
    return _without_effect(receive)


def _draw(event: Any) -> object:
    answer, _ = draws.answer(event, _Draws, NOW.timestamp())  # type: ignore[arg-type]
    status = answer.get("statusCode", 200)
    if status >= 500 or len(json.dumps(answer)) > LONGEST_DETAILS:
        raise Broken(f"a draw answers {status} with {len(json.dumps(answer))} characters")
    return json.dumps(answer, ensure_ascii=False).encode()


class _Draws:
    @staticmethod
    def draw(*_: Any, **__: Any) -> Draw:
        return Draw()


def _read_file(raw: bytes) -> object:
    pieces = [raw[start : start + 65_536] for start in range(0, len(raw), 65_536)]
    reading = read_file(pieces, {}, lambda _plan: (), "ring")
    _require_sendable(reading.problems)
    if reading.problem_count and not reading.problems:
        raise Broken("problems are counted and not listed")
    return None if reading.problem_count else reading


def _read_fleet(raw: bytes) -> object:
    found, hidden = parse_request(raw)
    reading = read_plans(found.plans or [], hidden, found.defaults, lambda _plan: (), "ring")
    _require_sendable(reading.problems)
    return None if reading.problem_count else reading


def _check_plan(document: Any) -> object:
    plan, problems = check_plan(document)
    _require_sendable(problems[:100])
    if (plan is None) is not bool(problems):
        raise Broken("neither a plan nor a problem, or both")
    return plan


def _parse_plan(raw: bytes) -> object:
    plan = parse_plan(raw)
    if parse_plan(plan.canonical()) != plan:
        raise Broken("the canonical text of a plan is another plan")
    return plan.fingerprint()


def _require_sendable(problems: Sequence[Any]) -> None:
    if problems:
        count = {"errors": problems, "error_count": len(problems)}
        require_good_refusal(PlanInvalid("problems", **count))


def _parse_schedule(raw: bytes) -> object:
    schedule = parse_schedule("early", raw)
    require_runs(schedule, NOW)
    return next_runs(schedule, NOW, 20)


def _parse_expression(given: str) -> object:
    parsed, wrong = parse_expression(given)
    if (parsed is None) is not bool(wrong) or any(len(each) > LONGEST_TEXT for each in wrong):
        raise Broken(f"an expression that is {parsed} has the problems {str(wrong)[:200]}")
    return parsed


def _agent_event(message: str) -> object:
    return agent_event_in(message, NOW.timestamp())


def _sign_in(given: tuple[str, GenesysUser]) -> object:
    header, user = given
    stored: list[Any] = []

    class Token:
        queues = dict

        @staticmethod
        def user() -> GenesysUser:
            return user

        @staticmethod
        def divisions(_permission: str) -> None:
            return None  # all of them

        @staticmethod
        def granted() -> dict[str, None]:
            return {}

    access = SimpleNamespace(put=lambda *put: stored.append(put))
    try:
        signed_in = SignIn(lambda _: Token(), access, ORGANISATION, {}, 300).sign_in(header, NOW.timestamp())  # type: ignore[arg-type,return-value]
    except SignInRefused:
        if stored:
            raise Broken("a refused token was stored") from None
        raise
    Origin(door="api", caller=signed_in.person.id, caller_name=signed_in.person.name or None)
    return signed_in.person


def _origin(claims: Any) -> object:
    context = {"requestId": "request-1", "authorizer": {"jwt": {"claims": claims}}}
    with mock.patch.object(people, "roles_claim", return_value="roles"):  # otherwise a setting of the function
        return request.origin_of(APIGatewayProxyEventV2({"requestContext": context}))


def _words(raw: bytes) -> object:
    new, problems = strict_json.read(raw, approvals.WordsOnHash)
    if problems or new is None:
        raise request_invalid(*problems[:100])
    return new


def _plain(given: str) -> object:
    shown = plain(given, LONGEST_HEADING)
    if len(shown) > LONGEST_HEADING or any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown):
        raise Broken(f"people would read {shown!r}")
    return shown


def _span(given: tuple[str, str]) -> object:
    begin, end = request.span_of(*given)
    if max(len(begin), len(end)) > 40:
        raise Broken("a bound of a listing is longer than a timestamp")
    return shares.span_until(NOW, *given)


# ---- inputs ----------------------------------------------------------------------------------------------------------


def _sample(name: str) -> bytes:
    return (ROOT / "events" / name).read_bytes()


def _samples(prefix: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "events").glob(f"{prefix}*.json"))]


PLANS = _samples("plan")
CSV = (
    b"queue;member;weight;overflow_threshold;utilization_target;strategy\n"
    b"queue-001;agent-001;0,4;0,85;0,8;by-weight\nqueue-001;agent-002;0,35;;;\nqueue-002;agent-002;0.5;0,9;0,8;by-weight\n"
)
EXECUTIONS = [
    *(json.loads(raw) for raw in (*PLANS, *_samples("console"))),
    {"plan_ref": f"plans/{'0' * 64}.json", "origin": {"door": "api", "caller": "arn:aws:iam::123456789012:user/ops"}},
    {"baseline": {"queue_id": "queue-001", "name": "normal"}, "origin": {"door": "schedule", "caller": "early"}},
    {
        "plan_ref": f"plans/{'0' * 64}.json",
        "origin": {"door": "schedule", "caller": "early"},
        "schedule": {"expression": "cron(30 7 ? * * *)", "until": "17:00", "set_at": timestamp(NOW), "set_by": "ops"},
        "scheduled_at": "2026-11-30T07:30:00Z",
    },
    {"returns": "d-1"},
    {"fleet": "f-1", "number": 0, "start": 0, "length": 200},
    {"reverts": "d-1", "fleet_id": "f-1"},
]
"""An input of each form."""
ANSWERS = ({"approves": "d-1", "reason": "seen"}, {"rejects": "d-1", "reason": "no", "hash": "0" * 64})
EXPRESSIONS = (
    "cron(30 7 ? * MON-FRI *)", "cron(0/15 8-18 L * ? 2027)", "cron(0 9 ? * 6#3 *)", "cron(0 9 15W 1,7 ? *)",
    "cron(0 9 ? * 5L 2026-2030)", "rate(5 minutes)", "rate(99999 days)", "at(2026-12-01T02:30:00)",
)  # fmt: skip
ZONES = ("Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+12", "Pacific/Apia")
MOMENTS = (
    "2026-01-31T08:00:00Z",
    "2026-01-31",
    "2026-01-31T08:00:00+14:00",
    "2026-W05",
    "20260131T080000",
    "17:00",
    "",
)
KEYS: tuple[Any, ...] = (
    {"distribution_id": {"S": "d-1"}, "record": {"S": "0-opened"}},
    "entry#2026-01-01",
    ["f-1", "2026-01-01"],
    7,
    None,
)


def _bodies(*seeds: bytes, whole: bool = True) -> Callable[[random.Random], bytes]:
    return lambda rng: hostile.body(rng, rng.choice(seeds), whole=whole)


def _texts(*seeds: str) -> Callable[[random.Random], str]:
    return lambda rng: hostile.text(rng, rng.choice(seeds)) if rng.random() < 0.9 else rng.choice(seeds)


def _messages(*seeds: bytes) -> Callable[[random.Random], str]:
    make = _bodies(*seeds)
    return lambda rng: make(rng).decode("utf-8", "replace") + ("\ud800" if rng.random() < 0.02 else "")


def _documents(*seeds: Any) -> Callable[[random.Random], Any]:
    return lambda rng: hostile.plain(hostile.changed(rng, rng.choice(seeds)))


def _tokens(rng: random.Random) -> str:
    token = token_of(hostile.plain(hostile.changed(rng, rng.choice(KEYS))))
    return token if rng.random() < 0.5 else hostile.text(rng, token)


def _sign_ins(rng: random.Random) -> tuple[str, GenesysUser]:
    header = "Bearer " + "t" * 43
    fields = ("6b7f2c1e-5c55-4d0c-9d3b-3c1b7a3e2d10", "Ada", "active", ORGANISATION)
    odd = [hostile.text(rng, each) if rng.random() < 0.2 else each for each in fields]
    return (hostile.text(rng, header) if rng.random() < 0.5 else header), GenesysUser(*odd)


def _claims(rng: random.Random) -> Any:
    seed = {"iss": "https://issuer.example.com", "sub": "ada", "name": "Ada", "roles": "[planner approver]"}
    return hostile.plain(hostile.changed(rng, seed))


def _spans(rng: random.Random) -> tuple[str, str]:
    since, until = _texts(*MOMENTS)(rng), _texts(*MOMENTS)(rng)
    return (since, until) if rng.random() < 0.4 else (since, "") if rng.random() < 0.5 else ("2026-11-01", until)


def _webhooks(rng: random.Random) -> tuple[dict[str, str], bytes, bool]:
    """Half of them are signed, so that their bodies are read."""
    raw, stamp = _bodies(*_samples("webhook"))(rng), str(int(NOW.timestamp()))
    good = {
        signing.TIMESTAMP: stamp,
        signing.DELIVERY: "delivery-1",
        signing.SIGNATURE: signing.signature(SECRET.encode(), stamp, raw),
    }
    bearer = rng.random() < 0.3
    if bearer:
        good = {signing.AUTHORIZATION: f"Bearer {SECRET}"} | ({} if rng.random() < 0.5 else good)
    return (good if rng.random() < 0.5 else hostile.headers(rng, good)), raw, bearer


def _draw_events(rng: random.Random) -> Any:
    """Of the data action, or of the HTTP route."""
    if rng.random() < 0.5:
        return _documents(json.loads(_sample("draw.json")))(rng)
    raw, segment = _bodies(_sample("draw-over-http.json"))(rng), hostile.text(rng, "queue-001")
    path = f"/queues/{segment}/draws" if rng.random() < 0.9 else segment
    return {
        "requestContext": {},
        "rawPath": path,
        "body": base64.b64encode(raw).decode(),
        "isBase64Encoded": True,
    }


# ---- the registry ----------------------------------------------------------------------------------------------------

PARSERS: dict[str, Parser] = {
    "plan": Parser(("domain.plan.parse_plan", "domain.strict_json.load", "domain.strict_json.read"), _bodies(*PLANS),
                   _parse_plan, (PlanInvalid,)),
    "plan, as a document": Parser(("domain.plan.check_plan", "domain.weights.same_members"),
                                  _documents(*map(json.loads, PLANS)), _check_plan, ()),
    "plan, at the door": Parser(("application.submit.submit", "application.submit.accept"), _bodies(*PLANS), _submit,
                                (PlanInvalid,)),
    "plan, to suggest": Parser(("application.suggest.draft_of",), _bodies(*_samples("suggest"), *PLANS), draft_of,
                               (PlanInvalid, RequestInvalid)),
    "plan, to keep": Parser(("domain.named_plan.plan_to_save", "application.save_plan.save"),
                            _bodies(_sample("named-plan.json"), *PLANS), lambda raw: plan_to_save(raw, "queue-001"),
                            (PlanInvalid,)),
    "queue of a refused plan": Parser(("application.submit.queue_named_in",), _bodies(*PLANS), queue_named_in, ()),
    "fleet": Parser(("domain.fleet_request.parse_request", "domain.fleet_plans.read_plans",
                     "application.submit_fleet.submit", "application.submit_fleet.accept"),
                    _bodies(_sample("fleet.json")), _read_fleet, (FleetInvalid,)),
    "fleet, a file": Parser(("domain.fleet_plans.read_file",),
                            _bodies(CSV, b"\n".join(b" ".join(raw.split()) for raw in PLANS), whole=False),
                            _read_file, ()),
    "execution input": Parser(("domain.inputs.parse", "domain.inputs.claimed_origin",
                               "application.validate.accept_input", "application.validate.validate"),
                              _documents(*EXECUTIONS), _execute, (PlanInvalid,)),
    "approval in the console": Parser(("domain.inputs.console_answer", "application.answer_approval.answer"),
                                      _documents(*ANSWERS),
                                      inputs.console_answer, (PlanInvalid,)),
    "approval, a body": Parser(("domain.strict_json.read",), _bodies(b'{"reason": "seen", "hash": "%s"}' % (b"0" * 64)),
                               _words, (RequestInvalid,)),
    "caller by a token of Genesys": Parser(("application.sign_in.sign_in",), _sign_ins, _sign_in, (SignInRefused,)),
    "caller by a JWT": Parser(("api.request.person_of", "api.request.origin_of"), _claims, _origin, (SignInExpired,)),
    "schedule": Parser(("domain.schedule.schedule.parse_schedule",), _bodies(*_samples("schedule")), _parse_schedule,
                       (ScheduleInvalid,)),
    "expression": Parser(("domain.schedule.expression.parse_expression",), _texts(*EXPRESSIONS), _parse_expression, ()),
    "time zone": Parser(("domain.schedule.clock.known_zone", "domain.schedule.clock.zone"), _texts(*ZONES), known_zone,
                        (ValueError,)),
    "end of a plan": Parser(("domain.schedule.clock.known_expiry",), _texts(*MOMENTS), known_expiry, (ValueError,)),
    "instant": Parser(("domain.types.in_utc",), _texts(*MOMENTS), in_utc, (ValueError,)),
    "span of a listing": Parser(("api.request.instant", "api.request.span_of", "api.shares.span_until"),
                                _spans, _span, (RequestInvalid,)),
    "page token": Parser(("domain.pages.key_in",), _tokens, key_in, (RequestInvalid,)),
    "forecast": Parser(("api.forecasts.new_forecast",), _bodies(_sample("forecast.json")),
                       lambda raw: forecasts.new_forecast(raw, None, NOW.timestamp()), (RequestInvalid,)),
    "draw": Parser(("api.draws.answer", "api.body.raw_body"), _draw_events, _draw, ()),
    "webhook": Parser(("application.receive_webhook.receive", "api.webhook.answer", "domain.change_events.event_of",
                       "domain.signing.verify", "domain.signing.verify_bearer", "domain.signing.delivery_of",
                       "domain.signing.require_size", "domain.signing.unsigned_delivery"),
                      _webhooks, _receive, (WebhookRefused, WebhookInvalid, WebhookTooLarge)),
    "queued event": Parser(("domain.change_events.event_in", "application.detect_drift.detect"),
                           _messages(*_samples("partner-audit"), *_samples("webhook")), change_events.event_in,
                           (WebhookInvalid,)),
    "agent event": Parser(("domain.agent_events.agent_event_in", "domain.agent_events.known_status",
                           "domain.agent_events.seconds_of", "application.note_standings.note"),
                          _messages(*_samples("partner")), _agent_event, (WebhookInvalid,)),
    "name, for people": Parser(("domain.notifications.plain",), _texts("Support", "https://example.com", "<!channel>"),
                               _plain, ()),
    "Retry-After": Parser(("adapters.http.retry_after.retry_after_s", "adapters.http.retry_after.seconds_of"),
                          lambda rng: {"Retry-After": _texts("5", "Wed, 21 Oct 2026 07:28:00 GMT")(rng)},
                          lambda given: retry_after_s(given, now=NOW.timestamp()), ()),
}  # fmt: skip

OURS = {
    "application.deliver.deliver": "our own outcomes",
    "adapters.http.webhook_sender.post": "our own outcome",
    "adapters.http.chat.post": "our own notification",
    "adapters.http.slack.escaped": "makes a text for Slack",
    "application.notify.notify": "our own bus",
    "domain.notifications.moment": "a time as our own records have it",
    "application.ask_approval.ask": "our own run",
    "domain.approval.parse": "a parameter of the deployment, and our own documents",
    "domain.inputs.asker_in": "an input that parse has read",
    "domain.chain.digest": "our own records; the fuzzing takes that of each refusal",
    "domain.signing.signature": "signs",
    "domain.signing.signed": "signs",
    "domain.fleet_plans.add": "the part of read_plans and read_file that takes one plan",
    "domain.problems.as_pydantic_says": "makes the text of a problem",
    "domain.problems.not_applicable": "makes the text of a problem",
    "domain.problems.problem": "makes the text of a problem",
    "domain.problems.sendable": "makes the text of a problem",
    "api.foreign.without_foreign": "our own answers",
    "api.accuracy.calibration_page": "hands our own token on",
    "domain.draw.from_json": "our own table; a spoilt item is a StoreUnavailable",
    "domain.drawn.from_json": "our own table",
    "domain.shares.from_json": "our own table",
    "domain.shares.from_text": "a setting that this system has written",
    "domain.types.parse": "a setting that this system has written",
    "domain.fleet.parse": "a wave as this system has written it",
    "domain.actuation.actuator_from_json": "our own documents",
    "domain.decision.from_json": "our own documents",
    "domain.queue.from_json": "our own documents",
    "domain.target.from_json": "our own documents",
    "domain.drift.parse": "our own table",
    "domain.record.parse": "our own table",
    "domain.record.summary_of": "our own table",
    "domain.record.summary_or_why": "our own table; a spoilt record is listed as unreadable",
    "domain.effort.reported_in": "our own functions' answers",
    "api.request.body_of": "hands the bytes on",
    "api.request.body_as": "hands the bytes on to strict_json.read",
    "api.request.caller_of": "what the gateway has verified",
    "api.request.bounds_of": "what person_of has read",
    "api.request.own_key": "what person_of has read, and a key that Powertools has checked",
    "domain.chain.canonical": "our own records",
    "domain.evidence.parse": "our own bucket",
    "domain.record.published": "our own table",
}
"""Functions with such a parameter that read nothing of a stranger's, and why."""

_FOLDERS = ("api", "application", "domain", "adapters/http")
_NAMES = {
    "header",
    "raw",
    "text",
    "document",
    "documents",
    "message",
    "messages",
    "body",
    "token",
    "headers",
    "event",
    "pieces",
}
_READS = ("str", "bytes", "Any", "Mapping", "dict", "Iterable", "Sequence", "APIGateway")


def parsers_in_the_code() -> Iterator[str]:
    """Yield `module.function` of each public function whose first parameter is text, bytes or JSON by its name.

    What signs or sends is none: it returns nothing that it has read.
    """
    for folder in _FOLDERS:
        path = PACKAGE / folder
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if file.name == "ports.py":  # Protocols
                continue
            module = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _takes_text(node):
                    yield f"{module}.{node.name}"


def _takes_text(node: ast.FunctionDef) -> bool:
    return any(
        argument.arg in _NAMES and argument.annotation is not None
        and ast.unparse(argument.annotation).strip("'\"").startswith(_READS)
        for argument in node.args.args
    )  # fmt: skip


# ---- fuzzing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """An input that a parser does not treat as it must."""

    parser: str
    number: int
    what: str
    given: str


@dataclass
class Tally:
    """What came of the inputs of a parser."""

    accepted: int = 0
    refused: int = 0
    found: list[Found] = field(default_factory=list)


def fuzz(name: str, count: int, seed: int) -> Tally:
    """Give `count` inputs to a parser. Input n of a seed is always the same."""
    parser, tally = PARSERS[name], Tally()
    for number in range(count):
        given = parser.make(random.Random(f"{seed} {name} {number}"))
        try:
            if judge(parser, given):
                tally.accepted += 1
            else:
                tally.refused += 1
        except Broken as broken:
            tally.found.append(Found(name, number, str(broken), repr(given)[:400]))
    return tally
