"""Initial weights from a checkpoint."""

from __future__ import annotations

from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data
from fieldspec.training.evaluation.trained_networks import given


def begin_from(net: SpecNet, source: str, data: Data, *, full: bool) -> None:
    """Copy trained weights and statistics into a network, without the classifier if the classes differ.

    Args:
        net: The network, changed in place.
        source: A checkpoint, a run folder (its last weights), or the name of pretrained weights: c1c2c3c40.fast25.
        data: The data that the network will be trained on.
        full: Whether to train on all of it, with nothing held out.

    Raises:
        FieldspecError: There are no such weights, they are for another network, or were trained on the images that
            would be held out.
    """
    before = given(source)
    if not full and before.has_seen(data, "held-out"):
        seen = "was trained on the images that this run would hold out"
        raise FieldspecError(f"--initial-checkpoint {source}: {seen}; give --full")
    own, state = net.state_dict(), before.net.state_dict()
    if before.other_classes(data.train, data.name) is not None:
        own, state = ({name: t for name, t in one.items() if not name.startswith("head.fc.")} for one in (own, state))
    for name in own | state:
        shapes = [tuple(one[name].shape) if name in one else "missing" for one in (state, own)]
        if shapes[0] != shapes[1]:
            raise FieldspecError(
                f"{source}: weights of another network; {name} is {shapes[0]} there, but {shapes[1]} here"
            )
    net.load_state_dict(state, strict=False)
