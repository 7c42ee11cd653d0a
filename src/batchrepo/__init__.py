"""batchrepo: repositories on SQLAlchemy that batch related lookups, page, write and route by themselves."""

from __future__ import annotations

from types import FunctionType

# a database, its scopes and repositories
from batchrepo.changes import Change, Changes
from batchrepo.database import Database
from batchrepo.declare.computed import Computed
from batchrepo.declare.criteria import match, predicate
from batchrepo.declare.filters import named_filter, period
from batchrepo.declare.functions import (
    average,
    count,
    earliest,
    exists,
    expression,
    fetched,
    latest,
    maximum,
    minimum,
    top,
    total,
)
from batchrepo.declare.markers import column, include, unmapped
from batchrepo.declare.operators import (
    any_of,
    between,
    contains,
    eq,
    ge,
    gt,
    icontains,
    is_null,
    le,
    lt,
    ne,
    overlaps,
    startswith,
)
from batchrepo.declare.repository_info import Policy
from batchrepo.declare.soft_delete import soft_delete
from batchrepo.errors import (
    BatchContract,
    BatchRepoError,
    BatchTimeout,
    BulkError,
    DatabaseUnavailable,
    DeclarationError,
    EndpointDown,
    ForbiddenWrite,
    InvalidArgument,
    InvalidCursor,
    InvalidFields,
    InvalidFilter,
    InvalidSort,
    InvalidToken,
    LazyLoad,
    LoaderCycle,
    LoadError,
    MissingContext,
    MissingRelated,
    NestedScope,
    NotFound,
    PrimaryUnavailable,
    RowError,
    RowsLocked,
    ScopeClosed,
    ScopeError,
    StaleRows,
    StatementBudgetExceeded,
    StrategyRefused,
    TransactionError,
    UnguardedStatement,
    UnsavedChanges,
    WriteError,
)
from batchrepo.executing import Health
from batchrepo.loading import Batched, BatchLoader, batched
from batchrepo.plan.fieldsets import Fieldset, parse_fields
from batchrepo.plan.pages import Capped, JsonNumberedPage, JsonPage, NumberedPage, Page, capped
from batchrepo.report import Report
from batchrepo.repository import Repository
from batchrepo.routing import (
    AnyReplica,
    ConsistencyToken,
    DatabaseStatus,
    Endpoint,
    HealthChecks,
    MaxLag,
    Primary,
    Read,
    ReadYourWrites,
    Replica,
    RoutingPolicy,
)
from batchrepo.scope import Scope, Transaction, current_scope
from batchrepo.scope.peers import ONE, PEERS, RAISE, WARN, BatchRepoWarning, FetchMode
from batchrepo.writing.results import BulkProgress, BulkResult

__all__ = [
    "ONE",
    "PEERS",
    "RAISE",
    "WARN",
    "AnyReplica",
    "BatchContract",
    "BatchLoader",
    "BatchRepoError",
    "BatchRepoWarning",
    "BatchTimeout",
    "Batched",
    "BulkError",
    "BulkProgress",
    "BulkResult",
    "Capped",
    "Change",
    "Changes",
    "Computed",
    "ConsistencyToken",
    "Database",
    "DatabaseStatus",
    "DatabaseUnavailable",
    "DeclarationError",
    "Endpoint",
    "EndpointDown",
    "FetchMode",
    "Fieldset",
    "ForbiddenWrite",
    "Health",
    "HealthChecks",
    "InvalidArgument",
    "InvalidCursor",
    "InvalidFields",
    "InvalidFilter",
    "InvalidSort",
    "InvalidToken",
    "JsonNumberedPage",
    "JsonPage",
    "LazyLoad",
    "LoadError",
    "LoaderCycle",
    "MaxLag",
    "MissingContext",
    "MissingRelated",
    "NestedScope",
    "NotFound",
    "NumberedPage",
    "Page",
    "Policy",
    "Primary",
    "PrimaryUnavailable",
    "Read",
    "ReadYourWrites",
    "Replica",
    "Report",
    "Repository",
    "RoutingPolicy",
    "RowError",
    "RowsLocked",
    "Scope",
    "ScopeClosed",
    "ScopeError",
    "StaleRows",
    "StatementBudgetExceeded",
    "StrategyRefused",
    "Transaction",
    "TransactionError",
    "UnguardedStatement",
    "UnsavedChanges",
    "WriteError",
    "any_of",
    "average",
    "batched",
    "between",
    "capped",
    "column",
    "contains",
    "count",
    "current_scope",
    "earliest",
    "eq",
    "exists",
    "expression",
    "fetched",
    "ge",
    "gt",
    "icontains",
    "include",
    "is_null",
    "latest",
    "le",
    "lt",
    "match",
    "maximum",
    "minimum",
    "named_filter",
    "ne",
    "overlaps",
    "parse_fields",
    "period",
    "predicate",
    "soft_delete",
    "startswith",
    "top",
    "total",
    "unmapped",
]


def _show_public_paths() -> None:
    """Let tracebacks and documentation name the place that users import from."""
    for name in __all__:
        value = globals()[name]
        if isinstance(value, type | FunctionType):  # not aliases: they pass it on to what they are made of
            value.__module__ = __name__


_show_public_paths()
