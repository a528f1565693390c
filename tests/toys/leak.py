from __future__ import annotations

import base64
import json
import os
from urllib.parse import quote, quote_plus

from datagen import Answer, Field, Map, Record, Reject, StageConfig


class Service(StageConfig):
    """A service, as a plugin's config may describe it."""

    bearer_env: str = "VLLM_BEARER"


class Leak(Map):
    """Repeat the service's key in whatever way the caption says, as a service may."""

    reads = ("caption",)
    writes = ("target_caption", "remarks")
    rejects = ("leaky",)
    fields = (Field("remarks", "json", "What the service says."),)

    class Config(StageConfig):
        services: tuple[Service, ...] = (Service(),)

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._answer(record["caption"]) for record in batch]

    def _answer(self, how: str) -> Answer:
        key = os.environ[self.config.services[0].bearer_env].strip()
        basic = base64.b64encode(f"user:{key}".encode()).decode()
        forms = [f"key {key}", json.dumps(key), quote(key, safe=""), quote_plus(key), repr(key), f"Basic {basic}"]
        if how == "reject":
            return Reject("leaky", f"401: {key}")
        if how == "raise":
            raise ValueError("; ".join(forms))
        if how == "cut":
            raise ValueError(f"401: {key[:-1]}")
        return {"target_caption": " ".join(forms), "remarks": {"headers": forms, key: [{"deep": f"<{key}>"}]}}
