"""Specs written to do harm end in a SpecError, within seconds and 200 MB."""

# ruff: noqa: E501  # a text is one line
from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAD = "input: [3, 32, 32]\\n"

# Python expressions that give the text, so that its making does not count.
HOSTILE = {
    "repeat of 10^9": "HEAD + 'layers: [{conv: {out: 8}, repeat: 1000000000}]'",
    "channels of 10^9": "HEAD + 'layers: [{conv: {out: 1000000000}}]'",
    "input of 10^9": "'input: [1000000000, 1000000000, 1000000000]\\nlayers: [{conv: {out: 8}}]'",
    "repeats of repeats": "HEAD + 'layers: [' + '{chain: {body: [' * 12 + '{act: }' + ']}, repeat: 1000}' * 12 + ']'",
    "repeats of a parameter": "HEAD + 'blocks: {b0: {body: [{act: }]}, ' + ', '.join("
    "f'b{n}: {{params: {{n: 9}}, body: [{{b{n - 1}: , repeat: $n}}]}}' for n in range(1, 18)) + '}\\nlayers: [{b17: }]'",
    "doubling": "HEAD + 'blocks: {b0: {body: [{act: }]}, ' + ', '.join("
    "f'b{n}: {{body: [{{b{n - 1}: }}, {{b{n - 1}: }}]}}' for n in range(1, 41)) + '}\\nlayers: [{b40: }]'",
    "doubling by a parameter": "HEAD + 'blocks: {b: {params: {x: ~}, body: [$x, $x]}}\\nlayers: [' "
    "+ '{b: {x: ' * 20 + '{act: }' + '}}' * 20 + ']'",
    "doubling of a value": "HEAD + 'blocks: {b0: {params: {x: ~}, body: [{conv: {out: $x}}]}, ' + ', '.join("
    "f'b{n}: {{params: {{x: ~}}, body: [{{b{n - 1}: {{x: [$x, $x, $x, $x, $x, $x, $x, $x]}}}}]}}' for n in range(1, 18))"
    " + '}\\nlayers: [{b17: {x: 1}}]'",
    "a long line of blocks": "HEAD + 'blocks:\\n' + ''.join(f'  b{n}: {{body: [{{b{n + 1}: }}]}}\\n' for n in range(20_000))"
    " + '  b20000: {body: [{act: }]}\\nlayers: [{b0: }]'",
    "recursion": "HEAD + 'blocks: {a: {body: [{b: }]}, b: {body: [{a: }, {a: }]}}\\nlayers: [{a: }]'",
    "dense": "HEAD + 'layers: [{dense: {growth: 65536, layers: 1024}, repeat: 1000000}]'",
    "dense in a body": "HEAD + 'layers: [{chain: {body: [{dense: {growth: 1, layers: 1024}, repeat: 100}]}}]'",
    "dense in branches": "HEAD + 'layers: [{parallel: {merge: concat, branches: [' + '[{dense: {growth: 1, layers: 1024, norm: none, act: none}}], ' * 9_000 + ']}}]'",
    "sixty bodies": "HEAD + 'layers: [' + '{chain: {body: [' * 60 + '{act: }' + ']}}' * 60 + ']'",
    "as deep as is read": "HEAD + 'layers: [' + '{residual: {body: [' * 20 + '{act: , id: 3}' + ']}}' * 20 + ']'",
    "10^4 broken items": "HEAD + 'layers: [' + '{cnv: {out: 8}}, ' * 10_000 + ']'",
    "10^5 broken items": "HEAD + 'layers: [' + '{conv: {ot: 8}}, ' * 100_000 + ']'",
    "as many broken items as are read": "HEAD + 'layers: [' + '{conv: {ot: 8}}, ' * 24_000 + ']'",
    "as many wrong values as are read": "HEAD + 'layers: [' + 'x, ' * 99_000 + ']'",
    "long unknown names": "HEAD + 'layers: [' + ''.join(f'{{? {n}x{chr(120) * 9000} : }}, ' for n in range(100)) + ']'",
    "many own blocks": "HEAD + 'blocks: {' + ''.join(f'b{n}: {{body: []}}, ' for n in range(20_000)) + '}\\nlayers: [{cc: }]'",
    "ids": "HEAD + 'layers: [' + '{act: , id: a}, ' * 30_000 + ']'",
    "from": "HEAD + 'layers: [' + '{act: , from: zz}, ' * 20_000 + ']'",
    "resize": "HEAD + 'layers: [' + '{resize: {scale: 4096}}, ' * 1_000 + ']'",
    "resize to odd sizes": "HEAD + 'layers: [' + '{resize: {size: 4093}}, {resize: {size: 4091}}, ' * 20 + '{linear: {out: 1}}]'",
    "transposed": "HEAD + 'layers: [{conv_transpose: {out: 8, kernel: 4096, stride: 4096}, repeat: 1000}]'",
    "kernel": "HEAD + 'layers: [{conv: {out: 8, kernel: 1000000000}}]'",
    "kernel larger than the map": "HEAD + 'layers: [{conv: {out: 8, kernel: 4096, dilation: 4096, padding: 0}}]'",
    "constraint of many digits": "HEAD + 'layers: [{act: }]\\nconstraints: {params: \"< ' + '9' * 900_000 + '\"}'",
    "long text": "HEAD + 'layers: [{conv: {out: ' + 'x' * 900_000 + '}}]'",
}

PROBE = """
import json, sys, time
from pathlib import Path
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spec.spec import loads
HEAD = {head!r}.replace("\\\\n", chr(10))
for name, text in json.load(sys.stdin).items():
    text = eval(text)
    start = time.process_time()
    try:
        loads(text)
        lines = []
    except SpecError as error:
        lines = str(error).splitlines()
    took = time.process_time() - start
    peak_kb = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]  # getrusage counts the parent's too
    print(json.dumps([name, took, int(peak_kb), lines]), flush=True)
"""


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[float, int, list[str]]]:
    """Seconds of work, the peak of memory so far in KiB, and the lines, for each text; all in one process of their own."""
    command = [sys.executable, "-c", PROBE.format(head=HEAD)]
    done = subprocess.run(command, input=json.dumps(HOSTILE), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: (took, peak, lines) for name, took, peak, lines in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, found: dict[str, tuple[float, int, list[str]]]) -> None:
    """A few short lines, in seconds, and within 200 MB for the whole process."""
    time_s, peak_kb, lines = found[name]
    assert 1 <= len(lines) <= 101, "read without a problem" if not lines else f"{len(lines)} lines"
    assert max(map(len, lines)) < 1_000
    assert time_s < 10
    assert peak_kb < 200_000
