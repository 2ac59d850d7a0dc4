"""Frames halved as often as is asked for: cut out of HTJ2K RPCL codestreams, or made by workers (V-08)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import derived, identity_of
from dicomweb.archive.frames import FrameReader, FramesPlan, Located, located
from dicomweb.archive.parts import Body, Flow, Part
from dicomweb.archive.sources import frame_syntax_uid, stored_form
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, HTJ2K_RPCL
from dicomweb.errors import NotAcceptable
from dicomweb.pixels.codecs import DECODABLE, decoded_length
from dicomweb.pixels.reduced import has_small_versions
from dicomweb.pixels.resolution_levels import halved, levels_of
from dicomweb.protocol.negotiate import Acceptable, Chosen, Stored, negotiate
from dicomweb.protocol.reduction import REDUCE

# Nearly always a small picture is in what is read first, beside the header that says where it ends.
_FIRST_READ = 64 << 10


async def plan_reduced(
    archive: Archive, target: Target, numbers: Sequence[int], accept: Acceptable, halvings: int
) -> FramesPlan:
    """As frames.plan_frames, of frames with sides of 1/2**halvings, rounded up.

    They go out native or as HTJ2K RPCL, whatever is stored.
    """
    found = await located(archive, target, numbers)
    answer = negotiate(accept, [_form(found)] * len(numbers), single_item=len(numbers) == 1)
    chosen = tuple(part and replace(part, as_stored=False) for part in answer.parts)
    reader = _Reader(archive, found, numbers, halvings)
    parts = [
        Part(
            one.content_type, reader.body(position, one), f"{target.path}/frames/{number}?{REDUCE}={halvings}"
        )
        for position, (number, one) in enumerate(zip(numbers, chosen, strict=True))
        if one is not None
    ]
    forms = [f"{REDUCE}={halvings}", *identity_of(chosen)]
    source = found.source
    return FramesPlan(replace(answer, parts=chosen), parts, forms, source.instance_row, source.stored_at)


def _form(found: Located) -> Stored:
    """What negotiation is told: they lie there, as it were, in HTJ2K RPCL where they can be put into it."""
    form, uid = stored_form(found.source), found.source.transfer_syntax_uid
    if found.layout.encapsulated and uid not in DECODABLE:
        raise NotAcceptable("The frames cannot be decoded here, so no smaller ones can be made.")
    reduced = HTJ2K_RPCL if HTJ2K_RPCL in form.encodable | {uid} else EXPLICIT_LITTLE
    return replace(form, transfer_syntax_uid=reduced, decodable=True, fits=True, encodable=frozenset())


class _Reader(FrameReader):
    """Reads frames and makes them smaller."""

    def __init__(self, archive: Archive, found: Located, numbers: Sequence[int], halvings: int) -> None:
        super().__init__(archive, found.source, found.layout, found.entries, numbers)
        self._halvings = halvings

    def body(self, position: int, chosen: Chosen) -> Body:
        """The smaller frame at this position of the request."""
        made = partial(self.made, position, chosen.transfer_syntax_uid)
        return [Flow(made, None, self._source.instance_row)]

    async def _make(self, number: int, transfer_syntax_uid: str) -> bytes:
        cut = await self._cut(number)
        if cut is not None and transfer_syntax_uid == HTJ2K_RPCL:
            return cut
        key = (self._source, number, REDUCE, self._halvings, transfer_syntax_uid)
        return await derived(self._archive, key, partial(self._reduce, number, cut, transfer_syntax_uid))

    async def _cut(self, number: int) -> bytes | None:
        """The smaller codestream that the stored one begins with, where it is of that kind."""
        if self._source.transfer_syntax_uid != HTJ2K_RPCL or not has_small_versions(self._layout):
            return None
        beginning = await self.beginning(number, _FIRST_READ)
        levels = levels_of(beginning)
        if levels is None or levels.halvings < self._halvings:
            return None
        end = levels.end(self._halvings)
        if end > len(beginning):
            beginning = await self.beginning(number, end)
        return halved(beginning[:end], levels, self._halvings) if len(beginning) >= end else None

    async def _reduce(self, number: int, cut: bytes | None, transfer_syntax_uid: str) -> bytes:
        layout, source_uid = self._layout, self._source.transfer_syntax_uid
        halvings, frame = self._halvings, partial(self.stored, number)
        if cut is not None:  # small already: it is only decoded
            rows, columns = (-(-side >> halvings) for side in (layout.rows, layout.columns))
            layout, halvings, frame = replace(layout, rows=rows, columns=columns), 0, partial(_given, cut)
        return await self._archive.workers.run(
            "reduce",
            {
                "layout": layout,
                "source_uid": frame_syntax_uid(layout, source_uid),
                "target_uid": transfer_syntax_uid,
                "halvings": halvings,
            },
            frame,
            key=(self._source.instance_row, number, self._halvings, transfer_syntax_uid),
            result_bytes=decoded_length(layout, source_uid),
        )


async def _given(frame: bytes) -> list[bytes]:
    return [frame]
