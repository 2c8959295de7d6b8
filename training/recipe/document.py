"""The pydantic model of a recipe's top level. No torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, Field

from fieldspec.architectures.document.validation import STRICT, Identifier, Version
from fieldspec.blocks.settings import Flag, Probability, Says
from fieldspec.training.recipe.optimizers import WeightDecay
from fieldspec.training.recipe.schedules import Share

Precision = Annotated[Literal["auto", "bfloat16", "float32"], Says("auto, bfloat16 or float32")]
Whole = Annotated[int, Ge(1), Le(100_000), Says("a whole number from 1 to 100000")]
Positive = Annotated[float, Ge(0), Says("a number, 0 or more")]
ONE_NAME = "a mapping of one name to its settings such as"


class Distillation(BaseModel):
    """Knowledge distillation from a teacher."""

    model_config = STRICT
    weight: Annotated[float, Gt(0), Le(1), Says("a number over 0, up to 1")] = 0.9  # labels get the rest
    temperature: Annotated[float, Gt(0), Says("a number over 0")] = 4.0  # divides both networks' logits
    flip_averaged: Flag = False  # average the teacher over image and mirror image


class Swa(BaseModel):
    """Stochastic weight averaging: the mean of the weights at the end of epochs."""

    model_config = STRICT
    start: Share = 0.75  # share of the run after which it starts


class EarlyStopping(BaseModel):
    """Early stopping on the held-out accuracy."""

    model_config = STRICT
    patience: Whole = 10  # epochs without improvement


class RecipeDocument(BaseModel):
    """The top level of a recipe."""

    model_config = STRICT
    schema_: Version = Field(default=1, alias="schema")
    name: Identifier = "recipe"
    description: Annotated[str, Says("text")] | None = None
    epochs: Whole
    batch_size: Whole = 128  # over all processes
    optimizer: Annotated[dict[str, Any], Says(f"{ONE_NAME} {{sgd: {{lr: 0.1}}}}")]
    schedule: Annotated[dict[str, Any], Says(f"{ONE_NAME} {{one_cycle: {{warmup: 0.2}}}}")]
    weight_decay: WeightDecay = WeightDecay()
    augment: Annotated[tuple[Any, ...], Says("a list of items such as {horizontal_flip: {p: 0.5}}")] = ()
    sampling: Annotated[Literal["balanced"], Says("balanced, or null")] | None = None  # draw every class equally often
    class_weights: Annotated[Literal["balanced"], Says("balanced, or null")] | None = None  # 1 / count in the loss
    early_stopping: EarlyStopping | None = None
    label_smoothing: Probability = 0.0
    distillation: Distillation | None = None  # from the network given by --teacher
    mixup: Positive = 0.0  # alpha of the Beta distribution that mixes two images; 0 for none
    l1: Positive = 0.0  # L1 penalty on the weights that decay
    ema: Annotated[float, Ge(0), Lt(1), Says("a decay such as 0.999, or 0 for none")] = 0.0
    swa: Swa | None = None  # of the EMA weights if there are any
    clip: Annotated[float, Gt(0), Says("a gradient norm over 0, or null")] | None = None
    dropout: Probability | None = None  # of every dropout in the network; null keeps the spec's
    precision: Precision = "auto"  # auto: bfloat16 autocast if the hardware supports it
    channels_last: Flag = True
    quantize: Annotated[Literal["int8"], Says("int8, or null")] | None = None  # from trained weights
    seed: Annotated[int, Ge(0), Le(2**32 - 1), Says("a whole number from 0 to 4294967295")] = 0
