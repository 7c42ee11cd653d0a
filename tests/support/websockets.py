"""A WebSocket connection to an ASGI application, without a server."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp


async def connect_websocket(app: ASGIApp, path: str) -> list[Any]:
    """Connects to a path; gives what the application sent. What it raises is raised here."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    connection = {"type": "websocket", "path": path, "query_string": b"", "headers": [], "subprotocols": []}
    await app(connection, receive, send)
    return sent
