"""The card of a finished run: its results, and all that is needed to reproduce them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldspec.training.evaluation.evaluation import Evaluation

if TYPE_CHECKING:
    from fieldspec.training.run.run import Run

_FROM_RUN = (
    *("name", "recipe", "command", "seed", "data", "images", "full", "classes", "mean", "std", "augment"),
    *("initial_checkpoint", "teacher", "teacher_digest", "extended_after"),
)
_MACHINE = ("precision", "processes", "hardware", "versions", "date")


def card_of(run: Run, hash: str, test: Evaluation | None) -> dict[str, Any]:
    """Make a run's card as plain data; accuracies, from 0 to 1, are of the weights after the last epoch.

    Args:
        run: The finished run.
        hash: Hash of the trained network's spec, with the data's number of classes.
        test: Evaluation of the test images; None if there are none.
    """
    last = run.history[-1]
    return {
        "schema": 1,
        "hash": hash,
        **{key: run.info[key] for key in _FROM_RUN},
        "epochs": int(last["epoch"]),
        "parameters": sum(parameter.numel() for parameter in run.net.parameters()),
        "wall_time_s": round(sum(row["seconds"] for row in run.history), 1),
        "held_out_accuracy": last.get("held_out_accuracy"),
        "test_accuracy": test.accuracy if test else None,
        "flip_averaged_test_accuracy": test.flip_accuracy if test else None,
        **{key: run.info[key] for key in _MACHINE},
    }
