"""The console script `xspecnf`, and `python -m xspecnf_cli`."""

import sys


def main() -> None:
    """Run the command. Ctrl-C before a verb has begun, while modules are imported, ends it quietly too."""
    try:
        from xspecnf_cli.app import app

        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)  # 128 and the number of SIGINT, as shells have it


if __name__ == "__main__":
    main()
