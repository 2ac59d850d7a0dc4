from __future__ import annotations

from dicomweb.archive.sources import dataset_range, indexed, stored_form
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.target import Target

JPEG_LS = "1.2.840.10008.1.2.4.80"
DEFLATED = "1.2.840.10008.1.2.1.99"


def _source(*, frames: int, transfer_syntax_uid: str = JPEG_LS, inflated: bool = False) -> InstanceSource:
    layout = PixelLayout(
        tag="7FE00010",
        vr="OB",
        element_offset=1000,
        element_end=9000,
        value_offset=1012,
        value_length=7988,
        encapsulated=transfer_syntax_uid == JPEG_LS,
        frames=frames,
        rows=1024,
        columns=1024,
        samples_per_pixel=1,
        bits_allocated=16,
        bits_stored=12,
        high_bit=11,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
        planar_configuration=0,
    )
    return InstanceSource(
        target=Target("1.2", "1.2.3", "1.2.3.4"),
        instance_row=1,
        revision=1,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid=transfer_syntax_uid,
        blob_key="received",
        blob_offset=500,
        blob_length=9000,
        dataset_offset=300,
        digest=b"",
        file_meta=b"",
        preamble=None,
        inflated_key="inflated" if inflated else None,
        inflated_offset=70 if inflated else 0,
        inflated_length=20000 if inflated else 0,
        pixel_layout=layout,
        is_damaged=False,
    )


def test_pixels_beyond_a_32_bit_length_cannot_become_one_native_value() -> None:
    """P-11, G-33: 2,048 frames of 2 MiB are 4 GiB; each of them can still be had alone."""
    fits, beyond = _source(frames=2047), _source(frames=2048)
    assert stored_form(fits).fits
    assert not stored_form(beyond).fits
    assert stored_form(beyond).decodable


def test_offsets_count_in_the_received_bytes_or_in_the_inflated_copy() -> None:
    received = _source(frames=1)
    assert dataset_range(received) == (300, 9000)
    stretch = indexed(received, 1012, 10)
    assert (stretch.key, stretch.offset, stretch.length) == ("received", 1512, 10)
    inflated = _source(frames=1, transfer_syntax_uid=DEFLATED, inflated=True)
    assert dataset_range(inflated) == (0, 20000)
    stretch = indexed(inflated, 1012, 10)
    assert (stretch.key, stretch.offset, stretch.length) == ("inflated", 1082, 10)
