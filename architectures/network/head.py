"""The head of a built network: pooling and classifier."""
# Annotations are evaluated here (no `from __future__`): TorchScript and torch.fx read them.

import torch
from torch import Tensor, nn

from fieldspec.blocks.leaves import GlobalPool


class ClassifierHead(nn.Module):
    """Global pooling, dropout, classifier, under the names of timm's ClassifierHead.

    Beside timm's: a classifier without bias, and without pooling a map of logits.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        pool_type: str = "avg",
        *,
        drop_rate: float = 0.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.global_pool = GlobalPool(pool_type)
        self.num_features: int = in_features * self.global_pool.feat_mult()  # type: ignore[no-untyped-call]  # timm
        self.flatten = nn.Flatten() if pool_type else nn.Identity()
        self.drop = nn.Dropout(drop_rate)
        classified = num_classes > 0
        self.fc = nn.Linear(self.num_features, num_classes, bias, device, dtype) if classified else nn.Identity()
        self.unpooled = classified and not pool_type

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(batch, in_features, height, width) -> (batch, num_classes), or (batch, num_features) before the last."""
        x = self.drop(self.flatten(self.global_pool(x)))
        if pre_logits:
            return x
        if self.unpooled:
            return self.fc(x.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]
        return self.fc(x)  # type: ignore[no-any-return]
