"""Expressions over parameters, such as `2 * $width`: parsed and computed exactly, never evaluated as code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor
from typing import Any

from fieldspec.architectures.document.problems import mend
from fieldspec.architectures.document.values import written
from fieldspec.blocks.errors import FieldspecError

MAX_LENGTH = 200  # characters, which also limits nested brackets
MAX_VALUE = 10**12
EXAMPLE = "$name stands for a whole value or in an expression such as 2*$name"

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|\$([a-z_][a-z0-9_]*)|(min|max|round_to|floor|ceil)\b|([-+*/(),]))")
_WHOLE = re.compile(r"\$([a-z_][a-z0-9_]*)")


def names_whole(text: str) -> str | None:
    """The parameter that a text consists of: `width` for `$width`; None for others."""
    found = _WHOLE.fullmatch(text)
    return found[1] if found else None


def round_to(value: Fraction, step: Fraction) -> Fraction:
    """Round to a multiple of `step`, at least one, and at most a tenth below `value` (MobileNet's rule for widths).

    Example:
        >>> [str(round_to(Fraction(value), Fraction(8))) for value in (3, 12, 19, 24)]   # 12 up; 16 is a tenth below 19
        ['8', '16', '24', '24']
    """
    nearest = max(step, floor((value + step / 2) / step) * step)
    return nearest + step if nearest < Fraction(9, 10) * value else nearest


def compute(text: str, values: Mapping[str, Any], used: set[str]) -> int | float:
    """Compute the value of an expression; the names in it are added to `used`.

    Raises:
        FieldspecError: It is invalid, or a name in it is unknown or not a number; the reason has no position.
    Example:
        >>> compute("($depth - 2) / 6", {"depth": 20}, set())
        3
    """
    if len(text) > MAX_LENGTH:
        raise FieldspecError(f"is an expression of {len(text)} characters, but at most {MAX_LENGTH} are allowed")
    result = _Reader(text, values, used).whole()
    return int(result) if result.denominator == 1 else float(result)


class _Reader:
    """A recursive-descent parser for sums of products of numbers, parameters, brackets and function calls."""

    def __init__(self, text: str, values: Mapping[str, Any], used: set[str]) -> None:
        self.text, self.values, self.used = text, values, used
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise FieldspecError(f"{written(text)} is not an expression: {text[at:].strip()[:1]!r}. {EXAMPLE}")
            kind = ("number", "name", "function", "sign")[found.lastindex - 1]  # type: ignore[operator]  # one of four
            self.tokens.append((kind, found[found.lastindex]))  # type: ignore[index]
            at = found.end()

    def whole(self) -> Fraction:
        """The value of all tokens."""
        result = self.sum()
        if self.tokens:
            raise FieldspecError(f"{written(self.text)} has an unexpected {self.tokens[0][1]!r}. {EXAMPLE}")
        return result

    def sum(self) -> Fraction:
        result = self.product()
        while self.next_is("+", "-"):
            _, sign = self.tokens.pop(0)
            term = self.product()
            result = self.bounded(result + term if sign == "+" else result - term)
        return result

    def product(self) -> Fraction:
        result = self.factor()
        while self.next_is("*", "/"):
            _, sign = self.tokens.pop(0)
            factor = self.factor()
            if sign == "/" and not factor:
                raise FieldspecError(f"{written(self.text)} divides by zero")
            result = self.bounded(result * factor if sign == "*" else result / factor)
        return result

    def factor(self) -> Fraction:
        kind, token = self.tokens.pop(0) if self.tokens else ("end", "")
        if kind == "number":
            return self.bounded(Fraction(token))
        if kind == "name":
            return self.parameter(token)
        if token == "-":
            return -self.factor()
        if token == "(":
            result = self.sum()
            self.expect(")")
            return result
        if kind == "function":
            return self.call(token)
        raise FieldspecError(f"{written(self.text)} lacks a value {'at its end' if kind == 'end' else f'at {token!r}'}")

    def call(self, name: str) -> Fraction:
        self.expect("(")
        arguments = [self.sum()]
        while self.next_is(","):
            self.tokens.pop(0)
            arguments.append(self.sum())
        self.expect(")")
        if name in ("min", "max"):
            function: Callable[[list[Fraction]], Fraction] = min if name == "min" else max
            return function(arguments)
        if name in ("floor", "ceil"):
            if len(arguments) != 1:
                raise FieldspecError(f"{written(self.text)}: {name} takes one value")
            return Fraction(floor(arguments[0]) if name == "floor" else ceil(arguments[0]))
        if len(arguments) != 2 or arguments[1] <= 0:
            raise FieldspecError(f"{written(self.text)}: round_to takes a value and a positive step")
        return round_to(*arguments)

    def parameter(self, name: str) -> Fraction:
        if name not in self.values:
            raise FieldspecError(f"unknown parameter {'$' + name!r}.{mend(name, self.values)}")
        self.used.add(name)
        value = self.values[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise FieldspecError(f"${name} is {written(value)}, but {written(self.text)} needs a number")
        return self.bounded(Fraction(str(value)))

    def bounded(self, value: Fraction) -> Fraction:
        if abs(value) > MAX_VALUE or value.denominator > MAX_VALUE:
            raise FieldspecError(f"{written(self.text)} yields numbers beyond {MAX_VALUE:,}")
        return value

    def next_is(self, *signs: str) -> bool:
        return bool(self.tokens) and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs

    def expect(self, sign: str) -> None:
        if not self.next_is(sign):
            raise FieldspecError(f"{written(self.text)} lacks a {sign!r}")
        self.tokens.pop(0)
