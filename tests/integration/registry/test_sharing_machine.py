"""No path through requests, grants and resources leaves an ACL without an active grant, or a grant without its ACL.

Hypothesis takes the paths, on a real broker that is away for part of some of them. What is compared is not what the
registry believes: the states that this machine keeps for itself, against the ACLs that the broker tells.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from exchange.errors import BrokerUnavailable
from registry.enforcement.acls import Kind, Operation, Scope, principal
from registry.enforcement.broker import Broker
from tests.integration.registry.conftest import LoneBroker
from tests.support.registry_world import Office, World
from tests.support.wait import wait_until

pytestmark = pytest.mark.proof

STANDING = {"active", "suspended"}


class Switch(Broker):
    """The real broker behind a cable that the machine pulls."""

    away = False

    def acls(self, scope: Scope) -> Any:
        self._must_answer()
        return super().acls(scope)

    def add(self, acls: Any) -> None:
        self._must_answer()
        super().add(acls)

    def remove(self, acls: Any) -> Any:
        self._must_answer()
        return super().remove(acls)

    def topics(self, names: Any = None) -> Any:
        self._must_answer()
        return super().topics(names)

    def _must_answer(self) -> None:
        if self.away:
            raise BrokerUnavailable(reason="the cable is pulled")


class Sharing(RuleBasedStateMachine):
    """Offices that ask for each other's resources."""

    def __init__(self, here: World, switch: Switch, hand: Broker, offices: list[Office]) -> None:
        super().__init__()
        self.here, self.switch, self.hand = here, switch, hand
        self.owner, self.readers = offices[0], offices[1:]
        self.published: set[str] = set()
        self.off: set[str] = set()
        self.ends: dict[int, Any] = {}
        self.requests: dict[int, tuple[str, str, int | None, int | None]] = {}
        self.grants: dict[int, list[str]] = {}  # number: client_id, resource, state

    resources = Bundle("resources")
    requests_made = Bundle("requests_made")

    @initialize()
    def begin(self) -> None:
        self.switch.away = False
        self._sign_in_again()  # the path before this one has moved the clock
        self._settle()

    @rule(target=resources, kind=st.sampled_from([1, 2, 2, 3]))
    def publish(self, kind: int) -> str:
        name = self.here.resource(self.owner, sharing_type=kind)
        self.published.add(name)
        return name

    @rule(target=requests_made, resource=resources, who=st.integers(0, 1), hours=st.none() | st.integers(1, 48))
    def ask(self, resource: str, who: int, hours: int | None) -> int:
        reader = self.readers[who]
        until = (self.here.clock() + timedelta(hours=hours)).isoformat() if hours else None
        body = {"resource": resource, "client_id": reader.client_id, "purpose": "collaboration", "legal_basis": "依据"}
        return self._asked(reader.admin.call("POST", "requests", {**body, "until": until}))

    @rule(target=requests_made, number=requests_made, hours=st.none() | st.integers(24, 96))
    def renew(self, number: int, hours: int | None) -> int:
        grant = next((key for key, value in self.grants.items() if value[3:] == [str(number)]), None)
        if grant is None:
            return -1
        reader = next(office for office in self.readers if office.client_id == self.grants[grant][0])
        until = (self.here.clock() + timedelta(hours=hours)).isoformat() if hours else None
        body = {"purpose": "collaboration", "legal_basis": "依据", "until": until}
        return self._asked(reader.admin.call("POST", f"grants/{grant}/renew", body))

    @rule(number=requests_made)
    def approve(self, number: int) -> None:
        answer = self.owner.admin.call("POST", f"requests/{max(number, 1)}/approve")
        if answer.is_success:
            self._opened(answer.json()["grant"], number)

    @rule(number=requests_made, verb=st.sampled_from(["refuse", "withdraw"]))
    def answer_no(self, number: int, verb: str) -> None:
        who = self.owner if verb == "refuse" else self.readers[0]
        who.admin.call(
            "POST", f"requests/{max(number, 1)}/{verb}", {"reason": "不符合条件"} if verb == "refuse" else None
        )

    @rule(pick=st.integers(0, 50), verb=st.sampled_from(["suspend", "resume", "revoke"]))
    def decide(self, pick: int, verb: str) -> None:
        if not self.grants:
            return
        number = sorted(self.grants)[pick % len(self.grants)]
        body = None if verb == "resume" else {"reason": "测试"}
        answer = self.owner.admin.call("POST", f"grants/{number}/{verb}", body)
        before = self.grants[number][2]
        leads = {("active", "suspend"): "suspended", ("suspended", "resume"): "active"}
        after = "revoked" if verb == "revoke" and before in STANDING else leads.get((before, verb))
        assert answer.is_success == (after is not None), (before, verb, answer.text)
        if after is not None:
            assert answer.json()["enforced"] is not self.switch.away
            self.grants[number][2] = after

    @rule(resource=resources)
    def withdraw_resource(self, resource: str) -> None:
        if self.owner.admin.call("POST", f"resources/{resource}/withdraw").is_success:
            self.published.discard(resource)
            self._end(lambda _number, grant: grant[1] == resource)

    @rule(who=st.integers(0, 1))
    def switch_system(self, who: int) -> None:
        client_id = self.readers[who].client_id
        verb = "activate" if client_id in self.off else "deactivate"
        self.here.root.post(f"systems/{client_id}/{verb}")
        self.off ^= {client_id}

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.here.clock.ahead += timedelta(hours=hours)
        self._sign_in_again()
        self.here.runtime.loop._expire()
        now = self.here.clock()
        self._end(lambda number, _grant: self.ends[number] is not None and self.ends[number] <= now)

    @rule()
    def pull_or_plug(self) -> None:
        self.switch.away = not self.switch.away
        if not self.switch.away:
            self._settle()

    @rule()
    def compare(self) -> None:
        assert self.here.runtime.enforcer.reconcile() is not self.switch.away

    @invariant()
    def the_broker_has_an_acl_for_each_active_grant_and_no_other(self) -> None:
        expected = {
            (client_id, f"440000.{resource}")
            for client_id, resource, state, *_ in self.grants.values()
            if state == "active" and client_id not in self.off
        }
        if not self.switch.away:
            wait_until(lambda: self._acls() == expected, 5, f"{expected} at the broker")

    def teardown(self) -> None:
        self.switch.away = False
        self._settle()
        self.the_broker_has_an_acl_for_each_active_grant_and_no_other()
        for client_id in self.off:
            self.here.root.post(f"systems/{client_id}/activate")
        for name in sorted(self.published):
            self.owner.admin.post(f"resources/{name}/withdraw")

    def _acls(self) -> set[tuple[str, str]]:
        names = {principal(office.client_id): office.client_id for office in self.readers}
        return {
            (names[acl.principal], acl.name)
            for client in names.values()
            for acl in self.hand.acls(Scope(client_id=client))
            if acl.kind == Kind.TOPIC and acl.operation == Operation.READ and not acl.name.startswith("_exchange.")
        }

    def _asked(self, answer: Any) -> int:
        if not answer.is_success:
            assert answer.status_code in {404, 409, 422}, answer.text
            return -1
        made = answer.json()
        number: int = made["id"]
        if made["grant"]:
            self._opened(made["grant"], number)
        return number

    def _opened(self, grant: dict[str, Any], request: int) -> None:
        self.grants[grant["id"]] = [grant["client_id"], grant["resource"], "active", str(request)]
        self.ends[grant["id"]] = datetime.fromisoformat(grant["until"]) if grant["until"] else None

    def _end(self, which: Callable[[int, list[str]], bool]) -> None:
        for number, grant in self.grants.items():
            if grant[2] in STANDING and which(number, grant):
                grant[2] = "ended"

    def _settle(self) -> None:
        def done() -> bool:
            self.here.runtime.enforcer.retry()
            return not self.here.runtime.enforcer.pending and not self.here.runtime.enforcer._away.is_set()

        wait_until(done, 20, "what waited is at the broker")

    def _sign_in_again(self) -> None:
        """The clock has moved past the life of the tokens."""
        root = self.here.user(self.here.root.name, self.here.root.secret)
        self.here.root = root
        for place, office in enumerate([self.owner, *self.readers]):
            admin = self.here.user(office.admin.name, office.admin.secret)
            renewed = Office(office.id, admin, office.system)
            if place == 0:
                self.owner = renewed
            else:
                self.readers[place - 1] = renewed


@pytest.mark.timeout(180)
def test_no_path_leaves_an_acl_without_a_grant_or_a_grant_without_its_acl(broker: LoneBroker, tmp_path: Path) -> None:
    with ExitStack() as stack:
        here = stack.enter_context(broker.world(tmp_path))
        switch = Switch(broker.client("exchange-registry"), 10)
        here.runtime.enforcer._broker = switch
        assert here.runtime.enforcer.reconcile()
        hand = Broker(broker.client("exchange-registry"), 10)
        offices = [here.office(), here.office("440600"), here.office("440604")]

        class Here(Sharing):
            def __init__(self) -> None:
                super().__init__(here, switch, hand, list(offices))

        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=8,
                stateful_step_count=25,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
