"""A scope: one request or one job, and everything that lives as long as it."""

from __future__ import annotations

from batchrepo.scope.scope import Scope, current_scope
from batchrepo.scope.transaction import Transaction

__all__ = ["Scope", "Transaction", "current_scope"]
