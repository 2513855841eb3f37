"""`python -m xspecnf_cli` is the `xspecnf` command."""

from xspecnf_cli.app import main

main()
