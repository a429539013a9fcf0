"""Audio as float32 arrays of shape (samples, channels): resampling, loudness, limiting, files."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
SAMPLE_RATE = 48_000


def resample(mono: Samples, source_hz: int, target_hz: int = SAMPLE_RATE) -> Samples:
    """A windowed-sinc polyphase filter of 48 taps (Kaiser, about 80 dB)."""
    if source_hz == target_hz or not mono.size:
        return mono
    ratio = Fraction(target_hz, source_hz)
    up, down, taps = ratio.numerator, ratio.denominator, 48
    cutoff = min(1.0, up / down) * 0.96
    offsets = np.arange(taps) - taps // 2 + 1
    at = offsets[None, :] - (np.arange(up) / up)[:, None]
    shape = np.kaiser(4096, 8.0)
    window = np.interp(at / (taps / 2), np.linspace(-1, 1, 4096), shape)
    filters = (cutoff * np.sinc(cutoff * at) * window).astype(np.float32)
    filters /= filters.sum(axis=1, keepdims=True)
    padded = np.concatenate([np.zeros(taps, np.float32), mono, np.zeros(taps, np.float32)])
    views = np.lib.stride_tricks.sliding_window_view(padded, taps)
    count = mono.size * up // down
    result = np.empty(count, np.float32)
    for first in range(0, count, 1 << 16):
        n = np.arange(first, min(count, first + (1 << 16)), dtype=np.int64) * down
        result[first : first + n.size] = np.einsum("ij,ij->i", views[n // up + taps // 2 + 1], filters[n % up])
    return result


def loudness_lufs(audio: Samples, rate: int = SAMPLE_RATE) -> float:
    """Integrated loudness by ITU-R BS.1770-4 (K weighting, 400 ms blocks, both gates); -inf for silence."""
    step = rate // 10
    energy = np.zeros(max(1, -(-len(audio) // step)))
    # One minute at a time: the filters' impulse response is shorter than a block.
    for first in range(0, len(audio), 60 * rate):
        piece = audio[first : first + 60 * rate].astype(np.float64)
        size = fast_length(len(piece))
        spectrum = np.fft.rfft(piece, size, axis=0)
        spectrum *= k_weighting(np.fft.rfftfreq(size, 1 / rate))[:, None]
        power = (np.fft.irfft(spectrum, size, axis=0)[: len(piece)] ** 2).sum(axis=1)
        sums = np.add.reduceat(power, np.arange(0, len(power), step))
        energy[first // step : first // step + len(sums)] += sums
    blocks = np.convolve(energy, np.ones(min(4, len(energy))), "valid") / (min(4, len(energy)) * step)
    loud = blocks[blocks > 10 ** ((-70 + 0.691) / 10)]
    if not loud.size:
        return -np.inf
    loud = loud[loud > loud.mean() / 10]
    return float(-0.691 + 10 * np.log10(loud.mean()))


def fast_length(count: int) -> int:
    """The next length from `count` without large prime factors, which make a Fourier transform ten times slower."""
    unit = 1 << max(0, count.bit_length() - 5)
    return max(1, -(-count // unit) * unit)


def k_weighting(hz: NDArray[Any], rate: int = SAMPLE_RATE) -> NDArray[Any]:
    """Magnitude of the two filters of BS.1770 (coefficients of its tables 1 and 2, for 48 kHz)."""
    z = np.exp(-2j * np.pi * hz / rate)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    return np.asarray(np.abs(shelf * high_pass))


def level(audio: Samples, lufs: float, peak_dbfs: float) -> Samples:
    """Normalises the loudness and limits the peaks: the gain dips smoothly around samples that would exceed the
    ceiling."""
    measured = loudness_lufs(audio)
    if np.isfinite(measured):
        audio = audio * np.float32(10 ** ((lufs - measured) / 20))
    return limit(audio, 10 ** (peak_dbfs / 20))


def limit(audio: Samples, ceiling: float) -> Samples:
    """A look-ahead limiter on blocks of 1.3 ms. Samples that the smoothed gain lets through are clipped at the
    ceiling."""
    block = 64
    count = -(-len(audio) // block)
    peaks = np.zeros(count * block, np.float32)
    peaks[: len(audio)] = np.abs(audio).max(axis=1)
    gain = np.minimum(1.0, ceiling / np.maximum(peaks.reshape(count, block).max(axis=1), 1e-9))
    reach = 6
    padded = np.pad(gain, reach, mode="edge")
    lowest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=1)
    smooth = np.hanning(2 * reach + 1)
    gain = np.convolve(np.pad(lowest, reach, mode="edge"), smooth / smooth.sum(), "valid")
    curve = np.interp(np.arange(len(audio)), np.arange(count) * block + block / 2, gain).astype(np.float32)
    limited: Samples = np.clip(audio * curve[:, None], -ceiling, ceiling).astype(np.float32)
    return limited


def write_audio(path: Path, audio: Samples, rate: int = SAMPLE_RATE) -> None:
    """Writes 16-bit samples with dither: FLAC if the name ends in .flac, else WAV."""
    noise = np.random.default_rng(48).random((2, *audio.shape), dtype=np.float32)
    scaled = np.clip(np.rint(audio * 32767 + noise[0] - noise[1]), -32768, 32767).astype(np.int16)
    silent = ~np.any(audio, axis=1)
    scaled[silent] = 0  # no noise in digital silence
    if path.suffix == ".flac":
        _write_flac(path, scaled, rate)
        return
    with wave.open(str(path), "wb") as file:
        file.setnchannels(audio.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(scaled.astype("<i2").tobytes())


def _write_flac(path: Path, samples: NDArray[np.int16], rate: int) -> None:
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout=layout)
        stream.codec_context.format = "s16"
        for first in range(0, len(samples), 4096):
            piece = np.ascontiguousarray(samples[first : first + 4096]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
