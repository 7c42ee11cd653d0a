"""The type of the statements that are built here."""

from __future__ import annotations

from typing import Any, TypeAlias

import sqlalchemy as sa

Statement: TypeAlias = sa.Select[*tuple[Any, ...]]
"""A SELECT of any columns."""
