"""Classify an image with an .onnx file, using only ONNX Runtime: python run_onnx.py FILE.onnx PICTURE."""

import json
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from PIL import Image

file, picture = sys.argv[1:]
card = json.loads(Path(f"{file}.json").read_text())
pixels = np.array(Image.open(picture).convert("RGB").resize((card["input"][2], card["input"][1])), np.float32)
x = ((pixels / 255 - card["mean"]) / card["std"]).transpose(2, 0, 1)[None].astype(np.float32)
session = InferenceSession(file)
(answer,) = session.run(None, {session.get_inputs()[0].name: x})
print(card["classes"][answer.argmax()])
