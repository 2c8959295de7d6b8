"""The shortest forms of normalizations and activations in a spec."""

from __future__ import annotations

from typing import Any

from fieldspec.blocks.settings.types import Norm

LEAKY_SLOPE = 0.01  # torch's default


def norm_parts(norm: Norm) -> tuple[str, dict[str, Any]]:
    """Split a normalization setting into its kind and its options.

    Example:
        >>> norm_parts("batch"), norm_parts({"group": 8}), norm_parts({"batch": {"eps": 0.001}})
        (('batch', {}), ('group', {'groups': 8}), ('batch', {'eps': 0.001}))
    """
    if isinstance(norm, str):
        return norm, {}
    ((kind, options),) = norm.items()
    return kind, {"groups": options} if isinstance(options, int) else dict(options)  # type: ignore[call-overload]


def plain_act(act: Any) -> Any:
    """The shortest form of an activation setting.

    Example:
        >>> plain_act({"leaky_relu": 0.01}), plain_act({"leaky_relu": 0.2}), plain_act("none")
        ('leaky_relu', {'leaky_relu': 0.2}, 'none')
    """
    return "leaky_relu" if act == {"leaky_relu": LEAKY_SLOPE} else act


NORM_DEFAULTS: dict[str, dict[str, Any]] = {
    "batch": {"eps": 1e-5, "momentum": 0.1},
    "layer": {"eps": 1e-6},
    "group": {"groups": 32, "eps": 1e-5},
}


def plain_norm(norm: Norm) -> Norm:
    """The shortest form of a normalization setting; with any option given, all options are written.

    Example:
        >>> plain_norm({"batch": {"eps": 1e-5}}), plain_norm({"group": {"groups": 4}})
        ('batch', {'group': 4})
        >>> plain_norm({"batch": {"eps": 0.001}})
        {'batch': {'eps': 0.001, 'momentum': 0.1}}
    """
    kind, options = norm_parts(norm)
    if not options or isinstance(norm, str) or norm == {"group": options.get("groups")}:
        return norm if options or isinstance(norm, str) else kind  # type: ignore[return-value]  # one of the literals
    defaults = NORM_DEFAULTS[kind]
    full = {**defaults, **options}
    if full == defaults:
        return kind  # type: ignore[return-value]
    groups = full.get("groups")
    return {kind: groups if full == {**defaults, "groups": groups} else full}  # type: ignore[return-value]
