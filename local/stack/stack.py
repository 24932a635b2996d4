"""The whole system on one machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from local.people import introduce
from local.stack import template as templates
from local.stack.alarms import alarm_of
from local.stack.errors import StackError
from local.stack.lambdas import CREDENTIALS, Lambdas, check_platform
from local.stack.live import Live, WithMetrics
from local.stack.logs import Logs
from local.stack.metrics import Metrics, Series
from local.stack.rules import TRANSACTION_S, Transactions
from local.stack.serving import Served
from local.stack.ticker import Clock, clock_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local.stack.runtime import Outcome

ROOT = Path(__file__).resolve().parents[2]
_SIMULATOR_S = 15.0
_BASE_URL = "GenesysBaseUrl"
PERMISSIONS_FOLDER = "ROUTING_WEIGHTS_PERMISSIONS"
_ENDS = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "TIMED_OUT": "TimedOut", "ABORTED": "Aborted"}
_SIGNED_WITH = {"WebhookSecret": "WEBHOOK_SECRET", "OutgoingSecret": "OUTGOING_SECRET"}
DEMO_CLIENT = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
"""The default client of the simulator. It is public, so it protects nothing."""


class Stack:
    """The system of the template, from `__enter__` to `__exit__`. One per process: moto's state is global.

    `environment` sets the template's parameters and the GENESYS_ variables (default: this process's). Port 0 is a
    free port. With neither GENESYS_BASE_URL nor GENESYS_REGION, the simulator starts and stops with the stack.
    Schedules run by `clock`, or by the clock that SCHEDULE_CLOCK names. The functions' log goes to a temporary folder,
    or to `keep_logs`. `ended` gets the ARN of each execution that ends. If ROUTING_WEIGHTS_PERMISSIONS names a folder,
    the stack writes there at its end: used permissions, refused calls, and planted secrets (`watch`).
    Raises StackError for everything that its user can fix.
    """

    api_url: str
    people_api_url: str | None
    desk_url: str | None
    aws_endpoint_url: str
    transactions: Transactions
    live: Live
    state_machine_arn: str | None
    genesys_url: str | None
    contract: str | None
    logs: Path
    ids: dict[str, str]

    def __init__(
        self,
        template: Path = ROOT / "template.yaml",
        *,
        environment: Mapping[str, str] | None = None,
        api_port: int = 0,
        aws_port: int = 0,
        people_port: int = 0,
        keep_logs: Path | None = None,
        clock: Clock | None = None,
        ended: Callable[[str], None] | None = None,
        progress: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.path = template
        self.environment = dict(os.environ if environment is None else environment)
        self.region = self.environment.get("AWS_REGION") or "us-east-1"
        self._ports, self._people_port = (api_port, aws_port), people_port
        self._keep_logs = keep_logs
        self._clock = clock or clock_of(self.environment.get("SCHEDULE_CLOCK", ""))
        self._ended = ended
        self._progress = progress
        self._undo = ExitStack()
        self._simulates = False

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def client(self, service: str) -> Any:
        """Make a boto3 client of a service of this stack."""
        return self._aws.client(service)

    def invoke(self, function: str, event: Any) -> Outcome:
        """Invoke a function directly, by its logical id."""
        return self._lambdas.invoke(function, json.dumps(event).encode())

    def update(self) -> None:
        """Deploy the template anew, as it is in its file now: functions, policies, state machines, new resources.

        Running executions keep their definition, and functions that are at work finish. Routes, mappings, and the
        properties of what exists already stay as they are. Raises StackError for a template that cannot be deployed,
        and then nothing has changed.
        """
        template = templates.load(self.path, self.environment, self.region)
        for machine in template.resources:
            if machine.type == templates.STATE_MACHINE:
                templates.definition(machine, self.path)
        self._permissions.replace(template.granting)
        self._lambdas.update(template.functions)
        self._lambdas.warm()
        self._aws.create(template, self.path, self._secrets(template))

    def ready(self) -> dict[str, Any]:
        """Return the addresses that `python -m local.stack` prints."""
        return {
            "api_url": self.api_url,
            "people_api_url": self.people_api_url,
            "desk_url": self.desk_url,
            "aws_endpoint_url": self.aws_endpoint_url,
            "region": self.region,
            "state_machine_arn": self.state_machine_arn,
            "genesys_url": self.genesys_url,
            "contract": self.contract,
            "logs": str(self.logs),
            "pid": os.getpid(),
            **self.ids,
        }

    def _start(self) -> None:
        check_platform()
        api, aws = (
            self._listen(*of) for of in zip(("the API", "AWS"), self._ports, ("API_PORT", "AWS_PORT"), strict=True)
        )
        self.logs = self._log_folder() / "functions.log"
        self._find_genesys()
        self._progress(f"reading {self.path.name}")
        # SAM CLI and moto take 2 s to import: a busy port is told before.
        from local.stack.aws import Aws  # noqa: PLC0415
        from local.stack.iam import Permissions  # noqa: PLC0415
        from local.stack.moto_seam import reserve_with, serve_logs  # noqa: PLC0415
        from local.stack.polling import poller_of  # noqa: PLC0415
        from local.stack.watch import Watch  # noqa: PLC0415

        self.transactions = Transactions(float(self.environment.get("DYNAMODB_TRANSACTION_S") or TRANSACTION_S))
        template = templates.load(self.path, self.environment, self.region)
        for item in template.left_out:
            self._progress(f"left out, unknown to the embedded stack: {item}")
        key = template.parameters.get("KmsKeyArn", "")
        self._permissions = permissions = Permissions(template.granting, key)
        watch = None
        if folder := self.environment.get(PERMISSIONS_FOLDER):
            watch = Watch()
            self._undo.callback(permissions.write, Path(folder))
            self._undo.callback(watch.write, Path(folder))
            self._undo.callback(watch.look_at_log, self.logs)
        of_functions = {"AWS_ENDPOINT_URL": aws.url, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        self.live = Live(Metrics(self.logs), tuple(alarm_of(alarm) for alarm in template.alarms))
        metrics, logs = self.live.metrics, Logs(self.logs, template.log_groups)
        of_lambda = CREDENTIALS | of_functions
        self._lambdas = Lambdas(template.functions, of_lambda, self.logs, metrics, logs, watch)
        self._undo.callback(self._lambdas.close)
        self._progress("starting the functions' runtimes and the AWS services")
        with ThreadPoolExecutor(1) as beside:
            warm = beside.submit(self._lambdas.warm)
            self._aws = Aws(
                aws,
                self.region,
                self._lambdas.invoke,
                permissions,
                self._clock,
                self.transactions,
                self._has_ended,
                watch,
            )
            self._undo.callback(self._aws.close)
            self._aws.create(template, self.path, self._secrets(template))
            warm.result()
        metrics.watch(self._depths)
        serve_logs(logs)
        reserve_with(self._lambdas.reserve)
        for mapping in template.mappings:
            sqs = self._aws.client("sqs", templates.role_of(mapping.function))
            poller = poller_of(mapping, sqs, self.region, self._lambdas.invoke, permissions, metrics)
            self._undo.callback(poller.close)
            poller.start()
        self._serve(template, api)
        self.api_url, self.aws_endpoint_url = api.url, aws.url
        self.ids = self._aws.ids
        for custom in template.custom:
            self._undo.callback(self._delete, custom)
        machines = [item.name for item in template.resources if item.type == templates.STATE_MACHINE]
        self.state_machine_arn = machines[0] if machines else None
        self.genesys_url = template.parameters.get(_BASE_URL) or None
        self.contract = template.parameters.get("GenesysContract")

    def _find_genesys(self) -> None:
        """Start the simulator, unless the environment names a Genesys."""
        declared = templates.declared_parameters(self.path)
        named = self.environment.get("GENESYS_BASE_URL") or self.environment.get("GENESYS_REGION")
        if _BASE_URL in declared and not named:
            contract = self.environment.get("GENESYS_CONTRACT") or declared["GenesysContract"]["Default"]
            self._progress(f"starting the Genesys simulator, contract {contract}")
            self.environment["GENESYS_BASE_URL"] = self._simulate(contract)
            self._simulates = True

    def _has_ended(self, arn: str, machine_arn: str, status: str) -> None:
        metric = f"Executions{_ENDS[status]}"
        self.live.metrics.put("AWS/States", metric, {"StateMachineArn": machine_arn})
        if self._ended is not None:
            self._ended(arn)

    def _depths(self) -> Iterator[tuple[Series, float]]:
        from local.stack.moto_seam import visible_messages  # noqa: PLC0415  as above

        for queue, messages in visible_messages(self.region).items():
            yield Series.of("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}), float(messages)

    def _serve(self, template: templates.Template, api: Served) -> None:
        """Serve the API, and PeopleApi if the template has it."""
        from local.stack import authorizers, gateway  # noqa: PLC0415  as above

        iam, self.people_api_url, self.desk_url = authorizers.Iam(), None, None
        gateway.serve(template.api, api, self._lambdas.invoke, iam, lambda app: WithMetrics(app, self.live, "Api"))
        if template.people:
            people = self._listen("the API of people", self._people_port, "PEOPLE_PORT")
            routes, authorize = gateway.of_definition(template.people, self._lambdas.invoke)
            gateway.serve(routes, people, self._lambdas.invoke, authorize)
            self.people_api_url = people.url
            if "/desk" in template.people["paths"]:
                self.desk_url = f"{people.url}/desk"
                if self._simulates:
                    introduce(self.environment["GENESYS_BASE_URL"], f"{self.desk_url}/callback")

    def _listen(self, name: str, port: int, variable: str) -> Served:
        served = Served(name, port, variable)
        self._undo.callback(served.close)
        return served

    def _log_folder(self) -> Path:
        if self._keep_logs is not None:
            self._keep_logs.mkdir(parents=True, exist_ok=True)
            return self._keep_logs.resolve()
        folder = Path(tempfile.mkdtemp(prefix="routing-weights-"))
        self._undo.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _secrets(self, template: templates.Template) -> dict[str, str]:
        """Return the values of the secrets that have none in the template: client credentials and signing secrets."""
        signed_with = {name: self.environment.get(variable) for name, variable in _SIGNED_WITH.items()}
        webhook = {name: json.dumps({"current": secret}) for name, secret in signed_with.items() if secret}
        empty = [
            item.logical_id
            for item in template.resources
            if item.type == templates.SECRET and "SecretString" not in item.properties
        ]
        if not empty:
            return webhook
        pair = {key: self.environment.get(f"GENESYS_{key.upper()}", "") for key in DEMO_CLIENT}
        if not all(pair.values()):
            self._progress(
                "GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET are not both set: using the simulator's demo client"
            )
            pair = DEMO_CLIENT
        return webhook | {name: json.dumps(pair) for name in empty}

    def _delete(self, custom: templates.Resource) -> None:
        """Delete the custom resources, as CloudFormation does first when it deletes a stack."""
        event = {
            "RequestType": "Delete",
            "ResponseURL": f"{self.aws_endpoint_url}/custom-resource-answers/{custom.logical_id}",
            "StackId": "embedded",
            "RequestId": custom.logical_id,
            "LogicalResourceId": custom.logical_id,
            "PhysicalResourceId": custom.logical_id,
        }
        self.invoke(custom.properties["ServiceToken"].rpartition(":")[2], event)

    def _simulate(self, contract: str) -> str:
        """Start the simulator as a child process, with the client of this stack, and return its URL."""
        client_id = self.environment.setdefault("GENESYS_CLIENT_ID", DEMO_CLIENT["client_id"])
        secret = self.environment.setdefault("GENESYS_CLIENT_SECRET", DEMO_CLIENT["client_secret"])
        command = [sys.executable, "-m", "local.genesys", "--port", "0", "--die-with-parent", "--contract", contract]
        command += ["--client-id", client_id, "--client-secret", secret]
        command += ["--webhook-secret", self.environment.get("WEBHOOK_SECRET", "")]
        command += ["--desk-client-id", self.environment.get("DESK_CLIENT_ID", "")]
        # The child dies with the thread that starts it (see tether). The caller's thread may end, this one stays.
        starter = ThreadPoolExecutor(1, "starter")
        self._undo.callback(starter.shutdown)
        process: subprocess.Popen[str] = starter.submit(
            subprocess.Popen, command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        ).result()
        self._undo.callback(_end, process)
        watchdog = threading.Timer(_SIMULATOR_S, process.kill)
        watchdog.start()
        assert process.stdout is not None  # noqa: S101  it is a pipe
        word, _, rest = process.stdout.readline().partition(" ")
        watchdog.cancel()
        if word != "ready":
            raise StackError("the Genesys simulator did not start; run `python -m local.genesys` to see why")
        return str(json.loads(rest)["url"])


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
