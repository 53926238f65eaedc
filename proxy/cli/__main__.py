"""`python -m proxy.cli`: the same command, without its script."""

from proxy.cli.main import main

main()
