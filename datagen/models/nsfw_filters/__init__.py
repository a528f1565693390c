"""NSFW classifiers: how probable it is that a picture is not safe for work."""
