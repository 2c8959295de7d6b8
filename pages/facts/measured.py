"""The effective field measured with trained weights on images, next to the one counted without weights."""

from __future__ import annotations

import io
from pathlib import Path

from fieldspec.analysis.effective.effective_field import effective_receptive_field
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.errors import FieldspecError
from fieldspec.pages.facts.pictures import data_url

IMAGES = 64  # maximum number of images, a second or two for small networks


def measured_picture(report: Report, run: Path, images: Path) -> str:
    """Plot both fields of the middle unit of the features; returns a data URL.

    Args:
        report: The report of the run's network.
        run: The run folder, for its last weights.
        images: A folder of image files.

    Raises:
        FieldspecError: There are no images, no weights, or the features have no field.
    """
    if not images.is_dir():
        raise FieldspecError(f"{images}: is not a folder of images")
    from fieldspec.analysis.effective.measured_field import measured_effective_receptive_field
    from fieldspec.analysis.effective.pictures import picture
    from fieldspec.training.evaluation.trained_networks import load_trained

    network = load_trained(str(run))
    layer = f"layers.{report.features.id}"
    measured = measured_effective_receptive_field(network.net, images, layer=layer, images=IMAGES)
    figure = picture(effective_receptive_field(report, unit=measured.unit), measured=measured)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return data_url(out.getvalue(), "png")
