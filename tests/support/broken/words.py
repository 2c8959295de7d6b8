"""What many broken specs begin with, and the lists of words that messages end with."""

# ruff: noqa: E501  # a message is one line
HEAD = "input: [3, 32, 32]\n"
KNOWN_BLOCKS = (
    "act, adaptive_pool, add, avg_pool, chain, concat, conv, conv_transpose, dense, depth_to_space, "
    "depthwise_separable, dilated, drop_path, dropout, flatten, global_pool, head, identity, inverted_residual, "
    "linear, max_pool, multiply, norm, pad, parallel, pool, residual, resize, scale, shuffle, slice, space_to_depth, squeeze_excite, strided"
)
ACTS = "tanh, leaky_relu, elu, prelu, mish, hardtanh, gelu_tanh, softmax"
COMPARISON = 'needs a comparison in quotes such as "> 44" or "< 200k" (k, M and G are decimal)'
