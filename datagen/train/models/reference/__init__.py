"""The family `reference`: pictures stand among the words of an instruction (MIGE, arXiv:2502.21291, section 3.2).

- `options` - what a config may set
- `fusion` - the network that makes tokens of a picture
- `pipeline` - from words and pictures to an edit
- `parts` - the networks before training, from checkpoints or new
- `net` - the model, its batches and losses
"""
