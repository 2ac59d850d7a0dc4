"""Pictures that presentation states make of several frames: blended, or one subtracted from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dicomweb.archive.pictures import Showing, bulk_of
from dicomweb.archive.stated import Stated, StatedFrame
from dicomweb.archive.subjects import Subject
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import decoded_length
from dicomweb.pixels.rendering.blending import Blended, display_of_input
from dicomweb.pixels.rendering.display import Display, bulk_paths
from dicomweb.pixels.rendering.frame_places import frames_through, reach_of
from dicomweb.pixels.rendering.masks import Subtraction
from dicomweb.pixels.rendering.presentation import display_with_presentation_state

# Of all frames that make one picture, which a worker holds together.
_MOST_BYTES = 256 << 20
# Of each value as a float, whether it is one, and what is made of it.
_BYTES_OF_A_VALUE = 12
_UNRELATED = "The images of the presentation state do not say how they lie to each other."


@dataclass(frozen=True, slots=True)
class Overlay:
    """Makes the picture of a frame and those laid over it; each layer by the number of its input."""

    stated: Stated
    base: StatedFrame
    layers: tuple[tuple[int, tuple[StatedFrame, ...]], ...]

    @property
    def beside(self) -> list[Any]:
        """What it is made of beside the base."""
        return [
            part for _, frames in self.layers for frame in frames for part in (frame.source, frame.number)
        ]

    async def __call__(self, showing: Showing) -> bytes:
        """Raises DecodeFailed, BlobMissing, Unavailable."""
        state, blend = showing.state, self.stated.blend
        assert state is not None
        assert blend is not None
        inputs = {one.number: one for one in blend.inputs}
        making = _Making(state, showing)
        layers = [await making.layer(inputs[blend.base], [self.base], base=True)]
        for number, frames in self.layers:
            layers.append(await making.layer(inputs[number], frames, base=False))
        parameters = {
            "layers": layers,
            "steps": [asdict(step) for step in blend.steps],
            "request": (await showing.request()).to_parameters(),
        }
        return await state.archive.workers.run(
            "blend", parameters, making.buffers, result_bytes=making.length
        )


def overlay(stated: Stated, base: StatedFrame) -> Overlay:
    """What is laid over a frame. Raises DecodeFailed where nothing says how the images lie to each other."""
    return Overlay(
        stated,
        base,
        tuple((number, tuple(_frames_over(stated, base, frames))) for number, frames in stated.overlaid),
    )


def _frames_over(stated: Stated, base: StatedFrame, frames: Sequence[StatedFrame]) -> Sequence[StatedFrame]:
    """Of another input, the frames that meet the base: by their planes, else one by one."""
    if not frames:
        return ()
    layout = base.source.pixel_layout
    assert layout is not None
    planes = [frame.place.slice for frame in frames]
    known = [plane for plane in planes if plane is not None]
    if base.place.slice is not None and len(known) == len(frames):
        chosen = frames_through(base.place.slice, layout.rows, layout.columns, known)
        if chosen is None:
            raise DecodeFailed(_UNRELATED)
        return [frames[index] for index in chosen]
    # Where no image of either set says where it lies, they can only be meant frame by frame.
    anywhere = [frame for frame in (*stated.frames, *frames) if frame.place.position is not None]
    if anywhere or len(frames) not in (1, len(stated.frames)):
        raise DecodeFailed(_UNRELATED)
    return [frames[stated.frames.index(base)] if len(frames) > 1 else frames[0]]


class _Making:
    """Gathers the layers of one picture; the bytes of their frames are read when a worker is free."""

    def __init__(self, state: Subject, showing: Showing) -> None:
        self._state, self._showing = state, showing
        self._wanted: list[tuple[Subject, int, Sequence[str]]] = []
        self.length = 0

    async def layer(self, one: Blended, frames: Sequence[StatedFrame], *, base: bool) -> dict[str, Any]:
        """The parameters of one layer of the job "blend"."""
        described = [await self._frame(one, frame, base=base) for frame in frames]
        planes = [frame.place.slice for frame in frames if frame.place.slice is not None]
        reach = reach_of(planes) if planes else 0.0
        return {"number": one.number, "frames": described, "reach": reach, "thresholds": one.thresholds}

    async def _frame(self, one: Blended, frame: StatedFrame, *, base: bool) -> dict[str, Any]:
        subject = self._showing.subject if base else Subject(self._state.archive, frame.source)
        uid, layout = frame.source.target.instance, subject.layout
        display = await subject.display(frame.number)
        display = display_of_input(display, await self._state.attributes(), one, uid, base=base)
        self._wanted.append((subject, frame.number, bulk_paths(display)))
        self.length += decoded_length(layout, subject.frame_syntax_uid)
        self.length += layout.rows * layout.columns * layout.samples_per_pixel * _BYTES_OF_A_VALUE
        if self.length > _MOST_BYTES:
            raise DecodeFailed("The picture needs more frames than one picture may.")
        return {
            "layout": layout,
            "transfer_syntax_uid": subject.frame_syntax_uid,
            "display": display,
            "plane": asdict(frame.place.slice) if frame.place.slice else None,
        }

    async def buffers(self) -> list[bytes]:
        """Frames and bulk values, in the order of the layers."""
        found: list[bytes] = []
        for subject, number, paths in self._wanted:
            found += [await subject.frame(number), *await bulk_of(subject, self._state, paths)]
        return found


@dataclass(frozen=True, slots=True)
class Subtracted:
    """Makes the picture of a frame without its mask."""

    subtraction: Subtraction

    async def __call__(self, showing: Showing) -> bytes:
        """Raises DecodeFailed, BlobMissing, Unavailable."""
        subject, state = showing.subject, showing.state
        assert state is not None
        layout, numbers = subject.layout, (*self.subtraction.contrast, *self.subtraction.mask)
        display: Display = display_with_presentation_state(
            await subject.display(showing.numbers[0]),
            await state.attributes(),
            subject.source.target.instance,
        )
        parameters = {
            "layout": layout,
            "transfer_syntax_uid": subject.frame_syntax_uid,
            "display": display,
            "request": (await showing.request()).to_parameters(),
            "subtraction": asdict(self.subtraction),
        }

        async def buffers() -> list[bytes]:
            frames = [await subject.frame(number) for number in numbers]
            return frames + await bulk_of(subject, state, bulk_paths(display))

        length = decoded_length(layout, subject.frame_syntax_uid)
        if length * len(numbers) > _MOST_BYTES:
            raise DecodeFailed("The picture needs more frames than one picture may.")
        return await subject.archive.workers.run("subtract", parameters, buffers, result_bytes=length)
