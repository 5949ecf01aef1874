"""Run the command line as `python -m wxgate`."""

from wxgate.cli.main import main

main()
