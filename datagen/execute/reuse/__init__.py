"""Reuse of what earlier runs computed: fingerprints, code versions, stored answers and run manifests."""
