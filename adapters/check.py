"""Checking an adapter without moving anything: each part is asked, and each answer names its fix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from confluent_kafka.admin._acl import AclOperation

from adapters.config import AdapterConfig
from exchange.contract import Contract
from exchange.errors import ExchangeError, NotGranted
from exchange.items import Check as ItemCheck
from exchange.items import Item, Row
from exchange.kafka import Broker
from exchange.log import described, log_name
from exchange.registry_client import RegistryClient
from exchange.text import Text

SHOWN_ROWS = 5
MOST_REASONS = 10
SENSITIVE = 3  # from this sensitivity on, values are not shown
CITIZEN_ID = ItemCheck.CITIZEN_ID  # always a person's, whatever sensitivity was written down
MASKED = "***"


@dataclass(frozen=True, slots=True)
class Checked:
    """One part: ``said`` is what was found out or what went wrong, ``fix`` what to do about it."""

    part: Text
    ok: bool
    said: str
    fix: str = ""
    exit_code: int = 0


class Check:
    """Asks registry, broker and source or sink in turn; what depends on a failed part is not asked."""

    _broker: Broker
    _contract: Contract

    def __init__(self, config: AdapterConfig, *, show: bool = False) -> None:
        """``show``: personal values are shown too."""
        self.rows: list[list[str]] = []  # the first rows of a source, sensitive values masked
        self._show = show
        self._log = ""  # of the topic, once the broker has told of it
        self.columns: list[str] = []
        self._config = config
        self._settings = config.settings

    def run(self) -> Iterator[Checked]:
        """Yield each part as it was asked."""
        registry = RegistryClient(self._settings.registry, self._settings.identity)
        try:
            yield from self._parts(registry)
        finally:
            registry.close()

    def _parts(self, registry: RegistryClient) -> Iterator[Checked]:
        steps: list[tuple[Text, Callable[[], str]]] = [
            (_LOGIN, lambda: self._login(registry)),
            (_CONTRACT, lambda: self._find(registry)),
            (_ACCESS, self._access),
            (_SOURCE, self._read) if self._config.side == "source" else (_SINK, self._landed),
        ]
        for part, question in steps:
            answer = _ask(part, question)
            yield answer
            if not answer.ok and part in (_LOGIN, _CONTRACT):
                return

    def _login(self, registry: RegistryClient) -> str:
        self._broker = Broker.of(self._settings, registry)
        return f"{self._broker.client_id} @ {self._broker.node.name}"

    def _find(self, registry: RegistryClient) -> str:
        self._contract = registry.contract(self._settings.adapter.resource)
        return f"{self._contract.name} v{self._contract.version}"

    def _access(self) -> str:
        """Ask the broker itself what it allows; the registry's opinion does not count here."""
        broker, contract = self._broker, self._contract
        needed = {AclOperation.READ} | ({AclOperation.WRITE} if self._config.side == "source" else set())
        told = described(broker, contract.topic, operations=True)
        self._log = log_name(contract.topic, told.topic_id)
        missing = sorted(operation.name for operation in needed - set(told.authorized_operations or ()))
        if missing:
            raise NotGranted(client_id=broker.client_id, target=contract.topic, reason=", ".join(missing))
        return f"{contract.topic}: {', '.join(sorted(operation.name for operation in needed))}"

    def _read(self) -> str:
        contract = self._contract
        source = self._config.source(contract)
        try:
            source.connect()
            with closing(source.read(None)) as batches:
                first = next(batches, None)
        finally:
            source.close()
        self.columns = [item.name for item in contract.items]
        rows = first.rows if first else ()
        self.rows = [self._shown(contract, row) for row in islice(rows, SHOWN_ROWS)]
        rejects = first.rejects if first else ()
        counted = Text(
            f"{source.place}: first batch: {len(rows)} rows, {len(rejects)} rejected",
            f"{source.place}：首批 {len(rows)} 行，拒收 {len(rejects)} 行",
        )
        why = Counter(f"{reject.column or '-'}/{reject.rule}" for reject in rejects)
        if first:
            why.update({"/".join(f): count for f, count in first.findings.items() if f.action != "reject"})
        return "; ".join([counted.format(), *[f"{name} {count}" for name, count in why.most_common(MOST_REASONS)]])

    def _landed(self) -> str:
        contract = self._contract
        sink = self._config.sink(contract)
        try:
            sink.connect()
            positions = sink.positions(self._log) if self._log else {}
        finally:
            sink.close()
        offsets = ", ".join(f"{partition}: {offset}" for partition, offset in sorted(positions.items())) or "-"
        return Text(f"landed up to (partition: offset) {offsets}", f"已落地至（分区: 位点）{offsets}").format()

    def _shown(self, contract: Contract, row: Row) -> list[str]:
        return [
            "" if value is None else MASKED if self._hidden(item) else str(value)
            for item, value in zip(contract.items, row, strict=True)
        ]

    def _hidden(self, item: Item) -> bool:
        return not self._show and (item.sensitivity >= SENSITIVE or item.mask is not None or item.check is CITIZEN_ID)


def _ask(part: Text, question: Callable[[], str]) -> Checked:
    try:
        return Checked(part, ok=True, said=question())
    except ExchangeError as exc:
        return Checked(part, ok=False, said=exc.message(), fix=exc.next_step(), exit_code=exc.exit_code)


_LOGIN = Text("registry login", "登记中心登录")
_CONTRACT = Text("resource", "信息资源")
_ACCESS = Text("access at the broker", "消息服务权限")
_SOURCE = Text("source", "数据源")
_SINK = Text("destination", "目标库")
