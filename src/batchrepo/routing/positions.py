"""A place in PostgreSQL's write-ahead log: what a replica has replayed, what a commit has reached."""

from __future__ import annotations

from dataclasses import dataclass

_BLOCK = 8_192
_HEADERS = (24, 40)
"""Bytes of a block's header, and of a segment's first."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """How far a server has come.

    Ordered by timeline first: whatever an older timeline wrote behind the place where a newer one began is lost.

    Attributes:
        timeline: raised by every promotion of a replica.
        lsn: the byte in the log.
        system: the identifier of the cluster, the same on all its servers.
    """

    timeline: int
    lsn: int
    system: int

    def covers(self, other: Position) -> bool:
        """Whether a server that is here has everything that was written up to another position.

        Nothing is concluded across timelines: where one branched off from the other is not known here.
        """
        return self.system == other.system and self.timeline == other.timeline and self.lsn >= other.lsn

    def __str__(self) -> str:
        return f"{self.timeline}:{self.lsn >> 32:X}/{self.lsn & 0xFFFFFFFF:X}"


def read_lsn(text: str) -> int:
    """The byte that a text such as ``16/B374D848`` stands for."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def end_of_record(lsn: int) -> int:
    """The end of the last record, from the place where the next one would be inserted.

    The two differ where the last one ends with its block: the next one would begin behind the header of a block that
    is not there yet, and no replica could reach that as long as nothing else is written.
    """
    return lsn - lsn % _BLOCK if lsn % _BLOCK in _HEADERS else lsn
