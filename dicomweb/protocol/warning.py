"""The Warning header, which RFC 9111 dropped and DICOM keeps (H-10, Z-03)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NOT_PRINTABLE_ASCII = re.compile(r"[^ -~]")


def warning_header(base_url: str, sentence: str) -> str:
    """The value of a Warning header: `299 <service> "sentence"`.

    base_url: of the DICOMweb service. What is not printable ASCII becomes a question mark, so that no text
    can break out of its header.
    """
    plain = _NOT_PRINTABLE_ASCII.sub("?", sentence)
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 {base_url} "{quoted}"'


def warning_headers(base_url: str, sentences: Sequence[str]) -> dict[str, str]:
    """The Warning header of an answer, none where there is nothing to say."""
    if not sentences:
        return {}
    return {"Warning": ", ".join(warning_header(base_url, sentence) for sentence in sentences)}
