"""`python -m netlab` is `netlab`."""

from netlab.cli.main import main

main()
