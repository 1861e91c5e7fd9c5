"""`python -m alertdrill` is `alertdrill`."""

from __future__ import annotations

from alertdrill.agent import interrupts


def main() -> None:
    """Run the command line; signals are handled from here on, for the imports alone take a while."""
    interrupts.listen()
    with interrupts.exiting():
        from alertdrill.agent.cli import main as run

        run()


if __name__ == "__main__":
    main()
