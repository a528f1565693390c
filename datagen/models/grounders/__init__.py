"""Grounders: boxes for phrases, asked of a vision-language model."""
