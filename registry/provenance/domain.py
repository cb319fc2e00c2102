"""Provenance (溯源): where a record came from, and who received it. Plain values and decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from exchange.text import Text
from registry.access.caller import DECIDERS, Caller
from registry.errors import Forbidden
from registry.organisation.domain import Role


class View(StrEnum):
    """How much a caller sees."""

    OWNER = "owner"  # all receivers
    RECEIVER = "receiver"  # what the own systems landed, and nobody else
    METADATA = "metadata"  # all receivers of a batch; nothing can be asked by a record's key


class Gap(StrEnum):
    """What cannot be known, or not any more."""

    NOT_FOUND = "not_found"  # the topic has no record of this key: never published, deleted, or not shown to the caller
    COMPACTED = "compacted"  # what the key held before may be gone from the topic, and with it who received that
    NOT_ALL_READ = "not_all_read"  # the topic was too long to be read whole
    NO_BATCH = "no_batch"  # the record carries no batch: it was not published by this system's means
    NO_PUBLICATION = "no_publication"  # no receipt tells who published the batch
    NO_LANDING = "no_landing"  # nobody has said that it landed
    TOO_MANY = "too_many"  # more receipts than are shown


@dataclass(frozen=True, slots=True)
class Place:
    """A record of the asked key in the topic; ``at``: milliseconds, UTC."""

    partition: int
    offset: int
    at: int
    batch: str | None
    schema_id: int | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class Sides:
    """Who the caller is to a resource: ``owner``: its department; ``receivers``: the own systems with a grant, ever.

    ``active``: those of them whose grant is active now; ``division``: that of the owner.
    """

    owner: bool
    receivers: AbstractSet[str]
    active: AbstractSet[str]
    division: str


def view(caller: Caller, sides: Sides, *, by_key: bool) -> View:
    """Return how much a caller sees. Errors: Forbidden.

    Whether a citizen's key is in a resource is data, not metadata: only the owner may ask for it, and who may read
    the resource anyway. The three, and who had a grant once, ask by batch.
    """
    if caller.client_id is not None or caller.role in DECIDERS:
        if sides.owner:
            return View.OWNER
        if sides.receivers and (sides.active or not by_key):
            return View.RECEIVER
    elif caller.role in {Role.AUDITOR, Role.SYSTEM_ADMIN} and caller.within(sides.division):
        if not by_key:
            return View.METADATA
        raise Forbidden(
            reason=Text("whether a key is in a resource is data: ask by batch", "键值是否存在属于数据，请按批次查询")
        )
    raise Forbidden(
        reason=Text(
            "the owner's data owners see all of it, a subscriber's see what their systems landed",
            "仅资源提供方的管理员或数据责任人可查全部，使用方仅可查本方落地情况",
        )
    )


def key_bytes(parts: Sequence[str]) -> bytes:
    """Return a record's key from its parts in item order, as ``exchange.items.KeyCodec`` writes it."""
    if len(parts) == 1:
        return parts[0].encode()
    return json.dumps(list(parts), ensure_ascii=False, separators=(",", ":")).encode()


def path(home: str, here: str, parents: Mapping[str, str | None], nodes: AbstractSet[str]) -> list[str]:
    """Return the divisions of the nodes from a record's home to here: up the tree to where both meet, and down."""
    up, down = _ancestors(home, parents), _ancestors(here, parents)
    meet = next((code for code in up if code in down), None)
    if meet is None:
        return [home, here]
    way = up[: up.index(meet) + 1] + down[: down.index(meet)][::-1]
    return [code for code in way if code in nodes or code in {home, here}]


def _ancestors(code: str, parents: Mapping[str, str | None]) -> list[str]:
    found: list[str] = []
    at: str | None = code
    while at is not None and at not in found:
        found.append(at)
        at = parents.get(at)
    return found
