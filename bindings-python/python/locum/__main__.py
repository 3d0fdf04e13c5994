"""The ``locum`` command."""

from __future__ import annotations

import signal
import sys

from locum import _core


def main() -> None:
    """Runs the command with the arguments of the process."""
    # The command is native code: Python's own handler would leave Ctrl-C unheard until it returns.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_core.run_cli(sys.argv[1:]))


if __name__ == "__main__":
    main()
