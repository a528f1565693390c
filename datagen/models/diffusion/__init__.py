"""Pipelines of the diffusers library: what the inpainters, editors and text-to-image models made of them share."""
