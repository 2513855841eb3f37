"""The console script `xspecnf`, and `python -m xspecnf_cli`."""

import logging
import sys
import warnings


def main() -> None:
    """Run the command. Ctrl-C before a verb has begun, while modules are imported, ends it quietly too."""
    quieten()
    try:
        from xspecnf_cli.quiet import quiet

        quiet(sys.argv[1:])
        from xspecnf_cli.app import app

        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)  # 128 and the number of SIGINT, as shells have it


def quieten() -> None:
    """Keep what libraries tell programmers from the user's terminal, unless Python was asked for warnings."""
    if not sys.warnoptions:  # python -W, PYTHONWARNINGS
        warnings.simplefilter("ignore")
        logging.getLogger().addHandler(logging.NullHandler())


if __name__ == "__main__":
    main()
