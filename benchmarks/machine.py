"""What a run says of where it was made: enough to judge its numbers, and no names or paths."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

BUSY = 0.15
"""From this part of all processors' time on that others use, results say that the machine was busy."""

PACKAGES = (
    "advanced-alchemy",
    "aiodataloader",
    "asyncpg",
    "fastapi",
    "graphql-core",
    "msgspec",
    "orjson",
    "pydantic",
    "pydantic-resolve",
    "sqlakeyset",
    "sqlalchemy",
    "strawberry-chemist",
    "strawberry-graphql",
    "strawchemy",
    "uvicorn",
)
"""Whose versions decide what is measured; those that are not installed are left out."""


def run_header(postgresql: str, scale: float) -> dict[str, Any]:
    """When and on what a run is made.

    Args:
        postgresql: the version of the server.
        scale: of the data.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": postgresql,
        "packages": versions(),
        "scale": scale,
        "workloads": {},
    }


def versions() -> dict[str, str]:
    """Of the packages that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The model of the processor, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


async def server_version(url: str) -> str:
    """The version of a PostgreSQL."""
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            said: str = await connection.scalar(sa.text("SHOW server_version"))
    finally:
        await engine.dispose()
    return said.split(maxsplit=1)[0]


def busy(seconds: float = 1.0) -> float:
    """The part of all processors' time that is used while this process waits: 0 is an idle machine."""
    return psutil.cpu_percent(interval=seconds) / 100
