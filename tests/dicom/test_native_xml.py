"""The Native DICOM Model written and read: PS3.19 A.1, PS3.18 F.3.1, hostile documents."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from random import Random
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.limits import ScanLimits
from dicomweb.dicom.native_xml import NAMESPACE, native_xml, native_xml_of
from dicomweb.dicom.native_xml_reader import read_native_model
from dicomweb.dicom.part10 import scan
from dicomweb.errors import InvalidDicom
from tests.dicom.corpus import CORPORA, paths

_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MODEL = f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">%s</NativeDicomModel>'
_NUMBERS = ("IS", "DS", "FL", "FD", "SV", "UV", "US", "UL", "SS", "SL")


def read(inside: str, **limits: int) -> dict[str, Any]:
    return read_native_model([(_MODEL % inside).encode()], limits=ScanLimits(**limits))


def attribute(tag: str, vr: str, inside: str = "", more: str = "") -> str:
    return f'<DicomAttribute tag="{tag}" vr="{vr}" {more}>{inside}</DicomAttribute>'


def comparable(value: Any, vr: str = "") -> Any:
    """JSON as far as the two forms must agree: numbers by value, text without what XML cannot hold."""
    if isinstance(value, dict):
        inner = value.get("vr", vr)
        return {key: comparable(element, inner) for key, element in value.items()}
    if isinstance(value, list):
        return [comparable(element, vr) for element in value]
    if isinstance(value, str):
        try:
            return float(value) if vr in _NUMBERS else _NOT_IN_XML.sub("\ufffd", value)
        except ValueError:
            return value
    return None if value is None else float(value)


# --- writing ---------------------------------------------------------------------------------------


def test_a_data_set_becomes_a_native_dicom_model() -> None:
    attributes = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "A&B"]},
        "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}, {}]},
        "00090010": {"vr": "LO", "Value": ['ACME "1"']},
        "00091001": {"vr": "UN", "InlineBinary": "AAE="},
        "00091101": {"vr": "LO", "Value": ["nobody's"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^^M", "Phonetic": "ド^"}]},
        "00280010": {"vr": "US", "Value": [512]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "http://h/b?x=1&y=2"},
        "00100020": {"vr": "LO"},
    }
    assert native_xml(attributes).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">\n'
        '<DicomAttribute tag="00080005" vr="CS" keyword="SpecificCharacterSet">\n'
        '<Value number="1">ISO_IR 192</Value>\n</DicomAttribute>\n'
        '<DicomAttribute tag="00080008" vr="CS" keyword="ImageType">\n'
        '<Value number="1">ORIGINAL</Value>\n<Value number="2"></Value>\n'
        '<Value number="3">A&amp;B</Value>\n</DicomAttribute>\n'
        '<DicomAttribute tag="00081140" vr="SQ" keyword="ReferencedImageSequence">\n'
        '<Item number="1">\n<DicomAttribute tag="00081155" vr="UI" keyword="ReferencedSOPInstanceUID">\n'
        '<Value number="1">1.2</Value>\n</DicomAttribute>\n</Item>\n<Item number="2">\n</Item>\n'
        "</DicomAttribute>\n"
        '<DicomAttribute tag="00090010" vr="LO">\n<Value number="1">ACME "1"</Value>\n</DicomAttribute>\n'
        '<DicomAttribute tag="00090001" vr="UN" privateCreator="ACME &#34;1&#34;">\n'
        "<InlineBinary>AAE=</InlineBinary>\n</DicomAttribute>\n"
        '<DicomAttribute tag="00091101" vr="LO">\n<Value number="1">nobody\'s</Value>\n</DicomAttribute>\n'
        '<DicomAttribute tag="00100010" vr="PN" keyword="PatientName">\n<PersonName number="1">'
        "<Alphabetic><FamilyName>Doe</FamilyName><MiddleName>M</MiddleName></Alphabetic>"
        "<Phonetic><FamilyName>ド</FamilyName><GivenName></GivenName></Phonetic>"
        "</PersonName>\n</DicomAttribute>\n"
        '<DicomAttribute tag="00100020" vr="LO" keyword="PatientID">\n</DicomAttribute>\n'
        '<DicomAttribute tag="00280010" vr="US" keyword="Rows">\n<Value number="1">512</Value>\n'
        "</DicomAttribute>\n"
        '<DicomAttribute tag="7FE00010" vr="OW" keyword="PixelData">\n'
        '<BulkData uri="http://h/b?x=1&amp;y=2"/>\n</DicomAttribute>\n</NativeDicomModel>\n'
    )


def test_group_lengths_stay_out() -> None:
    assert b"00080000" not in native_xml({"00080000": {"vr": "UL", "Value": [4]}})


def test_numbers_keep_their_digits() -> None:
    text = b'{"00180050":{"vr":"DS","Value":[0.4882810000000000001,1e2,-0]}}'
    written = b"".join(native_xml_of(text))
    assert re.findall(rb">([^<\n]+)</Value>", written) == [b"0.4882810000000000001", b"1e2", b"-0"]
    assert read_native_model([written])["00180050"]["Value"] == ["0.4882810000000000001", "1e2", "-0"]


@given(text=st.text(st.characters(), max_size=60))
def test_any_text_makes_well_formed_xml_and_comes_back(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    attributes = {"00104000": {"vr": "LT", "Value": [text]}, "00090010": {"vr": "LO", "Value": [text]}}
    attributes["00091001"] = {"vr": "LT", "Value": [text]}
    back = read_native_model([native_xml(attributes)])
    want = _NOT_IN_XML.sub("\ufffd", text)
    assert back["00104000"] == ({"vr": "LT", "Value": [want]} if text else {"vr": "LT"})


def test_a_long_sequence_is_written_in_pieces() -> None:
    items = [{"00081155": {"vr": "UI", "Value": [f"1.2.{number}"]}} for number in range(5000)]
    pieces = list(native_xml_of(orjson.dumps({"00081140": {"vr": "SQ", "Value": items}})))
    assert len(pieces) > 3
    assert read_native_model(pieces)["00081140"]["Value"] == items


# --- both ways -------------------------------------------------------------------------------------


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_file_goes_to_xml_and_back(corpus: str, request: pytest.FixtureRequest) -> None:
    """X-05. What XML 1.0 cannot hold has become U+FFFD on the way."""
    count = 0
    for path in paths(corpus, request):
        if path.stat().st_size > 32 << 20:
            continue
        try:
            scanned = scan([path.read_bytes()])
        except InvalidDicom:
            continue
        text = orjson.dumps(scanned.attributes)
        document = b"".join(native_xml_of(text))
        assert comparable(read_native_model([document])) == comparable(json.loads(text)), path.name
        count += 1
    assert count > 20


_TAGS = st.sampled_from(["00080060", "00091001", "00091102", "00100010", "00180050", "00400275", "60023000"])
_NAMES = st.dictionaries(
    st.sampled_from(["Alphabetic", "Ideographic", "Phonetic"]),
    st.text("AB^é<&", min_size=1, max_size=12),
    min_size=1,
)


def _valued(vr: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    listed = st.lists(st.none() | values, max_size=4)
    return listed.map(lambda v: {"vr": vr, "Value": v} if v.count(None) < len(v) else {"vr": vr})


def _elements(items: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        _valued("LO", st.text("aé \\<&\r\n\t\"'", min_size=1, max_size=8)),
        _valued("PN", _NAMES),
        _valued("FD", st.floats(allow_nan=False, allow_infinity=False)),
        _valued("US", st.integers(0, 65535)),
        _valued("AT", st.sampled_from(["00100010", "7FE00010"])),
        st.binary(min_size=1, max_size=9).map(lambda raw: {"vr": "OB", "InlineBinary": _base64(raw)}),
        st.lists(items, max_size=3).map(lambda v: {"vr": "SQ", "Value": v} if v else {"vr": "SQ"}),
    )


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()


def _with_creators(attributes: dict[str, Any]) -> dict[str, Any]:
    creators = {tag[:4] + "00" + tag[4:6]: tag[4:6] for tag in attributes if tag.startswith("0009")}
    added = {tag: {"vr": "LO", "Value": [f"CREATOR {block}"]} for tag, block in creators.items()}
    return dict(sorted({**attributes, **added}.items()))


_DATA_SETS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.just({}),
    lambda items: st.dictionaries(_TAGS, _elements(items), max_size=4).map(_with_creators),
    max_leaves=12,
)


@given(attributes=_DATA_SETS, size=st.integers(1, 50))
def test_reading_undoes_writing_whatever_the_chunks(attributes: dict[str, Any], size: int) -> None:
    document = native_xml(attributes)
    ElementTree.fromstring(document)
    chunks = [document[at : at + size] for at in range(0, len(document), size)]
    assert comparable(read_native_model(chunks)) == comparable(attributes)


# --- reading ---------------------------------------------------------------------------------------


def test_private_elements_find_a_block_of_their_creator() -> None:
    private = attribute("00090001", "LO", '<Value number="1">x</Value>', 'privateCreator="B"')
    found = read(attribute("00090010", "LO", '<Value number="1">A</Value>') + private + private)
    assert found == {
        "00090010": {"vr": "LO", "Value": ["A"]},
        "00090011": {"vr": "LO", "Value": ["B"]},
        "00090012": {"vr": "LO", "Value": ["B"]},
        "00091101": {"vr": "LO", "Value": ["x"]},
        "00091201": {"vr": "LO", "Value": ["x"]},
    }


def test_numbers_left_out_are_empty_values_and_empty_items() -> None:
    found = read(
        attribute("00080008", "CS", '<Value number="3">C</Value><Value number="1">A</Value>')
        + attribute("00081140", "SQ", '<Item number="2"/>')
    )
    assert found["00080008"]["Value"] == ["A", None, "C"]
    assert found["00081140"]["Value"] == [{}, {}]


def test_other_writers_forms_are_understood() -> None:
    text = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<NativeDicomModel>\n'
        '  <DicomAttribute tag="0020000d" keyword="StudyInstanceUID">\n<Value>\n 1.2 \n</Value>'
        "</DicomAttribute>"
        '<DicomAttribute tag="00100020" vr="LO"><Value>M\xfcller</Value></DicomAttribute>'
        '<DicomAttribute tag="00091011" vr="ZZ"><InlineBinary>AA\n ==</InlineBinary></DicomAttribute>'
        '<DicomAttribute tag="7FE00010" vr="OB"><BulkData uuid="u-1"/></DicomAttribute>'
        '<DicomAttribute tag="00180050" vr="FD"><Value number="1">INF</Value></DicomAttribute>\n'
        "</NativeDicomModel>"
    )
    assert read_native_model([text.encode("latin-1")]) == {
        "00091011": {"vr": "UN", "InlineBinary": "AA=="},
        "00100020": {"vr": "LO", "Value": ["Müller"]},
        "00180050": {"vr": "FD", "Value": [float("inf")]},
        "0020000D": {"vr": "UI", "Value": ["1.2"]},
        "7FE00010": {"vr": "OB", "BulkDataURI": "urn:uuid:u-1"},
    }


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-16", "ISO-8859-9", "windows-1252", "iso-8859-11"])
def test_encodings_of_the_declaration_are_followed(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + _MODEL % attribute(
        "00104000", "LT", "<Value>ok</Value>"
    )
    assert read_native_model([text.encode(encoding)])["00104000"]["Value"] == ["ok"]


_ENTITY = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + _MODEL % attribute(
    "00100020", "LO", "<Value>&e;</Value>"
)
_LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + _MODEL % "&b;"


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<a/>",
        "<NativeDicomModel>",
        _ENTITY,
        _LAUGHS,
        _MODEL % "text",
        _MODEL % "&undefined;",
        _MODEL % "<Value/>",
        _MODEL % "<DicomAttribute/>",
        _MODEL % attribute("0010", "LO"),
        _MODEL % (attribute("00100020", "LO") * 2),
        _MODEL % attribute("00100020", "LO", "<Item/>"),
        _MODEL % attribute("00100020", "LO", "<InlineBinary>AAAA</InlineBinary>"),
        _MODEL % attribute("00100010", "PN", "<Value>A</Value>"),
        _MODEL % attribute("00100020", "LO", '<Value number="0">x</Value>'),
        _MODEL % attribute("00100020", "LO", '<Value number="-1">x</Value>'),
        _MODEL % attribute("00100020", "LO", '<Value number="1"/><Value number="1"/>'),
        _MODEL % attribute("00100020", "LO", '<Value number="999999999">x</Value>'),
        _MODEL % attribute("00100020", "LO", "<Value>x</Value><BulkData uri='u'/>"),
        _MODEL % attribute("00280010", "US", "<Value>1_0</Value>"),
        _MODEL % attribute("00180050", "FD", "<Value>one</Value>"),
        _MODEL % attribute("00080000", "AT", "<Value>x</Value>"),
        _MODEL % attribute("7FE00010", "OB", "<InlineBinary>A</InlineBinary>"),
        _MODEL % attribute("7FE00010", "OB", "<InlineBinary>AA==AA==</InlineBinary>"),
        _MODEL % attribute("7FE00010", "OB", "<InlineBinary>é</InlineBinary>"),
        _MODEL % attribute("7FE00010", "OB", "<BulkData/>"),
        _MODEL % "<Unknown/>",
        _MODEL % "\0",
        '<?xml version="1.0" encoding="no-such"?>' + _MODEL % "",
        '<?xml version="1.0" encoding="utf8"?>' + _MODEL % "",
        '<?xml version="1.0" encoding="iso-2022-jp"?>' + _MODEL % "",
    ],
)
def test_what_is_no_native_model_is_refused(document: str) -> None:
    with pytest.raises(InvalidDicom):
        read_native_model([document.encode()])


def _nested(depth: int) -> str:
    start = '<DicomAttribute tag="00081140" vr="SQ"><Item number="1">'
    return start * depth + "</Item></DicomAttribute>" * depth


@pytest.mark.parametrize(
    "inside",
    [
        lambda: _nested(6),
        lambda: attribute("00100020", "LO", "<Value>" + "x" * 2000 + "</Value>"),
        lambda: f"<!--{'x' * 200_000}-->",
        lambda: f'<DicomAttribute tag="{"0" * 200_000}"/>',
        lambda: "".join(attribute(f"{tag:08X}", "LO") for tag in range(0x100020, 0x101020)),
        lambda: attribute("00080008", "CS", "<Value/>" * 20_000),
    ],
)
def test_size_and_nesting_are_bounded(inside: Callable[[], str]) -> None:
    with pytest.raises(InvalidDicom):
        read(inside(), sequence_depth=5, value_bytes=1000, dataset_bytes=1 << 20)


def test_a_long_byte_string_may_be_inline() -> None:
    raw = bytes(range(256)) * 400
    found = read(
        attribute("00420011", "OB", f"<InlineBinary>{_base64(raw)}</InlineBinary>"), value_bytes=1000
    )
    assert b64decode(found["00420011"]["InlineBinary"]) == raw


_WORDS = [
    *("Value", "Item", "DicomAttribute", "PersonName", "Alphabetic", "BulkData", "InlineBinary", "number"),
    *("tag", "vr", "SQ", "PN", "FD", "99999999", "-1", "<", ">", "&#0;", "&amp;", "]]>", "<![CDATA[", "<!--"),
    *("<?x", "\xff"),
]


@given(random=st.randoms(use_true_random=False))
def test_a_damaged_document_is_read_or_refused(random: Random) -> None:
    items = [
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^J"}]}, "00189087": {"vr": "FD", "Value": [1]}}
    ]
    document = bytearray(
        native_xml(
            {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}, "00400275": {"vr": "SQ", "Value": items}}
        )
    )
    for _ in range(random.randint(1, 5)):
        at = random.randrange(len(document))
        damage = random.choice(_WORDS).encode("latin-1")
        document[at : at + random.choice([0, len(damage), 40])] = damage
    try:
        assert isinstance(read_native_model([bytes(document)]), dict)
    except InvalidDicom:
        pass


def test_refusals_repeat_no_value() -> None:
    with pytest.raises(InvalidDicom) as refused:
        read(attribute("00280010", "US", "<Value>Doe</Value>"))
    assert "Doe" not in refused.value.message
