"""A scope: one request or one job, and everything that lives as long as it."""

from __future__ import annotations

from batchrepo.scope.scope import Scope, current_scope

__all__ = ["Scope", "current_scope"]
