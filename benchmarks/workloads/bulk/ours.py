"""batchrepo: the repository that writes."""

from __future__ import annotations

from batchrepo import Repository
from benchmarks.workloads.bulk.remarks import Remark


class RemarkRepository(Repository[Remark]):
    pass
