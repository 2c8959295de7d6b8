"""Trained networks, loaded from a checkpoint, a run folder or the package, with their normalization and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldspec.architectures.document.problems import mend
from fieldspec.architectures.network.builder import build, create, default_cfg, usual_statistics
from fieldspec.architectures.network.checkpoint import load_card, load_checkpoint
from fieldspec.architectures.network.pretrained import weights_of
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.documents import RunDocument, WeightsCard, checked
from fieldspec.training.folder.files import LAST, RUN, read_json

if TYPE_CHECKING:
    from fieldspec.training.data.images import Data, Images


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in eval mode, with the normalization of its input and the names of its classes."""

    name: str
    net: SpecNet
    mean: tuple[float, ...]  # 0..1 units
    std: tuple[float, ...]
    classes: tuple[str, ...]  # one per logit
    source: str  # origin of the weights
    card: Mapping[str, Any]  # how they were trained; may be empty

    @property
    def spec(self) -> ArchitectureSpec:
        """The network's spec."""
        return self.net.spec

    def other_classes(self, images: Images, named: str) -> str | None:
        """How the classes of these images differ from the network's, or None; without a card, only by their number."""
        if len(images.classes) != len(self.classes):
            return f"the network has {len(self.classes)} classes, but {named} has {len(images.classes)}"
        if not self.card.get("classes") or self.classes == images.classes:
            return None
        odd = next((name for name in self.classes if name not in images.classes), None)
        said = f"{named} has them in another order" if odd is None else f"{odd!r} is not one of {named}'s classes"
        return f"the network was trained on other classes: {said}"

    def has_seen(self, data: Data, split: str) -> bool:
        """Whether it was trained on these images (train, held-out or test), according to its card."""
        taken = split == "train" or (split == "held-out" and data.held_out is None and self.card.get("full", False))
        return taken and self._is_of(data)

    def _is_of(self, data: Data) -> bool:
        """Whether it was trained on this data set: by digest if the images have its input size, else by name."""
        channels, height, width = self.spec.input
        alike = data.train.pixels.shape[1:] == (height, width, channels)
        if self.card.get("digest") and alike:
            return bool(self.card["digest"] == data.train.digest)
        return bool(self.card.get("data") == data.name)


def load_trained(source: str, *, pretrained: bool = False) -> TrainedNetwork:
    """Load a trained network.

    Args:
        source: A checkpoint or a run folder (its last weights); with `pretrained`, a spec file or a catalogue name,
            optionally with a recipe: c1c2c3c40.fast25.
        pretrained: Whether to load pretrained weights.

    Raises:
        FieldspecError: There are no such weights, or the file is damaged.
    """
    if pretrained:
        return _shipped(source)
    path = Path(source)
    path = path / LAST if path.is_dir() else path
    if not path.exists() and _name_and_tag(source)[0] in catalogue.list_models():
        raise FieldspecError(f"{source}: a spec has no weights; give a checkpoint, or use --pretrained")
    if path.suffix in (".yaml", ".yml", ".json"):
        raise FieldspecError(f"{source}: a spec has no weights; train it and give its run folder or checkpoint")
    if not Path(source).exists():
        raise FieldspecError(f"{source}: no such file or folder")
    spec, state = load_checkpoint(path)
    card = checked(WeightsCard, load_card(path), path)
    net = build(spec)
    own = net.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point() != own[name].is_floating_point() or tensor.is_complex():
            raise FieldspecError(f"{path}: {name} has dtype {tensor.dtype}, but the network's is {own[name].dtype}")
        if not bool(tensor.isfinite().all()):
            raise FieldspecError(f"{path}: {name} contains values that are not finite (nan or infinity)")
    net.load_state_dict(state)
    return _ready(net, card, str(path))


def data_of(source: str, network: TrainedNetwork) -> str:
    """The data that a network was trained on, as `load_data` takes it.

    Args:
        source: The source that was given to `load_trained`.
        network: The network loaded from it.

    Raises:
        FieldspecError: The location of the data is not recorded.
    """
    path = Path(source)
    record = (path if path.is_dir() else path.parent) / RUN
    said = checked(RunDocument, read_json(record), record) if path.exists() and record.is_file() else {}
    name = network.card.get("data")
    if said.get("data_source") and said["digest"] == network.card.get("digest"):
        return str(said["data_source"])
    if name in (None, "cifar10", "cifar100", "fake"):
        return name or "cifar10"
    raise FieldspecError(f"{source}: was trained on {name!r}; give its location with --data")


def given(source: str) -> TrainedNetwork:
    """Load a checkpoint, a run folder, or pretrained weights by name (c1c2c3c40.fast25), as options accept them.

    Raises:
        FieldspecError: There are no such weights, or the file is damaged.
    """
    path = Path(source).expanduser()
    return load_trained(str(path)) if path.exists() else load_trained(source, pretrained=True)


def _shipped(source: str) -> TrainedNetwork:
    name, tag = _name_and_tag(source)
    spec = load(name)
    shipped = weights_of(spec.hash)
    if not shipped:
        raise FieldspecError(f"no pretrained weights for {spec.name}; train it with: fieldspec train {name}")
    chosen = [one for one in shipped if tag in ("", one.tag)]
    if not chosen:
        raise FieldspecError(f"{source}: no such pretrained weights.{mend(source, [one.name for one in shipped])}")
    net: Any = create(spec, "fieldspec", pretrained=True, pretrained_cfg=default_cfg(spec, chosen[0]))
    return _ready(net, chosen[0].card, f"shipped {chosen[0].name}")


def _name_and_tag(source: str) -> tuple[str, str]:
    """Split c1c2c3c40.fast25 into name and tag, as timm does; the tag is empty for names not in the catalogue."""
    name, _, tag = source.partition(".")
    return (name, tag) if name in catalogue.list_models() and not Path(source).exists() else (source, "")


def _ready(net: SpecNet, card: dict[str, Any], source: str) -> TrainedNetwork:
    if not net.num_classes:
        raise FieldspecError(f"{source}: the network has no classes; give its spec a head and train it")
    channels = net.in_chans
    known = usual_statistics(net.spec.input)
    for key, count, needed in (("mean", channels, "channels"), ("std", channels, "channels"),
                               ("classes", net.num_classes, "classes")):  # fmt: skip
        if card.get(key) is not None and len(card[key]) != count:
            raise FieldspecError(f"{source}: its card has {len(card[key])} {key}, but the network has {count} {needed}")
    mean, std = (tuple(card.get(key) or known[key]) for key in ("mean", "std"))
    classes = tuple(card.get("classes") or [f"class {number}" for number in range(net.num_classes)])
    return TrainedNetwork(net.spec.name, describe(net.eval(), mean, std, classes), mean, std, classes, source, card)


def describe(net: SpecNet, mean: tuple[float, ...], std: tuple[float, ...], classes: tuple[str, ...]) -> SpecNet:
    """Record the normalization and class names in the network's `pretrained_cfg`, where timm reads them."""
    known: Any = net.pretrained_cfg
    said: Any = {**known, "mean": mean, "std": std, "label_names": classes}
    net.pretrained_cfg = net.default_cfg = said
    return net
