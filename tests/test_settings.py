"""The settings table: parsing, errors, and that the README says the same."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.errors import InvalidSettings
from dicomweb.settings import (
    Settings,
    env_name,
    flags,
    is_loopback,
    markdown_table,
    unknown_variables,
)

_README = Path(__file__).resolve().parent.parent / "README.md"
_TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).filter(lambda text: "," not in text)
_HOSTS = st.from_regex(r"[a-z]{1,9}(\.[a-z]{2,5}){0,2}", fullmatch=True)
_BY_NAME = {
    "data": st.from_regex(r"/[a-z]{1,9}", fullmatch=True).map(Path),
    "port": st.integers(0, 65535),
    "workers": st.integers(1, 256),
    "database_url": st.just("postgresql://user:p%40ss@host:1/database?sslmode=require"),
    "blobs": st.sampled_from(["/srv/blobs", "s3://bucket/prefix"]),
    "public_url": _HOSTS.map(lambda host: f"https://{host}/archive"),
    "allow_open": st.booleans(),
    "cors_origins": st.lists(_HOSTS.map(lambda host: f"https://{host}:8443")).map(tuple),
    "allowed_hosts": st.lists(_HOSTS).map(tuple),
    "duplicates": st.sampled_from(["reject", "keep", "replace"]),
    "head_seconds": st.floats(0.001, 1e5),
    "head_bytes": st.integers(8192, 1 << 50),
    "s3_access_key": _TEXT,
    "s3_secret_key": _TEXT,
    "log_level": st.sampled_from(["debug", "info", "error"]),
}


@given(st.fixed_dictionaries({}, optional=_BY_NAME))
def test_settings_survive_the_way_through_the_environment(values: dict[str, Any]) -> None:
    settings = Settings(**values)
    assert Settings.from_env(settings.to_env()) == settings


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({env_name(item): "" for item in fields(Settings)}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "http", "must be a whole number from 0 to 65535."),
        ("PORT", "65536", "must be a whole number from 0 to 65535."),
        ("PORT", "٨٠", "must be a whole number from 0 to 65535."),
        ("PORT", "9" * 5000, "must be a whole number from 0 to 65535."),
        ("WORKERS", "0", "must be a whole number from 1 to 256."),
        ("WORKERS", "-1", "must be a whole number from 1 to 256."),
        ("ALLOW_OPEN", "maybe", "must be yes or no."),
        ("SERVER", "apache", "must be uvicorn or granian."),
        ("HEAD_BYTES", "many", "must be a number of bytes, such as 1048576 or 1 MiB."),
        ("URI_BYTES", "1 KiB", "must be at least 8 KiB."),
        ("HEAD_SECONDS", "nan", "must be a number of seconds above 0."),
        ("HEAD_SECONDS", "0", "must be a number of seconds above 0."),
        ("DATABASE_URL", "mysql://x", "must be a URL such as postgresql://user:password@host/database."),
        ("BLOBS", "gs://bucket", "must be a directory or s3://bucket/prefix."),
        ("BLOBS", "s3:///prefix", "must be a directory or s3://bucket/prefix."),
        (
            "PUBLIC_URL",
            "pacs.example.org",
            "must be a URL such as https://pacs.example.org, without query or fragment.",
        ),
        ("PUBLIC_URL", "https://x:port", "must be a URL that can be parsed."),
        ("CORS_ORIGINS", "*", "cannot hold * while no authentication is configured: name each origin."),
        (
            "CORS_ORIGINS",
            "https://a.example, viewer",
            "must hold origins such as https://viewer.example.org.",
        ),
        ("CORS_ORIGINS", "https://a.example/path", "must hold origins such as https://viewer.example.org."),
        (
            "ALLOWED_HOSTS",
            "https://x",
            "must hold host names such as pacs.example.org, without scheme or path.",
        ),
    ],
)
def test_an_unusable_value_is_named_in_one_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        Settings.from_env({f"DICOMWEB_{name}": value})
    assert refused.value.message == f"DICOMWEB_{name} {sentence}"


@given(st.sampled_from(fields(Settings)), st.text())
def test_any_text_is_taken_or_refused_by_name(item: Any, value: str) -> None:
    said = ""
    try:
        Settings.from_env({env_name(item): value})
    except InvalidSettings as refused:
        said = refused.message
    assert not said or said.startswith(env_name(item) + " ")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1 << 20),
        ("1 MiB", 1 << 20),
        ("1M", 1 << 20),
        ("2gib", 2 << 30),
        ("64 KiB", 1 << 16),
    ],
)
def test_sizes_may_have_units(text: str, size: int) -> None:
    assert Settings.from_env({"DICOMWEB_BODY_BYTES": text}).body_bytes == size


def test_the_names_of_aws_stand_in() -> None:
    amazon = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    settings = Settings.from_env(amazon)
    assert (settings.s3_access_key, settings.s3_secret_key, settings.s3_region) == ("a", "b", "eu-west-1")
    assert Settings.from_env({**amazon, "DICOMWEB_S3_ACCESS_KEY": "ours"}).s3_access_key == "ours"


def test_secrets_stay_out_of_repr() -> None:
    settings = Settings(s3_secret_key="hush", database_url="postgresql://u:hush@h/d")
    assert "hush" not in repr(settings)


def test_a_slip_of_the_pen_is_pointed_out() -> None:
    said = unknown_variables(
        {"DICOMWEB_WORKER": "4", "DICOMWEB_PORT": "1", "DICOMWEB_TEST_DATA": "/x", "PATH": "/"}
    )
    assert said == ["DICOMWEB_WORKER is no setting. Did you mean DICOMWEB_WORKERS?"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "pacs.example.org", "", "127.0.0.1.org"])
def test_anything_else_is_open_to_others(host: str) -> None:
    assert not is_loopback(host)


def test_the_flags_of_serve() -> None:
    expected = ["data", "host", "port", "workers", "database-url", "blobs", "public-url", "server"]
    assert [flag for flag, _ in flags()] == ["--" + name for name in expected]


def test_the_readme_has_the_table() -> None:
    if not _README.exists():
        pytest.skip("there is no README beside this package")
    missing = [
        line for line in markdown_table().splitlines() if line not in _README.read_text(encoding="utf-8")
    ]
    assert missing == [], "run `python -m dicomweb.settings` and put its table into README.md"


@pytest.mark.parametrize(
    "said",
    ["https://x/archive", "https://x/archive/", "https://x/archive/dicomweb", "https://x/archive/dicomweb/"],
)
def test_the_public_url_may_name_the_dicomweb_base_itself(said: str) -> None:
    assert Settings.from_env({"DICOMWEB_PUBLIC_URL": said}).public_url == "https://x/archive"
