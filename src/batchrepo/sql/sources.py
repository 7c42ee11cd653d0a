"""What a SELECT reads from: its tables and aliases, and which of them have row criteria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromGrouping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import EntityInfo


class GuardedTables:
    """Which tables are guarded, and by the criteria of which entities."""

    def __init__(self, guards: Guards) -> None:
        self._by_table: dict[Any, list[EntityInfo]] = {}
        self._names: dict[str, EntityInfo] = {}
        for entity in guards.criteria:
            if guards.of(entity):
                for mapper in entity.mapper.self_and_descendants:
                    table = mapper.local_table
                    self._by_table.setdefault(table, [])
                    if entity not in self._by_table[table]:
                        self._by_table[table].append(entity)
                    if isinstance(table, sa.Table):
                        self._names.setdefault(table.fullname, entity)

    def entities(self, table: Any) -> Sequence[EntityInfo]:
        """The entities whose rows are in the table of a FROM element."""
        return self._by_table.get(table_of(table), ())

    def namesake(self, source: Any) -> EntityInfo | None:
        """The entity whose table has the name of a FROM element that is no table of a mapped class."""
        table = table_of(source)
        if isinstance(table, sa.TableClause) and table not in self._by_table:
            return self._names.get(table.fullname)
        return None


def sources_of(froms: Iterable[Any], is_outer: bool = False) -> Iterator[tuple[Any, bool]]:
    """Tables and aliases in a FROM list, and whether an outer join may leave them out."""
    for source in froms:
        if isinstance(source, FromGrouping):
            yield from sources_of([source.element], is_outer)
        elif isinstance(source, sa.Join):
            yield from sources_of([source.left], is_outer or source.full)
            yield from sources_of([source.right], is_outer or source.isouter or source.full)
        else:
            yield source, is_outer


def table_of(source: Any) -> Any:
    """The table behind a FROM element, or None."""
    plain = source._deannotate()
    while isinstance(plain, AliasedReturnsRows):
        plain = plain.element._deannotate()
    return plain if isinstance(plain, sa.TableClause) else None
