"""Rules of English grammar: phrases, captions and instructions taken apart and put together."""
