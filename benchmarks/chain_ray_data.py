"""Five pools of one actor each, over slices of 1 MB, in Ray Data: the rival of chain.py.

    python benchmarks/chain_ray_data.py OUT [--slices 800] [--size 1000000]

The first pool makes the bytes, the last writes each block as a tar of one sample.
Its last line is JSON: clock times of the first and the last tar.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import random
import tarfile
import time
from pathlib import Path

import pyarrow as pa
import ray

CPUS = (0.10, 0.11, 0.12, 0.13, 0.14)


class Make:
    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, table: pa.Table) -> pa.Table:
        rows = table["id"].to_pylist()
        payload = pa.array([random.Random(f"nowhere/{row:07d}.png").randbytes(self.size) for row in rows])
        return table.append_column("payload", payload)


class PassOn:
    def __call__(self, table: pa.Table) -> pa.Table:
        return table


class Write:
    def __init__(self, out: str) -> None:
        self.out = out

    def __call__(self, table: pa.Table) -> pa.Table:
        for row in table.to_pylist():
            key = f"r{row['id']:07d}"
            members = {"audio_0.flac": row["payload"], "json": json.dumps({"key": key}).encode(), "txt": b"Carry."}
            with tarfile.open(f"{self.out}/{key}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
                for name, data in members.items():
                    entry = tarfile.TarInfo(f"{key}.{name}")
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
        return pa.table({"id": table["id"], "done": pa.array([time.time()] * table.num_rows)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--slices", type=int, default=800)
    parser.add_argument("--size", type=int, default=1_000_000)
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=True, dashboard_host="127.0.0.1")
    ray.data.DataContext.get_current().enable_progress_bars = False
    data = ray.data.range(arguments.slices, override_num_blocks=arguments.slices)
    steps = [(Make, (arguments.size,)), (PassOn, ()), (PassOn, ()), (PassOn, ()), (Write, (str(Path(arguments.out)),))]
    for (step, values), cpus in zip(steps, CPUS, strict=True):
        data = data.map_batches(
            step,
            fn_constructor_args=values,
            batch_size=None,
            batch_format="pyarrow",
            zero_copy_batch=True,
            num_cpus=cpus,
            compute=ray.data.ActorPoolStrategy(size=1),
        )
    done = [row["done"] for row in data.iter_rows()]
    print(json.dumps({"first": min(done), "last": max(done), "slices": len(done)}))


if __name__ == "__main__":
    main()
