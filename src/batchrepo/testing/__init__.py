"""Help for testing applications that use batchrepo, and the contract suites that its own parts must pass.

Context managers: they need no test framework. For pytest there are the fixtures `batchrepo_batches` and
`batchrepo_rollback` besides, without an import.
"""

from __future__ import annotations

# statements
from batchrepo.testing.counting import StatementCounter, statement_counter

# batches
from batchrepo.testing.recording import Batches, capture_batches

# transactions
from batchrepo.testing.rollback import rolled_back
from batchrepo.testing.statements import ConstantStatements, assert_constant_statements, assert_statements

__all__ = [
    "Batches",
    "ConstantStatements",
    "StatementCounter",
    "assert_constant_statements",
    "assert_statements",
    "capture_batches",
    "rolled_back",
    "statement_counter",
]
