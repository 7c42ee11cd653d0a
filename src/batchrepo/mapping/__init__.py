"""What the SQLAlchemy mapper says about entities and their relations, as plain values."""

from __future__ import annotations

from batchrepo.mapping.entity import ColumnInfo, EntityInfo, entity_info
from batchrepo.mapping.relation import RelationInfo

__all__ = ["ColumnInfo", "EntityInfo", "RelationInfo", "entity_info"]
