"""Weights that a run begins from instead of random ones."""

from __future__ import annotations

from pathlib import Path

from fieldspec.architectures.specnet import SpecNet
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.networks import trained


def begin_from(net: SpecNet, source: str) -> None:
    """Copy trained weights and statistics into a network; its classifier stays new where it has other classes.

    Args:
        net: Changed in place.
        source: A checkpoint, a run's folder (its last weights), or the name of weights that ship: c1c2c3c40.fast25.

    Raises:
        FieldspecError: There are no such weights, or they are of another network.
    """
    given = trained(source, pretrained=not Path(source).exists()).net
    own, state = net.state_dict(), given.state_dict()
    if given.num_classes != net.num_classes:
        own, state = ({name: t for name, t in one.items() if not name.startswith("head.fc.")} for one in (own, state))
    for name in own | state:
        shapes = [tuple(one[name].shape) if name in one else "missing" for one in (state, own)]
        if shapes[0] != shapes[1]:
            raise FieldspecError(f"{source}: weights of another network; {name} is {shapes[0]} there, {shapes[1]} here")
    net.load_state_dict(state, strict=False)
