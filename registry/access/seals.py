"""What the registry gives out to get it back unchanged: claims under its own signature, for one use and a while."""

from __future__ import annotations

from typing import Any

import jwt

from registry.access.keys import Keyring, algorithm
from registry.clock import Clock


def seal(keyring: Keyring, clock: Clock, use: str, seconds: int, **claims: Any) -> str:
    """Return claims that ``opened`` takes for that use only, for so long; they can be read by who holds them."""
    until = int(clock().timestamp()) + seconds
    kid, key = keyring.signing()
    return jwt.encode({"aud": use, "until": until, **claims}, key, algorithm(key), headers={"kid": kid})


def opened(keyring: Keyring, clock: Clock, use: str, sealed: str | None) -> dict[str, Any] | None:
    """Return the claims; None for what is not ours, for another use, or too old."""
    try:
        kid = jwt.get_unverified_header(sealed or "").get("kid")
        key = keyring.public(kid) if isinstance(kid, str) else None
        if key is None:
            return None
        claims: dict[str, Any] = jwt.decode(sealed or "", key, algorithms=[algorithm(key)], audience=use)
    except jwt.PyJWTError:
        return None
    return claims if claims["until"] > clock().timestamp() else None
