"""The photographs that drawn pictures may have as backgrounds: datagen's own, or those of a user's folder."""

from __future__ import annotations

from collections.abc import Iterable

from datagen.core.errors import ConfigError, DataError
from datagen.sources.file_listing import FileListing
from datagen.worlds.photographs import LIST, Photograph, Split, own_photographs, split_of
from datagen.worlds.pool import folder_list

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def find_backgrounds(folder: str, *, split: Split) -> tuple[bool, tuple[Photograph, ...]]:
    """Whether a list in the folder names them, and the backgrounds of a split, without their outlines.

    An empty `folder` stands for datagen's own photographs. Raises `ConfigError` if there are none.
    """
    if not folder:
        return False, tuple(photo.model_copy(update={"object": ()}) for photo in own_photographs().backgrounds(split))
    listed, photos = _folder(folder)
    if not photos:
        raise ConfigError(
            f"{folder}: holds no photographs; their names end in {', '.join(_ENDINGS)}"
            if not listed
            else f"{folder}/{LIST}: names no photographs that may be backgrounds"
        )
    found = tuple(photo for photo in photos if photo.split == split)
    if not found:
        raise ConfigError(
            f"{folder}: none of its {len(photos)} photographs is '{split}'; add more, or name splits in {LIST}"
        )
    return listed, found


def rights_of(photographs: Iterable[Photograph], *, default: str) -> tuple[str, str]:
    """Licence and credit of a picture that is made of photographs; `default` is the licence of those without one."""
    photos = list(photographs)
    licenses = sorted({photo.license or default for photo in photos})
    credits = sorted({photo.credit for photo in photos if photo.credit})
    # One photograph without a licence leaves the picture without one.
    return "" if "" in licenses else " AND ".join(licenses), ", ".join(credits)


def _folder(folder: str) -> tuple[bool, list[Photograph]]:
    listing = FileListing(folder)
    listing.check_scheme()
    if listing.is_file():
        raise ConfigError(f"{folder}: is a file; `photographs` is a folder")
    paths = [f"{part.path}{name}" for part in listing.folders() for name in part.files]
    if LIST in paths:
        try:
            photos = folder_list(folder).photograph
        except DataError as error:
            raise ConfigError(f"{folder}/{LIST}: cannot be read: {error}") from error
        return True, [photo.model_copy(update={"object": ()}) for photo in photos if photo.background]
    pictures = [path for path in paths if path.lower().endswith(_ENDINGS)]
    return False, [Photograph(name=path, uri=path, split=split_of(path)) for path in pictures]
