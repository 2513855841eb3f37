"""The console script `xspecnf`, and `python -m xspecnf_cli`."""

import logging
import sys
import warnings
from collections.abc import Sequence


def main() -> None:
    """Run the command. Ctrl-C before a verb has begun, while modules are imported, ends it quietly too."""
    quieten(sys.argv[1:])
    try:
        from xspecnf_cli.app import app

        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)  # 128 and the number of SIGINT, as shells have it


def quieten(arguments: Sequence[str]) -> None:
    """Keep what libraries tell programmers from the user's terminal, unless --debug or Python was asked for it."""
    if sys.warnoptions or "--debug" in map(str.lower, arguments):  # python -W, PYTHONWARNINGS
        return
    sys.warnoptions.append("ignore")  # which the processes of --jobs begin with
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())


if __name__ == "__main__":
    main()
