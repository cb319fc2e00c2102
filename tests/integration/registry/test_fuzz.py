"""The OpenAPI document fuzzed by schemathesis under every role: no 5xx, and no answer that it does not tell of.

Valid and invalid calls of each operation, against the application on a real SQLite file; the numbers in the paths are
often those of things that exist. 503 with a reason is an answer: the broker is away all the time.
"""

from __future__ import annotations

import copy
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from jsonschema_rs import validator_for
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from registry.settings import LimitsGroup
from tests.support.permissions.matrix import Stage
from tests.support.registry_world import Person, world

pytestmark = pytest.mark.proof

CASES = int(os.environ.get("EXCHANGE_FUZZ_CASES", "2100"))
SEED = 7440
AWAY = {"broker_unavailable", "not_connected", "back_off"}
Json = dict[str, Any]


@dataclass
class Fuzz:
    """The application, its callers by role, and what was seen."""

    http: TestClient
    document: Json
    callers: dict[str, Person]
    known: dict[str, list[str]]
    seen: Counter[int] = field(default_factory=Counter)
    faults: set[str] = field(default_factory=set)
    refused: set[tuple[str, str]] = field(default_factory=set)  # operation and role
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))

    def role(self, label: str, drawn: str) -> str:
        """The role that calls: once refused, mostly another, so that the calls get beyond the gate."""
        if (label, drawn) not in self.refused or self.dice.random() < 0.2:
            return drawn
        allowed = [role for role in sorted(self.callers) if (label, role) not in self.refused]
        return self.dice.choice(allowed or sorted(self.callers))


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzz]:
    unlimited = LimitsGroup(requests_per_s=0, tokens_per_s=0, failures_per_s=0)
    with world(tmp_path_factory.mktemp("fuzz"), limits=unlimited) as here:
        stage = Stage(here)
        owner, other = stage.home, stage.offices["sibling"]
        published, draft = here.resource(owner), here.draft(owner)
        asked = here.request(other, published)
        granted = here.grant(owner, stage.offices["child"], published)
        # The callers' own accounts are none of these: a caller that is switched off would end the fuzz.
        bystander = here.office("440100", "bystander")
        known = {
            "resource": [published, draft],
            "request_id": [str(asked["id"]), str(asked["id"] + 1)],
            "grant_id": [str(granted["grant"]["id"])],
            "client_id": [bystander.client_id],
            "department_id": [str(bystander.id)],
            "division": ["440000", "440600"],
            "name": [bystander.admin.name],
            "number": ["1", "2"],
            "schema_id": ["1"],
            "subject": [f"440000.{published}-value"],
            "version": ["1", "latest"],
        }
        callers = {
            role: person
            for (role, place), person in stage.callers.items()
            if place == ("whole" if role in THREE else "own")
        }
        callers["nobody"] = Person(here.http, "none", "nobody", "")
        yield Fuzz(here.http, here.http.get("/openapi.json").json(), callers, known)


THREE = ("system_admin", "security_admin", "auditor")


@pytest.mark.timeout(1800)  # thousands of questions, on whatever machine
def test_no_answer_is_a_surprise(fuzz: Fuzz) -> None:
    schema = schemathesis.openapi.from_dict(fuzz.document)
    results = list(schema.get_all_operations())
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results)
    each = max(2, -(-CASES // len(operations)) + 1)  # who has no parameters has few cases to offer
    for operation in operations:
        run(fuzz, operation, each)
    total = sum(fuzz.seen.values())
    print(f"{total} cases, {len(operations)} operations: {dict(sorted(fuzz.seen.items()))}")  # noqa: T201 (shown with -s)
    assert not fuzz.faults, "\n".join(sorted(fuzz.faults))
    assert total >= CASES
    assert sum(count for status, count in fuzz.seen.items() if status < 300) > total // 20  # some calls do something


def run(fuzz: Fuzz, operation: Any, count: int) -> None:
    positive = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    negative = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    done = 0

    @seed(SEED)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(positive, positive, negative), role=st.sampled_from(sorted(fuzz.callers)))
    def one(case: Any, role: str) -> None:
        nonlocal done
        done += 1
        call(fuzz, operation, case, fuzz.role(operation.label, role))

    one()


def call(fuzz: Fuzz, operation: Any, case: Any, role: str) -> None:
    who = fuzz.callers[role]
    if fuzz.dice.random() < 0.7:
        for name in case.path_parameters or {}:
            if name in fuzz.known:
                case.path_parameters[name] = fuzz.dice.choice(fuzz.known[name])
    request = case.as_transport_kwargs(base_url="http://testserver")
    headers = {name: value for name, value in dict(request["headers"]).items() if name.lower() != "authorization"}
    request["headers"] = {**headers, **({"Authorization": f"Bearer {who.token}"} if who.token != "none" else {})}
    answer = fuzz.http.request(
        request["method"],
        request["url"],
        params=request.get("params"),
        json=request.get("json"),
        content=request.get("data") if isinstance(request.get("data"), str | bytes) else None,
        data=request["data"] if isinstance(request.get("data"), dict) else None,
        files=request.get("files"),
        headers=request["headers"],
        follow_redirects=False,
    )
    fuzz.seen[answer.status_code] += 1
    if answer.status_code in {401, 403}:
        fuzz.refused.add((operation.label, role))
    fault = fault_of(fuzz.document, operation, answer)
    if fault:
        fuzz.faults.add(f"{operation.label} as {role}: {answer.status_code} {fault} | {case.body!r:.200}")


def fault_of(document: Json, operation: Any, answer: Any) -> str | None:
    told = operation.definition.raw["responses"].get(str(answer.status_code))
    body = data_of(answer)
    honest = isinstance(body, dict) and (body.get("code") in AWAY or operation.path == "/readyz")
    if answer.status_code >= 500 and not (answer.status_code == 503 and honest):
        return str(answer.text)[:300]
    if told is None:
        return f"is not documented: {answer.text[:300]}"
    return misfit(document, told, answer)


def kind_of(answer: Any) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0]


def data_of(answer: Any) -> Any:
    """The body, if it is JSON."""
    return answer.json() if answer.content and re.search(r"[/+]json$", kind_of(answer)) else None


def misfit(document: Json, told: Json, answer: Any) -> str | None:
    """Why an answer is not in the form that the document tells; None when it is."""
    content = told.get("content", {})
    if not content or not answer.content:
        return None
    kind = kind_of(answer)
    if kind not in {told.partition(";")[0] for told in content}:
        return f"content type {kind or 'missing'}, told {sorted(content)}"
    form = content.get(kind, {}).get("schema")
    if not form or data_of(answer) is None:
        return None
    whole = {**copy.copy(form), "components": document["components"]}
    fault = next(iter(validator_for(whole).iter_errors(answer.json())), None)
    return f"{fault.message[:300]} at {fault.instance_path}" if fault else None
