"""Objects too large to hold, in a small form: each frame comes back by one read. How fast is not asked."""

from __future__ import annotations

import io
import json
from pathlib import Path

from pydicom import dcmread
from pydicom.encaps import generate_frames

from benchmarks.large_objects import multiframe, whole_slide
from tests.benchmark_tool import run_tool


def test_a_large_object_is_the_same_sent_and_written(tmp_path: Path) -> None:
    for large in (multiframe(3), whole_slide(7)):
        sent = b"".join(large.chunks())
        large.write(tmp_path / "large.dcm")
        assert (tmp_path / "large.dcm").read_bytes() == sent
        assert len(sent) == large.length
        dataset = dcmread(io.BytesIO(sent))
        assert dataset.SOPInstanceUID == large.uid
        offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
        found = generate_frames(dataset.PixelData, number_of_frames=large.frames, extended_offsets=offsets)
        assert list(found) == [large.frame(number) for number in range(1, large.frames + 1)]


def test_any_frame_is_one_read_of_its_length(tmp_path: Path) -> None:
    arguments = ("--gib", "0.03", "--tiles", "3000", "--frames", "10", "--import")
    run_tool("benchmarks.large", *arguments, results=tmp_path)
    for row in json.loads((tmp_path / "large.json").read_text()):
        # The catalog is asked too; what it reads does not follow the object either.
        assert row["frame_kib"] <= row["frame_read_kib"] < row["frame_kib"] + 64
        assert row["import_seconds"] > 0
    assert "| whole slide |" in (tmp_path / "large.md").read_text()
