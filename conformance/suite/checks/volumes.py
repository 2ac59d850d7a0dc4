"""Rendered volumes: multi-planar reformatting and projections (PS3.18 10.4.1.1.7, 10.4.1.1.8, 8.3.5.3)."""

from __future__ import annotations

from conformance.suite import drawn
from conformance.suite.check import Skipped, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.rendered_values import PNG
from conformance.suite.image_files import Picture, expect_file_of, gif_outline, read_png
from conformance.suite.objects import Instance
from conformance.suite.part10 import attributes
from conformance.suite.session import JSON, Session, first, json_of

SIDE = 24  # voxels of one millimetre each way
_LOW, _HIGH = 100, 900
_WINDOW = "window=500,1000,linear-exact"


def _slices(session: Session) -> list[Instance]:
    """A cube, dark but for a bright block: on the patient's left (x), in front (y), towards the head (z)."""
    study, series, frame = session.new_uid(), session.new_uid(), session.new_uid()
    made = []
    for z in range(SIDE):
        pixels = [
            _HIGH if 15 <= x < 21 and 3 <= y < 9 and 15 <= z < 21 else _LOW
            for y in range(SIDE)
            for x in range(SIDE)
        ]
        extra = attributes(
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            FrameOfReferenceUID=frame,
            InstanceNumber=str(z + 1),
            ImagePositionPatient=["0", "0", str(z)],
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            PixelSpacing=["1", "1"],
            SliceThickness="1",
            RescaleSlope="1",
            RescaleIntercept="0",
        )
        made.append(drawn.image(session, SIDE, SIDE, drawn.words(pixels), stored=12, extra=extra))
    session.stored(*made)
    return made


def _series(session: Session) -> str:
    """The path of the series; skips where no volumes are rendered."""
    path = session.once("a volume", _slices)[0].series_path
    if session.get(path + "/renderedmpr", accept=PNG).status_code in (404, 405, 501):
        raise Skipped("no rendered volumes")
    return path


def _picture(session: Session, path: str, query: str) -> Picture:
    response = session.get(path, query=query, accept=PNG)
    expect_equal(response.status_code, 200, f"{path.rpartition('/')[2]}?{query}")
    return read_png(response.content)


def _bright(picture: Picture) -> tuple[float, float]:
    """Where the bright block lies: from 0 at the left and at the top to 1."""
    spots = [
        (x, y)
        for y in range(picture.height)
        for x in range(picture.width)
        if min(picture.at(x, y)) > 150  # 900 of a window from 0 to 1000 is 230, 100 is 26
    ]
    expect(spots, "the bright block is not to be seen")
    across = sum(x for x, _ in spots) / len(spots) / picture.width
    return across, sum(y for _, y in spots) / len(spots) / picture.height


@shows("R-30", "R-31", "R-32", "W-08")
def projections_look_from_where_they_should(session: Session) -> str:
    path = _series(session)
    wanted = {  # right of the picture, below its middle
        "a": (True, False),
        "p": (False, False),
        "l": (False, False),
        "r": (True, False),
        "f": (True, False),
        "h": (True, True),
    }
    for orientation, (right, below) in wanted.items():
        query = f"renderingmethod=maximum_ip&orientation={orientation}&{_WINDOW}"
        across, down = _bright(_picture(session, path + "/rendered3d", query))
        if orientation == "h":  # the picture's up is not told by the standard
            continue
        seen = (across > 0.5, down > 0.5)
        expect_equal(
            seen, (right, below), f"orientation={orientation}: right, below ({across:.2f}, {down:.2f})"
        )
    return "a block at the left, in front and towards the head, from all sides"


@shows("R-31", "R-34")
def methods_project_as_their_names_say(session: Session) -> str:
    path = _series(session) + "/rendered3d"
    greys = {}
    for method in ("maximum_ip", "minimum_ip", "average_ip"):
        query = f"renderingmethod={method}&orientation=a&{_WINDOW}"
        picture = _picture(session, path, query)
        middle = [picture.at(x, y)[0] for y in range(picture.height) for x in range(picture.width)]
        greys[method] = max(middle)
        again = _picture(session, path, query)
        expect(again.samples == picture.samples, f"{method}: another picture the second time")
    expect(abs(greys["maximum_ip"] - 229.5) <= 3, f"maximum {greys['maximum_ip']}, wanted 230")
    expect(abs(greys["minimum_ip"] - 25.5) <= 3, f"minimum {greys['minimum_ip']}, wanted 26")
    mean = 25.5 + (229.5 - 25.5) * 6 / SIDE
    expect(abs(greys["average_ip"] - mean) <= 12, f"average {greys['average_ip']}, wanted {mean:.0f}")
    response = session.get(path, query="renderingmethod=volume_rendered", accept=PNG)
    expect_equal(response.status_code, 200, "volume_rendered")
    return f"{greys}; volume_rendered too"


@shows("R-30", "R-31", "W-08")
def planes_cut_the_volume(session: Session) -> str:
    path = _series(session) + "/renderedmpr"
    through = "viewpointposition=18,-100,11.5&viewpointlookat=18,6,11.5&viewpointup=0,0,1"
    block = _bright(_picture(session, path, f"{through}&{_WINDOW}"))
    expect(block[1] < 0.5, "the head is not up")
    beside = "viewpointposition=11.5,-100,11.5&viewpointlookat=11.5,18,11.5&viewpointup=0,0,1"
    plane = _picture(session, path, f"{beside}&{_WINDOW}")
    brightest = max(plane.at(x, y)[0] for y in range(plane.height) for x in range(plane.width))
    expect(brightest < 60, f"a plane behind the block shows a grey of {brightest}")
    slab = _picture(session, path, f"{beside}&mprslab=40&renderingmethod=maximum_ip&{_WINDOW}")
    brightest = max(slab.at(x, y)[0] for y in range(slab.height) for x in range(slab.width))
    expect(brightest > 200, f"a slab of 40 mm around it shows a grey of {brightest}")
    return "a plane through the block, one behind it, a slab that reaches it"


@shows("R-30", "R-32")
def volumes_come_as_every_picture_type(session: Session) -> str:
    path = _series(session)
    for resource in ("/renderedmpr", "/rendered3d"):
        for media_type in ("image/jpeg", PNG):
            response = session.get(path + resource, accept=media_type)
            expect_equal(response.status_code, 200, f"{resource} as {media_type}")
            expect_equal(response.headers.get("content-type"), media_type, "Content-Type")
            expect_file_of(media_type, response.content)
    film = session.get(
        path + "/rendered3d",
        query="renderingmethod=maximum_ip&swivelrange=90&animationstepsize=30&viewport=48,48",
        accept="image/gif",
    )
    expect_equal(film.status_code, 200, "swivelrange as image/gif")
    width, height, count = gif_outline(film.content)
    expect(max(width, height) <= 48 and count in (3, 4), f"{count} pictures of {width} by {height}")
    return f"JPEG, PNG; {count} pictures of a swivel as GIF"


@shows("R-35", "R-31")
def the_parameters_of_a_rendering_are_told(session: Session) -> str:
    path = _series(session) + "/rendered3d"
    query = "renderingmethod=maximum_ip&orientation=a&renderedvolumetricmetadata=yes"
    response = session.get(path, query=query, accept=JSON)
    expect_equal(response.status_code, 200, "renderedvolumetricmetadata=yes")
    document = json_of(response)
    module = document[0] if isinstance(document, list) else document
    expect_equal(first(module, "0070120D"), "MAXIMUM_IP", "Rendering Method")
    expect("00720510" in module, "no Reformatting Operation Type")
    for tag in ("00701603", "00701604", "00701605"):
        expect(len(module.get(tag, {}).get("Value", [])) == 3, f"({tag[:4]},{tag[4:]}) is no point")
    return f"{len(module)} attributes"


@shows("R-34", "R-14")
def what_forms_no_volume_is_refused(session: Session) -> str:
    _series(session)
    seen = []
    for what, instance in (
        ("one slice", pictures.native(session)),
        ("a report", pictures.text_report(session)),
    ):
        for resource in ("/renderedmpr", "/rendered3d"):
            status = session.get(instance.series_path + resource, accept=PNG).status_code
            expect(status in (400, 404, 406), f"{resource} of {what}: {status}")
        seen.append(f"{what} {status}")
    status = session.get(f"/studies/{session.root}.404/rendered3d", accept=PNG).status_code
    expect_equal(status, 404, "an unknown study")
    return ", ".join(seen)


_BAD = (
    "renderingmethod=cinematic",
    "renderingmethod=",
    "orientation=x",
    "orientation=a&viewpointposition=0,0,0",
    "viewpointposition=1,2",
    "viewpointposition=a,b,c",
    "viewpointup=0,0,0",
    "viewpointlookat=1e99,0,0",
    "mprslab=0",
    "mprslab=-1",
    "mprslab=x",
    "renderedvolumetricmetadata=no",
    "swivelrange=0",
    "swivelrange=9999",
    "swivelrange=360&animationstepsize=0.0001",
    "volumeinputreference=abc",
    "viewport=99999999,99999999",
    "window=40,400",
    "quality=0",
)


@shows("R-31", "R-32", "G-05", bad_input=True)
def bad_volume_parameters_are_400(session: Session) -> str:
    path = _series(session)
    wrong = []
    for query in _BAD:
        status = session.send("GET", path + "/renderedmpr", query=query, accept=PNG).status_code
        if status != 400:
            wrong.append(f"{query}: {status}")
    status = session.get(path + "/rendered3d", query="mprslab=5", accept=PNG).status_code
    expect_equal(status, 400, "mprslab of rendered3d")
    sop = session.once("a volume", _slices)[0].sop
    both = f"volumeinputreference={sop}&InstanceNumber=1"
    expect_equal(session.get(path + "/rendered3d", query=both, accept=PNG).status_code, 400, both[:30])
    expect(not wrong, "; ".join(wrong))
    return f"{len(_BAD) + 2} malformed and contradicting parameters: 400"


@shows("R-32")
def parts_of_a_series_may_be_the_volume(session: Session) -> str:
    path = _series(session) + "/rendered3d"
    low = session.once("a volume", _slices)[:12]  # the block lies above
    query = "&".join(f"volumeinputreference={one.sop}" for one in low)
    picture = _picture(session, path, f"{query}&renderingmethod=maximum_ip&orientation=a&{_WINDOW}")
    brightest = max(picture.at(x, y)[0] for y in range(picture.height) for x in range(picture.width))
    expect(brightest < 60, f"the lower slices show a grey of {brightest}")
    return "12 of 24 slices by volumeinputreference"
