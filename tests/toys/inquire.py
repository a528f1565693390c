from __future__ import annotations

import asyncio
import json
import os
from urllib.parse import quote

from datagen import Answer, AsyncMap, Field, Record, Reject, StageConfig


class Inquire(AsyncMap):
    """Ask a judge behind HTTP, who takes his time, for two cents and three tokens."""

    reads = ("subject",)
    writes = ("verdict",)
    rejects = ("refused",)
    fields = (Field("verdict", "text", "What the judge says.", choices=("yes", "no")),)

    class Config(StageConfig):
        """Where he is."""

        port: int

    config: Config

    async def process_one(self, record: Record) -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.config.port)
        writer.write(f"GET /?id={quote(record.id)}&pid={os.getpid()} HTTP/1.0\r\n\r\n".encode())
        _, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        verdict = json.loads(body)["verdict"]
        self.charge(tokens=3, usd=0.02)
        return Reject("refused", record.id) if verdict == "refused" else {"verdict": verdict}
