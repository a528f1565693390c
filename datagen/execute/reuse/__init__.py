"""What earlier runs computed: fingerprints, code versions, kept answers and the manifest of runs."""
