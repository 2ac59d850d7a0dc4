"""Headers of elements and items, taken for what they were meant to be (PS3.5 7.1, 6.2.2, P-02)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dicomweb.dicom.dictionary import private_vr_of, vr_of
from dicomweb.dicom.scope import IMPLICIT, LENGTHS, SHORT_LENGTHS, TAGS, Encoding, Header, Scope
from dicomweb.dicom.window import Window

_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFEE000
# What writers put where they know no VR: a 16-bit length follows (as DCMTK writes and reads it).
_BLANK_VRS = (b"\0\0", b"  ", b"??", b"--")


class HeaderReader:
    """Reads headers at the window's position.

    known: VR as bytes -> (VR, 32-bit length?, ...). warn: takes a sentence about what was found odd.
    """

    def __init__(
        self, window: Window, known: Mapping[bytes, tuple[str, bool, int]], warn: Callable[[str], None]
    ) -> None:
        self._window = window
        self._known = known
        self._warn = warn

    def read(self, scope: Scope) -> Header:
        """The header at hand, the window moved to the value. A delimiter has no VR."""
        window, encoding = self._window, scope.encoding
        data, i = window.data, window.position
        group, number = TAGS[encoding.little].unpack_from(data, i)
        tag = group << 16 | number
        vr_bytes = data[i + 4 : i + 6]
        known = self._known.get(vr_bytes) if encoding.explicit else None
        if not encoding.explicit or (group == 0xFFFE and known is None):
            (length,) = LENGTHS[encoding.little].unpack_from(data, i + 4)
            window.position = i + 8
            vr = "" if group == 0xFFFE else self._implied_vr(scope, tag)
            return Header(tag, vr, length, False, encoding)
        if known is None and not (vr_bytes.isalpha() and vr_bytes.isupper()):
            return self._sloppy_header(scope, tag)
        vr, long, _ = known if known is not None else ("UN", True, 0)  # later VRs have long lengths (P-06)
        if not long:
            (length,) = SHORT_LENGTHS[encoding.little].unpack_from(data, i + 6)
            window.position = i + 8
            return Header(tag, vr, length, True, encoding)
        window.require(12)
        (length,) = LENGTHS[encoding.little].unpack_from(window.data, window.position + 8)
        window.position += 12
        if vr != "UN":
            return Header(tag, vr, length, True, encoding)
        return Header(tag, self._implied_vr(scope, tag), length, False, IMPLICIT)

    def _sloppy_header(self, scope: Scope, tag: int) -> Header:
        """No VR where one should be: an element of Implicit VR among explicit ones, or a blanked-out VR."""
        self._warn("An element has a value representation that is not one.")
        window, little = self._window, scope.encoding.little
        data, i = window.data, window.position
        (length,) = LENGTHS[little].unpack_from(data, i + 4)
        (short,) = SHORT_LENGTHS[little].unpack_from(data, i + 6)
        window.position = i + 8
        implicit = Encoding(explicit=False, little=little)
        if length != _UNDEFINED and short and data[i + 4 : i + 6] in _BLANK_VRS:
            length = short
        return Header(tag, self._implied_vr(scope, tag), length, False, implicit)

    def _implied_vr(self, scope: Scope, tag: int) -> str:
        """The VR of the dictionaries, UN where they know none."""
        if not tag & 0x10000:
            return vr_of(tag) or "UN"
        number = tag & 0xFFFF
        if number < 0x100:
            return "LO" if number >= 0x10 else "UN"
        creator = scope.value((tag & 0xFFFF0000) | number >> 8)
        if creator is None:
            return "UN"
        return private_vr_of(scope.charset.decode(creator).strip(" \0"), tag) or "UN"

    def begins_with_item(self, header: Header) -> bool:
        """Whether a value that only a dictionary calls a sequence is one."""
        window = self._window
        if header.length == 0:
            return True
        if header.length < 8 or not window.available(8):
            return False
        group, number = TAGS[header.encoding.little].unpack_from(window.data, window.position)
        return bool(group << 16 | number == _ITEM)

    def item_encoding(self, scope: Scope) -> Encoding:
        """Items may turn out implicit where explicit was to be expected, and the other way round."""
        window, encoding = self._window, scope.encoding
        if scope.end - window.tell() < 8 or not window.available(8):
            return encoding
        group, number = TAGS[encoding.little].unpack_from(window.data, window.position)
        vr = window.data[window.position + 4 : window.position + 6]
        if group == 0xFFFE:
            return encoding
        if encoding.explicit and not (vr.isalpha() and vr.isupper()):
            self._warn("An item is encoded in Implicit VR within Explicit VR.")
            return Encoding(explicit=False, little=encoding.little)
        if not encoding.explicit and vr in self._known and vr.decode() == vr_of(group << 16 | number):
            self._warn("An item is encoded in Explicit VR within Implicit VR.")
            return Encoding(explicit=True, little=encoding.little)
        return encoding

    def is_trailer(self, scope: Scope, *, after_pixels: bool) -> bool:
        """Whether no element follows but padding: zeros, or after the pixels anything without a known VR."""
        data, i = self._window.data, self._window.position
        if data.startswith(b"\0\0\0\0\0\0\0\0", i):
            return True
        if not after_pixels:
            return False
        group, number = TAGS[scope.encoding.little].unpack_from(data, i)
        if group == 0xFFFE:
            return False
        if scope.encoding.explicit:
            return data[i + 4 : i + 6] not in self._known
        return group < 8 or not (group & 1 or vr_of(group << 16 | number))
