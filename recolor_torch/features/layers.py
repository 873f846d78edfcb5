"""Names of the layers of VGG-19 and VGG-16: the report's (``conv_5``) and the paper's (``conv3_1``)."""

BLOCKS = (2, 2, 4, 4, 4)
"""Convolutions in each block; a pooling follows each block (Simonyan and Zisserman, 2015, column E)."""

CHANNELS = (64, 64, 128, 128, *[256] * 4, *[512] * 8)
"""Output channels of conv_1 ... conv_16."""

POOLED_AFTER = tuple(sum(BLOCKS[: i + 1]) for i in range(len(BLOCKS)))
"""Number of the last convolution of each block: 2, 4, 8, 12, 16."""

VGG16_LACKS = (8, 12, 16)
"""Convolutions that VGG-16 (column D) is without; the others have their names, and what follows conv_7 is conv_9."""

_PAPER = [f"{block + 1}_{i + 1}" for block, count in enumerate(BLOCKS) for i in range(count)]
_NAMES = {
    **{f"conv_{k}": f"conv_{k}" for k in range(1, 17)},
    **{f"relu_{k}": f"relu_{k}" for k in range(1, 17)},
    **{f"pool_{k + 1}": f"pool_{k + 1}" for k in POOLED_AFTER},
    **{f"conv{name}": f"conv_{k + 1}" for k, name in enumerate(_PAPER)},
    **{f"relu{name}": f"relu_{k + 1}" for k, name in enumerate(_PAPER)},
}


def layer_name(name: str) -> str:
    """The report's name of a layer that may be called by its alias.

    ``conv_k`` is the output of convolution k before ReLU, ``relu_k`` after it, and ``pool_k`` what
    convolution k would see: pool_3 follows conv_2.

    Raises:
        ValueError: VGG-19 has no such layer.

    Example:
        >>> layer_name("conv3_1"), layer_name("relu_4")
        ('conv_5', 'relu_4')
    """
    if name not in _NAMES:
        raise ValueError(
            f"Unknown layer {name!r}. Known layers: conv_1 to conv_16 (or conv1_1 to conv5_4), "
            "relu_1 to relu_16 (or relu1_1 to relu5_4), pool_3, pool_5, pool_9, pool_13, pool_17."
        )
    return _NAMES[name]


def layer_depth(name: str) -> int:
    """How many convolutions a layer needs.

    Example:
        >>> layer_depth("conv3_1"), layer_depth("pool_5")
        (5, 4)
    """
    kind, _, number = layer_name(name).partition("_")
    return int(number) - (kind == "pool")


def feature_index(k: int) -> int:
    """Position of convolution ``k`` in ``torchvision.models.vgg19().features``."""
    return 2 * (k - 1) + sum(k > last for last in POOLED_AFTER)


def vgg16_index(k: int) -> int:
    """Position of convolution ``k`` in ``torchvision.models.vgg16().features``; it has no 8, 12 and 16.

    Example:
        >>> [vgg16_index(k) for k in (1, 7, 9, 15)]
        [0, 14, 17, 28]
    """
    return feature_index(k) - 2 * sum(k > lacking for lacking in VGG16_LACKS)


def paper_name(k: int) -> str:
    """The paper's name of convolution ``k``.

    Example:
        >>> paper_name(5)
        'conv3_1'
    """
    return f"conv{_PAPER[k - 1]}"
