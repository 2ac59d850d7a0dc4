"""Rendered MPR and 3D volumes: planned, made in the workers, and kept (PS3.18 10.4.1.1.7, .8; R-30 to R-35).

Frames are decoded one by one into a file that the workers map; what a picture needs of it is sampled there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import derived
from dicomweb.archive.disk_cache import VOLUMES
from dicomweb.archive.volume_files import VolumeFile
from dicomweb.archive.volume_input import Frame, VolumeInput
from dicomweb.errors import DecodeFailed, InvalidRequest, Unavailable
from dicomweb.pixels.codecs import decoded_length
from dicomweb.pixels.rendering.annotation_lines import annotation_lines
from dicomweb.pixels.rendering.display import bulk_paths
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.pixels.volume.camera import Camera, Raster, oriented, raster_of, viewpoint
from dicomweb.protocol.volume_query import Reformat, VolumeQuery

# Frames that are decoded at a time for one volume.
_AT_A_TIME = 4
# Sample points of one picture: what takes a worker some seconds. Blending costs more than comparing.
_MOST_SAMPLES = {"VOLUME_RENDERED": 16 << 20}
_MOST_PROJECTED = 32 << 20
# Each picture of an animation has this share of it.
_ANIMATED_SHARE = 8
_VOXEL_BYTES = 4
_DEFAULTS = {Reformat.MPR: ("AVERAGE_IP", "f"), Reformat.RENDERING_3D: ("VOLUME_RENDERED", "a")}
# Of one slice, not of the volume: image number, slice location and thickness, stored window.
_OF_ONE_SLICE = ("00200013", "00201041", "00180050", "00281050", "00281051")


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """One rendered volume. camera: of the view that was asked for, the middle one of an animation."""

    archive: Archive
    source: VolumeInput
    query: VolumeQuery
    reformat: Reformat
    camera: Camera

    @property
    def method(self) -> str:
        """Rendering Method (0070,120D)."""
        return self.query.method or _DEFAULTS[self.reformat][0]

    @property
    def inverted(self) -> bool:
        """Whether low values are the bright ones."""
        return self.source.middle.subject.layout.photometric_interpretation == "MONOCHROME1"

    @property
    def is_by_hounsfield(self) -> bool:
        """Whether volume rendering goes by what CT values mean rather than by a window."""
        attributes = self.source.middle.found["display"]["attributes"]
        modality = attributes.get("00080060", {}).get("Value")
        return self.query.picture.window is None and modality == ["CT"] and not self.inverted

    def raster(self, camera: Camera) -> Raster:
        """The sample points of a view."""
        most = _MOST_SAMPLES.get(self.method, _MOST_PROJECTED)
        if self.query.swivel is not None:
            most //= _ANIMATED_SHARE
        slab = (self.query.slab or 0.0) if self.reformat is Reformat.MPR else None
        return raster_of(camera, self.source.grid, slab=slab, most_samples=most)


def plan_volume(archive: Archive, source: VolumeInput, query: VolumeQuery, reformat: Reformat) -> VolumePlan:
    """Place the camera. Raises InvalidRequest for one that sees nothing."""
    default = _DEFAULTS[reformat][1]
    if (query.position, query.lookat, query.up) == (None, None, None):
        camera = oriented(query.orientation or default, source.grid)
    else:
        camera = viewpoint(source.grid, query.position, query.lookat, query.up, default)
    plan = VolumePlan(archive, source, query, reformat, camera)
    raster, viewport = plan.raster(camera), query.picture.viewport
    if viewport is not None and not viewport.shows(raster.rows, raster.columns):
        raise InvalidRequest("The part of the picture that the viewport names lies outside it.")
    return plan


async def volume_picture(plan: VolumePlan, media_type: str) -> bytes:
    """The picture or animation, made or found. Raises DecodeFailed, BlobMissing, Unavailable."""
    key = [*plan.source.sources, "volume", plan.reformat.value, media_type, repr(plan.query)]

    async def make() -> bytes:
        file = await _volume_file(plan)
        window = await _window(plan, file)
        if plan.query.swivel is None:
            return await _view(plan, file, window, plan.camera, media_type)
        return await _animation(plan, file, window, media_type)

    return await derived(plan.archive, key, make)


async def response_module(plan: VolumePlan) -> dict[str, Any]:
    """The Rendered Volume Response Module (Annex K), as a DICOM JSON object (R-35)."""
    query, camera = plan.query, plan.camera
    elements: dict[str, tuple[str, Sequence[Any]]] = {
        "00720510": ("CS", [plan.reformat.value]),
        "0070120D": ("CS", [plan.method]),
        "00701603": ("FD", camera.position),
        "00701604": ("FD", camera.lookat),
        "00701605": ("FD", camera.up),
    }
    if query.slab is not None:
        elements["00701503"] = ("FD", [query.slab])
    if plan.method != "VOLUME_RENDERED":
        window = await _stored_window(plan) or await _window(plan, await _volume_file(plan))
        assert window is not None, "only volume rendering goes without a window"
        elements["00281050"] = ("DS", [window["center"]])
        elements["00281051"] = ("DS", [window["width"]])
        elements["00281056"] = ("CS", [window["function"]])
    if query.swivel is not None:
        elements["00701A03"] = ("FD", [query.swivel.rate])
        elements["00701A05"] = ("FD", [query.swivel.step])
        elements["00701A06"] = ("FD", [query.swivel.range])
    return {tag: {"vr": vr, "Value": list(value)} for tag, (vr, value) in sorted(elements.items())}


# --- the volume -------------------------------------------------------------------------------------


async def _volume_file(plan: VolumePlan) -> VolumeFile:
    archive, frames, grid = plan.archive, plan.source.frames, plan.source.grid
    slice_bytes = _VOXEL_BYTES * grid.rows * grid.columns

    async def fill(file: VolumeFile) -> None:
        left = iter(enumerate(frames))
        await _together(_fill(plan.source, file, left, slice_bytes) for _ in range(_AT_A_TIME))
        await archive.derived.sweep()  # it may have filled the cache by itself

    key = tuple((frame.subject.source.instance_row, frame.number) for frame in frames)
    return await archive.volumes.get(
        archive.settings.data / "cache" / VOLUMES,
        key,
        slice_bytes * len(frames),
        archive.settings.min_free_bytes,
        fill,
    )


async def _together(works: Iterator[Any]) -> None:
    """All of them; when one fails the others end at once."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _fill(
    source: VolumeInput, file: VolumeFile, left: Iterator[tuple[int, Frame]], slice_bytes: int
) -> None:
    """Decode slices until none is left."""
    for index, frame in left:
        await asyncio.to_thread(
            file.write, await _slice(frame, source.step, slice_bytes), index * slice_bytes
        )


async def _slice(frame: Frame, step: int, slice_bytes: int) -> bytes:
    subject, display = frame.subject, frame.found["display"]

    async def buffers() -> list[bytes]:
        paths = [(path, None) for path in bulk_paths(display)]
        return [await subject.frame(frame.number), *await subject.bulk(paths)]

    parameters = {
        "layout": subject.layout,
        "transfer_syntax_uid": subject.frame_syntax_uid,
        "display": display,
        "step": step,
    }
    length = decoded_length(subject.layout, subject.frame_syntax_uid)
    return await subject.archive.workers.run(
        "volume_slice", parameters, buffers, result_bytes=length + slice_bytes
    )


def _volume(plan: VolumePlan, file: VolumeFile) -> dict[str, Any]:
    grid = plan.source.grid
    shape = [len(plan.source.frames), grid.rows, grid.columns]
    return {"path": file.path, "shape": shape, "grid": asdict(grid)}


# --- pictures ---------------------------------------------------------------------------------------


async def _stored_window(plan: VolumePlan) -> dict[str, Any] | None:
    """The client's window, else that of the middle slice; None where there is none.

    What is stored is meant for slices: the whole volume's brightest or mean values lie elsewhere.
    """
    if plan.query.picture.window is not None:
        return asdict(plan.query.picture.window)
    return await _window_of(plan, None) if plan.reformat is Reformat.MPR else None


async def _window(plan: VolumePlan, file: VolumeFile) -> dict[str, Any] | None:
    """The window that is used; None where Hounsfield units say what is seen."""
    if plan.method == "VOLUME_RENDERED" and plan.is_by_hounsfield:
        return None
    return await _stored_window(plan) or await _window_of(plan, file)


async def _window_of(plan: VolumePlan, file: VolumeFile | None) -> dict[str, Any] | None:
    """The window of the middle slice, or of the whole volume in a file."""
    display = plan.source.middle.found["display"] if plan.reformat is Reformat.MPR else None
    parameters = {"volume": _volume(plan, file) if file else None, "display": display}
    window: dict[str, Any] | None = orjson.loads(await _worked(plan, file, "volume_window", parameters))
    return window


async def _worked(plan: VolumePlan, file: VolumeFile | None, job: str, parameters: dict[str, Any]) -> bytes:
    """What a worker makes of a volume. Raises Unavailable where somebody took its file away meanwhile."""
    needed = _memory(plan) if file else 0
    try:
        return await plan.archive.workers.run(job, parameters, [], result_bytes=needed)
    except DecodeFailed:
        if file is None or await asyncio.to_thread(file.is_there):
            raise
        raise Unavailable("The volume was removed while it was used.", retry_after=1) from None


def _memory(plan: VolumePlan) -> int:
    grid = plan.source.grid
    return 0 if grid.is_even else _VOXEL_BYTES * grid.slices * grid.rows * grid.columns


async def _view(
    plan: VolumePlan, file: VolumeFile, window: dict[str, Any] | None, camera: Camera, media_type: str
) -> bytes:
    raster = plan.raster(camera)
    request = RenderRequest.from_parameters(plan.query.picture.picture_parameters())
    request = replace(request, media_type=media_type, annotation=await _annotation(plan, window))
    # One plane has nothing to be blended with.
    method = plan.method if raster.planes > 1 or window is None else "AVERAGE_IP"
    parameters = {
        "volume": _volume(plan, file),
        "raster": raster.to_parameters(),
        "method": method,
        "window": window,
        "inverted": plan.inverted,
        "request": request.to_parameters(),
    }
    async with plan.archive.volumes.drawing:
        return await _worked(plan, file, "volume_view", parameters)


async def _animation(
    plan: VolumePlan, file: VolumeFile, window: dict[str, Any] | None, media_type: str
) -> bytes:
    swivel = plan.query.swivel
    assert swivel is not None, "without a swivel there is one picture"
    pictures = [
        await _view(plan, file, window, plan.camera.swivelled(angle), "image/png") for angle in swivel.angles
    ]
    parameters = {"media_type": media_type, "milliseconds": [1000 / swivel.rate] * len(pictures)}
    return await plan.archive.workers.run("animate", parameters, pictures)


async def _annotation(plan: VolumePlan, window: dict[str, Any] | None) -> tuple[str, ...]:
    """Lines about the whole volume."""
    keywords = plan.query.picture.annotation
    if not keywords:
        return ()
    found = await plan.source.middle.subject.attributes()
    attributes = {tag: element for tag, element in found.items() if tag not in _OF_ONE_SLICE}
    if window is not None:
        attributes["00281050"] = {"Value": [f"{window['center']:g}"]}
        attributes["00281051"] = {"Value": [f"{window['width']:g}"]}
    return tuple(line for keyword in keywords for line in annotation_lines(attributes, keyword))
