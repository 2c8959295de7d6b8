"""Classify an image with a .tflite file, using only LiteRT: python run_tflite.py FILE.tflite PICTURE."""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

file, picture = sys.argv[1:]
card = json.loads(Path(f"{file}.json").read_text())
pixels = np.array(Image.open(picture).convert("RGB").resize((card["input"][2], card["input"][1])), np.float32)
x = ((pixels / 255 - card["mean"]) / card["std"])[None]  # (1, height, width, channels)
engine = Interpreter(file)
engine.allocate_tensors()
given, answer = engine.get_input_details()[0], engine.get_output_details()[0]
scale, zero = given["quantization"]
x = np.clip(np.round(x / scale) + zero, -128, 127) if scale else x
engine.set_tensor(given["index"], x.astype(given["dtype"]))
engine.invoke()
print(card["classes"][engine.get_tensor(answer["index"]).argmax()])
