"""The network as a source of feature maps, as `timm.create_model(..., features_only=True)` gives it."""

from __future__ import annotations

from timm.models._features import FeatureGetterNet  # the only home it has


class SpecFeatures(FeatureGetterNet):
    """timm's FeatureGetterNet with the one method that its other wrappers have and it lacks."""

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute each block in the backward pass instead of keeping what is inside it."""
        self.model.set_grad_checkpointing(enable)  # type: ignore[operator]  # a SpecNet's
