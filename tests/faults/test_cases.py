"""What the enumeration once found stays found: mended it passes, with its mutant it does not.

A case names its call by operation and occurrence, so that it outlives changes elsewhere; if that
call is made no more, the case is stale and must be recorded anew (``spec/reliability.md`` 3.11).
"""

import json
import pathlib

import campaign
import mutants
import pytest

from cloudprovider.testing.harness.boundary import Injection

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

FILES = sorted((pathlib.Path(__file__).parent / "cases").glob("*.json"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def case(request):
    return json.loads(request.param.read_text())


def plan_of(case):
    """The planned call in today's recording."""
    wanted = case["plan"]
    kind = wanted["kind"]
    managers = campaign.managers_of(Injection(0, kind))
    matching = [
        record
        for record in campaign.recording(case["scenario"], managers)
        if all(getattr(record, field) == wanted[field] for field in ("api", "op", "key"))
    ]
    assert len(matching) >= wanted["nth"], f"stale: there is no such call: {wanted}"
    return Injection(matching[wanted["nth"] - 1].n, kind)


def test_it_is_mended(case):
    assert campaign.run(case["scenario"], plan_of(case)) == []


def test_its_mutant_brings_it_back(case, monkeypatch):
    plan = plan_of(case)
    (mutant,) = (mutant for mutant in mutants.ALL if mutant.name == case["mutant"])
    mutant.apply(monkeypatch)
    found = campaign.run(case["scenario"], plan)
    assert any(violation.startswith(case["oracle"]) for violation in found), found
