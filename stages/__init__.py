"""The stages that ship with datagen: one file, one class each."""
