"""Inpainters: paint the masked pixels of a picture as if nothing had been there."""
