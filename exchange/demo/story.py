"""The main job, told on real input: publish, refuse, grant, follow, revoke, reconcile.

Each step says what happened and keeps what was measured; ``Outcome.ok`` is the demo's verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from exchange.demo.city import TABLE, CityDatabase
from exchange.demo.revocation import Ticker, Witness
from exchange.demo.runs import AdapterRun, write_adapter_file
from exchange.demo.villages import COLUMNS, ROWS, VillageFile, differences
from exchange.demo.world import CITY, COUNTY, PROVINCE, RESOURCE, Tier, World
from exchange.errors import ExchangeError, NotGranted
from exchange.node.ports import LOOPBACK
from exchange.node.postgres import OWNER, PostgresCluster
from exchange.node.service import NodeAddress
from exchange.settings import IdentitySettings, RegistrySettings, SystemSettings
from exchange.subscriber import Subscriber
from exchange.text import Text

STEP_TIMEOUT_S = 90.0
REFUSAL_TIMEOUT_S = 20.0
AFTER_REVOCATION_S = 3.0
CHANGED, ADDED, DELETED = 200, 50, 30
PURPOSE, LEGAL_BASIS = "collaboration", "《政务数据共享条例》（国令第809号）"

PUBLISHED = Text("the province publishes 26,842 villages", "省级发布 26,842 个村级行政区划")
LANDED = Text("the city lands 26,842 villages", "市级落库 26,842 个村级行政区划")
FOLLOWED = Text("the city follows what changed at the source", "市级同步数据源的变更")
TICKED = Text("what is published without a pause reaches the city", "持续发布的记录到达市级")


class StoryFailed(ExchangeError):
    """A step of the demo did not come to its end."""

    code = "demo_failed"
    text = Text("The demo stopped: {step}", "演示中断：{step}")
    hint = Text("The logs are in {directory}.", "日志目录：{directory}。")


@dataclass(slots=True)
class Outcome:
    """What the demo measured; it is written to build/demo.json as it stands."""

    published: int = 0
    landed: int = 0
    lost: int = 0
    duplicated: int = 0
    differing: int = 0
    refused_before_grant: bool = False
    broker_said: str = ""
    county_refused: bool = False
    followed_changes: bool = False
    grant_to_first_record_ms: float | None = None
    first_landing_s: float | None = None
    revoke_ms: float | None = None
    published_after_revocation: int = 0
    arrived_after_revocation: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether everything that the demo promises was seen."""
        clean = not (self.lost or self.duplicated or self.differing or self.arrived_after_revocation)
        seen = self.refused_before_grant and self.county_refused and self.followed_changes
        measured = self.grant_to_first_record_ms is not None and self.revoke_ms is not None
        return clean and seen and measured and self.published >= ROWS and self.published_after_revocation > 0

    def as_json(self) -> dict[str, Any]:
        """Return all figures, and the verdict."""
        return {**asdict(self), "ok": self.ok}


class Narrator(Protocol):
    """Where the story is told; ``exchange.demo.screen`` shows it with progress bars."""

    def say(self, text: Text) -> None:
        """Tell one line."""

    def progress(self, text: Text, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Return a context whose value is told how far it has come."""


class Story:
    """The steps, in order; what one leaves running is stopped by ``close``."""

    def __init__(
        self, address: NodeAddress, passwords: Mapping[str, str], cluster: PostgresCluster, directory: Path
    ) -> None:
        self.outcome = Outcome()
        self._address = address
        self._directory = directory
        self._cluster = cluster
        self._stack = ExitStack()
        self._world = World(address.registry_url, passwords, directory)
        self._stack.callback(self._world.close)
        self._file = VillageFile(directory / "villages.csv")
        cluster.create_database("city")
        self._city = self._stack.enter_context(CityDatabase(cluster, "city"))
        self._source: AdapterRun | None = None
        self._sink: AdapterRun | None = None
        self._grant = 0

    def tell(self, narrator: Narrator) -> Outcome:
        """Tell the whole story. Errors: StoryFailed, and whatever the parts raise."""
        started = time.monotonic()
        self._found(narrator)
        self._publish(narrator)
        self._refuse(narrator)
        self._decide(narrator)
        self._follow(narrator)
        ticker, before = self._revoke(narrator)
        self._reconcile(narrator, ticker, before)
        self.outcome.seconds = round(time.monotonic() - started, 1)
        return self.outcome

    def close(self) -> None:
        """Stop the adapters and close what is open."""
        for run in (self._source, self._sink):
            if run is not None:
                run.stop()
        self._stack.close()

    def _found(self, narrator: Narrator) -> None:
        self._world.found()
        self._world.publish()
        narrator.say(
            Text(
                f"{PROVINCE.department} owns {RESOURCE} 村级行政区划 (conditional); a city and a county joined.",
                f"{PROVINCE.department}登记资源 {RESOURCE} 村级行政区划（有条件共享）；市、县部门已接入。",
            )
        )

    def _publish(self, narrator: Narrator) -> None:
        self._file.save()
        self._source = AdapterRun(self._source_file(), {})
        state = _State(self._system(PROVINCE), self._source)
        with narrator.progress(Text("The province publishes", "省级发布"), ROWS) as progress:
            self._until(lambda: state.count(progress) >= ROWS, PUBLISHED)

    def _refuse(self, narrator: Narrator) -> None:
        deadline = time.monotonic() + REFUSAL_TIMEOUT_S
        with Subscriber.open(self._system(CITY), RESOURCE, "too-early") as early:
            while not self.outcome.refused_before_grant and time.monotonic() < deadline:
                try:
                    if early.poll(1, 0.5):
                        break
                except NotGranted as refusal:
                    self.outcome.broker_said = str(refusal.facts["reason"])
                    self.outcome.refused_before_grant = True
        said = self.outcome.broker_said or "-"
        narrator.say(
            Text(
                f"The city reads before any grant; the broker says: {said}", f"市级未获授权即读取；消息服务答复：{said}"
            )
        )

    def _decide(self, narrator: Narrator) -> None:
        city = self._ask(CITY)
        county = self._ask(COUNTY)
        with self._world.administrator(PROVINCE) as admin:
            approved = admin.approve(city)
            granted_at = time.monotonic()
            witness = self._watch()
            self._sink = AdapterRun(self._sink_file(), {"EXCHANGE_SINK_PASSWORD": self._cluster.password})
            refused = admin.refuse(county, "县级可由市级平台按需下发，无需重复获取")
        self._grant = approved["grant"]["id"]
        self.outcome.county_refused = refused["state"] == "refused" and bool(refused["reason"])
        with narrator.progress(Text("The city lands", "市级落库"), ROWS) as progress:
            self._until(lambda: self._landed(progress) >= ROWS, LANDED)
        self.outcome.first_landing_s = round(time.monotonic() - granted_at, 2)
        witness.stop()  # one more of its group would take the partition from the next one
        if witness.first_at is not None:
            self.outcome.grant_to_first_record_ms = round((witness.first_at - granted_at) * 1000, 1)
        narrator.say(
            Text(
                f"Granted to the city, refused to the county: {refused['reason']}",
                f"已授权市级；拒绝县级，理由：{refused['reason']}",
            )
        )

    def _follow(self, narrator: Narrator) -> None:
        codes = list(self._file.villages)
        self._file.change(codes[:CHANGED], "（更名）")
        self._file.delete(codes[CHANGED : CHANGED + DELETED])
        self._file.add(ADDED)
        self._file.save()
        total = CHANGED + ADDED + DELETED
        with narrator.progress(Text("The city follows changes and deletes", "市级同步变更与删除"), total) as progress:
            self._until(lambda: self._behind(progress, total) == 0, FOLLOWED)
        self.outcome.followed_changes = True

    def _revoke(self, narrator: Narrator) -> tuple[Ticker, float]:
        assert self._source is not None
        self._source.stop()
        witness = self._watch()
        ticker = Ticker(self._system(PROVINCE), next(iter(self._file.villages.values())))
        self._stack.callback(ticker.stop)
        self._until(lambda: len(ticker.villages.keys() & witness.seen.keys()) >= 50, TICKED)  # noqa: PLR2004
        with self._world.administrator(PROVINCE) as admin:
            asked_at = time.monotonic()
            admin.revoke(self._grant, "演示：授权撤回")
            answered_at = time.monotonic()
        time.sleep(AFTER_REVOCATION_S)  # the time in which something might still arrive
        ticker.stop()
        after = {code for code, begun in ticker.begun.items() if begun > answered_at}
        landed = self._city.villages().keys()
        last = max(witness.seen[code] for code in ticker.villages if code in witness.seen)
        self.outcome.revoke_ms = round(max(0.0, last - answered_at) * 1000, 1)
        self.outcome.published_after_revocation = len(after)
        self.outcome.arrived_after_revocation = len(after & (witness.seen.keys() | landed))
        narrator.say(
            Text(
                f"Revoked: {len(after)} records published afterwards, {self.outcome.arrived_after_revocation} arrived.",
                f"已撤回：此后发布 {len(after)} 条，到达 {self.outcome.arrived_after_revocation} 条。",
            )
        )
        return ticker, asked_at

    def _reconcile(self, narrator: Narrator, ticker: Ticker, revoked_at: float) -> None:
        landed = self._city.villages()
        delivered = {code for code in ticker.villages if code in landed}
        # Ticks are numbered: whatever landed must be all of them up to some number, without a gap.
        expected = set(list(ticker.villages)[: len(delivered)])
        must = {code for code, done in ticker.committed.items() if done < revoked_at - 1.0}
        source = {**self._file.villages, **{code: ticker.villages[code] for code in expected | must}}
        missing, extra, differing = differences(source, landed)
        receipts = self._receipts()
        self.outcome.published = receipts["published"] - receipts["cut_off"]
        self.outcome.landed = receipts["landed"]
        self.outcome.lost = missing + receipts["lost"]
        self.outcome.duplicated = extra + receipts["duplicated"] + receipts["unmatched"]
        self.outcome.differing = differing + receipts["differing"]
        narrator.say(
            Text(
                f"Reconciled row by row ({len(landed)}) and by receipts of both sides ({receipts['batches']} batches).",
                f"已逐行对账（{len(landed)} 行）并核对双方回执（{receipts['batches']} 批）。",
            )
        )

    def _receipts(self) -> dict[str, Any]:
        """Return the registry's reconciliation once both sides' receipts are in."""
        with self._world.administrator(PROVINCE) as admin:
            found = admin.reconciliation(RESOURCE, CITY.client_id)
            deadline = time.monotonic() + STEP_TIMEOUT_S / 3
            while (found["in_flight"] or found["lost"]) and time.monotonic() < deadline:
                time.sleep(0.5)
                found = admin.reconciliation(RESOURCE, CITY.client_id)
        found["lost"] += found["in_flight"]
        return found

    def _watch(self) -> Witness:
        witness = Witness(self._system(CITY))
        self._stack.callback(witness.stop)
        return witness

    def _ask(self, tier: Tier) -> int:
        with self._world.administrator(tier) as admin:
            asked = admin.request(RESOURCE, tier.client_id, PURPOSE, LEGAL_BASIS)
        request: int = asked["id"]
        return request

    def _landed(self, progress: Callable[[int], None]) -> int:
        assert self._sink is not None
        self._sink.check()
        done = self._city.count()
        progress(done)
        return done

    def _behind(self, progress: Callable[[int], None], total: int) -> int:
        behind = sum(differences(self._file.villages, self._city.villages()))
        progress(total - behind)
        return behind

    def _until(self, done: Callable[[], bool], step: Text) -> None:
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while not done():
            if time.monotonic() > deadline:
                raise StoryFailed(step=step, directory=self._directory)
            time.sleep(0.1)

    def _system(self, tier: Tier) -> SystemSettings:
        file = self._world.secret_file(tier)
        secret = SecretStr(file.read_text(encoding="utf-8"))
        return SystemSettings(
            identity=IdentitySettings(client_id=tier.client_id, secret=secret, key_dir=file.parent),
            registry=RegistrySettings(url=self._address.registry_url),
        )

    def _adapter_head(self, tier: Tier, name: str) -> dict[str, dict[str, Any]]:
        return {
            "adapter": {"name": name, "resource": RESOURCE, "interval_s": 0.5},
            "identity": {"client_id": tier.client_id, "secret_file": self._world.secret_file(tier).name},
            "registry": {"url": self._address.registry_url},
        }

    def _source_file(self) -> Path:
        tables = self._adapter_head(PROVINCE, "villages-out")
        tables["source"] = {"kind": "csv", "path": self._file.path.name}
        tables["adapter.columns"] = dict(COLUMNS)
        return write_adapter_file(self._directory / "province.toml", tables)

    def _sink_file(self) -> Path:
        tables = self._adapter_head(CITY, "villages-in")
        url = f"postgresql+psycopg://{OWNER}@{LOOPBACK}:{self._cluster.port}/city"
        tables["sink"] = {"kind": "sql", "url": url, "table": TABLE}
        return write_adapter_file(self._directory / "city.toml", tables)


class _State:
    """How much of the resource is at the broker, as its own system reads it."""

    def __init__(self, settings: SystemSettings, run: AdapterRun) -> None:
        self._run = run
        self._keys: set[bytes] = set()
        self._subscriber = Subscriber.open(settings, RESOURCE, "watch")

    def count(self, progress: Callable[[int], None]) -> int:
        self._run.check()
        self._keys.update(record.key for record in self._subscriber.poll(5000, 0.2))
        progress(len(self._keys))
        return len(self._keys)
