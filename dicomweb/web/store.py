"""STOW-RS: store instances (PS3.18 10.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.archive import Archive
from dicomweb.archive.encoding_ingest import ingest_into
from dicomweb.dicom.native_xml import native_xml
from dicomweb.dicom.uid import is_uid
from dicomweb.errors import InvalidRequest
from dicomweb.protocol import negotiate
from dicomweb.protocol.media_types import DICOM_XML
from dicomweb.protocol.multipart import boundary_for, closing, part_header, related_content_type
from dicomweb.protocol.negotiate import Answer
from dicomweb.protocol.store_report import StoreOutcome, StoreReport, store_report
from dicomweb.web.store_body import store_body
from dicomweb.web.store_intake import intake_of
from dicomweb.web.targets import acceptable, base_url

# Longer reports take so long that others should not wait for them.
_REPORTED_AT_ONCE = 200


async def store(request: Request) -> Response:
    """Store the instances of the body; the answer lists each one (PS3.18 10.5.3, Annex I)."""
    return await _store(request)


async def upsert(request: Request) -> Response:
    """The same, and an instance that is stored with other content becomes an old version (S-14)."""
    return await _store(request, duplicates="replace")


async def _store(request: Request, *, duplicates: str = "") -> Response:
    archive: Archive = request.state.archive
    study = request.path_params.get("study")
    if study is not None and not is_uid(study, strict=archive.settings.strict_uids):
        raise InvalidRequest("The Study Instance UID in the URL is not a UID.")
    answer = negotiate.document(acceptable(request, negotiate.Resource.STORE_RESPONSE))
    ingest = ingest_into(archive, study=study, duplicates=duplicates)
    base = base_url(request)
    intake = intake_of(archive, ingest, request.headers.get("content-type", ""), f"{base}/studies")
    settings = archive.settings
    try:
        async for chunk in store_body(request, settings.body_bytes, inflate_ratio=settings.inflate_ratio):
            await intake.feed(chunk)
        await intake.close()
        outcomes = await ingest.finish()
    except BaseException:
        await ingest.abort()
        raise
    finally:
        intake.drop()
    if len(outcomes) <= _REPORTED_AT_ONCE:
        return _response(outcomes, base, study, answer)
    return await asyncio.to_thread(_response, outcomes, base, study, answer)


def _response(outcomes: Sequence[StoreOutcome], base: str, study: str | None, answer: Answer) -> Response:
    """The report as JSON or XML (S-13)."""
    report = store_report(outcomes, base, study)
    content, media_type = _written(report, answer)
    response = Response(content, report.status, media_type=media_type)
    if report.retrieve_url:
        response.headers["Content-Location"] = report.retrieve_url  # S-46
    for warning in report.warnings:
        response.headers.append("Warning", warning)
    return response


def _written(report: StoreReport, answer: Answer) -> tuple[bytes, str]:
    if answer.root_type != DICOM_XML:
        return orjson.dumps(report.attributes), answer.root_type
    document = native_xml(report.attributes)
    if not answer.multipart:
        return document, DICOM_XML
    boundary = boundary_for(document)
    head = part_header(boundary, [("Content-Type", DICOM_XML)], first=True)
    return head + document + closing(boundary), related_content_type(DICOM_XML, boundary)
