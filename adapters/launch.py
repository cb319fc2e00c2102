"""Runs an adapter by the engine of its side."""

from __future__ import annotations

import gc

from adapters.engine import Run
from adapters.summary import Summary

MOST_NEW_OBJECTS = 200_000  # between two looks for cycles; a batch has tens of thousands, none of them in a cycle
MOST_LOOKS = (50, 1000)


def tune_process() -> None:
    """Have this process look for cyclic garbage rarely: measured, it took a third of a landing's CPU."""
    gc.freeze()
    gc.set_threshold(MOST_NEW_OBJECTS, *MOST_LOOKS)


def run_adapter(run: Run) -> Summary:
    """Run one adapter until it is done or stopped; ``run.summary`` is filled in any case.

    Errors: those of the family that waiting does not cure.
    """
    with run.keeper:
        if run.config.side == "source":
            from adapters.engine_source import SourceEngine  # noqa: PLC0415 - a source needs no sink, and starts quicker

            return SourceEngine(run).run()
        from adapters.engine_sink import SinkEngine  # noqa: PLC0415 - likewise

        return SinkEngine(run).run()
