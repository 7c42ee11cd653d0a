"""advanced-alchemy, where it is installed: its repository, with an entity that has what it asks for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from benchmarks.workloads.bulk.remarks import TABLE

MISSING = "" if find_spec("advanced_alchemy") else "advanced-alchemy is not installed"
"""Why it cannot be measured, or ""."""


class _PeerBase(DeclarativeBase):
    pass


class PeerRemark(_PeerBase):
    __table__ = TABLE

    def to_dict(self, exclude: set[str] | None = None) -> dict[str, Any]:
        """What its repository reads an entity by."""
        skipped = exclude or set()
        return {name: value for name, value in vars(self).items() if name[0] != "_" and name not in skipped}


def peer_repository(session: AsyncSession) -> Any:
    """Its repository of remarks in a session."""
    base: Any = import_module("advanced_alchemy.repository").SQLAlchemyAsyncRepository
    return type("RemarkRepository", (base,), {"model_type": PeerRemark})(session=session)
