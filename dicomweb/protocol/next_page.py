"""The link from a page of results to the next one (RFC 8288; an extension of PS3.18 10.6.3)."""

from __future__ import annotations

from urllib.parse import quote

from dicomweb.protocol.search_key import decode

# What may stand in a query as it is, a percent sign of an escape too; the rest is escaped, so that no query
# can break out of the header.
_IN_QUERY = "!$&'()*+,-./:;=?@_~%"


def next_page_header(query: bytes, offset: int) -> dict[str, str]:
    """The Link header of an answer with results beyond it.

    query: the raw query string of the request. offset: of the first result beyond. The link is relative, so
    that it is right behind any proxy.
    """
    pairs = [pair for pair in query.split(b"&") if pair and not _is_offset(pair)]
    pairs.append(b"offset=%d" % offset)
    return {"Link": f'<?{quote(b"&".join(pairs), safe=_IN_QUERY)}>; rel="next"'}


def _is_offset(pair: bytes) -> bool:
    return decode(pair.partition(b"=")[0]).strip(" \0") == "offset"
