"""How values are written where an answer decides about it, and not the columns that they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "Boolean",
    "Int",
    "BigInt",
    "Float",
    "Decimal",
    "String",
    "ID",
    "DateTime",
    "Date",
    "Time",
    "UUID",
    "Enum",
    "GlobalID",
    "Constant",
]
"""Types of GraphQL. `Constant` is a text that is the same for every row, such as ``__typename``."""


@dataclass(frozen=True, slots=True)
class LeafType:
    """How the values of one field are written.

    Attributes:
        kind: the type that the answer promises.
        required: whether it promises that there is a value. Where there is none, nothing can be written.
        text: of a constant; of a global id the name of the type.
        members: of an enum: what is written for each text that is stored.
    """

    kind: Kind
    required: bool = False
    text: str = ""
    members: tuple[tuple[str, str], ...] = ()
