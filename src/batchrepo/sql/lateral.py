"""LATERAL sub-selects of which SQLAlchemy does not say that their tables are not joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.selectable import Lateral

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

    from batchrepo.sql.statement import Statement


class PerKey(Lateral):
    """A LATERAL over several tables that its WHERE joins.

    SQLAlchemy's search for cartesian products counts such conditions for the statement around a LATERAL
    only, and would warn of the tables inside it.
    """

    inherit_cache = True


def per_key(statement: Statement, name: str) -> PerKey:
    """`statement` as a LATERAL of this name."""
    made: PerKey = PerKey._construct(statement.subquery(), name=name)
    return made


@compiles(PerKey)
def _without_search(element: PerKey, compiler: SQLCompiler, **options: Any) -> str:
    # The search begins anew in each SELECT; it is only the one around that must not look inside.
    return compiler.visit_lateral(element, **{**options, "from_linter": None})  # type: ignore[no-any-return, no-untyped-call]
