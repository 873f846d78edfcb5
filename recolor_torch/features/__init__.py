"""VGG-19 by named layer: its weights, activation normalisation and Gram matrices."""

from recolor_torch.features.gram import gram_matrix
from recolor_torch.features.layers import layer_depth, layer_name
from recolor_torch.features.normalize import normalize_activations
from recolor_torch.features.vgg import VGG19
from recolor_torch.features.weights import Preprocessing, VggWeights, find_vgg19, save_vgg19

__all__ = [
    "VGG19",
    "Preprocessing",
    "VggWeights",
    "find_vgg19",
    "gram_matrix",
    "layer_depth",
    "layer_name",
    "normalize_activations",
    "save_vgg19",
]
