"""The family `lora`: small weights beside those of FLUX.2 Klein, which edits with several references.

- `options` - what a config may set
- `prompts` - an instruction as FLUX.2 Klein reads it
- `klein` - the helpers of diffusers' pipeline that it does not offer to others
- `net` - the model, its losses, and how it is saved
"""
