"""`make serve`: the store over REST and GraphQL, as one application on one Database."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys

import uvicorn
from fastapi import FastAPI
from sqlalchemy import URL

from batchrepo import Database
from examples.chinook.store import open_store
from examples.fastapi_app.app import create_app as create_rest_app
from examples.fastapi_app.landing import Link
from examples.graphql_app.app import create_router

QUERY = "{albums(first:400){edges{node{title artist{name albumCount} tracks(first:60){edges{node{name genre{name}}}}}}}}"
"""A query to try."""

PORTS = range(8000, 8020)
"""Where no port is given, the first free one of these is taken."""


def create_app(database: Database | URL | str | None = None) -> FastAPI:
    """REST at `/`, GraphQL at `/graphql`.

    Args:
        database: the store, or its URL. Default: what CHINOOK_URL says, or an SQLite file of the examples.
    """
    store = open_store(database)
    links = (
        Link("/queries", "queries to try, with their statements", None),
        Link(f"/graphql?query={QUERY}", "the same albums over GraphQL", 5),
        Link("/graphql", "GraphiQL, to write queries in; it loads its scripts from the network", None),
    )
    app = create_rest_app(store, links=links)
    app.include_router(create_router(store), include_in_schema=False)  # it describes itself
    return app


class Server(uvicorn.Server):
    """A server that says where it is once it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and print the addresses."""
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            base = f"http://{host}:{port}"
            print(
                f"\n  Links to try   {base}/\n  REST           {base}/docs\n  GraphQL        {base}/queries"
            )
            print(
                "\n  Every answer says in X-Statements how many statements it took. Ctrl+C ends.\n",
                flush=True,
            )


def listen(host: str, port: int | None) -> socket.socket:
    """A socket on the port, or on the first free one of `PORTS`.

    Raises:
        OSError: the port, or every one of them, is in use.
    """
    for candidate in PORTS if port is None else (port,):
        try:
            return socket.create_server((host, candidate))
        except OSError:
            if candidate == PORTS[-1] or port is not None:
                raise
    raise AssertionError("PORTS is empty")


def main() -> int:
    """Serve until Ctrl+C; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.serve", description="Serve the Chinook store.")
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument(
        "--port", type=int, default=os.environ.get("PORT"), help="default: PORT, else a free one from 8000"
    )
    parser.add_argument(
        "--database", help="a URL such as postgresql+asyncpg://user@host/name; default: SQLite"
    )
    options = parser.parse_args()
    try:
        listening = listen(options.host, options.port)
    except OSError as error:
        print(
            f"Cannot listen on {options.host}, port {options.port or PORTS}: {error}. Give another: --port 9000."
        )
        return 1
    server = Server(uvicorn.Config(create_app(options.database), log_level="info"))
    try:
        asyncio.run(server.serve(sockets=[listening]))
    except KeyboardInterrupt:
        pass  # Ctrl+C is how it ends
    finally:
        listening.close()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
