"""Verifies the audit trail of a deployment: `python -m local.audit_verify [--api URL]`. Status 1 if something is found.

Without --api it asks the embedded stack of `make up`. Any other API gets a request that your AWS credentials sign.
"""

import argparse
import sys
from urllib.parse import urlsplit

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

EMBEDDED = "http://127.0.0.1:3000"
PATIENCE_S = 60


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.audit_verify", description=__doc__)
    parser.add_argument("--api", default=EMBEDDED, help="the API's address (the output ApiUrl of the stack)")
    url = f"{parser.parse_args(arguments).api.rstrip('/')}/audit/verification"
    answer = requests.get(url, headers=_signed(url), timeout=PATIENCE_S)
    if answer.status_code != requests.codes.ok:
        print(f"{answer.status_code}: {answer.text}", file=sys.stderr)
        return 2
    report = answer.json()
    for finding in report["findings"]:
        print(f"{finding['kind']:10} {finding['sentence']}")
    print(
        f"{report['records']} records in {report['chains']} chains ({report['older']} older), {report['documents']} "
        f"documents, {report['checkpoints']} checkpoints: {report['finding_count']} findings."
    )
    return 0 if report["sound"] else 1


def _signed(url: str) -> dict[str, str]:
    """The headers of a request that IAM accepts. The embedded stack needs none."""
    host = urlsplit(url).hostname or ""
    credentials = boto3.Session().get_credentials()
    if ".execute-api." not in host or credentials is None:
        return {}
    request = AWSRequest("GET", url)
    SigV4Auth(credentials, "execute-api", host.split(".")[2]).add_auth(request)
    return dict(request.headers)


if __name__ == "__main__":
    sys.exit(main())
