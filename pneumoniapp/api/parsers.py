"""Bodies of requests."""

from __future__ import annotations

import codecs

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.utils import json


class StrictJSONParser(JSONParser):
    """JSON of at most ``DATA_UPLOAD_MAX_MEMORY_SIZE`` bytes and of a depth that Python bears.

    In UTF-8, without half a surrogate pair (no answer could name it) and without a member
    that comes twice (one of the two values would be lost); RFC 8259, sections 4 and 8.
    """

    def parse(self, stream, media_type=None, parser_context=None):
        try:
            data = json.load(
                codecs.getreader("utf-8")(stream),
                parse_constant=json.strict_constant,
                object_pairs_hook=_members,
            )
            json.dumps(data, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise ParseError from error
        return data


def _members(pairs: list[tuple]) -> dict:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member comes twice")
    return members
