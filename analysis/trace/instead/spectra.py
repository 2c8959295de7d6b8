"""Short-time Fourier transforms as windows, products with the window function, and Fourier transforms."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  # torch's convention
from torch import Tensor


def stft(
    x: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """(batch, samples) -> (batch, frequencies, frames), complex or as pairs of real numbers."""
    if center:
        x = F.pad(x[None], (n_fft // 2, n_fft // 2), pad_mode)[0]
    width = win_length or n_fft
    frames = x.unfold(-1, n_fft, hop_length or n_fft // 4)
    if window is not None:
        before = (n_fft - width) // 2
        frames = frames * F.pad(window, (before, n_fft - width - before))
    is_real = not frames.is_complex() and onesided is not False
    scale = "ortho" if normalized else "backward"
    made = torch.fft.rfft(frames, norm=scale) if is_real else torch.fft.fft(frames, norm=scale)
    return made.mT if return_complex is not False else torch.view_as_real(made.mT)
