"""For tests of the command line: a fake of the HTTP API, a deployment behind it, and a terminal."""

import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import parse_qs

import requests
from requests.adapters import BaseAdapter

from routing_weights_cli.api import Api
from routing_weights_cli.app import Session
from routing_weights_cli.main import main
from tests.support.leaks import look_at_received
from tests.support.waiting import DEADLINE_S, until
from tests.support.world import ROOT

COLUMNS = 80


def until_listed(world, *names):
    """Wait until the API lists queues of these names: a listing holds for some seconds (NAMES_HOLD_S)."""
    for name in names:
        until(
            lambda name=name: world.http.get(
                f"{world.api_url}/queues", params={"name": name}, timeout=DEADLINE_S
            ).json()["items"]
        )


def answer(status, body, **headers):
    """A response as the API sends it."""
    response = requests.Response()
    response.status_code, response.reason = status, HTTPStatus(status).phrase
    response._content = json.dumps(body).encode()
    response.headers.update({"Content-Type": "application/json"} | headers)
    return response


class FakeApi(BaseAdapter):
    """Answers every request of `session` with what `reply` returns for it; an exception is raised instead."""

    def __init__(self, reply):
        super().__init__()
        self.reply, self.requests = reply, []
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("http://", self)
        self.session.mount("https://", self)

    def send(self, request, **_):
        self.requests.append(request)
        response = self.reply(request)
        if isinstance(response, Exception):
            raise response
        response.request, response.url = request, request.url
        return response

    def close(self):
        pass


class Desk:
    """A deployment with queues, members and plans, as the API shows it. Distributions end at once.

    `plans` has the body of every plan that was sent. `ends` is what the record of each that writes has besides.
    """

    URL = "http://127.0.0.1:9"

    def __init__(self, *names):
        self.queues = [{"queue_id": f"queue-{number}", "name": name} for number, name in enumerate(names, 1)]
        self.in_force = {queue["queue_id"]: self.plan_in_force(queue["queue_id"]) for queue in self.queues}
        self.weights = {"agent-001": 0.5, "agent-002": 0.3, "agent-003": 0.2}
        self.plans, self.fleets, self.records = [], [], {}
        self.ends = {"status": "completed", "terminal": True}
        self.ends_of, self.fleet_status, self.refusal = {}, "completed", None
        self.fake = FakeApi(self.reply)

    @staticmethod
    def plan_in_force(queue_id):
        fields = {"overflow_threshold": 0.85, "utilization_target": 0.8, "strategy_reference": "by-weight"}
        return {"distribution_id": f"in-force-of-{queue_id}", "actuator": "ring", "skill": None, **fields}

    def members(self, queue_id):
        people = {"agent-001": "Ana Ruiz", "agent-002": "Bo Lind", "agent-003": "Cem Kaya"}
        return [
            {"user_id": user, "name": name, "email": f"{name.lower().replace(' ', '.')}@example.com"}
            | {"weight": self.weights[user] if self.in_force[queue_id] else None, "holds": "ring 3"}
            for user, name in people.items()
        ]

    def reply(self, request):  # noqa: C901, PLR0911 - a table of routes
        path, _, query = request.url.removeprefix(self.URL).partition("?")
        match request.method, path.strip("/").split("/"):
            case "GET", ["queues"]:
                part = parse_qs(query).get("name", [""])[0].casefold()
                found = [queue for queue in self.queues if part in queue["name"].casefold()]
                return answer(200, {"items": found, "next": None})
            case "GET", ["queues", queue_id]:
                queue = next((queue for queue in self.queues if queue["queue_id"] == queue_id), None)
                found = queue and {**queue, "in_force": self.in_force[queue_id]}
                return answer(200, found) if found else answer(404, {"detail": "no such queue"})
            case "GET", ["queues", queue_id, "members"]:
                return answer(200, {"items": self.members(queue_id)})
            case "GET", ["queues", queue_id, "distributions"]:
                items = [record for record in self.records.values() if record["queue_id"] == queue_id]
                return answer(200, {"items": items[::-1], "next": None})
            case "GET", ["distributions", distribution_id]:
                found = self.records.get(distribution_id)
                return answer(200, found) if found else answer(404, {"detail": "no such distribution"})
            case "POST", ["plans"]:
                if self.refusal is not None:
                    return self.refusal
                return answer(202, {"distribution_id": self.start(json.loads(request.body))})
            case "POST", ["distributions", distribution_id, "restore"]:
                earlier = {"queue_id": self.records[distribution_id]["queue_id"], "member_weights": {}}
                return answer(202, {"distribution_id": self.start(earlier | json.loads(request.body))})
            case "POST", ["fleets"]:
                plans = json.loads(request.body)["plans"]
                self.fleets.append([self.start(plan) for plan in plans])
                return answer(202, {"fleet_id": "fleet"})
            case "GET", ["fleets", "fleet"]:
                fleet = {"fleet_id": "fleet", "status": self.fleet_status, "terminal": True, "sentence": "Over."}
                total = len(self.fleets[-1])
                return answer(200, fleet | {"total": total, "queues": {"completed": total}, "waves": []})
            case "GET", ["fleets", "fleet", "queues"]:
                records = [self.records[distribution_id] for distribution_id in self.fleets[-1]]
                items = [{**record, "sentence": None} for record in records]
                return answer(200, {"items": items, "next": None})
        return answer(404, {"message": "Not Found"})

    def start(self, plan):
        self.plans.append(plan)
        number = f"00000000-0000-0000-0000-{len(self.plans):012}"
        planned = [
            {"user_id": user, "before": 3, "after": 1, "weight_before": 0.5, "weight_after": weight}
            for user, weight in plan["member_weights"].items()
            if weight != self.weights.get(user)
        ]
        values = {user: {"value": 3, "requested": weight} for user, weight in plan["member_weights"].items()}
        self.records[number] = {
            "distribution_id": number,
            "queue_id": plan["queue_id"],
            "requested_weights": plan["member_weights"],
            "started_at": "2026-12-01T10:00:00.000Z",
            "reason": plan.get("reason"),
            "planned": planned,
            "actuation": {"actuator": "ring", "members": values},
            "errors": [],
            **(
                {"status": "dry_run", "terminal": True}
                if plan.get("dry_run")
                else self.ends_of.get(plan["queue_id"], self.ends)
            ),
        }
        return number

    def run(self, *arguments, sleep=lambda _: None):
        """Run a command line against this deployment, and return its exit code."""
        session = Session(environ={"ROUTING_WEIGHTS_API": self.URL, "TZ": "Europe/Berlin"})
        session.api = Api(session.config, self.fake.session, sleep)
        return main([str(argument) for argument in arguments], session)


class Terminal:
    """A terminal of 80 columns in a folder, in which `routing-weights` is installed."""

    def __init__(self, folder, environ):
        self.folder = folder
        program = folder / "bin" / "routing-weights"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m routing_weights_cli "$@"\n')
        program.chmod(0o755)
        keep = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        self.environ = keep | environ | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT / "cli")}
        self.environ["PATH"] = f"{program.parent}:{os.environ['PATH']}"

    def run(self, command, exit_code):
        """Run a command of a shell, check its exit code, and return what the terminal shows, without colours."""
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        shell, streams = ["/bin/sh", "-c", command], {"stdin": slave, "stdout": slave, "stderr": slave}
        process = subprocess.Popen(shell, cwd=self.folder, env=self.environ, start_new_session=True, **streams)
        os.close(slave)
        shown = b""
        with suppress(OSError):  # of a closed terminal
            while part := os.read(master, 65536):
                shown += part
        os.close(master)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
        look_at_received("the terminal", text.encode())
        assert process.wait() == exit_code, text
        return text
