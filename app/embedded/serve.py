"""The web server on a socket that the supervisor has opened already: `python -m app.embedded.serve FILENUMBER`."""

from __future__ import annotations

import socket
import sys

import uvicorn


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    # Live pages never end by themselves; they come back to the next server.
    config = uvicorn.Config("app.main:app", access_log=False, log_level="warning", timeout_graceful_shutdown=3)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
