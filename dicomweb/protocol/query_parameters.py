"""The query parameters of operations: their names, meanings and schemas."""

from __future__ import annotations

from typing import Any

from dicomweb.dicom.picture import LONGEST_SIDE
from dicomweb.protocol.description import Parameter
from dicomweb.protocol.next_page import CURSOR
from dicomweb.protocol.reduction import MOST_HALVINGS, REDUCE
from dicomweb.protocol.rendered_query import ANNOTATIONS, FUNCTIONS, ICC_PROFILES
from dicomweb.protocol.volume_query import METHODS, ORIENTATIONS


def _text(pattern: str, example: str) -> dict[str, Any]:
    """Schema of a text that must look so."""
    return {"type": "string", "pattern": pattern, "examples": [example]}


_COUNT = {"type": "integer", "minimum": 0}
_ATTRIBUTES = r"^(all|([0-9A-Fa-f]{8}|[A-Z][A-Za-z0-9]{1,63})(,([0-9A-Fa-f]{8}|[A-Z][A-Za-z0-9]{1,63}))*)$"
TRUE = {"type": "string", "enum": ["true", "false"]}

ACCEPT = Parameter(
    "accept",
    "Media types without wildcards; they go before the Accept header.",
    _text(r"^[A-Za-z]+/[A-Za-z0-9.+-]+(; ?[a-z-]+=[^\s,;]+)*$", "application/dicom+json"),
    repeated=True,
    section="8.3.3.1",
)

REDUCE_FRAMES = Parameter(
    REDUCE,
    "How often each side is halved, rounded up: a preview, native or as HTJ2K RPCL whatever is stored.",
    {"type": "integer", "minimum": 0, "maximum": MOST_HALVINGS},
)

SEARCH_PARAMETERS = (
    Parameter(
        "{attribute}",
        "A matching key: keyword, tag or path of an attribute, with the value to match.",
        repeated=True,
        section="8.3.4.1",
    ),
    Parameter(
        "includefield",
        "Attributes to return beside the usual ones: keywords, tags or paths, with commas between, or all.",
        _text(_ATTRIBUTES, "StudyDescription,00100020"),
        repeated=True,
        section="8.3.4.3",
    ),
    Parameter(
        "fuzzymatching",
        "Names also match by the beginning and the sound of their words.",
        TRUE,
        section="8.3.4.2",
    ),
    Parameter(
        "emptyvaluematching",
        "A key of two double quotes finds what has no value.",
        TRUE,
        section="8.3.4",
    ),
    Parameter(
        "multiplevaluematching",
        "Of several values of a key all must be there.",
        TRUE,
        section="8.3.4",
    ),
    Parameter("limit", "Most results of the answer.", _COUNT, section="8.3.4.4"),
    Parameter("offset", "Results to pass over.", _COUNT, section="8.3.4.4"),
    ACCEPT,
)
STUDY_SEARCH_PARAMETERS = (
    *SEARCH_PARAMETERS,
    Parameter(
        CURSOR,
        "Where the page before ended, as its link to the next one says.",
        _text(r"^[0-9]{0,18},[0-9]{1,9}(\.[0-9]{1,9}){0,5}$", "63902822399999999,1.2.840.113619.2.1"),
    ),
)

METADATA_FIELDS = (
    Parameter(
        "includefield",
        "Attributes to return besides those that identify the instance: keywords, tags or paths, with commas"
        " between, or all.",
        _text(_ATTRIBUTES, "StudyDescription,00100020"),
        repeated=True,
    ),
    Parameter(
        "excludefield",
        "Attributes to leave out: keywords, tags or paths, with commas between.",
        _text(_ATTRIBUTES, "SharedFunctionalGroupsSequence"),
        repeated=True,
    ),
)

# --- of pictures -----------------------------------------------------------------------------------

_KEYWORDS = "|".join(ANNOTATIONS)
# As many digits as the longest has; the limits document has the number.
_SIDE = f"[1-9][0-9]{{0,{len(str(LONGEST_SIDE)) - 1}}}"

VIEWPORT = Parameter(
    "viewport",
    "Width and height of the box that the picture fits in; of an image also x, y, width and height of the"
    " part that is shown, negative sides to mirror it.",
    _text(rf"^{_SIDE},{_SIDE}(,[0-9]{{0,5}},[0-9]{{0,5}}(,-?{_SIDE}){{2}})?$", "512,512"),
    section="8.3.5.1.3",
)
PICTURE_PARAMETERS = (
    Parameter(
        "annotation",
        "What is written onto the picture: patient, technique or both, with a comma between.",
        _text(rf"^({_KEYWORDS})(,({_KEYWORDS}))?$", "patient,technique"),
        section="8.3.5.1.1",
    ),
    Parameter(
        "quality",
        "Of lossy coding; other types ignore it.",
        {"type": "integer", "minimum": 1, "maximum": 100},
        section="8.3.5.1.2",
    ),
    VIEWPORT,
    Parameter(
        "window",
        "Center, width and function (linear, linear-exact or sigmoid), with commas between.",
        _text(
            rf"^-?[0-9]{{1,5}}(\.[0-9]{{1,3}})?,[1-9][0-9]{{0,5}},({'|'.join(FUNCTIONS)})$",
            "40,400,linear",
        ),
        section="8.3.5.1.4",
    ),
    Parameter(
        "iccprofile",
        "Colour space of the picture, and whether its profile is embedded.",
        {"type": "string", "enum": list(ICC_PROFILES)},
        section="8.3.5.1.5",
    ),
)

_POINT = _text(r"^-?[0-9]{1,3},-?[0-9]{1,3},-?[0-9]{1,3}$", "0,-500,0")
VOLUME_PARAMETERS = (
    Parameter(
        "volumeinputreference",
        "UID of a series or an instance of the volume, which frame numbers may follow, with commas between.",
        _text(r"^[1-9]\.[0-9]\.[1-9][0-9]{1,20}(,[1-9][0-9]{0,2})?$", "1.2.840.113619.2.1"),
        repeated=True,
        section="8.3.5.3.1",
    ),
    Parameter(
        "{attribute}",
        "A matching key as in a search: images that match it are the volume.",
        repeated=True,
        section="8.3.5.3.2",
    ),
    Parameter(
        "renderingmethod",
        "How the samples along a ray become a pixel.",
        {"type": "string", "enum": list(METHODS)},
        section="8.3.5.3.3",
    ),
    Parameter(
        "orientation",
        "The side of the patient that is looked at; not together with the viewpoint.",
        {"type": "string", "enum": list(ORIENTATIONS)},
        section="8.3.5.3.4",
    ),
    Parameter("viewpointposition", "Where it is seen from: x,y,z in mm.", _POINT, section="8.3.5.3.5"),
    Parameter("viewpointlookat", "What is in the middle: x,y,z in mm.", _POINT, section="8.3.5.3.6"),
    Parameter("viewpointup", "What is up: a direction x,y,z.", _POINT, section="8.3.5.3.7"),
    Parameter(
        "swivelrange",
        "Degrees that an animation turns by.",
        {"type": "number", "minimum": 0.1, "maximum": 360},
        section="8.3.5.3.9",
    ),
    Parameter(
        "animationstepsize",
        "Degrees between two pictures of it.",
        {"type": "number", "minimum": 0.01, "maximum": 360},
        section="8.3.5.3.11",
    ),
    Parameter(
        "animationrate",
        "Pictures of it a second.",
        {"type": "number", "minimum": 0.01, "maximum": 50},
        section="8.3.5.3.12",
    ),
    Parameter(
        "renderedvolumetricmetadata",
        "The parameters that were applied, as DICOM JSON, in place of the picture.",
        {"type": "string", "enum": ["yes"]},
        section="8.3.5.3.13",
    ),
    *PICTURE_PARAMETERS,
    ACCEPT,
)
