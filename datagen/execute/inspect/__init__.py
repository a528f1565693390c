"""Read-only views of a run: plan, resume plan, estimate and status."""
