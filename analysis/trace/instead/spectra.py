"""Short-time Fourier transforms and their inverses, composed of windows, window functions and Fourier transforms."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  # torch's convention
from torch import Tensor

from fieldspec.analysis.trace.instead.operations import operation


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


def istft(
    x: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """(batch, frequencies, frames) -> (batch, samples): frames at their positions, summed where they overlap."""
    hop, width = hop_length or n_fft // 4, win_length or n_fft
    spectra = (x if x.dim() > 2 else x[None]).mT
    scale = "ortho" if normalized else "backward"
    is_whole = return_complex or onesided is False
    frames = torch.fft.ifft(spectra, norm=scale) if is_whole else torch.fft.irfft(spectra, n_fft, norm=scale)
    before = (n_fft - width) // 2
    own = torch.ones(width) if window is None else window
    own = F.pad(own, (before, n_fft - width - before))
    made = _ADD_UP(frames * own, hop)
    made = made / _ADD_UP((own * own).expand(1, frames.shape[-2], n_fft), hop)
    start = n_fft // 2 if center else 0
    end = made.shape[-1] - start if length is None else start + length
    made = F.pad(made[..., start:end], (0, max(0, end - made.shape[-1])))
    return made if x.dim() > 2 else made[0]


def _added_up(frames: Tensor, hop: int) -> Tensor:
    """(batch, frames, width) -> (batch, samples): each frame starts `hop` samples after the previous one."""
    count, width = frames.shape[-2:]
    return frames.new_zeros((*frames.shape[:-2], (count - 1) * hop + width))


_ADD_UP = operation("overlap_add(Tensor frames, int hop) -> Tensor", _added_up, "CompositeExplicitAutograd")
