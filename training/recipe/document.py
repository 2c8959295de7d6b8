"""The top level of a recipe, as pydantic checks it. No torch."""

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
    """How much of a teacher's answers is learned, and of which answers."""

    model_config = STRICT
    weight: Annotated[float, Gt(0), Le(1), Says("a number over 0, up to 1")] = 0.9  # the labels have the rest
    temperature: Annotated[float, Gt(0), Says("a number over 0")] = 4.0  # by which both networks' logits are divided
    flip_averaged: Flag = False  # the mean of the teacher's answers to image and mirror image


class Swa(BaseModel):
    """From when on the weights that epochs end with are averaged."""

    model_config = STRICT
    start: Share = 0.75  # of the run


class EarlyStopping(BaseModel):
    """When a run ends before its last epoch."""

    model_config = STRICT
    patience: Whole = 10  # epochs without a better accuracy on the held-out images


class RecipeDocument(BaseModel):
    """The top level of a recipe."""

    model_config = STRICT
    schema_: Version = Field(default=1, alias="schema")
    name: Identifier = "recipe"
    description: Annotated[str, Says("a text")] | None = None
    epochs: Whole
    batch_size: Whole = 128  # over all processes
    optimizer: Annotated[dict[str, Any], Says(f"{ONE_NAME} {{sgd: {{lr: 0.1}}}}")]
    schedule: Annotated[dict[str, Any], Says(f"{ONE_NAME} {{one_cycle: {{warmup: 0.2}}}}")]
    weight_decay: WeightDecay = WeightDecay()
    augment: Annotated[tuple[Any, ...], Says("a list of items such as {horizontal_flip: {p: 0.5}}")] = ()
    sampling: Annotated[Literal["balanced"], Says("balanced, or null")] | None = None  # every class equally often
    class_weights: Annotated[Literal["balanced"], Says("balanced, or null")] | None = None  # in the loss: rare, heavy
    early_stopping: EarlyStopping | None = None
    label_smoothing: Probability = 0.0
    distillation: Distillation | None = None  # from the network that --teacher names
    mixup: Positive = 0.0  # alpha of the Beta distribution that mixes two images; 0 for none
    l1: Positive = 0.0  # penalty on the absolute values of the weights that decay
    ema: Annotated[float, Ge(0), Lt(1), Says("a decay such as 0.999, or 0 for none")] = 0.0
    swa: Swa | None = None  # stochastic weight averaging, of the weights that ema gives where there is one
    clip: Annotated[float, Gt(0), Says("a gradient norm over 0, or null")] | None = None
    dropout: Probability | None = None  # of every dropout in the network; the spec's own unless given
    precision: Precision = "auto"  # bfloat16 autocast where the machine computes in it
    channels_last: Flag = True
    quantize: Annotated[Literal["int8"], Says("int8, or null")] | None = None  # simulated, from trained weights on
    seed: Annotated[int, Ge(0), Le(2**32 - 1), Says("a whole number from 0 to 4294967295")] = 0
