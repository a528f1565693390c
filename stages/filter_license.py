"""Keep pictures whose licence allows what the dataset is for."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig
from datagen.core.licenses import CommercialUse, commercial_use, is_among


class FilterLicense(Map):
    """Drop pictures whose licence forbids commercial use, or of whose licence nothing is known.

    `datagen/core/licenses.toml` says what each licence allows, and where that was read. Rejects as `license_forbids` or
    `license_unknown`. This is no legal advice: whoever publishes a dataset answers for it.
    """

    reads = ("license",)
    writes = ()
    rejects = ("license_forbids", "license_unknown")
    version = 2

    class Config(StageConfig):
        """What is kept."""

        allow: tuple[str, ...] = ()
        """Licences that are kept whatever the table says of them: by name, in any spelling of it."""
        forbid: tuple[str, ...] = ()
        """Licences that are not kept whatever the table says of them; goes before `allow`."""
        keep: tuple[CommercialUse, ...] = Field(default=("allowed", "conditions"), min_length=1)
        """What a licence may say of commercial use: allowed, conditions, forbidden, unknown."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Look each licence up."""
        return [self._judge(record["license"]) for record in batch]

    def _judge(self, name: str) -> Answer:
        if is_among(name, self.config.forbid):
            return Reject("license_forbids", f"'{name}' is among `forbid`")
        found = commercial_use(name)
        if is_among(name, self.config.allow) or found in self.config.keep:
            return {}
        if found == "unknown":
            return Reject("license_unknown", f"nothing is known of '{name}'" if name else "no licence is stated")
        return Reject("license_forbids", f"commercial use under '{name}': {found}")
