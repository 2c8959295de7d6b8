"""Knowledge distillation: the student learns teachers' predictions in addition to the labels, or instead of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor, nn

from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import size_text
from fieldspec.training.data.images import Data
from fieldspec.training.data.statistics import Statistics
from fieldspec.training.evaluation.trained_networks import TrainedNetwork, given
from fieldspec.training.recipe.document import Distillation


class _Member(nn.Module):
    """One of the teachers, for inputs with the student's normalization."""

    scale: Tensor  # (1, channels, 1, 1)
    shift: Tensor  # (1, channels, 1, 1)

    def __init__(self, teacher: TrainedNetwork, stats: Statistics) -> None:
        super().__init__()
        mean, std, own_mean, own_std = (
            torch.tensor(values).view(1, -1, 1, 1) for values in (stats.mean, stats.std, teacher.mean, teacher.std)
        )
        self.net = teacher.net
        self.register_buffer("scale", std / own_std)
        self.register_buffer("shift", (mean - own_mean) / own_std)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x * self.scale + self.shift)
        return logits.float()


class Teacher:
    """The teachers of a run. It is not a module, so that a run's state does not contain their weights.

    Args:
        sources: Each a checkpoint, a run folder (its last weights), or the name of pretrained weights:
            c1c2c3c40.fast25. The predictions of several teachers are averaged.
        settings: The recipe's distillation.
        student: The network in training.
        data: The data that it is trained on.
        stats: The statistics that the student's input is normalized with.
        channels_last: Whether batches are in channels_last memory format.

    Raises:
        FieldspecError: There are no such weights, or they have other classes or another input size.
    """

    def __init__(
        self,
        sources: Sequence[str],
        settings: Distillation,
        student: SpecNet,
        data: Data,
        stats: Statistics,
        *,
        channels_last: bool = True,
    ) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        teachers = [_taken(source, student, data) for source in sources]
        self.settings = settings
        self.has_seen_held_out = any(teacher.has_seen(data, "held-out") for teacher in teachers)
        self.digest = _digest(teacher.net for teacher in teachers)
        self.members = nn.ModuleList([_Member(teacher, stats) for teacher in teachers])
        self.members.eval().requires_grad_(False).to(memory_format=layout)

    def to(self, device: torch.device) -> None:
        """Move the teachers to a device."""
        self.members.to(device)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Softened probabilities for inputs with the student's normalization: (batch, ...) -> (batch, classes)."""
        views = (x, x.flip(3)) if self.settings.flip_averaged else (x,)
        answers = [(member(view) / self.settings.temperature).softmax(1) for member in self.members for view in views]
        return torch.stack(answers).mean(0)

    def loss(self, logits: Tensor, answers: Tensor) -> Tensor:
        """Distillation loss between student logits and teacher probabilities, both (batch, classes), in nats per image.

        The Kullback-Leibler divergence at the recipe's temperature, times the square of the temperature, which keeps
        the gradients' size.

        Source:
            Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015.
        """
        temperature = self.settings.temperature
        said = F.log_softmax(logits.float() / temperature, 1)
        return F.kl_div(said, answers, reduction="batchmean") * temperature**2


def _taken(source: str, student: SpecNet, data: Data) -> TrainedNetwork:
    teacher = given(source)
    if (said := teacher.other_classes(data.train, data.name)) is not None:
        raise FieldspecError(f"--teacher {source}: {said}")
    if teacher.spec.input != student.spec.input:
        sizes = [size_text(spec.input) for spec in (teacher.spec, student.spec)]
        raise FieldspecError(f"--teacher {source}: takes {sizes[0]} images, but the network takes {sizes[1]}")
    return teacher


def _digest(nets: Iterable[nn.Module]) -> str:
    """BLAKE2b digest of the networks' state dicts."""
    seen = blake2b(digest_size=16)
    for net in nets:
        for name, tensor in net.state_dict().items():
            seen.update(name.encode())
            seen.update(tensor.contiguous().numpy().data)
    return seen.hexdigest()
