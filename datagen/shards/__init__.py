"""The dataset on disk: samples, parts, shards and index; packing, reading and verification."""
