"""The section `head`: pooling, body, classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldspec.architectures.document.problems import Problems
from fieldspec.architectures.document.validation import validate
from fieldspec.architectures.expansion.canonical import Canonical
from fieldspec.architectures.expansion.models import settings_model
from fieldspec.blocks.block import IDENTITY, Block, Chain
from fieldspec.blocks.library.head import HeadPool, classifier, pooled
from fieldspec.blocks.registry import block_type
from fieldspec.blocks.settings import Act


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """The head after the layers; `features` and `on_map` follow from the layers and the body."""

    pool: HeadPool = "avg"
    classes: int = 0
    dropout: float = 0.0
    bias: bool = True
    classifier_act: Act = "none"
    body: Block = IDENTITY
    forms: tuple[Canonical, ...] = field(default=(), hash=False)  # canonical form of the body's items
    features: int = 0  # channels of the classifier's input
    on_map: bool = False  # whether the classifier's input is a map

    @property
    def pooling(self) -> Chain:
        """The pooling, which comes first."""
        return pooled(self.pool)

    @property
    def classifier(self) -> Chain:
        """The classifier, which comes after the body."""
        return classifier(
            self.features,
            self.classes,
            dropout=self.dropout,
            bias=self.bias,
            on_map=self.on_map,
            classifier_act=self.classifier_act,
        )

    def to_dict(self) -> dict[str, Any]:
        """The canonical form, as plain data."""
        data: dict[str, Any] = {"pool": self.pool, "classes": self.classes, "dropout": self.dropout, "bias": self.bias}
        if self.classifier_act != "none":
            data["classifier_act"] = self.classifier_act
        return {**data, "body": list(self.forms)} if self.forms else data


def parse_head(data: Mapping[str, Any] | None, problems: Problems) -> tuple[HeadSpec | None, Any]:
    """Parse the section: its settings, and the items of its body as written; None if there is no head."""
    if data is None:
        return None, []
    block = block_type("head")
    assert block is not None
    settings, found = validate(settings_model(block), {**data, "body": ()} if data.get("body") else data, ("head",))
    problems.extend(found)
    if settings is None:
        return None, []
    head = HeadSpec(settings.pool, settings.classes, settings.dropout, settings.bias, settings.classifier_act)
    return head, data.get("body") or []
