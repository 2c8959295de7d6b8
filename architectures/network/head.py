"""The head of a built network: pooling, body, classifier."""
# Annotations are evaluated here (no `from __future__`): TorchScript and torch.fx read them.

import torch
from torch import Tensor, nn

from fieldspec.blocks.leaves import GlobalPool
from fieldspec.blocks.library.convolutions import act_layer
from fieldspec.blocks.settings import Act


class ClassifierHead(nn.Module):
    """Global pooling, dropout and classifier, with the attributes of timm's ClassifierHead.

    In addition: a body before the classifier, a classifier without bias, and a map of logits without pooling.

    Args:
        in_features: Channels of the input map, or features of the input vector.
        num_classes: Classes; 0 for no classifier.
        pool_type: A pooling type of timm's SelectAdaptivePool2d; `''` for none.
        body: Applied after the pooling.
        features: Channels after the body.
        on_map: Whether the body ends in a map: the classifier is then a convolution, followed by pooling.
        classifier_act: Activation after a classifier on a map.
        rank: Axes of the input map.
        drop_rate: Dropout before the classifier.
        bias: Whether the classifier has a bias.
        device: Device of the weights.
        dtype: Dtype of the weights.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        pool_type: str = "avg",
        *,
        body: nn.Module | None = None,
        features: int | None = None,
        on_map: bool = False,
        classifier_act: Act = "none",
        rank: int = 2,
        drop_rate: float = 0.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.global_pool = GlobalPool(pool_type, rank=rank)
        pooled: int = in_features * self.global_pool.feat_mult()  # type: ignore[no-untyped-call]  # timm
        self.num_features = pooled if features is None else features
        self.flatten = nn.Flatten() if pool_type else nn.Identity()
        self.body = body if body is not None else nn.Identity()
        self.drop = nn.Dropout(drop_rate)
        self.on_map = on_map and num_classes > 0
        self.unpooled = num_classes > 0 and not pool_type and not on_map
        self.fc: nn.Module = nn.Identity()
        self.act: nn.Module = nn.Identity()
        self.mean: nn.Module = nn.Identity()
        self.squeeze: nn.Module = nn.Identity()
        if self.on_map:
            self.mean, self.squeeze = GlobalPool("avg", rank=rank), nn.Flatten()
            convolution = getattr(nn, f"Conv{rank}d")
            self.fc = convolution(self.num_features, num_classes, 1, bias=bias, device=device, dtype=dtype)
            self.act = nn.Identity() if classifier_act == "none" else act_layer(classifier_act).module()
        elif num_classes:
            self.fc = nn.Linear(self.num_features, num_classes, bias, device, dtype)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(batch, in_features, height, width) -> (batch, num_classes), or (batch, num_features) with `pre_logits`."""
        x = self.drop(self.body(self.flatten(self.global_pool(x))))
        if pre_logits:
            return x
        if self.on_map:
            return self.squeeze(self.mean(self.act(self.fc(x))))  # type: ignore[no-any-return]
        if self.unpooled:
            return self.fc(x.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]
        return self.fc(x)  # type: ignore[no-any-return]
