"""Models with every relationship shape, a module for each family of shapes.

They use ordinary types only, so that they work on every database that SQLAlchemy speaks to.
"""

from __future__ import annotations

from batchrepo.testing.contract.models import (
    composite,
    generic,
    inheritance,
    joins,
    keytypes,
    library,
    selfref,
    soft,
    tags,
)
from batchrepo.testing.contract.models.base import Base

MODEL_MODULES = (library, tags, selfref, composite, joins, soft, generic, inheritance, keytypes)
"""The families of shapes; no relation leads from one to another."""

__all__ = ["MODEL_MODULES", "Base"]
