"""SVG of single boxes: layers, closed blocks, and frames of open blocks."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from fieldspec.pages.drawing.diagram import Diagram
from fieldspec.pages.drawing.geometry import HEADER, HEIGHT, WIDTH, Rectangle
from fieldspec.pages.drawing.words import Words, words_of_block, words_of_layer


@dataclass(frozen=True, slots=True)
class BoxMark:
    """The mark of a box in a comparison, and the number that it shares with its partner in the other drawing."""

    word: str  # added, removed, changed; empty if the same
    pair: int | None = None


UNMARKED = BoxMark("")


def layer_box(
    diagram: Diagram,
    number: int,
    place: Rectangle | None,
    share: float,
    *,
    live: bool = False,
    mark: BoxMark = UNMARKED,
) -> str:
    """Draw the box of a layer, hidden without a place. With `live`, for a page, it can be focused and selected."""
    words = words_of_layer(diagram.report, diagram.leaves[number])
    pressed = f'data-box="{number}" aria-pressed="false"' if live else ""
    return _group(f"box {words.family}", words, place, pressed, _closed(words, share), mark)


def block_box(
    diagram: Diagram,
    number: int,
    place: Rectangle | None,
    share: float,
    *,
    live: bool = False,
    mark: BoxMark = UNMARKED,
) -> str:
    """Draw the box of a closed block, with a second edge behind it and a plus sign."""
    words = words_of_block(diagram, number)
    behind = f'<rect class="face" x="4" y="4" width="{WIDTH}" height="{HEIGHT}" rx="7"/>'
    sign = f'<text class="sign" x="{WIDTH - 18}" y="20">+</text>'
    expanded = f'data-closed="{number}" aria-expanded="false"' if live else ""
    return _group("box block", words, place, expanded, behind + _closed(words, share) + sign, mark)


def block_frame(diagram: Diagram, number: int, place: Rectangle | None, *, live: bool = False) -> str:
    """Draw the frame of an open block, with a header that closes it."""
    words = words_of_block(diagram, number)
    width, height = (place.width, place.height) if place else (WIDTH, HEIGHT)
    head = (
        f'<rect class="hit" width="{width:g}" height="{HEADER}" rx="9"/>'
        f'<text class="sign" x="11" y="18">−</text><text class="title" x="27" y="18">{escape(words.title)}</text>'
    )
    handle = f"<g {_spoken(words)} data-open='{number}' aria-expanded='true'>{head}</g>" if live else head
    face = f'<rect class="face" width="{width:g}" height="{height:g}" rx="9"/>'
    name = f' data-frame="{number}"' if live else ""
    return f'<g class="frame"{name}{_where(place)}>{face}{handle}</g>'


def _closed(words: Words, share: float) -> str:
    bar = WIDTH - 22
    return (
        f'<rect class="face" width="{WIDTH}" height="{HEIGHT}" rx="7"/>'
        f'<rect class="mark" x="0" y="9" width="4" height="{HEIGHT - 18}" rx="2"/>'
        f'<text class="title" x="13" y="18">{escape(words.title)}</text> '  # the space separates words in copied text
        f'<text class="below" x="13" y="33">{escape(words.below)}</text>'
        f'<rect class="bar" x="13" y="{HEIGHT - 7}" width="{bar}" height="2.5" rx="1"/>'
        f'<rect class="share" x="13" y="{HEIGHT - 7}" width="{bar * share:.1f}" height="2.5" rx="1"/>'
    )


def _group(
    classes: str, words: Words, place: Rectangle | None, data: str, inside: str, mark: BoxMark = UNMARKED
) -> str:
    """Wrap a box: on a page as a button with a label, elsewhere with a tooltip."""
    own = f" {_spoken(words)} {data}" if data else ""
    tip = "" if data else f"<title>{escape(words.spoken)}</title>"
    if mark.word:
        classes = f"{classes} {mark.word}"
        inside += f'<text class="fate-word" x="5" y="-4">{mark.word}</text>'
    if mark.pair is not None:
        own += f' data-pair="{mark.pair}"'
    return f'<g class="{classes}"{own}{_where(place)}>{tip}{inside}</g>'


def _spoken(words: Words) -> str:
    name = f"{words.title} {words.below}; {words.spoken}"  # visible text first, for speech control
    return f'role="button" tabindex="0" aria-label="{escape(name)}"'


def _where(place: Rectangle | None) -> str:
    return f' transform="translate({place.x:g} {place.y:g})"' if place else ' display="none"'
