"""Reads the files that records name, from the places that a config allows.

An address is a plain path, an address that fsspec knows, or:

- `package://NAME/PATH`: a file in an installed Python package;
- `http://` and `https://`: fetched within limits, from the hosts that the config names;
- a part of a file at another address, so that workers read pictures in containers themselves:
  `tar://OFFSET+SIZE/ADDRESS` for a byte range, `parquet://ROW/COLUMN/ADDRESS` and
  `arrow://ROW/COLUMN/ADDRESS` for one cell of a table, with the column percent-encoded.
"""

from datagen.fetch.addresses import PACKAGE, folder_of, reason, resolved, scheme_of
from datagen.fetch.read import SCHEMES, forget, read_file
from datagen.fetch.web import NO_WEB, Web, check_host

__all__ = [
    "NO_WEB",
    "PACKAGE",
    "SCHEMES",
    "Web",
    "check_host",
    "folder_of",
    "forget",
    "read_file",
    "reason",
    "resolved",
    "scheme_of",
]
