"""The daily certificate (日凭证) of a resource and a grant: what it says, and how either side verifies it alone.

A certificate is a JWS (RFC 7515, EdDSA) of the registry. Its two sheets are computed from receipts only, so each side
computes its own again from its own receipts; what the registry left out, or made up, is found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jwt

from exchange.errors import ExchangeError
from exchange.receipts import Receipt, Side, hex_digest, set_digest
from exchange.signing import SigningKey, kid_of, read_jwk
from exchange.text import Text

TYPE = "exchange-certificate+jws"
ALGORITHM = "EdDSA"
Jwk = Mapping[str, Any]
Json = dict[str, Any]


class BadCertificate(ExchangeError):
    """A certificate is not what the registry has signed."""

    code = "bad_certificate"
    exit_code = 7
    text = Text("{file}: {reason}", "{file}：{reason}")
    hint = Text(
        "Get it again with `exchange certificate show`, and the keys from the registry that you trust.",
        "请用 `exchange certificate show` 重新获取，并从可信的登记中心取得公钥。",
    )


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the receipts of one side say of a period (``since`` <= at < ``until``, milliseconds) taken together.

    ``digest``: of all records, whatever their order; ``root``: SHA-256 over the sorted SHA-256 of the receipts'
    statements, so each field of each receipt is in it; ``offsets``: first and last of each partition.
    """

    client_id: str
    since: int
    until: int
    receipts: int
    records: int
    deletes: int
    digest: str
    root: str
    first_at: int | None
    last_at: int | None
    offsets: tuple[tuple[int, int, int], ...] = ()

    def as_json(self) -> Json:
        """Return it as the certificate has it."""
        return {**asdict(self), "offsets": [list(part) for part in self.offsets]}


def sheet_of(receipts: Iterable[Receipt], client_id: str, since: int, until: int) -> Sheet:
    """Return the sheet of one side's receipts of one resource; what lies outside of the period is left out."""
    found = {receipt.id: receipt for receipt in receipts if since <= receipt.at < until}  # sent twice, it is one
    mine = found.values()
    leaves = sorted(hashlib.sha256(receipt.statement()).digest() for receipt in mine)
    reached: dict[int, tuple[int, int]] = {}
    for receipt in mine:
        if receipt.partition is None or receipt.first_offset is None or receipt.last_offset is None:
            continue
        first, last = reached.get(receipt.partition, (receipt.first_offset, receipt.last_offset))
        reached[receipt.partition] = (min(first, receipt.first_offset), max(last, receipt.last_offset))
    return Sheet(
        client_id=client_id,
        since=since,
        until=until,
        receipts=len(mine),
        records=sum(receipt.count for receipt in mine),
        deletes=sum(receipt.deletes for receipt in mine),
        digest=hex_digest(set_digest(int(receipt.digest, 16) for receipt in mine)),
        root=hashlib.sha256(b"".join(leaves)).hexdigest(),
        first_at=min((receipt.at for receipt in mine), default=None),
        last_at=max((receipt.at for receipt in mine), default=None),
        offsets=tuple((part, first, last) for part, (first, last) in sorted(reached.items())),
    )


def canonical(said: Mapping[str, Any]) -> bytes:
    """Return canonical JSON."""
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def sign(said: Mapping[str, Any], key: SigningKey) -> str:
    """Return a certificate as a compact JWS."""
    headers = {"kid": key.kid, "typ": TYPE}
    return jwt.PyJWS().encode(canonical(said), key.pem(), algorithm=ALGORITHM, headers=headers)


def opened(jws: str) -> Json:
    """Return what a certificate says, unverified. Errors: TypeError, ValueError, PyJWTError."""
    return _object(jwt.PyJWS().decode_complete(jws, options={"verify_signature": False})["payload"])


def verify(file: str, kept: Mapping[str, Any], keys: Sequence[Jwk]) -> Json:
    """Return what a certificate says once its signature is found good. Errors: BadCertificate.

    ``kept``: ``jws``, and perhaps ``certificate``, the same to be read by people; ``keys``: of the registry (JWKS).
    """
    try:
        said = _signed(str(kept["jws"]), keys)
    except jwt.InvalidSignatureError as exc:
        reason = Text("the signature is wrong: it was changed", "签名无效：已被改动")
        raise BadCertificate(file=file, reason=reason) from exc
    except (jwt.PyJWTError, KeyError, TypeError, ValueError) as exc:
        raise BadCertificate(file=file, reason=Text("not a certificate", "不是日凭证文件")) from exc
    if said is None:
        raise BadCertificate(file=file, reason=Text("no key given has signed it", "并非由所给公钥签名"))
    if kept.get("certificate", said) != said:
        reason = Text("what is to be read is not what was signed: it was changed", "可读部分与签名内容不符：已被改动")
        raise BadCertificate(file=file, reason=reason)
    return said


def _signed(jws: str, keys: Sequence[Jwk]) -> Json | None:
    """Return what one of the keys has signed as a certificate; None: none has."""
    headers = jwt.get_unverified_header(jws)
    jwk = _key(keys, headers.get("kid"))
    if jwk is None or headers.get("typ") != TYPE:
        return None
    return _object(jwt.PyJWS().decode(jws, jwt.PyJWK({**jwk, "alg": ALGORITHM}), algorithms=[ALGORITHM]))


def _object(payload: bytes) -> Json:
    said = json.loads(payload)
    if not isinstance(said, dict):
        raise TypeError("not an object")
    return said


def _key(keys: Sequence[Jwk], kid: object) -> dict[str, str] | None:
    for each in keys:
        try:
            jwk = read_jwk(each)
        except (AttributeError, TypeError, ValueError):  # not a key, or not one of these
            continue
        if kid_of(jwk) == kid:
            return jwk
    return None


@dataclass(frozen=True, slots=True)
class Finding:
    """A word of the certificate that one's own receipts contradict."""

    field: str
    certified: object
    own: object


def compare(said: Mapping[str, Any], receipts: Iterable[Receipt], client_id: str) -> list[Finding]:
    """Return what one side's own receipts contradict in a certificate; empty when they say the same.

    Errors: ValueError when ``client_id`` is neither side.
    """
    side = {said["publisher"]: Side.PUBLISHED, said["subscriber"]: Side.LANDED}.get(client_id)
    if side is None:
        raise ValueError(client_id)
    certified = said[side.value]
    mine = (
        receipt
        for receipt in receipts
        if (receipt.side, receipt.resource, receipt.topic, receipt.client_id)
        == (side, said["resource"], said["topic"], client_id)
    )
    own = sheet_of(mine, client_id, certified["since"], certified["until"]).as_json()
    return [Finding(name, certified.get(name), value) for name, value in own.items() if certified.get(name) != value]


def read_json(path: Path) -> Json:
    """Return the JSON object in a file. Errors: BadCertificate."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise BadCertificate(file=path, reason=Text("it cannot be read as JSON", "无法读取为 JSON")) from exc
    if not isinstance(found, dict):
        raise BadCertificate(file=path, reason=Text("it is no JSON object", "不是 JSON 对象"))
    return found
