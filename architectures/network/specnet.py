"""The network of a spec, as a torch module that fulfills timm's contract."""
# Annotations are evaluated here (no `from __future__`): TorchScript and torch.fx read them.

import re
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import torch
from timm.models._features import feature_take_indices  # available only there
from torch import Tensor, nn

from fieldspec.analysis.report.pictured import shown
from fieldspec.architectures.network.feature_levels import feature_levels
from fieldspec.architectures.network.features import FeatureLevels
from fieldspec.architectures.network.generated_layers import Layers, generate_layers, needed_items, output_of
from fieldspec.architectures.network.head import ClassifierHead
from fieldspec.architectures.network.head_of_spec import head_of, pool_type_of
from fieldspec.architectures.spec.other_input import at_input
from fieldspec.architectures.spec.spec import ArchitectureSpec, Item, load
from fieldspec.blocks.containers import Chain, Parallel, Wired
from fieldspec.blocks.modules import to_module

__all__ = ["SeveralOutputs", "SpecNet", "checkpoint_filter_fn"]


class SpecNet(nn.Module):
    """The network of a spec: `layers`, generated from its items, and `head`.

    Each item of the spec is a submodule of `layers` under its id, so every path below `layers` is the id of a node in
    the spec's layer graph.

    Args:
        spec: A loaded spec, or what `load` takes: a catalogue name, a path, a dict.
        num_classes: Classes of the head, by default the spec's; 0 leaves the classifier out.
        in_chans: Input channels, by default the spec's; otherwise the first layers are resized.
        global_pool: A pooling type of timm's SelectAdaptivePool2d, by default the spec's. With `''` the map stays, and
            a classifier then returns a map of logits. Default without a head: `''`, or `avg` with an added classifier.
        drop_rate: Dropout before the classifier, by default the spec's.
        img_size: Height and width of the input, or one number for all axes, by default the spec's.
        device: Device of the weights; `meta` allocates none.
        dtype: Dtype of the weights.

    Raises:
        FieldspecError: The spec is invalid, possibly due to `in_chans` or `img_size`; or torch reserves an item's name.
    """

    def __init__(
        self,
        spec: Any,
        *,
        num_classes: int | None = None,
        in_chans: int | None = None,
        global_pool: str | None = None,
        drop_rate: float | None = None,
        img_size: int | tuple[int, ...] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        spec = load(spec)
        rank = len(spec.input) - 1
        size = (img_size,) * rank if isinstance(img_size, int) else img_size
        input_shape = (in_chans or spec.input[0], *(size or spec.input[1:]))
        if input_shape != spec.input:
            spec = at_input(spec, input_shape)
        self.spec: ArchitectureSpec = spec
        self.feature_info = FeatureLevels(feature_levels(spec))
        self.levels = len(self.feature_info)
        self.items = spec.items
        self.in_chans = spec.input[0]
        self.ends = spec.ends
        self.num_features = spec.graph.nodes[output_of(spec)].shape[0]
        self.drop_rate = drop_rate if drop_rate is not None else spec.head.dropout if spec.head else 0.0
        self.flat = (
            len(spec.graph.nodes[output_of(spec)].shape) == 1
        )  # the layers end in a vector, so there is nothing to pool
        self.layers = generate_layers(
            self.items, {item.id: to_module(item.block, device=device, dtype=dtype) for item in self.items}, self.ends
        )
        if num_classes is None:
            num_classes = spec.head.classes if spec.head else 0
        if global_pool is None:
            global_pool = pool_type_of(spec.head) if spec.head else self._pool_of_added_head(num_classes)
        self.head = self._new_head(num_classes, global_pool, device=device, dtype=dtype)
        self.num_classes = num_classes
        self.head_hidden_size = self.head.num_features

    # ------------------------------------------------------------------------------------------ forward

    def forward_features(self, x: Tensor) -> Tensor:
        """(batch, in_chans, height, width) -> (batch, num_features, height / reduction, width / reduction)."""
        return self.layers(x)[-1]  # type: ignore[no-any-return]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(batch, num_features, height, width) -> (batch, num_classes), or (batch, head_hidden_size)."""
        return self.head(x, pre_logits=pre_logits)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_chans, height, width) -> (batch, num_classes)."""
        return self.forward_head(self.forward_features(x))

    @torch.jit.export
    def forward_intermediates(
        self,
        x: Tensor,
        indices: Optional[Union[int, list[int]]] = None,  # noqa: UP007, UP045  # TorchScript does not support `|` here
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> Union[list[Tensor], tuple[Tensor, list[Tensor]]]:  # noqa: UP007
        """(batch, in_chans, height, width) -> [(batch, num_chs, height / reduction, width / reduction), ...].

        Args:
            x: Images.
            indices: Levels of `feature_info`: the last n for a number, all for None.
            norm: Has no effect: the levels are the outputs of the layers.
            stop_early: Has no effect: `prune_intermediate_layers` shortens the network permanently.
            output_fmt: Must be NCHW.
            intermediates_only: Return only the levels, without the output of `forward_features` before them.
        """
        if output_fmt != "NCHW":
            raise ValueError("output_fmt must be NCHW")
        outputs = self.layers(x)
        take, _ = feature_take_indices(self.levels, indices)
        intermediates = [outputs[i] for i in take]
        if intermediates_only:
            return intermediates
        return outputs[-1], intermediates

    # ----------------------------------------------------------------------------------------- surgery

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Keep only what the levels `indices` need, without classifier and body; returns their nonnegative indices.

        `forward` then returns the map of the last kept level, or its pooled vector after `reset_classifier`.
        """
        take, last = feature_take_indices(len(self.feature_info), indices)
        end = [at for at, item in enumerate(self.items) if item.tap][last] + 1
        cut = end < len(self.items)
        if cut:
            last_kept = self.items[end - 1].id
            self._rewire(needed_items(self.items[:end]))
            self.feature_info = FeatureLevels(self.feature_info[: last + 1])
            self.levels = len(self.feature_info)
            self.num_features = self.feature_info[-1]["num_chs"]
            output = self.spec.outputs[[item.id for item in self.spec.items].index(last_kept)]
            self.flat = len(self.spec.graph.nodes[output].shape) == 1
        if cut or prune_head:
            self.reset_classifier(0, "")
            self.head = ClassifierHead(self.num_features, 0, "", drop_rate=self.drop_rate).train(self.training)
            self.head_hidden_size = self.num_features  # a body without preceding pooling was kept
        return list(take)

    def get_classifier(self) -> nn.Module:
        """The linear layer; an identity if there is none."""
        return self.head.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a new one on the same device, in the same dtype and mode; 0 for none."""
        if global_pool is None:
            pool = self.head.global_pool.pool_type
            global_pool = pool if pool or self.spec.head else self._pool_of_added_head(num_classes)
        weight = next(self.parameters(), torch.empty(0))
        head = self._new_head(num_classes, global_pool, device=weight.device, dtype=weight.dtype)
        self.head = head.train(self.training)
        known: Any = getattr(self, "pretrained_cfg", {})
        for key in ("label_names", "label_descriptions"):  # of the previous classifier
            known.pop(key, None)
        self.num_classes = num_classes
        self.head_hidden_size = head.num_features

    def _rewire(self, items: Sequence[Item]) -> None:
        """Regenerate `layers` from its current modules."""
        there = {item.id for item in items}
        self.ends = self.ends if there.issuperset(self.ends) else ()
        layers = generate_layers(items, {item.id: self.layers.get_submodule(item.id) for item in items}, self.ends)
        for module in layers.modules():
            if isinstance(module, Layers) or type(module) is nn.Module:  # containers are recreated
                module.training = self.training
        self.items, self.layers = tuple(items), layers

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch
        self._rewire(self.items)  # pickle restores a plain GraphModule

    def _pool_of_added_head(self, num_classes: int) -> str:
        return "avg" if num_classes and not self.flat else ""

    def _new_head(self, num_classes: int, pool: str, **factory: Any) -> ClassifierHead:
        return head_of(
            self.spec,
            num_classes,
            pool,
            behind=self.items[-1].id,
            num_features=self.num_features,
            flat=self.flat,
            drop_rate=self.drop_rate,
            body=getattr(self, "head", None) and self.head.body,
            **factory,
        )

    # ---------------------------------------------------------------------------------------- training

    def _repr_html_(self) -> str | None:
        return shown("network_html", self)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Parameter groups for layer-wise decay: one per item, or if `coarse`, one per feature level; then the head."""
        groups, level = [], 0
        for number, item in enumerate(self.items):
            path = re.escape(f"layers.{item.id}.")
            groups.append((f"^{path}", (level if coarse else number,)))
            level += item.tap
        return {"layers": groups}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute each block in the backward pass instead of keeping its activations."""
        for item in self.items:
            block = self.layers.get_submodule(item.id)
            if isinstance(block, Chain | Parallel | Wired):
                block.grad_checkpointing = enable

    def no_weight_decay(self) -> set[str]:
        """Names of parameters excluded from weight decay: none besides biases and norms, which timm excludes itself."""
        return set()

    def init_weights(self) -> None:
        """Initialize weights and buffers with torch's defaults; also after `to_empty`."""
        for module in self.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()

    # What timm stores in config.json to rebuild the model: the spec itself, not the path it was read from.
    __jit_unused_properties__ = ["_model_args"]  # noqa: RUF012  # as torch requires

    @property
    def _model_args(self) -> dict[str, Any]:
        arguments: dict[str, Any] = self.__dict__.get("_arguments", {})
        return arguments

    @_model_args.setter
    def _model_args(self, arguments: dict[str, Any]) -> None:
        spec = arguments.get("spec", {})
        portable = arguments if isinstance(spec, dict) else {**arguments, "spec": load(spec).to_dict()}
        self.__dict__["_arguments"] = portable


class SeveralOutputs(SpecNet):
    """The network of a spec with named outputs: returns a list of them, in order; if pruned, only its last level."""

    def forward(self, x: Tensor) -> list[Tensor]:  # type: ignore[override]
        """(batch, in_chans, height, width) -> [output, ...]."""
        outputs = self.layers(x)
        return outputs[min(self.levels, len(outputs) - 1) :]  # type: ignore[no-any-return]


def checkpoint_filter_fn(state_dict: dict[str, Any], model: nn.Module) -> dict[str, Any]:
    """Rename the tensors of a training checkpoint for `model`: unwrap it, and strip the prefixes of wrappers."""
    for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(state_dict.get(key), Mapping):
            state_dict = state_dict[key]
            break
    for prefix in ("_orig_mod.", "module.", "model.", "net."):
        if state_dict and all(name.startswith(prefix) for name in state_dict):
            state_dict = {name.removeprefix(prefix): value for name, value in state_dict.items()}
    return state_dict
