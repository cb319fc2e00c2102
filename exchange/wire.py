"""The header of Confluent's wire format: ``0x00``, then the schema id in 4 bytes, big endian.

Source: Confluent, "Formats, Serializers, and Deserializers".
"""

from __future__ import annotations

MAGIC = b"\x00"
HEADER_BYTES = 5


def wire_header(schema_id: int) -> bytes:
    """Return what stands before each datum of a schema."""
    return MAGIC + schema_id.to_bytes(HEADER_BYTES - 1, "big")


def schema_id_of(value: bytes) -> int:
    """Return the schema id in a value's header."""
    return int.from_bytes(value[1:HEADER_BYTES], "big")
