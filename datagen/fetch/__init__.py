"""Reads the files that records name, from the places that a config allows.

An address is a plain path, one that fsspec knows, or:

- `package://NAME/PATH`, a file that an installed Python package carries;
- `http://` and `https://`, fetched with limits, from hosts that are named;
- a part of a file at another address, so that a picture in a container never passes the driver:
  `tar://OFFSET+SIZE/ADDRESS` for some bytes of it, `parquet://ROW/COLUMN/ADDRESS` and
  `arrow://ROW/COLUMN/ADDRESS` for one cell of a table, the column percent-encoded.
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
