"""The built network's head: pooling, classifier, other numbers of classes and input channels."""

import pytest
import torch
from specnets import FLAT, SMALL, UNET, images, made
from timm.layers import adaptive_avgmax_pool
from torch import nn

from fieldspec.architectures.network.builder import build
from fieldspec.blocks.errors import FieldspecError


@pytest.mark.parametrize("pool", ["avg", "max", "avgmax", "catavgmax"])
def test_pooling_is_timms(pool: str) -> None:
    """Every pooling computes what timm's does, and scripts."""
    net = made(SMALL, num_classes=0, global_pool=pool)
    features = net.forward_features(images(net))
    expected = adaptive_avgmax_pool.select_adaptive_pool2d(features, pool, 1).flatten(1)
    torch.testing.assert_close(net(images(net)), expected)
    torch.testing.assert_close(torch.jit.script(net)(images(net)), expected)
    assert net.head_hidden_size == expected.shape[1]


@pytest.mark.parametrize("pool", ["fast", "fastavg", "fastmax", "fastavgmax", "fastcatavgmax"])
def test_fast_pooling(pool: str) -> None:
    """timm's fast poolings agree with the plain ones, with a classifier behind them."""
    plain = made(SMALL, global_pool=pool.removeprefix("fast") or "avg")
    torch.testing.assert_close(made(SMALL, global_pool=pool)(images(plain)), plain(images(plain)))


def test_no_pooling() -> None:
    """Without pooling the map stays; a classifier returns a map of logits, whose mean is the pooled net's."""
    net, pooled = made(SMALL, global_pool=""), made(SMALL)
    net.load_state_dict(pooled.state_dict())
    logits = net(images(net))
    assert logits.shape == (2, 5, 8, 8)
    torch.testing.assert_close(logits.mean((2, 3)), pooled(images(net)))
    torch.testing.assert_close(torch.jit.script(net)(images(net)), logits)
    bare = made(SMALL, num_classes=0, global_pool="")
    assert bare(images(bare)).shape == (2, 8, 8, 8)
    assert bare.head_hidden_size == 8


def test_num_classes() -> None:
    """`num_classes` sets the classifier's width, 0 leaves it out."""
    assert made(SMALL, num_classes=11)(images(made(SMALL))).shape == (2, 11)
    net = made(SMALL, num_classes=0)
    assert net.num_classes == 0
    assert isinstance(net.get_classifier(), nn.Identity)
    assert net(images(net)).shape == (2, net.num_features)


def test_drop_rate() -> None:
    """The head's dropout is the spec's unless given."""
    assert made(SMALL).head.drop.p == made(SMALL).drop_rate == 0.2
    assert made(SMALL, drop_rate=0.5).head.drop.p == 0.5


def test_no_bias() -> None:
    """A head without bias stays so when it is reset."""
    net = made({**SMALL, "head": {"classes": 5, "bias": False}})
    net.reset_classifier(7)
    assert net.get_classifier().bias is None


@pytest.mark.parametrize("pool", ["avg", "max", "catavgmax"])
@pytest.mark.parametrize("training", [True, False])
def test_reset_classifier(pool: str, training: bool) -> None:
    """A reset keeps device, dtype, mode and pool, also from a net without classifier."""
    net = made(SMALL, num_classes=0, global_pool=pool, dtype=torch.bfloat16).train(training)
    net.reset_classifier(7)
    weight = net.get_classifier().weight
    assert weight.dtype == torch.bfloat16
    assert net.head.global_pool.pool_type == pool
    assert {module.training for module in net.head.modules()} == {training}
    assert net.num_classes == 7
    assert net(images(net).bfloat16()).shape == (2, 7)
    on_meta = made(SMALL, device="meta")
    on_meta.reset_classifier(3)
    assert on_meta.get_classifier().weight.is_meta


def test_reset_pooling() -> None:
    """A reset can change the pooling, and the widths follow."""
    net = made(SMALL)
    net.reset_classifier(3, "catavgmax")
    assert (net.head_hidden_size, net.num_features) == (16, 8)
    net.reset_classifier(0, "")
    assert net(images(net)).ndim == 4
    assert net.head_hidden_size == 8


def test_headless() -> None:
    """A spec without head ends in its map; a classifier added to it pools by the mean."""
    net = made(UNET)
    assert net.num_classes == 0
    assert net(images(net)).shape == (2, 40, 16, 24)
    net.reset_classifier(4)
    assert net(images(net)).shape == (2, 4)
    assert made(UNET, num_classes=4)(images(net)).shape == (2, 4)


def test_flat() -> None:
    """Layers that end in a vector take a classifier as they are, and no pooling."""
    net = made(FLAT)
    net.reset_classifier(3)
    assert net(images(net)).shape == (2, 3)
    with pytest.raises(FieldspecError, match="the layers end in a vector, nothing is left to pool"):
        net.reset_classifier(3, "avg")


@pytest.mark.parametrize("channels", [1, 4])
def test_in_chans(channels: int) -> None:
    """Other input channels resize the first layers, and nothing else."""
    net, plain = made(SMALL, in_chans=channels), made(SMALL)
    assert (net.in_chans, net.spec.input[0]) == (channels, channels)
    assert net(images(net)).shape == (2, 5)
    shapes = [{name: t.shape for name, t in each.state_dict().items()} for each in (net, plain)]
    assert [name for name in shapes[0] if shapes[0][name] != shapes[1][name]] == ["layers.conv1.conv.weight"]


def test_unknown_pooling() -> None:
    """Named with those that there are."""
    with pytest.raises(FieldspecError, match="global_pool='foo' is not known; give avg, max, avgmax, catavgmax or ''"):
        build("c1c2c3c40", global_pool="foo")
