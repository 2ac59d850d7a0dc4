"""What a client asks of a picture (PS3.18 8.3.5): plain values, as JSON between server and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dicomweb.dicom.picture import Viewport, Window


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """One picture.

    media_type: of MEDIA_TYPES in encode.py. quality: 1 to 100 for lossy coding, None for the default.
    icc_profile: no, yes, srgb, adobergb or rommrgb (8.3.5.1.5); None: as 'no'.
    annotation: lines of text to burn in, as annotation_lines gives them.
    thumbnail: nothing that may show a patient's name is drawn, and the size is small by default.
    """

    media_type: str = "image/jpeg"
    quality: int | None = None
    viewport: Viewport | None = None
    window: Window | None = None
    icc_profile: str | None = None
    annotation: tuple[str, ...] = ()
    thumbnail: bool = False

    def to_parameters(self) -> dict[str, Any]:
        """JSON-able form, for a job's parameters or a cache key."""
        return asdict(self)

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> RenderRequest:
        """Read back what to_parameters gave, through JSON or not."""
        values = dict(parameters)
        if values.get("viewport"):
            values["viewport"] = Viewport(**values["viewport"])
        if values.get("window"):
            values["window"] = Window(**values["window"])
        values["annotation"] = tuple(values.get("annotation", ()))
        return cls(**values)
