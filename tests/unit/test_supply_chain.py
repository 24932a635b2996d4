"""The bill of materials and the check for known vulnerabilities: they have all that is deployed."""

import json
import re

import pytest
import requests

from local.checks import sbom, vulnerabilities
from local.checks.pinned import DESK, DEVELOPMENT, LAYER, Package, packages_in

CLEAN = {}
KNOWN = {"vulns": [{"id": "GHSA-known"}]}


def test_the_bill_has_every_package_of_the_layer_and_the_desk_and_is_always_the_same():
    text = sbom.bill()
    assert text == sbom.bill()
    document = json.loads(text)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    named = {(each["name"], each["version"]) for each in document["components"]}
    assert named == {*packages_in(LAYER), *packages_in(DESK), (sbom.HTMX, sbom.HTMX_VERSION)}
    refs = {each["bom-ref"] for each in document["components"]}
    assert refs == {each["purl"] for each in document["components"]}
    (whole,) = [
        each["dependsOn"]
        for each in document["dependencies"]
        if each["ref"] == document["metadata"]["component"]["bom-ref"]
    ]
    assert set(whole) == refs
    assert not re.search(r"timestamp|serialNumber", text)


def test_a_lock_is_read_completely():
    for lock in (LAYER, DEVELOPMENT):
        pinned = re.findall(r"^([a-z][\w.-]*)(?:\[.*?\])?==(\S+)(.*)", lock.read_text(), re.MULTILINE)
        unmarked = [(name, version) for name, version, rest in pinned if ";" not in rest]
        assert len(unmarked) > 10
        assert set(unmarked) <= set(packages_in(lock))
        assert len(packages_in(lock)) <= len(pinned)


def test_a_package_of_another_python_or_system_is_left_out(tmp_path):
    lock = tmp_path / "lock.txt"
    hashed = " \\\n    --hash=sha256:00\n"
    lines = ("a==1", "b[x]==2 ; python_version < '3.12'", "c==3 ; sys_platform == 'win32'", "d==4.post1")
    lock.write_text("# made by uv\n" + "".join(line + hashed for line in lines))
    assert packages_in(lock) == [("a", "1"), ("d", "4.post1")]


PACKAGES = [Package("a", "1"), Package("b", "2")]


def test_the_check_names_each_package_with_a_vulnerability(monkeypatch):
    answers = {"results": [KNOWN, CLEAN, {"vulns": [{"id": "GHSA-1"}, {"id": "PYSEC-2"}]}]}
    sent = []
    assert vulnerabilities.known_vulnerabilities(PACKAGES, lambda query: sent.append(query) or answers) == {
        PACKAGES[1]: ["GHSA-1", "PYSEC-2"]
    }
    assert sent[0]["queries"][1] == {"package": {"name": "a", "ecosystem": "PyPI"}, "version": "1"}
    monkeypatch.setattr(vulnerabilities, "ACCEPTED", {"GHSA-1": "why", "PYSEC-2": "why"})
    assert vulnerabilities.known_vulnerabilities(PACKAGES, lambda _: answers) == {}


def unreachable(_query):
    raise requests.ConnectionError


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (unreachable, "ConnectionError"),
        (lambda _: [], "TypeError"),
        (lambda _: {"results": [KNOWN, CLEAN]}, "answered 2 of 3"),
        (lambda _: {"results": [CLEAN, CLEAN, CLEAN]}, "knows no vulnerability of jinja2"),
    ],
)
def test_a_check_that_was_not_possible_is_not_a_clean_one(ask, reason):
    with pytest.raises(vulnerabilities.NotChecked, match=reason):
        vulnerabilities.known_vulnerabilities(PACKAGES, ask)


def answering(of_all):
    return lambda query: {"results": [KNOWN, *(of_all for _ in query["queries"][1:])]}


@pytest.mark.parametrize(
    ("arguments", "ask", "code", "said"),
    [
        ([], answering(CLEAN), 0, ", 0 with known vulnerabilities"),
        ([], answering(KNOWN), 1, "(deployed): GHSA-known"),
        ([], unreachable, 0, "NOT CHECKED: "),
        (["--required"], unreachable, 1, "NOT CHECKED: "),
    ],
)
def test_the_step_says_what_it_did(capsys, arguments, ask, code, said):
    assert vulnerabilities.main(arguments, ask) == code
    assert said in capsys.readouterr().out
