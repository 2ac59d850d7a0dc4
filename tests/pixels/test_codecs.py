from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dicomweb.dicom.transfer_syntax import (
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    RLE_LOSSLESS,
    TRANSFER_SYNTAXES,
)
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import DECODABLE, decode_frame
from dicomweb.pixels.codestream import probe
from tests.pixels.samples import Sample, compressed_samples, make_layout

FOUR = "1.2.840.10008.1.2.4."
JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K, JPEG_XL = (f"{FOUR}{n}" for n in (70, 80, 90, 201, 110))
JPEG_BASELINE = f"{FOUR}50"
COLOUR_JPEG = (f"{FOUR}50", f"{FOUR}51")
# Edge tiles cut short: codestreams smaller than the frame that the attributes promise.
SIZES_DISAGREE = "modality/fo-dicom__multiframe.dcm"


def test_every_lossless_frame_of_the_data_is_bit_exact(data_dir: Path) -> None:
    samples = [sample for sample in compressed_samples(data_dir) if not sample.lossy]
    assert Counter(matches(sample) for sample in samples) == {True: 312}


def test_every_lossy_frame_without_colour_conversion_is_bit_exact_too(data_dir: Path) -> None:
    """The codecs here and those of pixels.csv share the exact integer transforms."""
    samples = [
        sample
        for sample in compressed_samples(data_dir)
        if sample.lossy and sample.layout.samples_per_pixel == 1
    ]
    assert len(samples) > 90
    assert [sample.path for sample in samples if not matches(sample)] == []


def test_lossy_colour_jpeg_comes_out_rgb(data_dir: Path) -> None:
    """Z-08: our RGB follows PS3.3 C.7.6.3.1.2, from components equal to the independent decoder's."""
    count = 0
    for sample in compressed_samples(data_dir):
        if sample.transfer_syntax_uid not in COLOUR_JPEG or sample.layout.samples_per_pixel != 3:
            continue
        if sample.path == SIZES_DISAGREE:
            continue
        components = coded_components(sample.codestream)
        planes = components.transpose(2, 0, 1).tobytes() if sample.out_planar else components.tobytes()
        assert sample.matches(planes), sample.path
        assert np.abs(pixels(sample).astype(int) - to_rgb(components)).max() <= 2, sample.path
        count += 1
    assert count > 70


@pytest.mark.parametrize(
    ("lossy", "original", "mean_error"),
    [
        ("ts/pydicom-data__HTJ2K_08_RGB.dcm", "ts/pydicom-data__HTJ2KLossless_08_RGB.dcm", 6),
        ("derived/VL1_jxl_lossy.dcm", "ts/dicom-test-files__VL1_J2KR", 3),
    ],
)
def test_lossy_frames_are_close_to_their_original(
    data_dir: Path, lossy: str, original: str, mean_error: float
) -> None:
    one, other = (frames_of(data_dir, path)[0] for path in (lossy, original))
    assert np.abs(pixels(one).astype(int) - pixels(other)).mean() < mean_error


def test_recompressed_jpeg_is_close_to_the_jpeg_in_it(data_dir: Path) -> None:
    for sample in frames_of(data_dir, "ts/dcm4che__will-jxl.dcm"):
        jpeg = imagecodecs.jpegxl_decode_jpeg(sample.codestream, numthreads=1)
        difference = pixels(sample).astype(int) - imagecodecs.jpeg8_decode(jpeg)
        assert np.abs(difference).mean() < 2  # libjxl smooths blocks and upsamples chroma its own way


def test_codestreams_of_other_sizes_than_the_attributes_are_refused(data_dir: Path) -> None:
    outcomes: Counter[bool] = Counter()
    for sample in frames_of(data_dir, SIZES_DISAGREE):
        try:
            decode_frame(sample.codestream, sample.layout, sample.transfer_syntax_uid)
        except DecodeFailed:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
    assert outcomes == {True: 117, False: 23}


WORDS = [(8, 8, False), (16, 12, False), (16, 16, False), (16, 16, True)]


@pytest.mark.parametrize("uid", [JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K, JPEG_XL, RLE_LOSSLESS])
@given(
    word=st.sampled_from(WORDS),
    samples=st.sampled_from([1, 3]),
    planar=st.sampled_from([0, 1]),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    seed=st.integers(0, 1 << 30),
)
@settings(deadline=None, max_examples=40)
def test_a_lossless_frame_comes_back_whatever_its_shape(
    uid: str, word: tuple[int, int, bool], samples: int, planar: int, rows: int, columns: int, seed: int
) -> None:
    bits, stored, signed = word
    array = random_pixels(rows, columns, samples, word, seed)
    layout = make_layout(
        rows, columns, samples=samples, bits=bits, stored=stored, signed=signed, planar=planar
    )
    expected = np.moveaxis(array, -1, 0) if samples > 1 and planar else array
    assert decode_frame(encode(array, uid, stored), layout, uid) == expected.tobytes()


@pytest.mark.parametrize(
    "uid", [JPEG_BASELINE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K, JPEG_XL, RLE_LOSSLESS]
)
@pytest.mark.parametrize("padding", [b"\0", b"\0\0\0", b"\xff\xff"])
def test_bytes_after_a_codestream_do_not_matter(uid: str, padding: bytes) -> None:
    """P-16: fragments are padded to even length, by some writers with more than that."""
    image = random_pixels(9, 11, 1, (8, 8, False), 5)
    codestream, layout = encode(image, uid, 8), make_layout(9, 11)
    assert decode_frame(codestream + padding, layout, uid) == decode_frame(codestream, layout, uid)


@pytest.mark.parametrize("uid", [ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES])
@given(data=st.binary(min_size=24, max_size=24), padding=st.binary(max_size=1))
def test_frames_that_are_native_inside_lose_only_their_padding(uid: str, data: bytes, padding: bytes) -> None:
    layout = make_layout(4, 3, bits=16)
    coded = bytes(imagecodecs.deflate_encode(data, raw=True)) if uid == DEFLATED_FRAMES else data
    assert decode_frame(coded + padding, layout, uid) == data


def test_a_deflated_frame_inflates_no_further_than_the_frame() -> None:
    bomb = bytes(imagecodecs.deflate_encode(bytes(1 << 24), raw=True))
    assert decode_frame(bomb, make_layout(4, 4), DEFLATED_FRAMES) == bytes(16)
    assert len(decode_frame(bomb, make_layout(1, 1, bits=1), DEFLATED_FRAMES)) == 1


@pytest.mark.parametrize("uid", [RLE_LOSSLESS, JPEG_2000])
def test_one_bit_frames_come_out_packed(data_dir: Path, uid: str) -> None:
    name = "rle" if uid == RLE_LOSSLESS else "j2k"
    packed = [
        decode_frame(codestream, sample.layout, uid)
        for sample, codestream in one_bit_frames(data_dir, f"ts/pydicom-data__liver_{name}.dcm")
    ]
    deflated = frames_of(data_dir, "ts/pydicom-data__liver_deflate.dcm")
    assert packed == [decode_frame(s.codestream, s.layout, DEFLATED_FRAMES) for s in deflated]


def test_signed_pixels_coded_as_unsigned_get_their_sign_back() -> None:
    stored = np.array([[0x800, 0xFFF, 0x7FF]], np.uint16)  # 12 bits of -2048, -1, 2047
    layout = make_layout(1, 3, bits=16, stored=12, signed=True)
    frame = decode_frame(encode(stored, JPEG_LOSSLESS, 12), layout, JPEG_LOSSLESS)
    assert np.frombuffer(frame, "<i2").tolist() == [-2048, -1, 2047]


@pytest.mark.parametrize("photometric", ["YBR_FULL", "RGB"])
def test_markers_decide_the_colour_space_of_jpeg(photometric: str) -> None:
    """P-16: JFIF says YCbCr, an Adobe segment with transform 0 says RGB, whatever the attributes say."""
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    layout = make_layout(16, 16, samples=3, photometric=photometric)
    for space in ("YCBCR", "RGB"):
        coded = bytes(imagecodecs.jpeg8_encode(red, level=98, outcolorspace=space))
        frame = np.frombuffer(decode_frame(coded, layout, JPEG_BASELINE), np.uint8).reshape(16, 16, 3)
        assert np.abs(frame.astype(int) - red).max() < 4


@given(
    rows=st.integers(0, 70000),
    columns=st.integers(0, 70000),
    uid=st.sampled_from([JPEG_BASELINE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K, JPEG_XL]),
)
@settings(deadline=None)
def test_a_header_that_disagrees_with_the_attributes_is_refused_unread(
    rows: int, columns: int, uid: str
) -> None:
    codestream = encode(np.zeros((5, 7), np.uint8), uid, 8)
    if (rows, columns) != (5, 7):
        with pytest.raises(DecodeFailed):
            decode_frame(codestream, make_layout(rows, columns), uid)


@given(head=st.sampled_from([JPEG_BASELINE, JPEG_LS, JPEG_2000, JPEG_XL]), data=st.data())
@settings(deadline=None)
def test_reading_a_damaged_header_gives_a_header_or_decode_failed(head: str, data: st.DataObject) -> None:
    codestream = bytearray(encode(np.zeros((5, 7), np.uint8), head, 8))
    for position in data.draw(st.lists(st.integers(0, len(codestream) - 1), max_size=8)):
        codestream[position] = data.draw(st.integers(0, 255))
    damaged = bytes(codestream[: data.draw(st.integers(0, len(codestream)))])
    try:
        probe(damaged, head)
    except DecodeFailed:
        pass


def test_more_bits_than_are_allocated_are_refused() -> None:
    codestream = encode(np.zeros((4, 4), np.uint16), JPEG_2000, 16)
    with pytest.raises(DecodeFailed, match="more bits"):
        decode_frame(codestream, make_layout(4, 4, bits=8), JPEG_2000)


@pytest.mark.parametrize("uid", sorted(DECODABLE))
@pytest.mark.parametrize("junk", [b"", b"\x00", b"\xff\xd8\xff", bytes(64), b"\xff" * 200])
def test_junk_is_refused(uid: str, junk: bytes) -> None:
    layout = make_layout(46341, 46341, bits=16)
    with pytest.raises(DecodeFailed):
        decode_frame(junk, layout, uid)


def test_what_cannot_be_decoded_says_so() -> None:
    with pytest.raises(DecodeFailed, match="transfer syntax"):
        decode_frame(b"", make_layout(1, 1), "1.2.840.10008.1.2.4.100")


def test_every_decodable_syntax_is_encapsulated_and_known() -> None:
    assert all(TRANSFER_SYNTAXES[uid].encapsulated for uid in DECODABLE)


def matches(sample: Sample) -> bool:
    return sample.matches(decode_frame(sample.codestream, sample.layout, sample.transfer_syntax_uid))


def frames_of(data_dir: Path, path: str) -> list[Sample]:
    return [sample for sample in compressed_samples(data_dir) if sample.path == path]


def one_bit_frames(data_dir: Path, path: str) -> list[tuple[Sample, bytes]]:
    """Frames of a file that pixels.csv has no independent decode of, beside a sample of the same layout."""
    from tests.pixels.samples import codestreams, read

    like = frames_of(data_dir, "ts/pydicom-data__liver_deflate.dcm")[0]
    return [(like, codestream) for codestream in codestreams(read(data_dir / path))]


def pixels(sample: Sample) -> NDArray[np.uint8]:
    frame = decode_frame(sample.codestream, sample.layout, sample.transfer_syntax_uid)
    array = np.frombuffer(frame, np.uint8)
    if sample.layout.planar_configuration:
        return array.reshape(3, sample.layout.rows, sample.layout.columns).transpose(1, 2, 0)
    return array.reshape(sample.layout.rows, sample.layout.columns, 3)


def coded_components(codestream: bytes) -> NDArray[np.uint8]:
    space = imagecodecs.JPEG8.CS.YCbCr
    decoded: NDArray[np.uint8] = imagecodecs.jpeg8_decode(codestream, colorspace=space, outcolorspace=space)
    return decoded


def to_rgb(components: NDArray[np.uint8]) -> NDArray[np.int64]:
    luminance, blue, red = np.moveaxis(components.astype(float), -1, 0)
    blue, red = blue - 128, red - 128
    rgb = (luminance + 1.402 * red, luminance - 0.344136 * blue - 0.714136 * red, luminance + 1.772 * blue)
    return np.clip(np.round(np.stack(rgb, axis=-1)), 0, 255).astype(np.int64)


def random_pixels(
    rows: int, columns: int, samples: int, word: tuple[int, int, bool], seed: int
) -> NDArray[Any]:
    bits, stored, signed = word
    low, high = (-(1 << (stored - 1)), 1 << (stored - 1)) if signed else (0, 1 << stored)
    shape = (rows, columns, samples) if samples > 1 else (rows, columns)
    kind = "i" if signed else "u"
    return np.random.default_rng(seed).integers(low, high, shape).astype(f"<{kind}{bits // 8}")


def encode(array: NDArray[Any], uid: str, stored: int) -> bytes:
    """A codestream of one frame, as writers of DICOM make it."""
    unsigned = array.view(f"<u{array.itemsize}")
    match uid:
        case _ if uid == JPEG_BASELINE:
            coded = imagecodecs.jpeg8_encode(array, level=95)
        case _ if uid == JPEG_LOSSLESS:
            coded = imagecodecs.jpeg8_encode(unsigned, lossless=True, predictor=1, bitspersample=stored)
        case _ if uid == JPEG_LS:
            coded = imagecodecs.jpegls_encode(unsigned)
        case _ if uid == JPEG_2000:
            coded = imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="J2K")
        case _ if uid == HTJ2K:
            coded = imagecodecs.htj2k_encode(array)
        case _ if uid == JPEG_XL:
            coded = imagecodecs.jpegxl_encode(unsigned, lossless=True, effort=1, bitspersample=stored)
        case _:
            coded = run_length(array)
    return bytes(coded)


def run_length(array: NDArray[Any]) -> bytes:
    """RLE Lossless by PS3.5 annex G."""
    samples = array.reshape(array.shape[0] * array.shape[1], -1).T
    segments = []
    for sample in samples:
        octets = np.ascontiguousarray(sample).view(np.uint8).reshape(-1, array.itemsize)
        for significance in reversed(range(array.itemsize)):
            segment = bytes(imagecodecs.packbits_encode(octets[:, significance].tobytes()))
            segments.append(segment + bytes(len(segment) % 2))
    offsets = [64]
    for segment in segments:
        offsets.append(offsets[-1] + len(segment))
    header = np.zeros(16, "<u4")
    header[0] = len(segments)
    header[1 : 1 + len(segments)] = offsets[:-1]
    return header.tobytes() + b"".join(segments)
