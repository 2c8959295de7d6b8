"""Which head a network has: the spec's own as long as it fits what stands before it, else a plain classifier."""

from __future__ import annotations

from typing import Any

from torch import nn

from fieldspec.architectures.network.head import ClassifierHead
from fieldspec.architectures.spec.head_spec import HeadSpec
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.modules import to_module

POOLS = ("", "avg", "max", "avgmax", "catavgmax")  # with and without `fast` before them


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
    """A head for the layers of a spec, all of them or a first part.

    Args:
        spec: Whose head it is.
        num_classes: Of the classifier; 0 for none.
        pool: Any of timm's SelectAdaptivePool2d, `''` for none.
        behind: The id of the item that it follows.
        num_features: Channels of the map, or features of the vector, that it reads.
        flat: Whether it reads a vector.
        drop_rate: Before the classifier.
        body: Of the head that was there: its weights are kept.
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
    """timm's word for the pooling of a spec's head."""
    return "" if head.pool == "none" else head.pool


def _refuse(spec: ArchitectureSpec, num_classes: int, pool: str, *, flat: bool) -> None:
    if pool and flat:
        raise FieldspecError(f"global_pool={pool!r}: the layers end in a vector, nothing is left to pool; give ''")
    if pool.removeprefix("fast") not in POOLS:
        raise FieldspecError(f"global_pool={pool!r} is not known; give avg, max, avgmax, catavgmax or ''")
    if spec.ends and num_classes:
        raise FieldspecError("num_classes: the spec names its outputs, so there is no classifier; leave it out")


def _keeps(own: HeadSpec, pool: str, *, whole: bool) -> bool:
    """Whether the head is still the spec's: behind its last item, and pooled, or not, as it says.

    Raises:
        FieldspecError: The body takes another number of features than this pooling gives.
    """
    if not whole or (pool == "") != (own.pool == "none"):
        if own.forms and pool and own.pool == "none":
            raise FieldspecError(f"global_pool={pool!r}: the head's body reads an unpooled map; give ''")
        return False
    if own.forms and (own.pool == "catavgmax") != pool.endswith("catavgmax"):
        raise FieldspecError(f"global_pool={pool!r}: the head's body takes what {own.pool} pooling gives")
    return True
