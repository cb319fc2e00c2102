"""A webhook as destination: signed batches, one after the other, repeated until they are accepted.

At-least-once: a delivery whose answer got lost comes again, under the same ``X-Exchange-Delivery`` and with the same
bytes, so that the receiver can drop it. Nothing is sent before what came before it was accepted, so the changes of a
key arrive in their order.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from pydantic import Field, SecretStr

from adapters.http_client import CallConfig, host_of, open_client, passing, translated
from adapters.http_outbox import Delivery, Outbox
from adapters.http_rows import RowWriter
from adapters.protocol import Landing, Stream
from adapters.spec import Spec
from exchange.errors import ConfigError, NotConnected, SinkProblem
from exchange.items import Row
from exchange.receipts import Receipt
from exchange.text import Text

SPEC = Spec(
    side="sink",
    kind="webhook",
    summary=Text(
        "a webhook: signed batches, in order, repeated until they are accepted",
        "Webhook：签名批次，按序推送，直到被接受",
    ),
    example='[sink]\nkind = "webhook"\nurl = "https://system.example/hook"\nsecret_file = "hook.secret"\n'
    'outbox = "hook.outbox"',
)

ACCEPTED = range(200, 300)


class Config(CallConfig):
    """Where batches go, and how they are signed."""

    secret: SecretStr = Field(description="key of the signature, shared with the receiver, from a file or environment")
    outbox: Path = Field(description="SQLite file of what is still to be sent", examples=["hook.outbox"])
    most_records: int = Field(default=500, ge=1, le=10_000, description="most records in one request")
    tries: int = Field(
        default=3, ge=1, le=1000, description="answers 3xx or 4xx to one request that stop the adapter; others wait"
    )

    def verify(self, file: str, group: str) -> None:
        """Refuse an empty key too."""
        super().verify(file, group)
        if not self.secret.get_secret_value():
            key, example = f"{group}.secret", 'secret_file = "hook.secret"'
            raise ConfigError(file=file, key=key, expected=_SECRET, found="***", example=example)


def open_sink(config: Config, stream: Stream) -> WebhookSink:
    """Return the sink of an adapter file."""
    return WebhookSink(config, stream)


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return ``sha256=<hex>``: the HMAC-SHA256 of ``<timestamp>.<body>``; the timestamp is in seconds."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


class WebhookSink:
    """Keeps a landing in its outbox, then sends it; what is in the outbox is sent before anything else."""

    def __init__(self, config: Config, stream: Stream) -> None:
        self._config = config
        self._host = host_of(config.url)
        self._outbox = Outbox(config.outbox)
        self._writer = RowWriter(stream.items, [stream.column(item) for item in stream.items])
        self._resource = stream.contract.resource
        self._schema_id = stream.contract.schema_id
        self._client: httpx.Client | None = None
        self._landing = ""
        self._late: NotConnected | None = None

    def connect(self) -> None:
        """Open the outbox and send what it holds. Errors: NotConnected, SinkProblem."""
        self.close()
        self._landing = self._outbox.open()
        try:
            self._client = open_client(self._config)
        except OSError as exc:
            raise self._problem(Text("ca_file cannot be used", "ca_file 无法使用")) from exc
        self._late = None

    def landing_id(self) -> str:
        """Return the destination's own id."""
        return self._landing

    def positions(self, log: str) -> Mapping[int, int]:
        """Return the next offset of each partition of ``log``."""
        return self._outbox.positions(log)

    def write(self, landing: Landing) -> None:
        """Keep ``landing`` and send it. When that has to wait, it is kept, and the next call says so."""
        self._send()
        self._outbox.keep(landing, self._deliveries(landing))
        try:
            self._send()
        except NotConnected as exc:  # the landing is safe: the engine must not read its records again
            self._late = exc

    def unsent_receipts(self, limit: int) -> Sequence[Receipt]:
        """Return receipts of what was accepted. Errors: NotConnected while something is still to be sent."""
        late, self._late = self._late, None
        if late is not None:
            raise late
        self._send()
        return self._outbox.unsent(limit)

    def mark_sent(self, ids: Sequence[str]) -> None:
        """Forget receipts that the broker has."""
        if ids:
            self._outbox.sent(ids)

    def close(self) -> None:
        """Close connections and outbox."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._outbox.close()

    def _send(self) -> None:
        while (delivery := self._outbox.next()) is not None:
            self._deliver(delivery)
            self._outbox.accepted(delivery)

    def _deliver(self, delivery: Delivery) -> None:
        assert self._client is not None, "connect comes first"
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "exchange-adapter",
            "X-Exchange-Delivery": delivery.id,
            "X-Exchange-Timestamp": str(timestamp),
            "X-Exchange-Signature": signature(self._config.secret.get_secret_value(), timestamp, delivery.body),
        }
        with (
            translated(self._host),
            self._client.stream("POST", self._config.url, content=delivery.body, headers=headers) as response,
        ):
            status = response.status_code  # the body is not read: it could be endless
        if status in ACCEPTED:
            return
        error = passing(response, self._host)
        if error is not None:
            raise error
        if self._outbox.refused(delivery) >= self._config.tries:
            raise self._problem(
                Text(
                    f"delivery {delivery.id} was refused with HTTP {status}; it is kept in the outbox",
                    f"批次 {delivery.id} 被拒绝（HTTP {status}），保留在发件箱中",
                )
            )
        raise NotConnected(what=self._host, reason=f"HTTP {status}")

    def _deliveries(self, landing: Landing) -> list[tuple[str, bytes]]:
        """Cut a landing into requests; an id tells log and offsets (first-last of each partition), and which part."""
        most, changes = self._config.most_records, landing.changes
        ranges = ",".join(f"{part}:{first}-{after - 1}" for part, (first, after) in sorted(landing.positions.items()))
        name = f"{landing.log}/{ranges}/{self._landing[:8]}"
        parts = [changes[at : at + most] for at in range(0, len(changes), most)]
        return [
            (f"{name}/{at}", self._body(f"{name}/{at}", landing.topic, part)) for at, part in enumerate(parts, start=1)
        ]

    def _body(self, name: str, topic: str, changes: Sequence[tuple[bytes, Row | None]]) -> bytes:
        records = b",".join([self._writer.line(key, row) for key, row in changes])
        head = f'"delivery":"{name}","resource":"{self._resource}","topic":"{topic}","schema_id":{self._schema_id}'
        return f'{{{head},"records":[\n'.encode() + records + b"]}"

    def _problem(self, reason: Text) -> SinkProblem:
        return SinkProblem(sink=self._host, reason=reason)


_SECRET = Text("a key that is not empty", "非空的密钥")
