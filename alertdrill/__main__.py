"""`python -m alertdrill` is `alertdrill`."""

from alertdrill.agent.cli import main

main()
