"""Rendered volumes through the whole application (R-30 to R-35)."""

from __future__ import annotations

import gc
import io
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from tests.builders import CT_IMAGE, make_instance, new_uid
from tests.pixels.volume.phantom import AXIAL, LANDMARKS, center_of, scan
from tests.web.conftest import Client, parts
from tests.web.shown import broken_image, gray_image, path_of, picture, report

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
PLANAR_MPR_STATE = "1.2.840.10008.5.1.4.1.1.11.6"
WIDE = "window=510,1020,linear-exact"
RESOURCES = ("renderedmpr", "rendered3d")


def _series(
    *, balls: Any = LANDMARKS, uids: tuple[str, str] | None = None, spacing: float = 6.0, **changes: Any
) -> list[bytes]:
    """A scan as single-frame images. changes: of attributes, a value or a function of the image's number."""
    study, series = uids or (new_uid(), new_uid())
    slices, pixels = scan(AXIAL, spacing=(spacing, spacing), gaps=(spacing,), balls=balls)
    frame_of_reference = new_uid()
    found = []
    for number, (one, frame) in enumerate(zip(slices, pixels, strict=True)):
        attributes = {
            "ImagePositionPatient": [f"{place:.4f}" for place in one.position],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [spacing, spacing],
            "FrameOfReferenceUID": frame_of_reference,
            "InstanceNumber": number,
            "RescaleIntercept": 0,
            "RescaleSlope": 1,
            "WindowCenter": "510",
            "WindowWidth": "1020",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "PatientName": "Doe^Jane",
        }
        attributes |= {name: value(number) if callable(value) else value for name, value in changes.items()}
        found.append(
            make_instance(
                study_instance_uid=study,
                series_instance_uid=series,
                rows=frame.shape[0],
                columns=frame.shape[1],
                pixels=frame.astype("<u2").tobytes(),
                attributes={name: value for name, value in attributes.items() if value is not None},
            )
        )
    # Not in the order of their places, as they may be received.
    return found[::2] + found[1::2]


def _enhanced() -> bytes:
    slices, pixels = scan(AXIAL, spacing=(6.0, 6.0), gaps=(6.0,))

    def item(**values: Any) -> Dataset:
        dataset = Dataset()
        for name, value in values.items():
            setattr(dataset, name, value)
        return dataset

    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[item(PixelSpacing=[6, 6])],
        PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=0, RescaleType="HU")],
        FrameVOILUTSequence=[item(WindowCenter=510, WindowWidth=1020)],
    )
    frames = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[f"{place:.4f}" for place in one.position])])
        for one in slices
    ]
    return make_instance(
        sop_class_uid=ENHANCED_CT,
        rows=pixels.shape[1],
        columns=pixels.shape[2],
        frames=len(frames),
        pixels=pixels.astype("<u2").tobytes(),
        attributes={
            "SharedFunctionalGroupsSequence": [shared],
            "PerFrameFunctionalGroupsSequence": frames,
            "FrameOfReferenceUID": new_uid(),
        },
    )


def _stored(client: Client, *instances: bytes) -> str:
    response = client.store(*instances)
    assert response.status_code in (200, 202), response.text
    return path_of(instances[0])


def _series_of(path: str) -> str:
    return path.partition("/instances/")[0]


def _study_of(path: str) -> str:
    return path.partition("/series/")[0]


@pytest.fixture(scope="module")
def ct(client: Client) -> str:
    """Path of the series of a CT."""
    return _series_of(_stored(client, *_series()))


# --- what is given ---------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("accept", ["", "*/*", "image/*", "image/jpeg", "text/html, */*;q=0.5"])
def test_the_default_is_a_jpeg(client: Client, ct: str, resource: str, accept: str) -> None:
    response = client.get(f"{ct}/{resource}", accept)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/jpeg"
    assert max(picture(response.content).size) > 10


@pytest.mark.parametrize("media_type", ["image/png", "image/gif", "image/jp2", "image/jph", "image/jxl"])
def test_every_still_type_can_be_had(client: Client, ct: str, media_type: str) -> None:
    response = client.get(f"{ct}/renderedmpr", media_type)
    assert (response.status_code, response.headers["content-type"]) == (200, media_type)
    ((headers, body),) = parts(client.get(f"{ct}/renderedmpr", f'multipart/related; type="{media_type}"'))
    assert headers["content-type"] == media_type
    assert body == response.content


def test_what_is_no_picture_is_not_acceptable(client: Client, ct: str) -> None:
    assert client.get(f"{ct}/renderedmpr", "text/html").status_code == 406
    assert client.get(f"{ct}/rendered3d?swivelrange=90", "image/jpeg").status_code == 406
    assert client.get(f"{ct}/renderedmpr?iccprofile=srgb", "image/gif").status_code == 400


@pytest.mark.parametrize("value", LANDMARKS)
@pytest.mark.parametrize("side", "aprlhf")
def test_landmarks_are_seen_from_every_side(client: Client, value: int, side: str) -> None:
    path = _series_of(_stored(client, *_series(balls=[value])))
    response = client.get(
        f"{path}/rendered3d?orientation={side}&renderingmethod=maximum_ip&{WIDE}", "image/png"
    )
    shown = np.asarray(picture(response.content))
    pixel = 90 / max(shown.shape)
    x, y, z = LANDMARKS[value]
    expected = {"a": (x, -z), "p": (-x, -z), "r": (-y, -z), "l": (y, -z), "f": (x, y), "h": (-x, y)}[side]
    found = np.array(center_of(shown)) * pixel
    assert np.allclose(found, expected, atol=4.0)


def test_a_multi_frame_image_is_the_same_volume(client: Client, ct: str) -> None:
    enhanced = _stored(client, _enhanced())
    query = f"?orientation=l&{WIDE}"
    for resource in RESOURCES:
        one, many = (client.get(f"{path}/{resource}{query}", "image/png") for path in (enhanced, ct))
        assert (one.status_code, many.status_code) == (200, 200), one.text
        assert np.array_equal(np.asarray(picture(one.content)), np.asarray(picture(many.content)))


def test_frames_are_a_volume_of_their_own(client: Client) -> None:
    enhanced = _stored(client, _enhanced())
    whole = picture(client.get(f"{enhanced}/renderedmpr?orientation=a", "image/png").content)
    some = client.get(f"{enhanced}/frames/3,4,5,6/renderedmpr?orientation=a", "image/png")
    assert some.status_code == 200
    assert picture(some.content).size == (whole.width, 4)
    assert client.get(f"{enhanced}/frames/3/renderedmpr").status_code == 400
    assert client.get(f"{enhanced}/frames/3,99/renderedmpr").status_code == 404


def test_studies_have_volumes_too(client: Client, ct: str) -> None:
    study = _study_of(ct)
    expected = client.get(f"{ct}/rendered3d?orientation=f", "image/png").content
    for path in (f"{study}/rendered3d", f"{study}/series/rendered3d"):
        assert client.get(f"{path}?orientation=f", "image/png").content == expected
    assert client.get(f"{study}/renderedmpr").status_code == 200


def test_other_things_in_a_series_are_no_part_of_it(client: Client) -> None:
    study, series = new_uid(), new_uid()
    path = _stored(
        client,
        *_series(uids=(study, series)),
        report(study_instance_uid=study, series_instance_uid=series),
    )
    assert client.get(f"{_series_of(path)}/renderedmpr").status_code == 200


# --- parameters ------------------------------------------------------------------------------------


def test_a_point_of_view_is_as_good_as_a_side(client: Client, ct: str) -> None:
    side = client.get(f"{ct}/renderedmpr?orientation=a&{WIDE}", "image/png")
    module = client.get(f"{ct}/renderedmpr?orientation=a&renderedvolumetricmetadata=yes").json()
    given = [",".join(map(str, module[tag]["Value"])) for tag in ("00701603", "00701604", "00701605")]
    query = f"viewpointposition={given[0]}&viewpointlookat={given[1]}&viewpointup={given[2]}"
    assert client.get(f"{ct}/renderedmpr?{query}&{WIDE}", "image/png").content == side.content


def test_a_slab_is_another_picture(client: Client, ct: str) -> None:
    query = f"{ct}/renderedmpr?orientation=f&{WIDE}"
    thin, thick = (picture(client.get(query + more, "image/png").content) for more in ("", "&mprslab=60"))
    most = picture(client.get(query + "&mprslab=60&renderingmethod=maximum_ip", "image/png").content)
    assert np.asarray(most).sum() > np.asarray(thick).sum()
    assert thin.tobytes() != thick.tobytes()


def test_pictures_have_the_size_and_words_that_are_asked_for(client: Client, ct: str) -> None:
    small = client.get(f"{ct}/rendered3d?viewport=40,30", "image/png")
    assert picture(small.content).size == (30, 30)
    plain = client.get(f"{ct}/renderedmpr?viewport=300,300", "image/png").content
    annotated = client.get(f"{ct}/renderedmpr?viewport=300,300&annotation=patient,site", "image/png")
    assert annotated.content != plain
    assert "site" in annotated.headers["warning"]
    assert "ignored" in client.get(f"{ct}/renderedmpr?nonsense=1").headers["warning"]


def test_a_swivel_is_an_animation(client: Client, ct: str) -> None:
    query = "rendered3d?orientation=a&swivelrange=90&animationstepsize=30&animationrate=5"
    response = client.get(f"{ct}/{query}", "*/*")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/gif")
    moving = Image.open(io.BytesIO(response.content))
    assert getattr(moving, "n_frames", 1) == 3
    assert moving.info["duration"] == 200
    module = client.get(f"{ct}/{query}&renderedvolumetricmetadata=yes").json()
    assert [module[tag]["Value"] for tag in ("00701A06", "00701A05", "00701A03")] == [[90], [30], [5]]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (
            "renderedmpr?orientation=f",
            {"00720510": "MPR", "0070120D": "AVERAGE_IP", "00281050": 510, "00281051": 1020},
        ),
        (
            "renderedmpr?mprslab=7&window=40,400,sigmoid&renderingmethod=minimum_ip",
            {"00701503": 7, "00281050": 40, "00281051": 400, "00281056": "SIGMOID", "0070120D": "MINIMUM_IP"},
        ),
        ("rendered3d", {"00720510": "3D_RENDERING", "0070120D": "VOLUME_RENDERED"}),
        ("rendered3d?renderingmethod=maximum_ip", {"0070120D": "MAXIMUM_IP", "00281056": "LINEAR_EXACT"}),
    ],
)
def test_the_parameters_that_were_applied_can_be_had(
    client: Client, ct: str, request_: str, expected: dict[str, Any]
) -> None:
    mark = "&" if "?" in request_ else "?"
    response = client.get(f"{ct}/{request_}{mark}renderedvolumetricmetadata=yes", "application/dicom+json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/dicom+json")
    module = response.json()
    assert {tag: module[tag]["Value"][0] for tag in expected} == expected
    assert all(len(module[tag]["Value"]) == 3 for tag in ("00701603", "00701604", "00701605"))
    assert ("00281050" in module) == (module["0070120D"]["Value"] != ["VOLUME_RENDERED"])


def test_the_module_is_no_picture(client: Client, ct: str) -> None:
    path = f"{ct}/renderedmpr?renderedvolumetricmetadata=yes"
    assert client.get(path, "image/png").status_code == 406


def test_equal_requests_give_equal_pictures_that_can_be_kept(client: Client, ct: str) -> None:
    first, second = (client.get(f"{ct}/rendered3d?orientation=l", "image/png") for _ in range(2))
    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]
    same = client.get(
        f"{ct}/rendered3d?orientation=l", "image/png", headers={"If-None-Match": first.headers["etag"]}
    )
    assert same.status_code == 304
    assert same.headers["content-location"] == first.headers["content-location"]
    assert client.get(f"{ct}/rendered3d?orientation=r", "image/png").headers["etag"] != first.headers["etag"]
    part = client.get(f"{ct}/rendered3d?orientation=l", "image/png", headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, first.content[:8])


def test_a_changed_series_is_another_volume(client: Client) -> None:
    instances = _series()
    path = _series_of(_stored(client, *instances[1:]))
    before = client.get(f"{path}/renderedmpr?orientation=a", "image/png")
    _stored(client, instances[0])
    after = client.get(f"{path}/renderedmpr?orientation=a", "image/png")
    assert before.headers["etag"] != after.headers["etag"]


# --- which images ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_phases(client: Client) -> str:
    """A series of two volumes at the same places."""
    uids = new_uid(), new_uid()
    same = "2.25.7"
    late = _series(uids=uids, balls=[400], FrameOfReferenceUID=same, TemporalPositionIdentifier=2)
    early = _series(uids=uids, FrameOfReferenceUID=same, TemporalPositionIdentifier=1)
    return _series_of(_stored(client, *early, *late))


def test_images_are_chosen_by_an_attribute(client: Client, two_phases: str) -> None:
    refused = client.get(f"{two_phases}/renderedmpr")
    assert refused.status_code == 400
    assert "same position" in refused.text
    pictures = [
        client.get(f"{two_phases}/rendered3d?TemporalPositionIdentifier={phase}", "image/png")
        for phase in (1, 2)
    ]
    assert [one.status_code for one in pictures] == [200, 200]
    assert pictures[0].content != pictures[1].content
    assert client.get(f"{two_phases}/renderedmpr?TemporalPositionIdentifier=3").status_code == 400


def test_images_are_chosen_by_reference(client: Client) -> None:
    study = new_uid()
    first = _stored(client, *_series(uids=(study, new_uid())))
    second = _series(uids=(study, new_uid()))
    _stored(client, *second)
    assert client.get(f"{_study_of(first)}/renderedmpr").status_code == 400
    uid = path_of(second[0]).split("/")[4]
    assert client.get(f"{_study_of(first)}/renderedmpr?volumeinputreference={uid}").status_code == 200
    some = ",".join(path_of(one).rpartition("/")[2] for one in second[:3])
    chosen = client.get(f"{_study_of(first)}/renderedmpr?orientation=a&volumeinputreference={some}")
    assert chosen.status_code == 200
    assert client.get(f"{_study_of(first)}/renderedmpr?volumeinputreference=1.2.3").status_code == 400
    bad = client.get(f"{_study_of(first)}/renderedmpr?volumeinputreference={uid},7")
    assert bad.status_code == 400


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ImagePositionPatient": None}, "does not say where"),
        ({"ImageOrientationPatient": None}, "does not say where"),
        ({"PixelSpacing": None}, "does not say where"),
        (
            {"ImageOrientationPatient": lambda n: [1, 0, 0, 0, 0, -1] if n == 2 else [1, 0, 0, 0, 1, 0]},
            "Orientation",
        ),
        ({"FrameOfReferenceUID": lambda n: f"1.2.{n}"}, "Frame of Reference"),
        ({"ImagePositionPatient": [0, 0, 0]}, "same position"),
        ({"ImagePositionPatient": lambda n: [n % 2 * 90, 0, n * 6]}, "in line"),
        ({"PixelSpacing": lambda n: [1 + n, 1 + n]}, "Spacing"),
    ],
)
def test_what_forms_no_volume_is_refused_with_the_reason(
    client: Client, changes: dict[str, Any], words: str
) -> None:
    path = _series_of(_stored(client, *_series(**changes)))
    for resource in RESOURCES:
        response = client.get(f"{path}/{resource}")
        assert response.status_code == 400
        assert words in response.text
        assert "Doe" not in response.text


def test_single_images_colours_and_reports_are_no_volume(client: Client) -> None:
    still = _stored(client, gray_image())
    colour = _stored(client, make_instance(samples_per_pixel=3, bits_allocated=8))
    text = _stored(client, report())
    for path in (still, colour, text, _series_of(text), _study_of(still)):
        assert client.get(f"{path}/renderedmpr").status_code == 400
    assert client.get(f"{_study_of(still)}/series/{new_uid()}/renderedmpr").status_code == 404
    assert client.get("/studies/1.2.x/renderedmpr").status_code == 400


def test_a_presentation_state_excludes_what_it_says_itself(client: Client) -> None:
    state = _stored(client, make_instance(sop_class_uid=PLANAR_MPR_STATE, with_pixels=False))
    for query in ("renderingmethod=maximum_ip", "mprslab=3", "swivelrange=9", "volumeinputreference=1.2.3"):
        assert client.get(f"{state}/renderedmpr?{query}").status_code == 400
    assert client.get(f"{state}/renderedmpr?renderedvolumetricmetadata=yes").status_code == 400
    assert client.get(f"{state}/renderedmpr?orientation=a").status_code == 406


@pytest.mark.parametrize(
    "query",
    [
        "orientation=",
        "orientation=z",
        "orientation=a&viewpointup=0,0,1",
        "renderingmethod=best",
        "viewpointposition=1,2",
        "viewpointposition=nan,0,0",
        "viewpointposition=1,2,3&viewpointlookat=1,2,3",
        "viewpointposition=0,0,-100&viewpointlookat=0,0,0&viewpointup=0,0,1",
        "swivelrange=1e9",
        "animationrate=10",
        "volumetriccurvepoint=0,0,0",
        "volumeinputreference=&ImageType=ORIGINAL",
        "viewport=99999999,99999999",
        "viewport=10,10,5000,5000,1,1",
        "window=1,0,linear",
        "quality=101",
        "renderedvolumetricmetadata=maybe",
        "orientation=a&orientation=a",
    ],
)
def test_hostile_parameters_are_refused_in_words(client: Client, ct: str, query: str) -> None:
    for resource in RESOURCES:
        response = client.get(f"{ct}/{resource}?{query}")
        assert response.status_code == 400, query
        assert len(response.text) > 20


def test_a_slab_belongs_to_mpr(client: Client, ct: str) -> None:
    assert client.get(f"{ct}/rendered3d?mprslab=3").status_code == 400


def test_an_image_that_cannot_be_decoded_spoils_the_volume_with_the_reason(client: Client) -> None:
    place = {
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1, 1],
        "FrameOfReferenceUID": "1.2.3",
    }
    uids = {"study_instance_uid": new_uid(), "series_instance_uid": new_uid()}
    path = _stored(
        client,
        *(broken_image(attributes=place | {"ImagePositionPatient": [0, 0, z]}, **uids) for z in (0, 1, 2)),
    )
    response = client.get(f"{_series_of(path)}/renderedmpr")
    assert response.status_code == client.get(f"{path}/rendered").status_code
    assert len(response.text) > 20


def test_what_was_deleted_is_gone(client: Client) -> None:
    path = _series_of(_stored(client, *_series()))
    assert client.get(f"{path}/renderedmpr").status_code == 200
    assert client.request("DELETE", path).status_code == 204
    assert client.get(f"{path}/renderedmpr").status_code == 410


def test_files_of_volumes_go_when_they_are_not_needed(client: Client) -> None:
    for number in range(4):
        path = _series_of(_stored(client, *_series(balls=[400], InstanceNumber=number)))
        assert client.get(f"{path}/renderedmpr").status_code == 200
    gc.collect()
    assert len(_volumes(client)) <= 2
    assert all(file.stat().st_mode & 0o077 == 0 for file in _volumes(client))


def _volumes(client: Client) -> set[Path]:
    return set((client.archive.settings.data / "cache" / "volumes").glob("*"))


def test_volumes_count_in_the_bound_of_the_cache_but_not_while_they_are_used(make_client: Any) -> None:
    client: Client = make_client(cache_bytes=1 << 10)
    path, before = _series_of(_stored(client, *_series())), _volumes(client)
    assert client.get(f"{path}/renderedmpr").status_code == 200
    (volume,) = _volumes(client) - before
    assert volume.stat().st_blocks * 512 > 1 << 10
    client._run(client.archive.derived.sweep())
    assert volume.exists()
    an_hour_ago = time.time() - 3600
    os.utime(volume, (an_hour_ago, an_hour_ago))
    client._run(client.archive.derived.sweep())
    assert not volume.exists()
    assert client.get(f"{path}/renderedmpr?viewport=8,8").status_code == 200


def test_without_a_cache_no_volume_is_kept(make_client: Any) -> None:
    client: Client = make_client(cache_bytes=0)
    path, before = _series_of(_stored(client, *_series())), _volumes(client)
    assert client.get(f"{path}/renderedmpr").status_code == 200
    gc.collect()
    assert _volumes(client) <= before


def test_a_file_that_somebody_removes_is_no_fault_of_the_request(
    make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Client = make_client()
    path = _series_of(_stored(client, *_series()))
    get = client.archive.volumes.get

    async def removed(*arguments: Any) -> Any:
        file = await get(*arguments)
        Path(file.path).unlink()
        return file

    monkeypatch.setattr(client.archive.volumes, "get", removed)
    response = client.get(f"{path}/rendered3d")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


def test_a_big_volume_is_made_of_fewer_pixels(make_client: Any) -> None:
    client: Client = make_client(decode_memory=256 << 20)
    side, count = 2048, 6
    uids = new_uid(), new_uid()
    ramp = np.tile(np.arange(side, dtype="<u2"), side).tobytes()
    instances = [
        make_instance(
            study_instance_uid=uids[0],
            series_instance_uid=uids[1],
            sop_class_uid=CT_IMAGE,
            rows=side,
            columns=side,
            pixels=ramp,
            attributes={
                "ImagePositionPatient": [0, 0, number],
                "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
                "PixelSpacing": [0.1, 0.1],
                "FrameOfReferenceUID": "1.2.3",
            },
        )
        for number in range(count)
    ]
    path = _series_of(_stored(client, *instances))
    response = client.get(f"{path}/renderedmpr?orientation=f&window=1024,2048,linear", "image/png")
    assert response.status_code == 200, response.text
    shown = np.asarray(picture(response.content))
    assert shown.shape[0] in range(side // 2 - 2, side // 2 + 3)
    middle = shown[shown.shape[0] // 2]
    assert middle[0] < 5
    assert middle[-1] > 250
