"""Live bytes are measured by torch.fx only where it follows the network on its own path."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import fieldspec as fs
from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.analysis.proof.measurements.memory import measure_live_bytes

IMAGE = (3, 8, 8)


class Asking(nn.Module):
    """Asks whether it is given a tensor; torch.fx gives it something else."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, 3, height, width)."""
        y = self.first(x)
        if type(y) is Tensor:
            y = torch.cat([y, x], 1) if self.second.in_channels == 6 else y + x
        mapped: Tensor = self.second(y)
        return mapped


class Refusing(nn.Module):
    """Runs for one size only, and says at length what it was given."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, 8, 8) -> the same."""
        if tuple(x.shape[1:]) != IMAGE:
            raise ValueError(f"needs {IMAGE}, gets {'a picture of another size, ' * 1_000}")
        return x.relu()


def test_messages_are_short() -> None:
    """Of a network that writes thousands of characters, in an error and in what is not proved."""
    with pytest.raises(fs.FieldspecError) as caught:
        fs.analyze(Refusing(), input_size=(3, 9, 9))
    assert 100 < len(str(caught.value)) < 500
    checks = fs.verify(Refusing(), input_size=IMAGE).checks
    assert max(len(str(check)) for check in checks) < 500
    assert not [check for check in checks if check.verdict in ("refuted", "failed")]


@pytest.mark.parametrize("channels", [6, 3])
def test_another_path_is_no_measurement(channels: int) -> None:
    """Whether that other path fails or runs: nothing is refuted by it."""
    with pytest.raises(Unmeasurable, match="traces another path than the network takes"):
        measure_live_bytes(Asking(channels), IMAGE)
    verdicts = {check.what: check.verdict for check in fs.verify(Asking(channels), input_size=IMAGE).checks}
    assert verdicts["peak bytes"] == "not proved"
    assert set(verdicts.values()) <= {"proved", "not proved"}
