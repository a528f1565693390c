"""What a model is trained on: `selection` says which samples are used, `plan` in which order, `examples` as what."""
