"""Images that several checks look at, stored at their first use."""

from __future__ import annotations

import time

from conformance.suite.objects import (
    CT,
    Instance,
    compressed_image,
    native_image,
    pdf,
    report,
    rle_image,
)
from conformance.suite.session import Session


def native(session: Session) -> Instance:
    """One uncompressed 16-bit CT image."""
    return _stored(session, "a native image", lambda: native_image(session, sop_class=CT))


def settled(session: Session) -> Instance:
    """Four native frames stored seconds ago: dates count seconds, so an answer may not tell younger ones."""

    def store(run: Session) -> Instance:
        image = native_image(run, frames=4)
        run.stored(image)
        time.sleep(3)
        return image

    return session.once("an image of three seconds ago", store)


def native_frames(session: Session) -> Instance:
    """Four uncompressed 16-bit frames."""
    return _stored(session, "a native multi-frame image", lambda: native_image(session, frames=4))


def compressed(session: Session, key: str) -> Instance:
    """One frame in 1.2.840.10008.1.2.4.{key}."""
    return _stored(session, f"an image in 1.2.4.{key}", lambda: compressed_image(session, key))


def compressed_frames(session: Session, key: str = "90") -> Instance:
    """Four frames in 1.2.840.10008.1.2.4.{key}."""
    return _stored(session, f"frames in 1.2.4.{key}", lambda: compressed_image(session, key, frames=4))


def rle(session: Session) -> Instance:
    """Three frames of RLE."""
    return _stored(session, "an RLE image", lambda: rle_image(session, frames=3))


def document(session: Session) -> Instance:
    """An encapsulated PDF."""
    return _stored(session, "an encapsulated PDF", lambda: pdf(session))


def text_report(session: Session) -> Instance:
    """A structured report."""
    return _stored(session, "a structured report", lambda: report(session))


def _stored(session: Session, name: str, make: object) -> Instance:
    def store(run: Session) -> Instance:
        assert callable(make)
        instance = make()
        assert isinstance(instance, Instance)
        run.stored(instance)
        return instance

    return session.once(name, store)
