"""The registry of blocks that a spec may name."""

from __future__ import annotations

import functools
import inspect
import keyword
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, overload

from fieldspec.blocks.block import Block
from fieldspec.blocks.block_type import REQUIRED, WORDS, BlockType, Resolver, Setting, Settings
from fieldspec.blocks.errors import FieldspecError

# Keys that may accompany a block in an item; they are never block names.
ITEM_KEYS = ("id", "from", "repeat", "first", "tap")

# Other names for blocks, for "Did you mean 'residual'?"; misspellings are found without this table.
ELSEWHERE = {
    "activation": "act",
    "average_pooling2d": "avg_pool",
    "avg_pool2d": "avg_pool",
    "avgpool": "avg_pool",
    "basic_block": "residual",
    "batch_norm": "norm",
    "batch_normalization": "norm",
    "batchnorm": "norm",
    "bn": "norm",
    "bottleneck": "residual",
    "cat": "concat",
    "channel_shuffle": "shuffle",
    "chunk": "parallel",
    "conv1d": "conv",
    "conv2d": "conv",
    "conv2d_transpose": "conv_transpose",
    "conv3d": "conv",
    "conv_2d": "conv",
    "convolution": "conv",
    "deconv": "conv_transpose",
    "depthwise": "depthwise_separable",
    "depthwise_conv2d": "conv",
    "elu": "act",
    "fc": "linear",
    "fully_connected": "linear",
    "gap": "global_pool",
    "gelu": "act",
    "group_norm": "norm",
    "hardswish": "act",
    "hardtanh": "act",
    "interpolate": "resize",
    "layer_norm": "norm",
    "layer_normalization": "norm",
    "layer_scale": "scale",
    "leaky_relu": "act",
    "max_pool2d": "max_pool",
    "max_pooling2d": "max_pool",
    "maxpool": "max_pool",
    "maxpool2d": "max_pool",
    "mbconv": "inverted_residual",
    "mish": "act",
    "mul": "multiply",
    "pixel_shuffle": "depth_to_space",
    "pixel_unshuffle": "space_to_depth",
    "prelu": "act",
    "relu": "act",
    "resnet": "residual",
    "se": "squeeze_excite",
    "separable_conv2d": "depthwise_separable",
    "sequential": "chain",
    "sigmoid": "act",
    "silu": "act",
    "softmax": "act",
    "split": "parallel",
    "stochastic_depth": "drop_path",
    "sum": "add",
    "tanh": "act",
    "up_sampling2d": "resize",
    "upsample": "resize",
    "zero_pad": "pad",
    "zero_padding2d": "pad",
}


_BLOCKS: dict[str, BlockType] = {}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


F = TypeVar("F", bound=Callable[..., Block])


@overload
def register_block(function: F) -> F: ...
@overload
def register_block(
    *, name: str | None = None, resolve: Resolver | None = None, one_of: tuple[str, ...] = ()
) -> Callable[[F], F]: ...
def register_block(
    function: F | None = None,
    *,
    name: str | None = None,
    resolve: Resolver | None = None,
    one_of: tuple[str, ...] = (),
) -> F | Callable[[F], F]:
    """Make a function that returns a block available to specs under its name.

    The function takes `in_channels` first and its settings as keywords, whose annotations define validation, error
    messages and JSON Schema. In a spec, a setting annotated `Block` is written as a list of items, and one annotated
    `tuple[Block, ...]` as a list of such lists; each is built for `in_channels`. A setting `act: Act`, `norm: Norm`
    or `order: Order` takes the spec's `defaults`. The function may raise ValueError; its message is reported as a
    problem of the item.

    Args:
        function: ``(in_channels, *, ...) -> Block``.
        name: Name in a spec; the function's by default.
        resolve: ``(in_channels, settings) -> settings``, run before every call of the function, from Python as well.
            It replaces settings by derived ones (`expand_ratio` by `expand`), so that the function and the canonical
            form get absolute numbers.
        one_of: Settings, by their names in a spec, of which exactly one must be given. The JSON Schema states it; the
            function checks it.

    Raises:
        FieldspecError: The name is taken, is not a lower-case identifier, or the signature does not fit.
            The same function may be redefined, as in a notebook.

    Example:
        >>> from fieldspec.blocks import Block, chain, conv, parallel_concat, IDENTITY
        >>> @register_block
        ... def ghost_example(in_channels: int, *, out: int, ratio: int = 2) -> Block:
        ...     # half of the channels by a convolution, the rest from those by a depthwise one (Han et al., 2020)
        ...     own = out // ratio
        ...     cheap = conv(own, out_channels=own * (ratio - 1), kernel_size=3, groups=own)
        ...     return chain(primary=conv(in_channels, out_channels=own, kernel_size=1),
        ...                  ghost=parallel_concat(primary=IDENTITY, cheap=cheap))
        >>> ghost_example(16, out=32).out_channels_of(16)
        32
    """

    def register(function: F) -> F:
        block = BlockType(name or function.__name__, function, resolve, one_of=one_of)
        _add(block)
        return function if resolve is None else cast("F", _resolving(block))

    return register if function is None else register(function)


def register_shorthand(name: str, stands_for: str, *, fixed: Settings | None = None, **preset: Any) -> None:
    """Register another name for a block with some settings preset; the canonical form uses the block's own name.

    Args:
        name: The shorthand.
        stands_for: The block.
        fixed: Settings that cannot be changed under this name.
        preset: Settings whose defaults differ under this name.
    """
    base, made = _BLOCKS[stands_for], fixed or {}
    _add(BlockType(name, base.function, base.resolve, {**preset, **made}, stands_for, frozenset(made)))


def _resolving(block: BlockType) -> Callable[..., Block]:
    """A block's function for calls from Python: resolves the settings first."""
    settings = list(inspect.signature(block.function).parameters.values())[1:]
    defaults = {setting.name: setting.default for setting in settings if setting.default is not REQUIRED}
    required = {setting.name for setting in settings if setting.default is REQUIRED}

    @functools.wraps(block.function)
    def resolving(in_channels: int, **given: Any) -> Block:
        if not required <= given.keys():
            return block.function(in_channels, **given)  # raises TypeError naming the missing setting
        made, _ = block.make(in_channels, {**defaults, **given})
        return made

    return resolving


def block_type(name: str) -> BlockType | None:
    """The block registered under `name`; None if there is none."""
    return _BLOCKS.get(name)


def is_block_name(name: str) -> bool:
    """Whether `name` is allowed as the name of a block."""
    return bool(_NAME.fullmatch(name)) and not keyword.iskeyword(name) and name not in ITEM_KEYS


def block_names() -> list[str]:
    """All registered names, sorted."""
    return sorted(_BLOCKS)


def _add(block: BlockType) -> None:
    name = block.name
    if not is_block_name(name):
        raise FieldspecError(f"block name {name!r} must be a lower-case identifier other than {', '.join(ITEM_KEYS)}")
    if name in _BLOCKS and not _is_redefined(_BLOCKS[name], block):
        raise FieldspecError(f"block name {name!r} is taken. Choose another with register_block(name=...)")
    if not inspect.isroutine(block.function):
        raise FieldspecError(f"block {name!r} must be a function that returns a Block, not a class or other object")
    parameters = list(inspect.signature(block.function).parameters.values())
    if not parameters or any(p.kind is not p.KEYWORD_ONLY for p in parameters[1:]):
        raise FieldspecError(f"block {name!r} must take (in_channels, *, ...), with keyword-only settings")
    untyped = [p.name for p in parameters[1:] if p.annotation is p.empty]
    if untyped:
        raise FieldspecError(f"block {name!r}: settings without a type annotation: {', '.join(untyped)}")
    try:
        settings = block.settings
    except NameError as error:
        raise FieldspecError(f"block {name!r}: {error}. Types are looked up in the function's module") from None
    if len(settings) < len(parameters) - 1:
        raise FieldspecError(
            f"block {name!r}: {' or '.join(WORDS)} and its longer name are the same setting. Remove one"
        )
    for setting in settings.values():
        _check_setting(name, setting)
    _BLOCKS[name] = block


def _check_setting(block: str, setting: Setting) -> None:
    """Reject settings that a spec could not express."""
    if setting.name.startswith(("_", "model_")):
        raise FieldspecError(f"block {block!r}: a setting cannot be called {setting.name!r}. Rename it")
    members = {setting.annotation, *typing.get_args(setting.annotation)}
    inside = {part for member in members for part in typing.get_args(member)}
    ambiguous = setting.holds == "either" and any(typing.get_origin(part) is tuple for part in members | inside)
    if ambiguous or (setting.holds == "value" and Block in members | inside):
        raise FieldspecError(f"block {block!r}: {setting.name} must be Block, Block | None or tuple[Block, ...]")
    if list in (setting.annotation, *map(typing.get_origin, members)):
        raise FieldspecError(
            f"block {block!r}: {setting.name} is a list, and settings are immutable; use tuple[int, ...]"
        )
    if setting.default is not REQUIRED and not _is_plain(setting.default):
        raise FieldspecError(f"block {block!r}: the default of {setting.name} cannot be written in a spec")


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    return value is None or isinstance(value, bool | int | float | str)


def _is_redefined(before: BlockType, after: BlockType) -> bool:
    """Whether the same definition was executed again, as in a notebook cell."""
    place = after.function.__module__, after.function.__qualname__
    return (before.function.__module__, before.function.__qualname__) == place and before.function is not after.function
