"""Judges editing models and folders of their outputs on a split of a dataset: `python -m datagen evaluate`.

- `config` - which networks and judges there are
- `subjects` - what is judged: a model, a folder of outputs, or a baseline
- `cases` - the samples that it is judged on
- `metrics` - numbers by pixels and by pretrained networks
- `truth`, `compliance` - exact checks on datasets of drawn worlds
- `judges` - grades by a vision-language model; `grades` - the protocols that they follow
- `tally` - means and differences; `intervals` - their 95 % intervals over source pictures
- `scoring` - all numbers of a batch of samples; `evaluation` - all of it
- `results` - what is found; `text`, `page` - what is shown of it
"""
