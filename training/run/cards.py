"""The card of a finished run: everything that it takes to believe its figures, or to repeat them."""

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
    """Plain data; accuracies are shares of 1, of the weights after the last epoch.

    Args:
        run: A finished one.
        hash: Of the spec of the network as it was trained, with the data's number of classes.
        test: Of the test images; None where the data has none.
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
