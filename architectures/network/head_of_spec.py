"""Selects a network's head: that of the spec as long as it matches the layers before it, else a plain classifier."""

from __future__ import annotations

from typing import Any

from torch import nn

from fieldspec.architectures.network.head import ClassifierHead
from fieldspec.architectures.spec.head_spec import HeadSpec
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.modules import to_module

POOLS = ("", "avg", "max", "avgmax", "catavgmax")  # with or without the prefix `fast`


def head_of(
    spec: ArchitectureSpec,
    num_classes: int,
    pool: str,
    *,
    behind: str,
    num_features: int,
    flat: bool,
    drop_rate: float,
    body: nn.Module | None = None,
    **factory: Any,
) -> ClassifierHead:
    """Build the head for the layers of a spec, or for the first of them.

    Args:
        spec: The spec.
        num_classes: Classes; 0 for no classifier.
        pool: A pooling type of timm's SelectAdaptivePool2d; `''` for none.
        behind: Id of the last item before the head.
        num_features: Channels of the input map, or features of the input vector.
        flat: Whether the input is a vector.
        drop_rate: Dropout before the classifier.
        body: The body of the previous head, whose weights are kept.
        factory: `device` and `dtype` of the weights.
    """
    _refuse(spec, num_classes, pool, flat=flat)
    own = spec.head
    bias = own.bias if own else True
    settings = {"rank": len(spec.input) - 1, "drop_rate": drop_rate, "bias": bias, **factory}
    if own is None or not _keeps(own, pool, whole=behind == spec.items[-1].id):
        return ClassifierHead(num_features, num_classes, pool, **settings)
    kept = None if isinstance(body, nn.Identity) else body  # there was none, or it was pruned
    return ClassifierHead(
        num_features,
        num_classes,
        pool,
        body=kept or (to_module(own.body, **factory) if own.forms else None),
        features=own.features if own.forms else None,
        on_map=own.on_map,
        classifier_act=own.classifier_act,
        **settings,
    )


def pool_type_of(head: HeadSpec) -> str:
    """timm's name for the pooling of a spec's head."""
    return "" if head.pool == "none" else head.pool


def _refuse(spec: ArchitectureSpec, num_classes: int, pool: str, *, flat: bool) -> None:
    if pool and flat:
        raise FieldspecError(f"global_pool={pool!r}: the layers end in a vector, nothing is left to pool; give ''")
    if pool.removeprefix("fast") not in POOLS:
        raise FieldspecError(f"global_pool={pool!r} is not known; give avg, max, avgmax, catavgmax or ''")
    if spec.ends and num_classes:
        raise FieldspecError("num_classes: the spec names its outputs, so there is no classifier; leave it out")


def _keeps(own: HeadSpec, pool: str, *, whole: bool) -> bool:
    """Whether the head remains that of the spec: after its last item, and pooled as the spec says.

    Raises:
        FieldspecError: The body takes a number of features other than this pooling returns.
    """
    if not whole or (pool == "") != (own.pool == "none"):
        if own.forms and pool and own.pool == "none":
            raise FieldspecError(f"global_pool={pool!r}: the head's body reads an unpooled map; use ''")
        return False
    if own.forms and (own.pool == "catavgmax") != pool.endswith("catavgmax"):
        raise FieldspecError(f"global_pool={pool!r}: the head's body needs the features of {own.pool} pooling")
    return True
