"""Settings as command line flags: a command names the settings it takes and gets a Settings."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

import click

from dicomweb.errors import InvalidSettings
from dicomweb.settings import Settings, env_name


def settings_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a flag for each named setting and pass the command `settings`.

    A flag goes before its environment variable, which goes before the default.
    """
    items = {item.name: item for item in fields(Settings)}

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(**arguments: Any) -> Any:
            given = {env_name(items[name]): arguments.pop(f"setting_{name}") for name in names}
            return command(settings=_settings(given, items), **arguments)

        command_with_flags: Callable[..., Any] = run
        for name in reversed(names):
            command_with_flags = _option(items[name])(command_with_flags)
        return command_with_flags

    return decorate


def _option(item: Field[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = item.metadata["flag"] or "--" + item.name.replace("_", "-")
    default = item.metadata["shown"] or str(item.default) or "none"
    text = f"{item.metadata['description'].replace('`', '')}  [{env_name(item)}; default: {default}]"
    return click.option(flag, f"setting_{item.name}", metavar=item.name.upper(), help=text)


def _settings(given: dict[str, str | None], items: dict[str, Field[Any]]) -> Settings:
    flags = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings.from_env({**os.environ, **flags})
    except InvalidSettings as error:
        variable, _, rest = error.message.partition(" ")
        flag = next((item.metadata["flag"] for item in items.values() if env_name(item) == variable), None)
        if variable in flags and flag:
            raise InvalidSettings(f"{flag} {rest}", hint=error.hint) from None
        raise
