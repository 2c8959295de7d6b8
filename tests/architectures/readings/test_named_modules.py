"""Networks by name: settings as one types them."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

import fieldspec as fs
from fieldspec.architectures.readings.named_modules import named_module
from fieldspec.architectures.readings.reports import is_module_name

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    (",a=1,b=resnet18", {"a": 1, "b": "resnet18"}),
    (",a=[16,32],b=None,c=2", {"a": [16, 32], "b": None, "c": 2}),
    (",a=(2,2),b=null,c=True,d=false", {"a": (2, 2), "b": None, "c": True, "d": False}),
    (",a=[[1, 2], [None, 'same']]", {"a": [[1, 2], [None, "same"]]}),
    (",a={x: 1, y: [2, 3]},b=1e-3", {"a": {"x": 1, "y": [2, 3]}, "b": 0.001}),
    (",a='x, y',b=[relu, gelu]", {"a": "x, y", "b": ["relu", "gelu"]}),
]


class Told(nn.Module):
    """Keeps what it was made with."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = settings


@pytest.mark.parametrize(("text", "settings"), SETTINGS, ids=[text for text, _ in SETTINGS])
def test_settings(text: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, words, lists and None, as Python writes them or as YAML does."""
    monkeypatch.setattr(nn, "Told", Told, raising=False)
    name = f"torch.nn:Told{text}"
    assert is_module_name(name)
    net, _ = named_module(name)
    assert net.settings == settings


@pytest.mark.parametrize("text", ["a=[1", "a={", "a=1,b=[2,c=3"])
def test_what_is_no_value(text: str) -> None:
    """A list without its end is refused with an example."""
    with pytest.raises(fs.FieldspecError, match=r"is not a list of settings such as in_chans=1,output_stride=8"):
        named_module(f"torch.nn:Identity,{text}")
