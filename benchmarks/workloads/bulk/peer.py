"""advanced-alchemy's repository of remarks."""

from __future__ import annotations

import warnings

from benchmarks.workloads.bulk.remarks import Remark

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of SQLAlchemy 2.1, about a decorator that it uses
    from advanced_alchemy.repository import SQLAlchemyAsyncRepository


class RemarkRepository(SQLAlchemyAsyncRepository[Remark]):
    model_type = Remark
