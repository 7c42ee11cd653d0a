"""Cutting the line to a server that does not answer."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def hang_up(connection: Connection) -> bool:
    """Whoever waits for an answer on this connection gets an error of the driver at once.

    To cancel him instead would take seconds: drivers then take their leave of the server, and wait for its answer.

    Returns:
        False if the driver has no line that could be cut.
    """
    if connection.invalidated or connection.closed:
        return False
    name = connection.dialect.driver
    driver: Any = connection.connection.driver_connection
    if name == "asyncpg":
        driver.terminate()
        return True
    if not name.startswith("psycopg"):
        return False
    # Of a copy: the driver waits for the descriptor, and closes it when it sees that nothing more will come.
    with suppress(OSError), socket.socket(fileno=os.dup(driver.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    return True
