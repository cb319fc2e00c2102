"""The values that bodies and addresses of this area are made of."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field, StringConstraints

from registry.web.forms import NO_NUL

CODE = r"^\d{6}(\d{3}){0,2}$"  # GB/T 2260, and below it the 9 and 12 digits of towns and villages
ACCOUNT = r"^[a-z0-9][a-z0-9._-]{1,62}$"

DivisionCode = Annotated[str, StringConstraints(pattern=CODE, max_length=12), Field(examples=["440604"])]
DivisionPath = Annotated[str, Path(pattern=CODE, max_length=12, examples=["440604"])]
NodeCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$"), Field(examples=["fs"])]
NodePath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$", examples=["fs"])]
ClientIdPath = Annotated[str, Path(min_length=1, max_length=63, examples=["440604-mz-villages"])]
UserName = Annotated[str, StringConstraints(pattern=ACCOUNT), Field(examples=["li.lei"])]
UserPath = Annotated[str, Path(pattern=ACCOUNT, examples=["li.lei"])]
Password = Annotated[
    str, StringConstraints(min_length=12, max_length=256, pattern=NO_NUL), Field(examples=["correct horse battery"])
]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s\x00]+@[^@\s\x00]+$", max_length=254, to_lower=True)]
Subject = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_NUL)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1, examples=[1])]
