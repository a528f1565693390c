"""Tokenizers that know single bytes and nothing more."""

from __future__ import annotations

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer, Qwen2Tokenizer, T5Tokenizer

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LETTERS = sorted(ByteLevel.alphabet())
QWEN = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]


def clip_tokenizer() -> CLIPTokenizer:
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer({word: place for place, word in enumerate(words)}, [], model_max_length=77)


def t5_tokenizer() -> T5Tokenizer:
    letters = [("▁", -1.0), *((chr(code), -2.0) for code in range(33, 127))]
    return T5Tokenizer([("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *letters], extra_ids=0, model_max_length=64)


def qwen_tokenizer() -> Qwen2Tokenizer:
    words = [*LETTERS, *QWEN]
    return Qwen2Tokenizer(
        {word: place for place, word in enumerate(words)},
        [],
        extra_special_tokens=QWEN[1:],
        chat_template=CHAT,
        model_max_length=512,
    )
