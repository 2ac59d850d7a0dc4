"""Waveforms: the samples of each multiplex group in their units (PS3.3 C.10.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dicomweb.documents.attributes import Item
from dicomweb.documents.companding import A_LAW, MU_LAW
from dicomweb.documents.content_tree import concept, unit_symbol
from dicomweb.errors import DecodeFailed

Values = NDArray[np.float64]
Stored = NDArray[np.generic]

# Bounds of what is drawn: more rows than these no one could tell apart.
MOST_GROUPS = 4
_MOST_CHANNELS = 64
_MOST_STORED_CHANNELS = 65_535
# Samples of all groups, as 64-bit numbers 64 MiB; the rest of a longer recording is not drawn.
_MOST_SAMPLES = 8_000_000
_LOWEST_FREQUENCY, _HIGHEST_FREQUENCY = 1e-6, 1e9
_LONGEST_NAME = 24

# Waveform Sample Interpretation -> the stored type; MB and AB are companded (PS3.3 C.10.9.1.5).
_TYPES = {
    "SB": "<i1",
    "UB": "<u1",
    "MB": "<u1",
    "AB": "<u1",
    "SS": "<i2",
    "US": "<u2",
    "SL": "<i4",
    "UL": "<u4",
    "SV": "<i8",
    "UV": "<u8",
}
_COMPANDED = {"MB": MU_LAW, "AB": A_LAW}
_TYPE_OF_BITS = {8: "SB", 16: "SS", 32: "SL", 64: "SV"}


@dataclass(frozen=True, slots=True)
class Channel:
    """One trace. values: in `unit`, NaN where nothing was recorded. unit: "" when it is not known."""

    name: str
    unit: str
    values: Values


@dataclass(frozen=True, slots=True)
class Group:
    """Channels sampled together. frequency: samples a second. seconds: of the recording as it is stored,
    which may be more than was read."""

    label: str
    frequency: float
    seconds: float
    channels: Sequence[Channel]

    @property
    def shown_time(self) -> str:
        """How long the recording is, and how much of it was read where that is less."""
        read = max((len(channel.values) for channel in self.channels), default=0) / self.frequency
        whole = f"{self.seconds:.5g} s"
        return whole if read >= 0.99 * self.seconds else f"first {read:.5g} of {whole}"


def groups_of(document: Item) -> list[Group]:
    """The first multiplex groups that can be read. Raises DecodeFailed when there is none."""
    found: list[Group] = []
    left = _MOST_SAMPLES
    for item in document.items("WaveformSequence")[:MOST_GROUPS]:
        group = _group(item, left)
        if group is not None:
            found.append(group)
            left -= sum(len(channel.values) for channel in group.channels)
    if not found:
        raise DecodeFailed("The object holds no waveform that can be drawn.")
    return found


def excerpt(group: Group, seconds: float, channels: int) -> Group:
    """The first part of the first channels, for a small picture."""
    last = max(1, round(seconds * group.frequency))
    shown = [replace(channel, values=channel.values[:last]) for channel in group.channels[:channels]]
    return replace(group, seconds=min(group.seconds, seconds), channels=shown)


def _group(item: Item, most: int) -> Group | None:
    """One multiplex group, at most so many samples of it; None when it cannot be read."""
    count, frequency = item.whole("NumberOfWaveformChannels"), item.number("SamplingFrequency") or 0.0
    stated, kind = item.whole("NumberOfWaveformSamples"), _kind(item)
    samples = _samples(item, kind, count, stated, most)
    if samples is None or not _LOWEST_FREQUENCY <= frequency <= _HIGHEST_FREQUENCY:
        return None
    padding, expand = _padding(item, samples.dtype), _COMPANDED.get(kind)
    definitions = item.items("ChannelDefinitionSequence")
    channels = [
        _channel(
            definitions[index] if index < len(definitions) else Item({}),
            index,
            _linear(samples[:, index], padding, expand),
        )
        for index in range(min(count, _MOST_CHANNELS))
    ]
    return Group(
        label=item.text("MultiplexGroupLabel"),
        frequency=frequency,
        seconds=max(stated, len(samples)) / frequency,
        channels=channels,
    )


def _samples(item: Item, kind: str, count: int, stated: int, most: int) -> Stored | None:
    """Samples as stored, (samples, channels); None when there are none."""
    if not kind or not 0 < count <= _MOST_STORED_CHANNELS:
        return None
    dtype = np.dtype(_TYPES[kind])
    raw = item.binary("WaveformData")
    length = min(len(raw) // (count * dtype.itemsize), most // count)
    length = min(length, stated) if stated > 0 else length
    if length < 1:
        return None
    return np.frombuffer(raw, dtype, count=length * count).reshape(length, count)


def _kind(item: Item) -> str:
    """The sample interpretation, by the bits allocated where they contradict it; "" when there is none."""
    kind, bits = item.code("WaveformSampleInterpretation"), item.whole("WaveformBitsAllocated")
    if kind in _TYPES and (not bits or np.dtype(_TYPES[kind]).itemsize * 8 == bits):
        return kind
    return _TYPE_OF_BITS.get(bits, "")


def _padding(item: Item, dtype: np.dtype[np.generic]) -> Stored | None:
    raw = item.binary("WaveformPaddingValue")
    return np.frombuffer(raw[: dtype.itemsize], dtype) if len(raw) >= dtype.itemsize else None


def _linear(stored: Stored, padding: Stored | None, expand: Values | None) -> Values:
    values = stored.astype(np.float64) if expand is None else expand[stored.astype(np.intp)]
    if padding is not None:
        values[stored == padding] = np.nan
    return values


def _channel(definition: Item, index: int, values: Values) -> Channel:
    """Values in the channel's unit: samples by sensitivity, from the baseline on."""
    sensitivity = definition.number("ChannelSensitivity")
    unit = ""
    if sensitivity:
        correction = definition.number("ChannelSensitivityCorrectionFactor") or 1.0
        values = values * (sensitivity * correction) + (definition.number("ChannelBaseline") or 0.0)
        unit = unit_symbol(definition.item("ChannelSensitivityUnitsSequence"))
    name = definition.text("ChannelLabel") or concept(definition.item("ChannelSourceSequence"))
    return Channel((name or f"Channel {index + 1}")[:_LONGEST_NAME], unit, values)
