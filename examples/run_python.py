"""Classify an image with an exported Python file, using only torch: python run_python.py FILE.py PICTURE."""

import json
import runpy
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.transforms.v2.functional import normalize, pil_to_tensor, resize

file, picture = sys.argv[1:]
card = json.loads(Path(f"{file}.json").read_text())
net = runpy.run_path(file)["Net"]().eval()
net.load_state_dict(load_file(Path(file).with_suffix(".safetensors")))
pixels = resize(pil_to_tensor(Image.open(picture).convert("RGB")), card["input"][1:]) / 255
with torch.no_grad():
    answer = net(normalize(pixels, card["mean"], card["std"])[None])
print(card["classes"][answer.argmax()])
