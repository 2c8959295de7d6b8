"""A network with its weights and what it takes to ask it: from a checkpoint, a run's folder, or the package."""

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
    """A network in eval mode, and how images are put to it."""

    name: str
    net: SpecNet
    mean: tuple[float, ...]  # 0..1 units
    std: tuple[float, ...]
    classes: tuple[str, ...]  # as many as logits
    source: str  # where the weights are from
    card: Mapping[str, Any]  # what is said of how they were trained; may be empty

    @property
    def spec(self) -> ArchitectureSpec:
        """Of the network."""
        return self.net.spec

    def other_classes(self, images: Images, named: str) -> str | None:
        """In what the classes of these images differ from the network's, of which a card says names and order."""
        if len(images.classes) != len(self.classes):
            return f"the network has {len(self.classes)} classes, and {named} has {len(images.classes)}"
        if not self.card.get("classes") or self.classes == images.classes:
            return None
        odd = next((name for name in self.classes if name not in images.classes), None)
        said = f"{named} has them in another order" if odd is None else f"{odd!r} is not one of {named}'s classes"
        return f"the network was trained on other classes: {said}"

    def has_seen(self, data: Data, split: str) -> bool:
        """Whether it was trained on these images (train, held-out or test), by what its card says."""
        taken = split == "train" or (split == "held-out" and data.held_out is None and self.card.get("full", False))
        return taken and self._is_of(data)

    def _is_of(self, data: Data) -> bool:
        """By the digest of a folder's images, which only tells those of one size apart; else by the name."""
        channels, height, width = self.spec.input
        alike = data.train.pixels.shape[1:] == (height, width, channels)
        if self.card.get("digest") and alike:
            return bool(self.card["digest"] == data.train.digest)
        return bool(self.card.get("data") == data.name)


def load_trained(source: str, *, pretrained: bool = False) -> TrainedNetwork:
    """Load a network.

    Args:
        source: A checkpoint, a run's folder (its last weights), or with `pretrained` a spec's file or a catalogue name,
            which may end in the name of a recipe: c1c2c3c40.fast25.
        pretrained: Take the weights that ship with fieldspec.

    Raises:
        FieldspecError: There are no such weights, or the file is damaged.
    """
    if pretrained:
        return _shipped(source)
    path = Path(source)
    path = path / LAST if path.is_dir() else path
    if not path.exists() and _name_and_tag(source)[0] in catalogue.list_models():
        raise FieldspecError(f"{source}: a spec has no weights; give a checkpoint, or --pretrained for those that ship")
    if path.suffix in (".yaml", ".yml", ".json"):
        raise FieldspecError(f"{source}: a spec has no weights; train it, and give the run's folder or its checkpoint")
    spec, state = load_checkpoint(path)
    card = checked(WeightsCard, load_card(path), path)
    net = build(spec)
    own = net.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point() != own[name].is_floating_point() or tensor.is_complex():
            raise FieldspecError(f"{path}: {name} is of {tensor.dtype}, where the network has {own[name].dtype}")
        if not bool(tensor.isfinite().all()):
            raise FieldspecError(f"{path}: {name} holds values that are not finite (nan or infinity)")
    net.load_state_dict(state)
    return _ready(net, card, str(path))


def data_of(source: str, network: TrainedNetwork) -> str:
    """Where the data of a network's training is found again: what `load_data` takes.

    Args:
        source: As given to `load_trained`.
        network: That was loaded from there.

    Raises:
        FieldspecError: Nobody has written it down.
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
    """Load what an option names: a checkpoint, a run's folder, or the name of weights that ship, c1c2c3c40.fast25.

    Raises:
        FieldspecError: As `trained`.
    """
    path = Path(source).expanduser()
    return load_trained(str(path)) if path.exists() else load_trained(source, pretrained=True)


def _shipped(source: str) -> TrainedNetwork:
    name, tag = _name_and_tag(source)
    spec = load(name)
    shipped = weights_of(spec.hash)
    if not shipped:
        raise FieldspecError(f"no weights ship for {spec.name}; train it with: fieldspec train {name}")
    chosen = [one for one in shipped if tag in ("", one.tag)]
    if not chosen:
        raise FieldspecError(f"{source}: no such weights ship.{mend(source, [one.name for one in shipped])}")
    net: Any = create(spec, "fieldspec", pretrained=True, pretrained_cfg=default_cfg(spec, chosen[0]))
    return _ready(net, chosen[0].card, f"shipped {chosen[0].name}")


def _name_and_tag(source: str) -> tuple[str, str]:
    """c1c2c3c40.fast25 in two, split as timm does; a name that is not in the catalogue has no tag."""
    name, _, tag = source.partition(".")
    return (name, tag) if name in catalogue.list_models() and not Path(source).exists() else (source, "")


def _ready(net: SpecNet, card: dict[str, Any], source: str) -> TrainedNetwork:
    if not net.num_classes:
        raise FieldspecError(f"{source}: the network has no classes; give its spec a head, and train it")
    channels = net.in_chans
    known = usual_statistics(net.spec.input)
    for key, count, needed in (("mean", channels, "channels"), ("std", channels, "channels"),
                               ("classes", net.num_classes, "classes")):  # fmt: skip
        if card.get(key) is not None and len(card[key]) != count:
            raise FieldspecError(f"{source}: its card has {len(card[key])} {key}, but the network {count} {needed}")
    mean, std = (tuple(card.get(key) or known[key]) for key in ("mean", "std"))
    classes = tuple(card.get("classes") or [f"class {number}" for number in range(net.num_classes)])
    return TrainedNetwork(net.spec.name, describe(net.eval(), mean, std, classes), mean, std, classes, source, card)


def describe(net: SpecNet, mean: tuple[float, ...], std: tuple[float, ...], classes: tuple[str, ...]) -> SpecNet:
    """Say to timm, in the network's configuration, how its images are normalized and what its classes are called."""
    known: Any = net.pretrained_cfg
    said: Any = {**known, "mean": mean, "std": std, "label_names": classes}
    net.pretrained_cfg = net.default_cfg = said
    return net
