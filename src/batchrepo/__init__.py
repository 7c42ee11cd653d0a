"""batchrepo: repositories on SQLAlchemy that batch related lookups, page, write and route by themselves."""

from __future__ import annotations

# a database, its scopes and repositories
from batchrepo.database import Database
from batchrepo.declare.computed import (
    Computed,
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
from batchrepo.declare.criteria import match, predicate
from batchrepo.declare.repository_info import Policy
from batchrepo.errors import (
    BatchContract,
    BatchRepoError,
    BatchTimeout,
    DatabaseUnavailable,
    DeclarationError,
    InvalidArgument,
    LazyLoad,
    LoaderCycle,
    LoadError,
    MissingContext,
    MultipleFound,
    NestedScope,
    NotFound,
    ScopeClosed,
    ScopeError,
    StatementBudgetExceeded,
    StrategyRefused,
    UnguardedStatement,
    UnsavedChanges,
)
from batchrepo.executing import Health
from batchrepo.loading import BatchLoader, Batched, batched
from batchrepo.scope.peers import ONE, PEERS, RAISE, WARN, BatchRepoWarning, FetchMode
from batchrepo.plan.markers import column, include, unmapped
from batchrepo.report import Report
from batchrepo.repository import Repository
from batchrepo.scope import Scope, current_scope
