"""Editors: change a picture as an instruction says."""
