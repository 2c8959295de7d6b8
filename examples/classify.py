"""Classify an image file with a network of the catalogue and its pretrained weights.

python examples/classify.py photo.png
"""

import sys

import timm
import torch
from PIL import Image

import fieldspec.timm_models  # noqa: F401  # registers the catalogue

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def classify(path: str, name: str = "c1c2c3c40") -> list[tuple[str, float]]:
    """Class names with their probabilities, in descending order."""
    net = timm.create_model(name, pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(net))
    with Image.open(path) as image:
        batch = transform(image.convert("RGB")).unsqueeze(0)  # (1, 3, 32, 32)
    with torch.inference_mode():
        chances = net(batch).softmax(1)[0].tolist()
    return sorted(zip(CLASSES, chances, strict=True), key=lambda pair: -pair[1])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for label, chance in classify(sys.argv[1])[:3]:
        print(f"{chance:6.1%}  {label}")
