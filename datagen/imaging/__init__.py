"""Pictures, boxes and masks as arrays: decoding, geometry, run-length encoding, measures and hashes."""
