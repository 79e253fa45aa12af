"""`log_mel`: sound as a sequence of spectra."""

import numpy as np
from jaxtyping import Float

from tapehead.errors import UserError, at_least


def log_mel(
    samples: Float[np.ndarray, " time"],
    rate: int,
    *,
    bands: int = 32,
    window: float = 0.032,
    step: float = 0.016,
) -> Float[np.ndarray, "frames bands"]:
    """The logarithm of the power in bands that are evenly spaced on the mel scale.

    Frames of `window` seconds under a Hann window, every `step` seconds; bands are triangles
    between 0 and half the `rate` on the scale m = 2595 log₁₀(1 + f / 700). A sound shorter than a
    window is filled up with silence.

    **Raises:** `UserError` if there are no samples, or they are not one channel.

    Source: Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word
    recognition" (1980); O'Shaughnessy, "Speech communication" (1987), for the scale.
    """
    at_least("log_mel", 1, rate=rate, bands=bands)
    if samples.ndim != 1 or not len(samples):
        raise UserError(f"log_mel: expected samples of one channel, got shape {samples.shape}")
    size, hop = round(window * rate), round(step * rate)
    samples = np.pad(samples, (0, max(0, size - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)) ** 2
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / rate)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(np.minimum(rising, falling), 0)
    return np.log(power @ triangles.T + 1e-8).astype(np.float32)
