"""Data sets for the contract models: one written by hand for each family, and any number made by hypothesis.

The written sample of a family holds every case that its shapes are known for, so that a first run that
fails is easy to read; the generated sets find the cases that nobody thought of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchrepo.testing.contract import models
from batchrepo.testing.contract.data import (
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
from batchrepo.testing.contract.data.building import Row, Rows

if TYPE_CHECKING:
    from types import ModuleType

    from hypothesis import strategies as st
    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.orm import Mapper


@dataclass(frozen=True)
class Family:
    """Models that hang together, and data for them.

    Attributes:
        name: the name of their module, such as `tags`.
        mappers: the mappers of the models, in the order of the module.
        sample: rows written by hand, with every known case.
        generated: a strategy for small sets of rows.
    """

    name: str
    mappers: tuple[Mapper[Any], ...] = field(repr=False)
    sample: Rows = field(repr=False)
    generated: st.SearchStrategy[Rows] = field(repr=False)

    @property
    def tables(self) -> list[Table]:
        """The tables of the family's models and links, those that are referred to first."""
        return [table for table in models.Base.metadata.sorted_tables if table.name in self.sample]

    async def replace_rows(self, engine: AsyncEngine, rows: Rows) -> None:
        """Empties the family's tables and inserts the given rows, in one transaction.

        Args:
            engine: an engine on whose database the tables are.
            rows: table name to rows; a table that is not named stays empty.

        Raises:
            KeyError: a table is named that is not the family's.
        """
        unknown = rows.keys() - self.sample.keys()
        if unknown:
            raise KeyError(
                f"Family {self.name!r} has no tables {sorted(unknown)}; it has {sorted(self.sample)}."
            )
        async with engine.begin() as connection:
            for table in reversed(self.tables):
                await connection.execute(table.delete())
            for table in self.tables:
                if rows.get(table.name):
                    await connection.execute(table.insert(), rows[table.name])


def _family(model_module: ModuleType, data_module: ModuleType) -> Family:
    models.Base.registry.configure()
    mappers = [m for m in models.Base.registry.mappers if m.class_.__module__ == model_module.__name__]
    defined = list(vars(model_module))
    return Family(
        name=model_module.__name__.rpartition(".")[2],
        mappers=tuple(sorted(mappers, key=lambda m: defined.index(m.class_.__name__))),
        sample=data_module.SAMPLE,
        generated=data_module.rows(),
    )


FAMILIES = tuple(
    _family(model_module, data_module)
    for model_module, data_module in zip(
        models.MODEL_MODULES,
        (library, tags, selfref, composite, joins, soft, generic, inheritance, keytypes),
        strict=True,
    )
)
"""All families. No relation leads from one to another, so that each is tested with its own rows alone."""

__all__ = ["FAMILIES", "Family", "Row", "Rows"]
