"""What can be drawn or written of what is stored, by category (PS3.18 table 8.7.4-1; M-04, M-05, M-12)."""

from __future__ import annotations

from dicomweb.protocol.media_types import Form
from dicomweb.protocol.representations import Category, Chosen, Offer, Resource, Stored

_IMAGES = ("image/jpeg", "image/png", "image/gif")
# The default of each category comes first.
_RENDERED: dict[Category, tuple[str, ...]] = {
    Category.SINGLE_FRAME: _IMAGES,
    Category.MULTI_FRAME: _IMAGES,
    Category.VIDEO: _IMAGES,
    Category.TEXT: ("text/html", "text/plain"),
    Category.OTHER: _IMAGES,
}
_PACKAGING = (Form.SINGLE, Form.MULTIPART)


def rendered_offers(resource: Resource, stored: Stored) -> list[Offer]:
    """The rendered media types of one part, the default first."""
    media_types = _IMAGES if resource is not Resource.RENDERED else _RENDERED[stored.category]
    return [Offer(Chosen(media_type, "", False), _PACKAGING) for media_type in media_types]
