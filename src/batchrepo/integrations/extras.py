"""What a plug says when its framework is not installed."""

from __future__ import annotations

from importlib.util import find_spec


def require(module: str, *, name: str, extra: str) -> None:
    """Refuse a plug whose framework is missing.

    Args:
        module: the framework's top-level module.
        name: the framework's name, for people.
        extra: the extra of batchrepo that installs it.

    Raises:
        ModuleNotFoundError: it is not installed; the message has the line that installs it.
    """
    if find_spec(module) is None:
        raise ModuleNotFoundError(
            f"batchrepo.integrations.{extra} needs {name}, which is not installed. "
            f"Install it with: pip install 'batchrepo[{extra}]'",
            name=module,
        )
