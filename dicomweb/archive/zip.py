"""A study, series or instance as one ZIP archive, streamed (M-08).

The catalog is read twice: once to know what the archive will hold and how long it is, once to send it, so
that memory does not grow with it; but a DICOMDIR is one data set with two kilobytes for each instance, which
are in memory until it is written. What cannot be given is left out and listed in a file of the archive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import identity_of
from dicomweb.archive.parts import Body, Literal, body_length
from dicomweb.archive.reading import closing, read_body
from dicomweb.archive.represent import part10
from dicomweb.archive.sources import decoded_layout_of, stored_form
from dicomweb.archive.zip_names import Naming, for_media, for_people
from dicomweb.catalog.columns import decompress
from dicomweb.catalog.lookup import Contents, InstanceSource, contents, instance_pages
from dicomweb.catalog.metadata import one_metadata
from dicomweb.catalog.series_labels import SeriesLabel, series_labels
from dicomweb.dicom.dicomdir import Dicomdir
from dicomweb.dicom.target import Target
from dicomweb.dicom.write import read_json
from dicomweb.errors import BlobMissing, InvalidDicom, Unavailable
from dicomweb.pixels.transcode import native_length
from dicomweb.protocol.negotiate import Acceptable, Chosen, Stored, choose, negotiate
from dicomweb.protocol.zip_archive import ZipEntry, ZipSize, ZipWriter

_DICOMDIR = "DICOMDIR"
# SOP class and the UIDs of instance, study and series.
_NAMES = ("00080016", "00080018", "0020000D", "0020000E")
_LISTING_NAME = "LEFT-OUT.txt"
_LISTING = "These instances are left out of this archive:"
# Lines of that listing: nobody reads more.
_MOST_LINES = 10_000
# An instance that may become more than this when it is re-encoded gets sizes of 64 bits.
_SURELY_SMALL = 3 << 30
# Files whose places are held at once while an archive is sent.
_LONGEST_RUN = 256
_NO_DATE = datetime(1980, 1, 1, tzinfo=UTC)

_Named = AsyncIterator[tuple[str, InstanceSource]]


@dataclass(frozen=True, slots=True)
class ZipPlan:
    """What answers a request for a ZIP archive.

    complete: False when instances are left out. forms: what ETags say of their content types. length: in
    bytes, None when some are re-encoded on the way.
    """

    complete: bool
    forms: Sequence[str]
    length: int | None
    version: str
    modified: datetime
    stream: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class _File:
    entry: ZipEntry
    body: Body


@dataclass(slots=True)
class _Survey:
    """What the archive will hold, found before its first byte is sent.

    forms: how each kind of instance goes out. left_out: rows of what does not. lines: of the listing of it.
    """

    forms: dict[Stored, Chosen | None] = field(default_factory=dict)
    size: ZipSize = field(default_factory=ZipSize)
    left_out: set[int] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)

    def leave_out(self, source: InstanceSource, reason: str) -> None:
        self.left_out.add(source.instance_row)
        if len(self.lines) < _MOST_LINES:
            self.lines.append(f"{source.target.path}  {reason}")

    def listing(self) -> Iterator[_File]:
        """The file that says what is left out, where something is."""
        if self.left_out:
            more = len(self.left_out) - len(self.lines)
            lines = [_LISTING, "", *self.lines, *([f"and {more} more"] if more else []), ""]
            yield _file(_LISTING_NAME, [Literal("\r\n".join(lines).encode())])


async def plan_zip(
    archive: Archive, target: Target, accept: Acceptable, *, dicomdir: bool = False
) -> ZipPlan:
    """Choose the form of every instance.

    accept: of application/dicom as parts. dicomdir: the archive is a File-set with its directory.

    Raises NotFound, Gone, and where not one instance can be given NotAcceptable or BlobMissing.
    """
    found = await contents(archive.pool, archive.tenant_id, target)
    labels = await series_labels(archive.pool, archive.tenant_id, target.study)
    named = partial(_named, archive, target, found, labels, for_media if dicomdir else for_people)
    survey = await _survey(archive, named(), accept)
    if dicomdir:
        survey.size.add(ZipEntry(_DICOMDIR, None))
    modified = found.modified or _NO_DATE

    def files() -> AsyncIterator[_File]:
        directory = Dicomdir(_directory_uid(target, found)) if dicomdir else None
        return _files(archive, named(), survey, directory)

    return ZipPlan(
        complete=not survey.left_out,
        forms=identity_of(survey.forms.values()),
        length=survey.size.total,
        version=f"{found.revision:x}",
        modified=modified,
        stream=lambda: _written(archive, ZipWriter(modified), files()),
    )


def _directory_uid(target: Target, found: Contents) -> str:
    """The same for the same contents, and no other (PS3.5 B.2)."""
    of = blake2b(f"{target.path} {found.revision}".encode(), digest_size=16).digest()
    return f"2.25.{int.from_bytes(of, 'big')}"


async def _survey(archive: Archive, named: _Named, accept: Acceptable) -> _Survey:
    survey = _Survey()
    async for name, source in named:
        stored = stored_form(source)
        if stored not in survey.forms:
            survey.forms[stored] = choose(accept, stored, multipart=True)
        form = survey.forms[stored]
        if source.is_damaged:
            survey.leave_out(source, "its stored bytes are damaged or missing")
        elif form is None:
            survey.leave_out(source, "it cannot be given in the requested transfer syntax")
        else:
            survey.size.add(_instance(archive, name, source, form).entry)
    negotiate(accept, survey.forms, single_item=False)
    if survey.size.is_empty:
        raise BlobMissing("The stored bytes of the target are damaged or missing.")
    for file in survey.listing():
        survey.size.add(file.entry)
    return survey


async def _files(
    archive: Archive, named: _Named, survey: _Survey, directory: Dicomdir | None
) -> AsyncIterator[_File]:
    async with closing(named):
        async for name, source in named:
            form = survey.forms[stored_form(source)]
            if form is not None and source.instance_row not in survey.left_out:
                yield _instance(archive, name, source, form)
                if directory is not None:
                    await _enter(archive, directory, name, source, form)
    if directory is not None:
        yield _file(_DICOMDIR, [Literal(await asyncio.to_thread(directory.file))])
    for file in survey.listing():
        yield file


async def _enter(
    archive: Archive, directory: Dicomdir, name: str, source: InstanceSource, form: Chosen
) -> None:
    stored = await one_metadata(archive.pool, source.instance_row)
    if stored is None:
        raise Unavailable("The instance was deleted while the archive was made.", retry_after=1)
    enter = partial(
        directory.add,
        file_id=name.split("/"),
        transfer_syntax_uid=form.transfer_syntax_uid,
        has_pixels=source.pixel_layout is not None,
    )

    def read_and_enter() -> None:
        attributes = read_json(decompress(stored))
        try:
            enter(attributes)
        except InvalidDicom:  # a value that no file can hold: the instance is entered by what names it
            enter({tag: attributes[tag] for tag in _NAMES if tag in attributes})

    await asyncio.to_thread(read_and_enter)


async def _named(
    archive: Archive, target: Target, found: Contents, labels: Mapping[str, SeriesLabel], naming: Naming
) -> AsyncIterator[tuple[str, InstanceSource]]:
    """Every instance and the name of its file."""
    series, series_number, number = "", 0, 0
    pages = instance_pages(archive.pool, archive.tenant_id, target, found=found)
    async with closing(pages):
        async for page in pages:
            for source in page:
                if source.target.series != series:
                    series, series_number, number = source.target.series, series_number + 1, 0
                number += 1
                yield naming(series_number, labels.get(series), number), source


def _instance(archive: Archive, name: str, source: InstanceSource, form: Chosen) -> _File:
    body = part10(archive, source, as_stored=form.as_stored, transfer_syntax_uid=form.transfer_syntax_uid)
    return _file(name, body, _most_bytes(source))


def _file(name: str, body: Body, most_bytes: int = 0) -> _File:
    return _File(ZipEntry(name, body_length(body), may_be_large=most_bytes > _SURELY_SMALL), body)


def _most_bytes(source: InstanceSource) -> int:
    """What the instance can grow to when it is re-encoded, and more."""
    layout = source.pixel_layout
    decoded = native_length(decoded_layout_of(source)) if layout is not None and layout.encapsulated else 0
    return 2 * (max(source.blob_length, source.inflated_length) + decoded)


async def _written(archive: Archive, writer: ZipWriter, files: AsyncIterator[_File]) -> AsyncIterator[bytes]:
    runs = _runs(files)
    async with closing(runs):
        async for run in runs:
            known = run[0].entry.length is not None
            chunks = _known(archive, writer, run) if known else _flow(archive, writer, run[0])
            async with closing(chunks):
                async for chunk in chunks:
                    yield chunk
    yield writer.close()


async def _runs(files: AsyncIterator[_File]) -> AsyncIterator[list[_File]]:
    """Files of known length together, so that small ones are read together; any other by itself."""
    run: list[_File] = []
    async with closing(files):
        async for file in files:
            if run and (file.entry.length is None or len(run) >= _LONGEST_RUN):
                yield run
                run = []
            if file.entry.length is None:
                yield [file]
            else:
                run.append(file)
    if run:
        yield run


async def _known(archive: Archive, writer: ZipWriter, run: Sequence[_File]) -> AsyncIterator[bytes]:
    files, left = iter(run), 0
    chunks = read_body(archive, [segment for file in run for segment in file.body])
    async with closing(chunks):
        async for chunk in chunks:
            view = memoryview(chunk)
            while view:
                if not left:
                    entry = next(files).entry
                    left = entry.length or 0
                    yield writer.begin(entry)
                piece, view = view[:left], view[left:]
                left -= len(piece)
                yield b"".join(writer.feed(piece))
                if not left:
                    yield writer.end()


async def _flow(archive: Archive, writer: ZipWriter, file: _File) -> AsyncIterator[bytes]:
    yield writer.begin(file.entry)
    chunks = read_body(archive, file.body)
    async with closing(chunks):
        async for chunk in chunks:
            yield b"".join(writer.feed(chunk))
    yield writer.end()
