"""Keys that sign receipts (回执签名密钥): who has which, and what a receipt's signature is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.receipts import Receipt
from exchange.signing import kid_of, read_jwk
from exchange.text import Text
from registry.access.caller import Caller
from registry.audit.service import note
from registry.clock import Clock
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.organisation.domain import Role
from registry.organisation.service import tended_system
from registry.receipts.models import ReceiptKey

MOST_KEYS = 100  # of one system that are in use
KEY = Text("receipt key", "回执签名密钥")


class Signature(StrEnum):
    """What the signature of a receipt is worth."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"  # there is none
    UNKNOWN_KEY = "unknown_key"  # nobody told of the key: as good as unsigned
    ENDED_KEY = "ended_key"  # somebody has ended the key
    WRONG = "wrong"  # the key is known, and has not signed this


Keys = Mapping[tuple[str, str], tuple[Mapping[str, str], bool]]  # by client_id and kid: the key, and whether it is used


def judge(receipt: Receipt, keys: Keys) -> Signature:
    """Return what a receipt's signature is worth."""
    if receipt.kid is None or receipt.signature is None:
        return Signature.UNSIGNED
    known = keys.get((receipt.client_id, receipt.kid))
    if known is None:
        return Signature.UNKNOWN_KEY
    jwk, used = known
    if not receipt.is_signed_by(jwk):
        return Signature.WRONG
    return Signature.SIGNED if used else Signature.ENDED_KEY


def counts(signature: Signature, *, required: bool) -> bool:
    """Whether a receipt is counted; ``required``: only signed ones are."""
    if signature in {Signature.UNSIGNED, Signature.UNKNOWN_KEY}:
        return not required
    return signature is Signature.SIGNED


def keys_of(session: Session, client_ids: Iterable[str]) -> Keys:
    """Return the keys of systems."""
    rows = session.scalars(select(ReceiptKey).where(ReceiptKey.client_id.in_(sorted(set(client_ids)))))
    return {(row.client_id, row.kid): (row.jwk, row.ended_at is None) for row in rows}


def register(session: Session, clock: Clock, caller: Caller, jwk: Mapping[str, Any]) -> ReceiptKey:
    """Take the calling system's public key; again is no error. Errors: Forbidden, Invalid, Conflict (too many)."""
    if caller.client_id is None:
        raise Forbidden(reason=Text("a system does this for itself", "仅业务系统可登记自己的密钥"))
    try:
        public = read_jwk(jwk)
    except ValueError as exc:
        reason = Text("an Ed25519 public key (OKP) is needed", "须为 Ed25519 公钥（OKP）")
        raise Invalid(field="jwk", reason=reason) from exc
    kid = kid_of(public)
    known = session.get(ReceiptKey, (caller.client_id, kid))
    if known is not None:
        if known.ended_at is not None:
            raise Conflict(reason=Text("this key was ended: delete its file", "该密钥已停用，请删除其文件"))
        return known
    used = select(func.count()).where(ReceiptKey.client_id == caller.client_id, ReceiptKey.ended_at.is_(None))
    if (session.scalar(used) or 0) >= MOST_KEYS:
        raise Conflict(
            reason=Text(
                f"the system has {MOST_KEYS} keys: keep identity.key_dir over restarts, and end old keys",
                f"该系统已有 {MOST_KEYS} 个密钥：请持久保存 identity.key_dir，并停用旧密钥",
            )
        )
    row = ReceiptKey(client_id=caller.client_id, kid=kid, jwk=public, created_at=clock())
    session.add(row)
    session.flush()
    target = f"system/{caller.client_id}"
    note(session, clock, actor=caller.name, action="receipt_key.add", target=target, facts={"kid": kid})
    return row


def end(session: Session, clock: Clock, caller: Caller, client_id: str, kid: str) -> ReceiptKey:
    """End a key: what it signs from now on is refused. Errors: NotFound, Forbidden, Conflict (ended already)."""
    system = tended_system(session, caller, client_id)
    if caller.role is not Role.SECURITY_ADMIN:  # of whom one in reach has been found
        caller.must_manage(system.department_id)
    row = session.get(ReceiptKey, (client_id, kid))
    if row is None:
        raise NotFound(kind=KEY, name=kid)
    if row.ended_at is not None:
        raise Conflict(reason=Text("the key was ended already", "该密钥已停用"))
    row.ended_at, row.ended_by = clock(), caller.name
    note(session, clock, actor=caller.name, action="receipt_key.end", target=f"system/{client_id}", facts={"kid": kid})
    return row
