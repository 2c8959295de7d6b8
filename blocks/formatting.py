"""Text for sizes and names, shared by all tables and messages."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction


def size_text(numbers: Iterable[int | Fraction]) -> str:
    """Numbers joined by `x`.

    Example:
        >>> size_text((3, 32, 32))
        '3x32x32'
    """
    return "x".join(map(str, numbers))


def side_text(numbers: Iterable[int | Fraction]) -> str:
    """Like `size_text`, but a single number for a square; one or three numbers are always written out.

    Example:
        >>> side_text((47, 47)), side_text((3, 5)), side_text((3, 3, 3))
        ('47', '3x5', '3x3x3')
    """
    values = list(numbers)
    return str(values[0]) if len(values) == 2 and values[0] == values[1] else size_text(values)


def sizes_text(sizes: Iterable[Iterable[int]]) -> str:
    """Several sizes joined by `and`.

    Example:
        >>> sizes_text([(3, 32, 32), (1, 16, 16)])
        '3x32x32 and 1x16x16'
    """
    return " and ".join(map(size_text, sizes))


def first_line(text: str, *, most: int = 240) -> str:
    """The first line of a foreign error message, truncated to `most` characters.

    Example:
        >>> first_line("no such layer" + chr(10) + "at line 3"), first_line("x" * 1_000, most=8)
        ('no such layer', 'xxxx ...')
    """
    line = next(iter(text.splitlines()), "")
    return line if len(line) <= most else f"{line[: most - 4].rstrip()} ..."


def shortened(text: str, most: int) -> str:
    """A long name shortened in the middle, since its ends say more.

    Example:
        >>> shortened("features.denseblock3.denselayer24.conv2", 24)
        'features.den…yer24.conv2'
        >>> shortened("conv1", 24)
        'conv1'
    """
    if len(text) <= most:
        return text
    kept = max(1, most - 1)
    return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"


def article(noun: str) -> str:
    """A noun with its indefinite article.

    Example:
        >>> article("int"), article("list")
        ('an int', 'a list')
    """
    return f"{'an' if noun[:1].lower() in tuple('aeiou') else 'a'} {noun}"
