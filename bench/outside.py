"""The simulator of Genesys and the embedded stack, each as a process of its own, as a user starts them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config

ROOT = Path(__file__).parents[1]
CLIENT = ("bench-client", "bench-client-secret")
WEBHOOK_SECRET = "of-the-bench"  # noqa: S105  for a stack on loopback only
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Genesys:
    url: str
    contract: str

    @cached_property
    def _http(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        return session

    def control(self, method: str, path: str, body: Any = None) -> Any:
        response = self._http.request(method, f"{self.url}/_sim/{path}", json=body, timeout=TIMEOUT_S)
        response.raise_for_status()
        return response.json()

    def changes(self, **settings: Any) -> None:
        self.control("PATCH", "settings", settings)

    def forgets_requests(self) -> None:
        self.control("DELETE", "requests")

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests to the API since they were last forgotten; logins are not among them."""
        return [entry for entry in self.control("GET", "requests") if entry["path"].startswith("/api/")]

    def token(self) -> str:
        client_id, secret = CLIENT
        if self.contract == "platform":
            form = {"grant_type": "client_credentials"}
            answer = self._http.post(f"{self.url}/oauth/token", form, auth=CLIENT, timeout=TIMEOUT_S)
        else:
            scope = "routing:queue:read routing:queue:write webhooks:write"
            body = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": scope}
            answer = self._http.post(f"{self.url}/oauth/token", json=body, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@dataclass(frozen=True)
class Stack:
    ready: Mapping[str, Any]
    genesys: Genesys
    environment: Mapping[str, str]
    pid: int

    @property
    def api_url(self) -> str:
        return str(self.ready["api_url"])

    @cached_property
    def http(self) -> requests.Session:
        return requests.Session()

    def client(self, service: str, config: Config | None = None) -> Any:
        access = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        where = {"endpoint_url": self.ready["aws_endpoint_url"], "region_name": self.ready["region"]}
        return self._session.client(service, config=config, **access, **where)  # type: ignore[call-overload]

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session()


@contextmanager
def genesys(contract: str, **settings: Any) -> Iterator[Genesys]:
    """The simulator, `python -m local.genesys`, with these of its settings."""
    flags = ["--contract", contract, "--client-id", CLIENT[0], "--client-secret", CLIENT[1], "--die-with-parent"]
    for name, value in settings.items():
        flags += [f"--{name.replace('_', '-')}", str(value)]
    with _running(["local.genesys", *flags], {}) as (ready, _):
        yield Genesys(ready["url"], contract)


@contextmanager
def stack(of: Genesys, template: Path = ROOT / "template.yaml", **parameters: Any) -> Iterator[Stack]:
    """The embedded stack, `python -m local.stack`, with these parameters of the template, such as MAX_RETRY_AFTER_S.

    Requests are not paced unless REQUESTS_PER_MINUTE says so.
    """
    environment = {
        "API_PORT": "0",
        "AWS_PORT": "0",
        "GENESYS_CONTRACT": of.contract,
        "GENESYS_BASE_URL": of.url,
        "GENESYS_CLIENT_ID": CLIENT[0],
        "GENESYS_CLIENT_SECRET": CLIENT[1],
        "REQUESTS_PER_MINUTE": "0",
        "RESERVED_FOR_OTHERS": "0",
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
    } | {name: str(value) for name, value in parameters.items()}
    with _running(["local.stack", "--die-with-parent", "--template", str(template)], environment) as (ready, pid):
        yield Stack(ready, of, environment, pid)


@contextmanager
def _running(arguments: list[str], environment: Mapping[str, str]) -> Iterator[tuple[Any, int]]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        word, _, ready = process.stdout.readline().partition(" ")
        if word != "ready":
            raise RuntimeError(f"python -m {arguments[0]} did not start")
        yield json.loads(ready), process.pid
    finally:
        process.terminate()
        process.wait(30)


def peak_mb(of: Stack) -> dict[str, float]:
    """Return the most memory that each function's processes of a stack have had, in MB (VmHWM).

    The processes are forks: of what the nursery imported for them, each counts as much as it has touched or shares.
    """
    most: dict[str, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            requester = (folder / "comm").read_text().strip()
            if not requester.isdecimal():
                continue
            variables = dict(
                line.partition("=")[::2] for line in Path(f"/proc/{requester}/environ").read_text().split("\0")
            )
            status = (folder / "status").read_text()
        except (OSError, UnicodeDecodeError):  # it has ended
            continue
        if variables.get("AWS_ENDPOINT_URL") == of.ready["aws_endpoint_url"]:
            name = variables["AWS_LAMBDA_FUNCTION_NAME"].removesuffix("Function").lower()
            peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
            most[name] = max(most.get(name, 0.0), peak / 1024)
    return most


def until(what: str, look: Any, pause_s: float = 0.1, patience_s: float = 1800.0) -> Any:
    """Return the first true answer of `look`."""
    end = time.monotonic() + patience_s
    while not (found := look()):
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(pause_s)
    return found
