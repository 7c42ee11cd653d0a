"""Repositories: what a user declares, and what a user calls."""

from __future__ import annotations

from batchrepo.repository.repository import Repository

__all__ = ["Repository"]
