"""Multiply-adds of torch's operations: those of FlopCounterMode, those it lacks, and what remains uncounted."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils.flop_counter import flop_registry

CountOf = Callable[..., int]


def _vector(a: Tensor, *_: Any, **__: Any) -> int:
    """Matrix-vector and vector-vector products: each element of the first operand once."""
    return a.numel()


def _vector_added(_: Tensor, matrix: Tensor, *__: Any, **___: Any) -> int:
    return matrix.numel()


def _outer(a: Tensor, b: Tensor, *_: Any, **__: Any) -> int:
    return a.numel() * b.numel()


def _outer_added(_: Tensor, a: Tensor, b: Tensor, *__: Any, **___: Any) -> int:
    return a.numel() * b.numel()


def _summed_matrices(_: Tensor, a: Tensor, b: Tensor, *__: Any, **___: Any) -> int:
    return a.numel() * b.shape[-1]


def _bilinear(a: Tensor, weight: Tensor, b: Tensor, *_: Any, out_val: Tensor, **__: Any) -> int:
    """`nn.Bilinear` of (n, i), (o, i, j) and (n, j): first operand times weight, then times the second operand."""
    first, second = a.shape[-1], b.shape[-1]
    return out_val.numel() * second * (first + 1)


def _deformable(_: Tensor, weight: Tensor, *__: Any, out_val: Tensor, **___: Any) -> int:
    """As for a convolution; the interpolation between pixels is not counted."""
    return out_val.numel() * weight[0].numel()


def _steps_first(_: Tensor, weight: Tensor, *__: Any, out_val: Tensor, **___: Any) -> int:
    """`conv_tbc`: like a convolution over one axis, with weights (kernel, in_channels, out_channels)."""
    return out_val.numel() * weight[:, :, 0].numel()


def _grid(*_: Any, out_val: Tensor, **__: Any) -> int:
    """`affine_grid`: each position, with a 1 appended, times the matrix; out_val is (batch, *positions, axes)."""
    return out_val.numel() * (out_val.shape[-1] + 1)


def _distances(a: Tensor, *_: Any, out_val: Tensor, **__: Any) -> int:
    """`cdist`: for each pair of rows, the length of a row."""
    return out_val.numel() * a.shape[-1]


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Attention: queries times keys, and attention weights times values."""
    pairs = query.shape[:-1].numel() * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


FORMULAS: dict[str, CountOf] = {
    "aten::mv": _vector,
    "aten::dot": _vector,
    "aten::vdot": _vector,
    "aten::addmv": _vector_added,
    "aten::ger": _outer,
    "aten::addr": _outer_added,
    "aten::addbmm": _summed_matrices,
    "aten::_trilinear": _bilinear,
    "aten::affine_grid_generator": _grid,
    "aten::_euclidean_dist": _distances,
    "aten::_cdist_forward": _distances,
    "torchvision::deform_conv2d": _deformable,
    "aten::conv_tbc": _steps_first,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten::_scaled_dot_product_attention_math_for_mps": _attention,
    "aten::_scaled_dot_product_fused_attention_overrideable": _attention,
}

# Operations of `aten` and `torchvision` without convolutions or matrix products, in addition to views and element-wise
# functions, which torch tags: they move, select, compare, sum, pool, normalize, interpolate or create elements.
FREE = re.compile(
    r"(_?(clone|copy|to_copy|cat|stack|gather|where|roll|flip|rot90|repeat|repeat_interleave|tile|pad|detach|alias|set)"
    r"|lift.*|contiguous|.*_copy|_reshape_.*|_unsafe_view|_efficientzerotensor|resize.*"
    r"|_?(unsafe_)?(index|masked|scatter|take|put|fill|zero|zeros|ones|empty|full|new|rand|eye|arange|linspace|logspace)"
    r"([_.].*|like|int|n|perm)?|.*(scatter|pad[123]d|pad_nd|pad|shuffle|unshuffle)|im2col|col2im|unfold.*|tri[ul].*"
    r"|diag.*|nonzero.*|_?unique.*|sort|argsort|topk|kthvalue|searchsorted|bucketize|embedding.*|_embedding_bag.*"
    r"|max_unpool[123]d|_local_scalar_dense|item|equal|is_nonzero|_?assert.*|is_same_size|isin|one_hot|_pack_.*|_pad_.*"
    r"|sum|nansum|mean|nanmean|prod|amax|amin|aminmax|max|min|median|nanmedian|mode|any|all|argmax|argmin|var|std|var_mean"
    r"|std_mean|norm|linalg_vector_norm|logsumexp|logcumsumexp|cumsum|cumprod|_?cummax.*|_?cummin.*|count_nonzero|hist.*"
    r"|bincount|segment_reduce|.*_norm|_?(batch_)?norm_.*|_native_batch_norm_legit.*|_batch_norm_.*|native_.*_norm|_fused_rms_norm"
    r"|_?(log_|safe_|masked_)?softmax|.*_pool[123]d.*|_?upsample_.*|grid_sampler_.*|roi_.*|ps_roi_.*|nms|.*dropout"
    r"|bernoulli|multinomial|normal|uniform|exponential|random|poisson|_thnn_fused_.*_cell|glu|_?prelu.*|rrelu.*|trace"
    r"|complex|polar|view_as_.*|_conj.*|_neg_view|_nested_.*|celu|lerp|addc.*|_foreach_.*|_assert.*|channel_shuffle"
    r"|bitwise.*|hardswish|log_sigmoid_forward|floor_divide|rsub|threshold|mish|xlogy|copysign|.*_loss(_forward|2d_forward)?"
    r"|binary_cross_entropy.*|.*_window|range|normal_functional|unsafe_split.*|_is_a(ll|ny)_true|rand(n|int)_like|_fused_sdp_choice|fft_r?fftfreq|.*quantize.*|linalg_cross"
    r"|_linalg_check_errors|overlap_add|_has_same_storage_numel|_functional_.*|sym_.*|renorm|dist|_weight_norm_interface|block_diag|allclose|_sparse_coo.*|_chunk_cat|to_padded_tensor"
    r"|_fw_primal.*|scalar_tensor|_pin_memory|is_pinned|_pdist.*|to|circular_pad|broadcast_tensors|_sample_.*)"
)
PLACES = ("aten", "torchvision", "fieldspec", "prim", "prims")


def multiply_adds(func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any) -> int:
    """Multiply-adds of one call of an operation; 0 if unknown."""
    place, operation = _named(func)
    formula = FORMULAS.get(f"{place}::{operation}")
    if formula is not None:
        return formula(*args, **kwargs, out_val=out)
    count = flop_registry.get(func._overloadpacket) or flop_registry.get(_packet(place, operation))
    return 0 if count is None else int(count(*args, **kwargs, out_val=out)) // 2


@cache
def is_counted(func: OpOverload) -> bool:
    """Whether the number of multiply-adds of an operation is known, including those with none.

    Example:
        >>> aten = torch.ops.aten
        >>> [is_counted(op) for op in (aten.mm.default, aten.relu_.default, aten.sort.default, aten._fft_r2c.default)]
        [True, True, True, False]
    """
    place, operation = _named(func)
    packet = _packet(place, operation)
    tags = {*func.tags, *getattr(getattr(packet, func._overloadname, func), "tags", ())}
    known = f"{place}::{operation}" in FORMULAS or func._overloadpacket in flop_registry or packet in flop_registry
    if known or func.is_view or tags & {torch.Tag.pointwise, torch.Tag.inplace_view}:
        return True
    return place in PLACES and FREE.fullmatch(operation) is not None


def _named(func: OpOverload) -> tuple[str, str]:
    """Namespace and name of an operation; in-place ones by the name of the functional one, which has more tags."""
    place, _, operation = func._schema.name.partition("::")
    in_place = func._schema.is_mutable and not operation.endswith("__")
    return place, operation.removesuffix("_") if in_place else operation


def _packet(place: str, operation: str) -> Any:
    return getattr(getattr(torch.ops, place), operation, None)  # torchvision's only if it is imported


def flop_formulas() -> dict[Any, Any]:
    """Formulas that torch lacks, in the form that FlopCounterMode takes."""
    formulas = {name: _as_flops(formula) for name, formula in FORMULAS.items()}
    formulas |= {f"{name}_": formula for name, formula in formulas.items()}  # in-place variants
    formulas |= {f"aten::{name}_": _raw(flop_registry[_packet("aten", name)]) for name in ("addmm", "baddbmm")}
    packets = {name: _packet(*name.split("::")) for name in formulas}
    return {packet: formulas[name] for name, packet in packets.items() if packet is not None}


def _as_flops(formula: CountOf) -> CountOf:
    return _raw(lambda *args, **kwargs: 2 * formula(*args, **kwargs))


def _raw(count: CountOf) -> CountOf:
    """Mark a formula as taking tensors instead of shapes."""

    def flops(*args: Any, **kwargs: Any) -> int:
        return count(*args, **kwargs)

    flops._get_raw = True  # type: ignore[attr-defined]  # torch's marker
    return flops
