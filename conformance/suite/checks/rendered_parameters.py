"""Parameters of rendered resources: viewport, quality, annotation, ICC profile, bad values (PS3.18 8.3.5)."""

from __future__ import annotations

from conformance.suite import drawn
from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.rendered_values import PNG, png, stored
from conformance.suite.image_files import Picture, jpeg_outline, png_chunks, read_picture
from conformance.suite.objects import Instance, encapsulated_image, picture_module
from conformance.suite.samples import SAMPLES
from conformance.suite.session import STORED, Session

_CORNERS = (0, 80, 160, 240)


def _quarters(session: Session) -> Instance:
    """40 rows by 60 columns, a grey in each quarter."""
    return session.once("four quarters", lambda run: stored(run, drawn.quarters(run)))


def _corners(seen: Picture) -> tuple[int, ...]:
    """Greys within the four quarters of a picture."""
    left, right = seen.width // 8, seen.width - 1 - seen.width // 8
    top, bottom = seen.height // 8, seen.height - 1 - seen.height // 8
    return tuple(seen.at(x, y)[0] for x, y in ((left, top), (right, top), (left, bottom), (right, bottom)))


def _expect(seen: Picture, size: tuple[int, int], corners: tuple[int, ...], what: str) -> None:
    expect_equal((seen.width, seen.height), size, f"{what}: size")
    off = max(abs(one - other) for one, other in zip(_corners(seen), corners, strict=True))
    expect(off <= 2, f"{what}: corners {_corners(seen)}, wanted {corners}")


@shows("R-06", "R-01")
def viewports_fit_crop_and_flip(session: Session) -> str:
    path = _quarters(session).path
    a, b, c, d = _CORNERS
    cases: dict[str, tuple[tuple[int, int], tuple[int, ...]]] = {
        "": ((60, 40), (a, b, c, d)),
        "viewport=30,30": ((30, 20), (a, b, c, d)),
        "viewport=120,1000": ((120, 80), (a, b, c, d)),
        "viewport=60,40,30,20,30,20": ((60, 40), (d, d, d, d)),
        "viewport=60,40,0,0,30,40": ((30, 40), (a, a, c, c)),
        "viewport=60,40,30": ((30, 40), (b, b, d, d)),
        "viewport=60,40,,20": ((60, 20), (c, d, c, d)),
        "viewport=60,40,,,-60,": ((60, 40), (b, a, d, c)),
        "viewport=60,40,,,,-40": ((60, 40), (c, d, a, b)),
        "viewport=60,40,0,0,-60,-40": ((60, 40), (d, c, b, a)),
        "viewport=60%2C40%2C30%2C20%2C30%2C20": ((60, 40), (d, d, d, d)),
    }
    for query, (size, corners) in cases.items():
        _expect(png(session, path, query), size, corners, query or "no viewport")
    return f"{len(cases)} viewports: size and quarters as computed"


@shows("R-08")
def pixels_that_are_not_square_are_made_square(session: Session) -> str:
    cases = {
        "Pixel Aspect Ratio 2:1": ({"PixelAspectRatio": ["2", "1"]}, (60, 80)),
        "Pixel Aspect Ratio 1:2": ({"PixelAspectRatio": ["1", "2"]}, (120, 40)),
        "Pixel Spacing 0.5\\1": ({"PixelSpacing": ["0.5", "1"]}, (120, 40)),
    }
    for what, (more, size) in cases.items():
        instance = stored(session, drawn.quarters(session, **more))  # type: ignore[arg-type]
        seen = png(session, instance.path)
        expect_equal(round(seen.width / seen.height, 2), round(size[0] / size[1], 2), f"{what}: proportions")
        off = max(abs(one - other) for one, other in zip(_corners(seen), _CORNERS, strict=True))
        expect(off <= 2, f"{what}: corners {_corners(seen)}")
    return ", ".join(cases)


@shows("R-09", "R-01", "M-14")
def quality_decides_about_the_size_of_jpeg(session: Session) -> str:
    path = pictures.native(session).path + "/rendered"
    sizes = []
    for quality in (1, 50, 100):
        response = session.get(path, query=f"quality={quality}", accept="image/jpeg")
        expect_equal(response.status_code, 200, f"quality={quality}")
        outline = jpeg_outline(response.content)
        expect_equal((outline.frame, outline.precision), (0xC0, 8), "baseline, 8 bits")
        sizes.append(len(response.content))
    expect(sizes[0] < sizes[1] < sizes[2], f"{sizes} bytes for quality 1, 50, 100")
    return f"{sizes} bytes for quality 1, 50, 100, all baseline"


@shows("R-10", "R-01")
def annotation_is_burned_in(session: Session) -> str:
    instance = session.once(
        "a plain image", lambda run: stored(run, drawn.plain_frames(run, [10], rows=256, columns=256))
    )
    path = instance.path
    plain = png(session, path).grey()
    expect_equal(set(plain), {10}, "greys without annotation")
    for annotation in ("patient", "technique", "patient,technique"):
        changed = sum(grey != 10 for grey in png(session, path, f"annotation={annotation}").grey())
        expect(changed > 100, f"annotation={annotation} changes {changed} pixels")
    return "patient, technique: letters in the pixels"


@shows("R-10", "H-10")
def unsupported_annotation_is_warned_of(session: Session) -> str:
    path = _quarters(session).path + "/rendered"
    response = session.get(path, query="annotation=patient,nonsense", accept=PNG)
    expect_equal(response.status_code, 200, "status")
    warning: str = response.headers.get("warning", "")
    expect(
        warning.startswith("299 ")
        and "The following annotation values are not supported:" in warning
        and "nonsense" in warning,
        f"Warning {warning or 'absent'}",
    )
    return warning


@shows("R-11")
def profiles_are_embedded_when_asked_for(session: Session) -> str:
    colours = bytes(value for index in range(64) for value in (index * 4, 255 - index * 4, 128))
    instance = drawn.image(session, 8, 8, colours, allocated=8, samples=3, photometric="RGB")
    path = stored(session, instance).path + "/rendered"
    for name in ("yes", "srgb", "adobergb", "rommrgb"):
        jpeg = session.get(path, query=f"iccprofile={name}", accept="image/jpeg")
        expect_equal(jpeg.status_code, 200, f"iccprofile={name}")
        expect(jpeg_outline(jpeg.content).icc, f"iccprofile={name}: a JPEG without ICC_PROFILE")
        chunks = dict(png_chunks(session.get(path, query=f"iccprofile={name}", accept=PNG).content))
        expect(b"iCCP" in chunks, f"iccprofile={name}: a PNG without iCCP")
    plain = session.get(path, query="iccprofile=no", accept="image/jpeg").content
    expect(not jpeg_outline(plain).icc, "iccprofile=no embeds one")
    expect_equal(session.get(path, query="iccprofile=srgb", accept="image/gif").status_code, 400, "in a GIF")
    wide = png(session, path.removesuffix("/rendered"), "iccprofile=rommrgb")
    expect(wide.samples != png(session, path.removesuffix("/rendered")).samples, "ROMM RGB has sRGB's values")
    return "sRGB, Adobe RGB, ROMM RGB converted and embedded in JPEG and PNG; GIF 400"


_BAD = (
    *(f"quality={value}" for value in ("", "0", "101", "-1", "abc", "50.5", "1e2", "9" * 40)),
    *(
        f"viewport={value}"
        for value in (
            "",
            "100",
            "0,100",
            "-10,10",
            "10,10.5",
            "a,b",
            "100,100,x",
            "100,100,-1,0",
            "100,100,0,0,0,0",
            "100,100,0,0,10,10,10",
            "99999999,99999999",
            "1e9,1e9",
            "100,100,nan,0",
            ",100",
        )
    ),
    *(
        f"window={value}"
        for value in (
            "",
            "40",
            "40,400",
            "40,400,cubic",
            "40,400,LINEAR",
            "40,0,linear",
            "40,0.5,linear",
            "40,0,sigmoid",
            "40,-1,linear-exact",
            "a,b,linear",
            "nan,400,linear",
            "inf,400,linear",
            "40,400,linear,1",
            ",400,linear",
        )
    ),
    *(f"annotation={value}" for value in ("", "patient,", "%20", "a%00b", "%3Cscript%3E")),
    *(f"iccprofile={value}" for value in ("", "maybe", "SRGB")),
    "quality=50&quality=60",
    "window=40,400,linear&window=50,400,linear",
)


@shows("R-05", "R-06", "R-07", "R-09", "R-10", "G-05", "B-08", bad_input=True)
def bad_rendering_parameters_are_400(session: Session) -> str:
    path = _quarters(session).path + "/rendered"
    wrong = []
    for query in _BAD:
        response = session.send("GET", path, query=query, accept="image/jpeg, image/png;q=0.5")
        if response.status_code != 400:
            wrong.append(f"{query[:40]}: {response.status_code}")
    expect(not wrong, "; ".join(wrong))
    expect_equal(session.get(path, accept=PNG).status_code, 200, "the request after them")
    return f"{len(_BAD)} malformed, senseless, huge and repeated values: 400"


@shows("R-07", bad_input=True)
def thumbnails_take_no_region(session: Session) -> str:
    path = _quarters(session).path + "/thumbnail"
    for query in ("viewport=20,20,0,0,10,10", "viewport=20,20,5", "viewport=0,1", "viewport=a"):
        expect_equal(session.get(path, query=query, accept="image/jpeg").status_code, 400, query)
    small = read_picture(session.get(path, query="viewport=20,20", accept="image/jpeg").content)
    expect_equal((small.width, small.height), (20, 13), "size within 20 by 20")
    return "a source region or no size: 400; width and height alone fit"


@shows("R-01", "R-06")
def renderings_of_large_images_come_small(session: Session) -> str:
    rows = columns = 1024
    pixels = bytes((row >> 2) & 0xFF for row in range(rows)) * columns
    instance = stored(session, drawn.image(session, rows, columns, pixels, allocated=8))
    response = session.get(instance.path + "/rendered", query="viewport=64,64", accept="image/jpeg")
    outline = jpeg_outline(response.content)
    expect_equal((outline.width, outline.height), (64, 64), "size")
    expect(len(response.content) < 20_000, f"{len(response.content)} bytes")
    return f"1024 by 1024 into 64 by 64: {len(response.content)} bytes"


@shows("R-14", "B-03", "B-08", bad_input=True)
def broken_codestreams_are_not_rendered(session: Session) -> str:
    keys = ("50", "57", "70", "80", "90", "110", "201")
    for key in keys:
        sample = SAMPLES[key]
        good = sample.frames[0]
        broken = {
            "cut off": good[: len(good) // 2],
            "overwritten": good[:40] + bytes(len(good) - 40),
            "no codestream": b"\xff\xd8\xff" + bytes(range(200)),
        }
        for what, codestream in broken.items():
            instance = encapsulated_image(
                session, sample.transfer_syntax_uid, [codestream], picture_module(sample.picture)
            )
            if session.store(instance).status != 200:
                continue
            for resource, allowed in (("/rendered", (200, 404, 406)), ("/thumbnail", (200, 404, 406))):
                status = session.send("GET", instance.path + resource, accept="image/jpeg").status_code
                expect(status in allowed, f".{key}, {what}: {resource} answered {status}")
            expect_equal(len(session.metadata(instance.path)), 1, f".{key}, {what}: metadata")
            stored_form = session.get(instance.path, accept=STORED)
            expect_equal(stored_form.status_code, 200, f".{key}, {what}: the instance as stored")
    expect_equal(
        session.get(_quarters(session).path + "/rendered", accept=PNG).status_code, 200, "after them"
    )
    return f"{len(keys)} syntaxes, three ways: never a server error, metadata and bytes still served"
