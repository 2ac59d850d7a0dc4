"""Every real file taken apart and put together again: Part 10, then JSON or XML with bulkdata, stored anew.

The second instance is the first: equal metadata, equal bulkdata, equal codestreams, and, seen by pydicom,
equal data sets (S-31).

DICOMWEB_TEST_EVERY_FILE: XML of every shared file too, not of each third (every one goes to XML and back in
tests/dicom/test_native_xml.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dicom.corpus import CORPORA, differences, paths, read
from tests.dicom.test_write import _EXPLAINED, even, evened
from tests.test_corpus import Instance, _instance, _turns
from tests.web.conftest import Client, client, make_client, parts
from tests.web.uploads import JSON, XML, Part, retrieved_bulkdata, store_metadata

__all__ = ["client", "make_client"]  # fixtures

pytestmark = pytest.mark.filterwarnings("ignore")

# Files of which one is taken, and how many are stored of a corpus at least.
_STEPS = {("shared", XML): 1 if os.environ.get("DICOMWEB_TEST_EVERY_FILE") else 3}
_LEAST = {"pydicom": 30, "shared": 300}
_DATASET = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.mark.parametrize("form", [JSON, XML])
@pytest.mark.parametrize("corpus", CORPORA)
def test_metadata_and_bulkdata_make_the_same_instance_as_part_10(
    client: Client, corpus: str, form: str, request: pytest.FixtureRequest
) -> None:
    count, different = 0, []
    step = _STEPS.get((corpus, form), 1)
    for instance in _stored(client, paths(corpus, request)[::step]):
        before = _retrieved(client, instance)
        assert client.request("DELETE", instance.path).status_code == 204
        metadata, bulkdata, _ = before
        response = store_metadata(client, [metadata], bulkdata, form=form)
        assert response.status_code in (200, 202), (instance.file.name, response.text[:500])
        different += [
            (instance.file.name, line)
            for line in _compared(before, _retrieved(client, instance))
            if not line.startswith(_EXPLAINED.get(instance.file.name, "-"))
        ]
        count += 1
    assert not different, f"{len(different)} of {count}: {different[:100]}"
    assert count > _LEAST[corpus] // step


def _stored(client: Client, files: Iterable[Path]) -> Iterator[Instance]:
    instances = [found for found in map(_instance, files) if found is not None]
    for turn in _turns(instances):
        for instance in turn:
            if client.store(instance.file.read_bytes()).status_code in (200, 202):
                yield instance
                assert client.request("DELETE", instance.path).status_code == 204


Retrieved = tuple[dict[str, Any], list[Part], bytes]


def _retrieved(client: Client, instance: Instance) -> Retrieved:
    (metadata,) = client.get(instance.path + "/metadata").json()
    ((_, dataset),) = parts(client.get(instance.path, _DATASET))
    return metadata, retrieved_bulkdata(client, metadata), dataset


def _is_explained(tag: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Encapsulated pixel data is OB, whatever its writer said (PS3.5 A.4); a document gets its length
    (S-10)."""
    if tag == "7FE00010":
        return bool(before[tag] | {"vr": "OB"} == after[tag])
    return tag == "00420015" and tag not in before


def _in_file(one: bytes, other: bytes) -> bool:
    """A JP2 file around a codestream, which goes in without (PS3.5 A.4.4)."""
    return one.startswith(b"\0\0\0\x0cjP  ") and one.rstrip(b"\0").endswith(other.rstrip(b"\0"))


def _compared(before: Retrieved, after: Retrieved) -> Iterator[str]:
    before, after = ((evened(one[0], encapsulated=False), *one[1:]) for one in (before, after))
    for tag in sorted(before[0].keys() | after[0].keys()):
        if before[0].get(tag) != after[0].get(tag) and not _is_explained(tag, before[0], after[0]):
            yield f"metadata of {tag}"
    for (headers, one), (_, other) in zip(before[1], after[1], strict=True):
        if even(one) != even(other) and not _in_file(one, other):
            yield f"bulkdata {headers['Content-Location']}"
    for line in differences(read(before[2]), read(after[2])):
        if not line.startswith(("(0008,0005)", "(7FE0,0010)", "(0042,0015) is only in the second")):
            yield line
