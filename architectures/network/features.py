"""Feature extraction from a network, as with `timm.create_model(..., features_only=True)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from timm.models._features import FeatureGetterNet, FeatureInfo  # available only there


class FeatureLevels(FeatureInfo, list[dict[str, Any]]):
    """timm's description of feature levels, also a plain list of dicts.

    timm's own class requires that reductions never decrease. Those of a decoder do, and are allowed here.
    """

    def __init__(self, levels: Sequence[dict[str, Any]], out_indices: int | Sequence[int] | None = None) -> None:
        self.info = [{"index": index, **level} for index, level in enumerate(levels)]
        list.__init__(self, self.info)
        taken = len(levels) if out_indices is None else out_indices
        self.out_indices = tuple(range(-taken, 0)) if isinstance(taken, int) else tuple(taken)

    def from_other(self, out_indices: int | Sequence[int]) -> FeatureLevels:
        """The same with other levels selected."""
        return FeatureLevels(self, out_indices)

    def __reduce__(self) -> tuple[Any, ...]:
        return FeatureLevels, (list(self), self.out_indices)


class SpecFeatures(FeatureGetterNet):
    """timm's FeatureGetterNet with `set_grad_checkpointing`, which its other wrappers have."""

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute each block in the backward pass instead of keeping its activations."""
        self.model.set_grad_checkpointing(enable)  # type: ignore[operator]  # a SpecNet's
