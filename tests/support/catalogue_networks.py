"""Networks of the catalogue that a test can afford to build, run and compile."""

from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec.catalogue import list_models

MOST_MACS = 100_000_000
DEARER = {"c1c2c3c40_dilated", "mobilenet_v1"}  # for their dilations, and for their 224 pixels
CHEAP_NETWORKS = [name for name in list_models() if name in DEARER or analyze(name).macs < MOST_MACS]
