"""Judges editing models and folders of their outputs on a split of a dataset: `python -m datagen evaluate`.

- `subjects` - what is judged: a model, a folder of outputs, or a baseline
- `cases` - the samples that it is judged on
- `metrics` - numbers by pixels and by pretrained networks
- `truth`, `compliance` - exact checks on datasets of drawn worlds
- `judges` - grades by a vision-language model
- `intervals` - 95 % intervals over source pictures
- `evaluation` - all of it; `report` - the results; `text`, `page` - what is shown of them
"""
