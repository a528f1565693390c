"""MCIE (arXiv:2602.07993): InstructPix2Pix with an attention bound to boxes, and one that keeps the background."""
