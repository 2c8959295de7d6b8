"""The LightningModule of a run: the network, its loss and optimizer, and the metrics of an epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from lightning.pytorch import LightningModule
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torchvision.transforms.v2 import MixUp

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.batches import Batch
from fieldspec.training.data.device_augmentation import DeviceAugmentation
from fieldspec.training.data.normalization import Normalize
from fieldspec.training.data.randomness import derive
from fieldspec.training.loop.averaging import EpochMean
from fieldspec.training.loop.batch_norm import FreshStatistics
from fieldspec.training.loop.cuda_graphs import Graphed
from fieldspec.training.loop.distillation import Teacher
from fieldspec.training.loop.tally import Tally
from fieldspec.training.quantization.simulation import Int8Simulation
from fieldspec.training.recipe.optimizers import parameter_groups
from fieldspec.training.recipe.recipe import Recipe

CHECK_EVERY = 50  # steps between checks of the loss on a GPU, each of which synchronizes
MEND = "lower the optimizer's lr, or set clip in the recipe"


class DivergedError(FieldspecError):
    """The loss is no longer finite; the last saved files are intact."""


class Task(LightningModule):
    """Trains a network by a recipe.

    Args:
        net: The network, with `classes` logits.
        recipe: The recipe.
        mean: Mean of each channel of the training images, in 0..1 units.
        std: Standard deviation, likewise.
        classes: Number of classes.
        steps: Optimizer steps of the whole run.
        augment: Augmentation on the device; None if batches arrive augmented.
        validated: Names of the sets that are evaluated after each epoch: held_out, test.
        class_weights: Weight of each class in the loss; None for equal weights.
        fresh: Recomputes batch norm's statistics after short epochs; None to use the running averages.
        swa: The mean of the weights at the end of epochs, if the recipe has one.
        teacher: The teachers, if the recipe distills.
        graph_shape: Shape of the batches whose passes are captured in CUDA graphs; None to capture none.
        simulation: The int8 simulation that computes in place of the network, if the recipe quantizes.
    """

    def __init__(
        self,
        net: nn.Module,
        recipe: Recipe,
        *,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        classes: int,
        steps: int,
        augment: DeviceAugmentation | None = None,
        validated: Sequence[str] = (),
        class_weights: Tensor | None = None,
        fresh: FreshStatistics | None = None,
        swa: EpochMean | None = None,
        teacher: Teacher | None = None,
        graph_shape: tuple[int, ...] | None = None,
        simulation: Int8Simulation | None = None,
    ) -> None:
        super().__init__()
        settings = recipe.settings
        self.net, self.recipe, self.steps, self.augment, self.validated = net, recipe, steps, augment, tuple(validated)
        self.fresh, self.swa, self.teacher, self.graph_shape = fresh, swa, teacher, graph_shape
        self.graphed: Graphed | None = None
        self.simulation = simulation
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.average = ModelEmaV3(net, decay=settings.ema, use_warmup=True) if settings.ema else None
        if self.average is not None:
            self.average.requires_grad_(False)
        self.normalize = Normalize(mean, std, channels_last=settings.channels_last)
        self.mixup = MixUp(alpha=settings.mixup, num_classes=classes) if settings.mixup else None
        self.tallies = nn.ModuleDict({f"of_{name}": Tally() for name in ("train", *self.validated)})
        decayed = parameter_groups(net, settings.weight_decay)[0]["params"]
        self.decayed: Any = decayed

    @property
    def result(self) -> nn.Module:
        """The network that the run produces: the SWA mean if there is one, else the latest weights."""
        return self.swa.module if self.swa is not None and self.swa.n_averaged else self.latest

    @property
    def latest(self) -> nn.Module:
        """The network after the last step, or the moving average of its weights if the recipe keeps one."""
        return self.average.module if self.average is not None else self.net

    def configure_optimizers(self) -> Any:
        """The recipe's optimizer, with a learning rate that depends only on the step."""
        groups = parameter_groups(self.net, self.recipe.settings.weight_decay)
        if self.simulation is not None:
            groups.append({"params": list(self.simulation.parameters()), "weight_decay": 0.0})
        optimizer = self.recipe.optimizer.make(groups)
        schedule, steps = self.recipe.schedule, self.steps
        factor = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule.factor(step / steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": factor, "interval": "step"}}

    def on_fit_start(self) -> None:
        """Move the teachers to the device, and capture the network's passes before the first batch."""
        if self.teacher is not None:
            self.teacher.to(self.device)
        if self.graph_shape is not None:
            with self.trainer.precision_plugin.forward_context():
                self.graphed = Graphed(self.net.train(), self.graph_shape, self.normalize.layout)

    def on_train_start(self) -> None:
        """Set the learning rate of the next step: an extended run's state has that of the old end."""
        scheduler: Any = self.trainer.lr_scheduler_configs[0].scheduler
        rates = zip(scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
        for group, rate, factor in rates:
            group["lr"] = rate * factor(scheduler.last_epoch)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move pixels and labels to the device; the image numbers stay, since reading them back would synchronize."""
        pixels, labels, numbers = batch
        return pixels.to(device, non_blocking=True), labels.to(device, non_blocking=True), numbers

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch; dropout and mixup are seeded by the step, so that a resumed run draws the same.

        The training accuracy of a mixed image takes the label of the image with the larger share.
        """
        settings = self.recipe.settings
        torch.manual_seed(derive(settings.seed, "step", self.current_epoch, batch_idx, self.global_rank))
        pixels, labels, numbers = batch
        x = self.normalize.images(pixels)
        if self.augment is not None:
            x = self.augment(x, numbers, self.current_epoch)
        x, target = self.normalize(x), labels
        if self.mixup is not None:
            x, target = self.mixup(x, labels)
        logits = self._asked(x)
        loss = F.cross_entropy(logits, target, self.class_weights, label_smoothing=settings.label_smoothing)
        if self.teacher is not None:
            loss = torch.lerp(loss, self.teacher.loss(logits, self.teacher(x)), self.teacher.settings.weight)
        if settings.l1:
            loss = loss + settings.l1 * sum(parameter.abs().sum() for parameter in self.decayed)
        self._check(loss, batch_idx)
        self._measure("train", loss.detach(), logits.detach(), target.argmax(1) if self.mixup is not None else labels)
        return loss

    def _asked(self, x: Tensor) -> Any:
        """Logits of a batch: (batch, channels, height, width) -> (batch, classes)."""
        if self.simulation is not None:
            return self.simulation(x)
        return self.net(x) if self.graphed is None else self.graphed(x)

    def _check(self, loss: Tensor, step: int) -> None:
        if (loss.device.type == "cpu" or step % CHECK_EVERY == 0) and not math.isfinite(value := loss.item()):
            at = f"epoch {self.current_epoch + 1}, step {step + 1}"
            raise DivergedError(f"the loss is {value} at {at}; {MEND}")

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Update the moving average, and after the epoch's last step batch norm's statistics and the SWA mean."""
        if self.average is not None:
            self.average.update(self.net, step=self.global_step)
        if self.fresh is not None and self.trainer.is_last_batch:
            self.fresh.take(self.latest, self.normalize.of_bytes)
        if self.swa is not None and self.trainer.is_last_batch:
            self.swa.take(self.latest, self.current_epoch, self.normalize.of_bytes)

    def on_train_epoch_end(self) -> None:
        """Raise if a weight is not finite, before the files of the last good epoch are overwritten."""
        tensors = [*self.net.parameters(), *self.net.buffers()]
        if not torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all():
            raise DivergedError(f"a weight is not finite after epoch {self.current_epoch + 1}; {MEND}")

    def on_validation_epoch_start(self) -> None:
        """Broadcast the first process's buffers: batch norm's statistics differ between processes."""
        if self.trainer.world_size > 1:
            for buffer in self.result.buffers():
                torch.distributed.broadcast(buffer, 0)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Accumulate loss and accuracy of a batch of held-out or test images."""
        pixels, labels, _ = batch
        judged = self.result if self.simulation is None else self.simulation
        logits = judged(self.normalize.of_bytes(pixels))
        self._measure(self.validated[dataloader_idx], F.cross_entropy(logits, labels), logits, labels)

    def _measure(self, name: str, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        self.tallies[f"of_{name}"].update(loss, logits, labels)  # type: ignore[operator]
        if name == "train":
            accuracy = (logits.argmax(1) == labels).float().mean()
            shown = {"loss": loss, "accuracy": accuracy}
            self.log_dict(shown, prog_bar=True, logger=False, batch_size=len(labels))

    def measured(self) -> dict[str, float]:
        """Loss and accuracy of the epoch on every set, over all processes; resets the tallies."""
        values: dict[str, float] = {}
        for name, tally in self.tallies.items():
            measured: Any = tally
            values |= {f"{name.removeprefix('of_')}_{what}": float(one) for what, one in measured.compute().items()}
            measured.reset()
        return values
