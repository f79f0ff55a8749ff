"""The demo model's tokenizer and chat template."""

import random

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus import Corpus

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + (message['content'] | trim) + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


def render(messages, add_generation_prompt=False):
    """The template under the settings that transformers uses."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE).render(messages=messages, add_generation_prompt=add_generation_prompt)


def train_tokenizer(vocab_size, seed=5, conversations=60000):
    """Byte-level BPE over generated conversations: each distinct question counts once, answers a few times."""
    corpus, rng = Corpus(), random.Random(seed)
    lines, answers = set(), set()
    for _ in range(conversations):
        for message in corpus.conversation(rng):
            (answers if message["role"] == "assistant" else lines).add(message["content"])
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in (END_OF_TEXT, START, END)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(lines) + sorted(answers) * 20, trainer)
    return tokenizer


class Encoder:
    """Conversations to ids with a mask of the tokens to learn: what the assistant says, and its end."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.cache = {}
        self.start, self.end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
        self.newline = self.plain("\n")

    def plain(self, text):
        if text not in self.cache:
            if len(self.cache) > 300000:
                self.cache.clear()
            self.cache[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return self.cache[text]

    def split(self, text, rng, rate):
        """Some words in two pieces, as a word never seen would arrive."""
        ids, words = [], text.split(" ")
        for index, word in enumerate(words):
            piece = word if index == 0 else " " + word
            if len(piece) > 3 and rng.random() < rate:
                at = rng.randrange(2, len(piece))
                ids += self.plain(piece[:at]) + self.plain(piece[at:])
            else:
                ids += self.plain(piece)
        return ids

    def conversation(self, messages, rng=None, rate=0.0):
        ids, learn = [], []
        for message in messages:
            assistant = message["role"] == "assistant"
            content = message["content"]
            body = self.split(content, rng, rate) if rate and not assistant else self.plain(content)
            ids += [self.start] + self.plain(message["role"]) + self.newline
            learn += [False] * (len(ids) - len(learn))
            ids += body + [self.end]
            learn += [assistant] * (len(body) + 1)
            ids += self.newline
            learn += [False] * len(self.newline)
        return ids, learn

    def prompt(self, messages):
        ids, _ = self.conversation(messages)
        return ids + [self.start] + self.plain("assistant") + self.newline
