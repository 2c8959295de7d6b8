"""Map transformations that trace rules share while a layer graph is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    FREE,
    ChannelIndex,
    Factor,
    Layout,
    LayoutError,
    channels_in,
    fused,
    numbered,
    of_map,
    places_in,
    size_of,
    whole,
)
from fieldspec.analysis.trace.recording import Recording
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import (
    DepthToSpace,
    Expand,
    Flatten,
    Mix,
    SelectChannels,
    Shape,
    SpaceToDepth,
    Unflatten,
)


class Recorder(Recording):
    """A recording that rearranges maps: views become layers when a rule needs them in another layout."""

    __slots__ = ()

    def straight(self, value: Value) -> Value:
        """The same tensor over a map whose channels are in the order of the tensor's dimensions."""
        factors = channels_in(value.layout)
        layout = numbered(value.layout)
        if channels_in(layout) == factors and prod([f.size for f in factors]) == self.shape(value)[0]:
            return value
        index = ChannelIndex(factors)
        shape = (len(index), *self.shape(value)[1:])
        return Value(self.add("view", SelectChannels(index), [value.node], shape), layout)

    def ordered(self, value: Value, index: ChannelIndex) -> Value:
        """The same tensor over a map with channels in another order; the caller provides the new layout."""
        if index.is_in_order:
            return value
        shape = (len(index), *self.shape(value)[1:])
        return Value(self.add("view", SelectChannels(index), [value.node], shape), value.layout)

    def filled(self, value: Value, dims: Sequence[int]) -> Value:
        """The same tensor with repetitions in `dims` turned into channels."""
        if not any(factor.axis == FREE for dim in dims for factor in value.layout[dim]):
            return self.straight(value)
        layout = tuple(
            tuple([Factor(CHANNEL, f.size, 0) if f.axis == FREE and at in dims else f for f in dim])
            for at, dim in enumerate(value.layout)
        )
        index = ChannelIndex(channels_in(layout))
        shape = (len(index), *self.shape(value)[1:])
        node = self.add("expand", SelectChannels(index), [value.node], shape)
        return Value(node, numbered(layout))

    def absorbed(self, value: Value, dim: int) -> Value:
        """The same tensor with patch pieces in dimension `dim` turned into channels: space-to-depth by views."""
        shape = self.shape(value)
        in_map = dim == 1 and len(value.layout) == 2 + self.axes
        beside = in_map and (self.axes > 1 or bool(channels_in(value.layout[1:2])))  # a feature's time steps stay

        def in_patch(factor: Factor) -> bool:  # next to a map's channels it may be a whole axis
            return factor.size < shape[factor.axis] or (beside and not value.layout[1 + factor.axis])

        inner = {f.axis: f for f in value.layout[dim] if f.axis > CHANNEL and f.step == 1 and in_patch(f)}
        if not inner:
            return value
        block = tuple(inner[axis].size if axis in inner else 1 for axis in range(1, len(shape)))
        patch = prod(block)
        steps = {axis: prod(block[axis:]) for axis in inner}  # of a position in the patch, the last axis fastest

        def moved(factor: Factor) -> Factor:
            if factor.axis == CHANNEL:
                return Factor(CHANNEL, factor.size, factor.step * patch)
            if factor.axis in inner:
                if factor == inner[factor.axis]:
                    return Factor(CHANNEL, factor.size, steps[factor.axis])
                if factor.step % inner[factor.axis].size:
                    raise LayoutError("patches of two sizes")
                return Factor(factor.axis, factor.size, factor.step // inner[factor.axis].size)
            return factor

        layout = tuple(fused([moved(factor) for factor in at]) for at in value.layout)
        layer = SpaceToDepth(block)
        return Value(self.seen("view", layer, value.node), layout)

    def spaced(self, value: Value, dim: int) -> Value:
        """The same tensor with channels after a whole axis in `dim` turned into units: depth-to-space by views."""
        pieces = value.layout[dim]
        if len(pieces) != 2 or pieces[0].axis <= CHANNEL or pieces[1].axis != CHANNEL or pieces[0].step != 1:
            return value
        axis, block = pieces[0].axis, pieces[1].size
        shape = self.shape(value)
        if pieces[0].size != shape[axis]:
            return value
        others = [f for at in value.layout for f in at if f.axis == CHANNEL and f != pieces[1]]
        order = ChannelIndex([*others, pieces[1]])
        node = self.add("view", SelectChannels(order), [value.node], (len(order), *shape[1:]))
        layer = DepthToSpace(tuple(block if at == axis else 1 for at in range(1, len(shape))))
        node = self.seen("view", layer, node)
        layout = tuple(
            whole(axis, shape[axis] * block) if at == dim else other for at, other in enumerate(value.layout)
        )
        return Value(node, numbered(layout))

    def settled(self, value: Value) -> Value:
        """(batch, channels, *axes) without patches in the channels or channels in the axes; cached per value."""
        if value not in self.maps:
            self.maps[value] = self._map_of(value)
        return self.maps[value]

    def _map_of(self, value: Value) -> Value:
        is_map = self.axes > 1 and len(value.layout) == 2 + self.axes
        if is_map and not places_in(value.layout) and all(channels_in([dim]) for dim in value.layout[2:]):
            return self.unflattened(value)
        value = self.absorbed(value, 1)
        for dim in range(2, len(value.layout)):
            value = self.spaced(value, dim)
        if any(factor.axis == FREE for dim in value.layout[2:] for factor in dim):
            value = self.spread(value)
        return self.filled(self.with_axes(value), range(2))

    def with_axes(self, value: Value) -> Value:
        """The same tensor over a map, of one unit if it was a vector, as windows and channel groups need it."""
        shape = self.shape(value)
        if len(shape) > 1 or not self.axes:
            return value
        shape = (*shape, *[1] * self.axes)
        return Value(self.add("unflatten", Unflatten(shape), [value.node], shape), value.layout)

    def unflattened(self, value: Value) -> Value:
        """Features spread over several dimensions, as a map of their own, as at the start of a decoder.

        Raises:
            LayoutError: They still belong to single units, and it is no longer known to which.
        """
        if self._is_of_units(value.node):
            raise LayoutError("features of single units that become a map again")
        value = self.filled(value, range(len(value.layout)))
        shape = tuple([size_of(dim) for dim in value.layout[1:]])
        return Value(self.add("unflatten", Unflatten(shape), [value.node], shape), of_map(shape))

    def placed_like(self, value: Value, like: Layout) -> Value:
        """The same tensor with features as units of a map where `like` has spatial axes, as at the end of token mixing.

        Raises:
            LayoutError: As for `unflattened`, or the spatial axes in `like` are not whole and in order.
        """
        dims = [at for at, dim in enumerate(like) if places_in([dim]) and channels_in([value.layout[at]])]
        if not dims or places_in(value.layout):
            return value
        places = [factor for at in dims for factor in like[at]]
        axes = [factor.axis for factor in places]
        whole_axes = min(axes) > CHANNEL and all(f.step == 1 for f in places) and axes == sorted(set(axes))
        if not whole_axes or any(size_of(value.layout[at]) != size_of(like[at]) for at in dims):
            raise LayoutError("features that meet places other than whole axes")
        if self._is_of_units(value.node):
            raise LayoutError("features of single units that become a map again")
        value = self.filled(value, range(len(value.layout)))
        others = channels_in([dim for at, dim in enumerate(value.layout) if at not in dims])
        index = ChannelIndex([*others, *channels_in([value.layout[at] for at in dims])])
        sizes = {factor.axis: factor.size for factor in places}
        shape = (size_of(others), *[sizes.get(axis, 1) for axis in range(1, 1 + self.axes)])
        node = self.add("unflatten", Unflatten(shape), [self.ordered(value, index).node], shape)
        layout = [() if at in dims else dim for at, dim in enumerate(value.layout)]
        placed = [like[at] if at in dims else dim for at, dim in enumerate(numbered(tuple(layout)))]
        return Value(node, tuple(placed))

    def _is_of_units(self, node: int) -> bool:
        """Whether a flattened map reaches this node without being mixed."""
        found, at = {node}, [node]
        while at:
            here = self.graph.nodes[at.pop()]
            if isinstance(here.layer, Flatten):
                return True
            partly = isinstance(here.layer, Mix) and here.layer.partly
            if partly or not here.layer.mixes_channels:
                at += [source for source in here.inputs if source not in found]
                found.update(here.inputs)
        return False

    def written(self, value: Value) -> Value:
        """The same tensor with memory for all its repetitions."""
        if not any(factor.axis == FREE for dim in value.layout for factor in dim):
            return value
        everywhere = range(len(value.layout))
        if len(value.layout) == 2 + self.axes:
            if places_in(value.layout):
                return self.filled(value, range(2))  # a row repeated along columns: its reader broadcasts it
            if channels_in(value.layout[2:]):  # features after the repetition: the time steps of a decoder
                return self.unflattened(self.filled(value, everywhere))
            value = self.spread(value)
        return self.filled(value, everywhere)

    def spread(self, value: Value) -> Value:
        """One unit repeated along the axes, as a map of its own."""
        shape = list(self.shape(value))
        if len(value.layout) != 2 + self.axes:
            raise LayoutError("units repeated along dimensions that are not axes of the input")
        layout = list(value.layout)
        for axis in range(1, 1 + self.axes):
            dim = value.layout[1 + axis]
            if any(factor.axis == FREE for factor in dim):
                if len(dim) != 1 or (len(shape) > axis and shape[axis] > 1):
                    raise LayoutError("units repeated beside others")
                layout[1 + axis] = whole(axis, dim[0].size)
        sizes = [layout[1 + axis][0].size if layout[1 + axis] else 1 for axis in range(1, 1 + self.axes)]
        node = self.add("expand", Expand(tuple(sizes)), [value.node], (shape[0], *sizes))
        return Value(node, tuple(layout))

    def spread_like(self, value: Value, like: Value) -> Value:
        """The same tensor with a repeated unit expanded to the units of `like`, such as a class token per patch."""
        shape = [*self.shape(value), *[1] * self.axes][: 1 + self.axes]
        layout = list(value.layout)
        for at, (dim, other) in enumerate(zip(value.layout, like.layout, strict=True)):
            pieces = [factor for factor in other if factor.axis > CHANNEL]
            if not pieces or not any(factor.axis == FREE for factor in dim):
                continue
            sizes = self.shape(like)
            if any(shape[f.axis] > 1 or f.size != sizes[f.axis] for f in pieces) or size_of(dim) != size_of(other):
                raise LayoutError("units repeated along a part of an axis")
            layout[at] = other
            for factor in pieces:
                shape[factor.axis] = factor.size
        node = self.add("expand", Expand(tuple(shape[1:])), [value.node], tuple(shape))
        return Value(node, tuple(layout))

    def unrepeated(self, value: Value) -> Value:
        """The same tensor with one unit of the map per element."""
        value = self.written(value)
        return self.spread(value) if any(f.axis == FREE for dim in value.layout for f in dim) else value

    def flattened(self, value: Value) -> Value:
        """A whole map as (batch, features)."""
        value = self.straight(value)
        features = prod(self.shape(value))
        node = self.add("flatten", Flatten(), [value.node], (features,))
        self.flat[node] = value
        return Value(node, ((), whole(CHANNEL, features)))

    def is_plain(self, value: Value) -> bool:
        """Whether the tensor has the map's units one by one: no windows, no repetition, no spatial axes in channels."""
        shape = self.shape(value)
        if any(len({f.axis > CHANNEL for f in dim}) > 1 for dim in value.layout):
            return False
        pieces = [factor for dim in value.layout for factor in dim]
        return all(f.axis == CHANNEL or f == (f.axis, shape[f.axis], 1) for f in pieces)

    # --------------------------------------------------------------------------------------- what rules ask

    def made(self, layout: Layout, value_shape: Shape) -> Shape:
        """Shape of a new map with this layout: channels counted, spatial axes as before."""
        channels = prod([f.size for f in channels_in(layout)])
        dims = len(layout)
        if not places_in(layout) and dims < 2 + self.axes:
            return (channels,)
        sizes = value_shape[1:] if len(value_shape) > 1 else (1,) * self.axes
        return (channels, *sizes)

    def axis_of(self, value: Value, dim: int) -> int | None:
        """The axis that a dimension holds, alone and whole; None if it holds no spatial axis.

        A dimension of size 1 is an axis of one unit if the tensor is a map.

        Raises:
            LayoutError: It holds a part of an axis, or several.
        """
        spatial = [f for f in value.layout[dim] if f.axis > CHANNEL]
        if not value.layout[dim] and dim > 1 and len(value.layout) == 2 + self.axes:
            return dim - 1 if self.shape(value)[dim - 1 :][:1] in ((1,), ()) else None
        if not spatial:
            return None
        (factor, *rest) = value.layout[dim]
        if rest or factor != (factor.axis, self.shape(value)[factor.axis], 1):
            raise LayoutError("windows over a part of an axis, or over several in a row")
        return factor.axis
