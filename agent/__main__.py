"""`python -m agent` is `alertdrill`."""

from agent.cli import main

main()
