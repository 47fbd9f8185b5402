"""A supervisor of small programs, in a process of its own: `python stand_in.py PROGRAMS_JSON`."""

from __future__ import annotations

import json
import os
import sys

from app.core.errors import Refusal
from app.embedded.supervisor import Program, Supervisor


def main() -> None:
    try:
        with Supervisor() as supervisor:
            for name, code, options in json.loads(sys.argv[1]):
                supervisor.start(Program(name, [sys.executable, "-uc", code], os.environ, **options))
            supervisor.watch()
    except Refusal as refusal:
        sys.exit(refusal.what)


if __name__ == "__main__":
    main()
