"""The trainer: it trains an editing model on finished datasets, `python -m datagen train CONFIG`.

- `data` - which samples are used, in which order, and as which arrays
- `models` - the families of models
- `loop` - the training itself
"""
