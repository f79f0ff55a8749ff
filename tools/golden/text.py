"""Writes tests/golden/text/: what transformers renders from chat templates, and the ids of small tokenizers.

chat.json: every template of templates/ with every conversation, rendered by `apply_chat_template` itself, or
the reason why it refuses. The templates are our own, each in the style of a family and with its tricks.

tokenizers.json: ids and decoded text of hostile strings for small tokenizers, one of each kind in use, which
this script trains. Strings are in base64, because some are not UTF-8.
"""

import base64
import calendar
import datetime
import json
import random
from pathlib import Path

import jinja2
import tokenizers
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

HOME = Path(__file__).resolve().parents[2] / "tests" / "golden" / "text"
NOW = datetime.datetime(2026, 3, 5, 14, 7, 9)


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


# ---- chat templates

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather at a place; don't guess \"<it>\" & co.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "City, e.g. Zürich or 東京"},
                "unit": {"type": "string", "enum": ["°C", "°F"], "default": "°C"},
                "days": {"type": "integer", "default": 3},
                "tags": {"type": "array", "items": {"type": "string"}},
                "grid": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                "where": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]},
                "when": {"type": ["string", "null"]},
                "level": {"oneOf": [{"type": "number", "description": "hPa"}, {"type": "string"}]},
            },
            "required": ["place"],
        },
        "return": {"type": "string"},
    },
}
NOTHING = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {
    "type": "object", "properties": {}}}}


def call(name, arguments, id_="abc123XYZ"):
    return {"type": "function", "id": id_, "function": {"name": name, "arguments": arguments}}


USER = {"role": "user", "content": "Hello, how are you?"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [call("get_weather", {"place": "Zürich", "days": 2})]}
RESULT = {"role": "tool", "tool_call_id": "abc123XYZ", "name": "get_weather", "content": '{"t": 21.5, "sky": "ø"}'}
CONVERSATIONS = {
    "one": {"messages": [USER]},
    "system": {"messages": [{"role": "system", "content": "  Be kind.  "}, USER]},
    "turns": {
        "messages": [
            USER,
            {"role": "assistant", "content": "  Fine.\n"},
            {"role": "user", "content": "And\n\nnow? "},
            {"role": "assistant", "content": "Still fine."},
        ],
        "add_generation_prompt": False,
    },
    "unicode": {
        "messages": [
            {"role": "system", "content": "Ünïcödé 系统"},
            {"role": "user", "content": "👩‍👩‍👧‍👦 é vs e\u0301, עברית, \u00a0\u200b\u2028 ß"},
        ]
    },
    "quotes": {
        "messages": [
            {"role": "user", "content": "It's \"<b>&amp;</b>\" \\n {{ not }} {% a %} {# tag #} it's"},
            {"role": "assistant", "content": "<|im_end|> <end_of_turn> [/INST]"},
            {"role": "user", "content": "\tcontrol \u0001\u007f\r\nend\n"},
        ]
    },
    "tools": {"messages": [{"role": "system", "content": "Use tools."}, USER], "tools": [WEATHER, NOTHING]},
    "calls": {
        "messages": [USER, CALLING, RESULT],
        "tools": [WEATHER],
    },
    "many_calls": {
        "messages": [
            USER,
            {"role": "assistant", "content": "Let me see.", "tool_calls": [
                call("get_weather", {"place": "東京", "grid": [[1.0, 2.5], []], "deep": {"a": {"b": [None, True, "<x>"]}}}),
                call("now", {}, "def456UVW"),
            ]},
            RESULT,
            {"role": "tool", "tool_call_id": "def456UVW", "name": "now", "content": "12:00"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Thanks!"},
        ],
        "tools": [WEATHER, NOTHING],
    },
    "text_arguments": {
        "messages": [
            USER,
            {"role": "assistant", "content": "", "tool_calls": [call("get_weather", '{"place": "Bern"}')]},
            RESULT,
        ],
    },
    "parts": {
        "messages": [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is this? "}]},
            {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
            {"role": "user", "content": [{"type": "text", "text": "Sure?"}, {"type": "image", "url": "x.png"}]},
        ]
    },
    "thinking": {
        "messages": [
            USER,
            {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nHi!"},
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": "4", "reasoning_content": "\nEasy, it's 4.\n"},
        ],
        "variables": {"enable_thinking": True},
        "add_generation_prompt": False,
    },
    "reasoning_alias": {
        "messages": [
            USER,
            {"role": "assistant", "content": "", "reasoning": "I need a tool.", "tool_calls": [call("now", {})]},
            {"role": "tool", "content": "12:00"},
        ],
        "tools": [NOTHING],
        "variables": {"reasoning_effort": "high"},
    },
    "no_thinking": {"messages": [USER], "variables": {"enable_thinking": False}},
    "null_content": {"messages": [{"role": "user", "content": None}, {"role": "assistant", "content": "?"}, USER]},
    "documents": {
        "messages": [USER],
        "documents": [
            {"title": "One", "text": "First\nline"},
            {"title": "Zwei", "text": "<2>", "score": 0.5, "pages": [1, 2]},
        ],
    },
    "bad_order": {"messages": [{"role": "assistant", "content": "Me first."}, USER]},
    "bad_role": {"messages": [USER, {"role": "wizard", "content": "it's <me>"}]},
    "continued": {
        "messages": [USER, {"role": "assistant", "content": "I am  "}],
        "add_generation_prompt": False,
        "continue_final_message": True,
    },
}
# Conversations that tell templates of these names nothing new are left out.
PLAIN = {"chatml", "phi3", "zephyr", "refusing", "llama2"}
SKIPPED = {"tools", "many_calls", "text_arguments", "reasoning_alias", "no_thinking", "documents"}


def render(tokenizer, template, conversation):
    try:
        return {"text": tokenizer.apply_chat_template(
            conversation["messages"],
            tools=conversation.get("tools"),
            documents=conversation.get("documents"),
            chat_template=template,
            tokenize=False,
            add_generation_prompt=conversation.get("add_generation_prompt", True),
            continue_final_message=conversation.get("continue_final_message", False),
            **conversation.get("variables", {}),
        )}
    except jinja2.exceptions.TemplateError as e:
        if type(e) is jinja2.exceptions.TemplateError:
            return {"refused": e.message}
        return {"fails": f"{type(e).__name__}: {e}"}
    except (TypeError, ValueError, AttributeError, KeyError) as e:
        return {"fails": f"{type(e).__name__}: {e}"}


def write_chat():
    chat_template_utils.datetime = FixedClock
    bare = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1}, unk_token="</s>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, bos_token="<s>", eos_token="</s>")
    cases = []
    for path in sorted((HOME / "templates").glob("*.jinja")):
        for name, conversation in CONVERSATIONS.items():
            if path.stem in PLAIN and name in SKIPPED:
                continue
            outcome = render(tokenizer, path.read_text(), conversation)
            cases.append({"template": path.stem, "conversation": name, **outcome})
    write("chat.json", {
        "reference": f"transformers {transformers.__version__}, jinja2 {jinja2.__version__}",
        "now": calendar.timegm(NOW.timetuple()),
        "variables": {"bos_token": "<s>", "eos_token": "</s>"},
        "conversations": CONVERSATIONS,
        "cases": cases,
    })
    kinds = {k: sum(k in c for c in cases) for k in ("text", "refused", "fails")}
    print("chat:", kinds)


# ---- tokenizers

CORPUS = """The quick brown fox jumps over the lazy dog. It's 1234567890 o'clock, isn't it? We'll see; they've said so.
def tokenize(text):\n    return [piece for piece in text.split() if piece]\n\n\tfor (int i = 0; i < 10; ++i) { sum += a[i]; }
Größe, naïve café, coöperate; Привет, мир! Γειά σου Κόσμε. 你好，世界。日本語のテキスト。안녕하세요 세계. שלום עולם. مرحبا بالعالم.
Models are files. A model has weights, a config and a tokenizer. To convert a model, name it and the number of bits.
https://example.org/a?b=c&d=e#f  {"key": [1, 2.5, null, true], "other": "value"}   x = y**2 + 3*z - 4/w;  \r\n 😀👍🏽🎉
""".split("\n") * 4

BYTES = bytes(range(256))
HOSTILE = [
    "", " ", "  ", "\n", "\r\n\r\n", "\t\t x", "a", "Hello, world!", " leading and trailing ", "Hello  double   triple    four",
    "It's we'll THEY'VE don'T I'm", "1234567890 12,345.67 ３４ ²½", "camelCaseAndSNAKE_case-kebab", "....!!!???;;;:::",
    "def f(x):\n    return x ** 2\n\n\n# end\n", "naïve café Größe ﬁ ﬀ Å Å", "e\u0301 n\u0303 a\u0308\u0323 \u1e69 s\u0323\u0307",
    "Z̴̢͝a̸͙͐l̷̪̑g̶̱̓o̵͍͝", "你好，世界。漢字かな交じり文", "日本語のテキスト、全角　空白", "안녕하세요 \u1112\u1161\u11ab\u1100\u116e\u11a8", "Привет, мир! Ёжик",
    "שלום עולם \u05e9\u05b8\u05c1", "مرحبا بالعالم \u0644\u0627 \u202eabc\u202c", "हिन्दी क्षत्रिय", "ภาษาไทย", "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇨🇭🇯🇵", "😀😀😀😀", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 🀄",
    "\u200b\u200c\u200d\u2060\ufeff", "\u00a0\u2003\u3000x\u2028y\u2029z\u0085w", "\u0000\u0001\u0007\u001b[31m\u007f", "a\u0000b",
    "\ufffd \ufffe \uffff \U0010ffff", "\ue000\U000f0000", "Ⅷ ⅷ ① ㎏ ™", "ſt ẞ ß İ ı ǅ", "▁ ▁▁a Ġ Ċ ĠĊ", "<0x41> <0xFF> <0xGG>",
    "<s> </s> <unk> <pad> [CLS] [SEP] [MASK] [UNK]", "<|endoftext|> <|im_start|>user\nhi<|im_end|>", "<|begin_of_text|><|eot_id|><|endoftext|", "< |im_start| >",
    "  <|im_start|>  x  <|im_end|>  ", "<tool_call>{}</tool_call><tool_call>", "##ing un##able", "a" * 300, "ab" * 200, " " * 100, "\n" * 50, " \n" * 30, "x" + " " * 33 + "y",
    "!" * 120, "é" * 100, "😀" * 40, "你" * 90, "0" * 75, "a b " * 60, "supercalifragilisticexpialidocious" * 4,
]
INVALID = [
    b"\xff", b"\xfe\xff", b"abc\x80def", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82\xacx\xe2\x82", b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80\xf0\x9f",
    b"\xc0\xaf", b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xf0\x80\x80\xaf", b"ok \xe4\xbd bad \xe4\xbd\xa0", BYTES,
]


def train(model, trainer, vocabulary=640):
    def build(**parts):
        built = Tokenizer(model)
        for name, part in parts.items():
            setattr(built, name, part)
        built.train_from_iterator(CORPUS, trainer(vocabulary))
        return built
    return build


def byte_bpe(vocabulary):
    return trainers.BpeTrainer(vocab_size=vocabulary, show_progress=False, special_tokens=[],
                               initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def special(*contents, **options):
    return [AddedToken(content, special=True, normalized=False, **options) for content in contents]


def gpt2():
    built = train(models.BPE(), byte_bpe)(
        pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoder=decoders.ByteLevel(),
        post_processor=processors.ByteLevel(trim_offsets=False),
    )
    built.add_special_tokens(special("<|endoftext|>"))
    return built


def split(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def llama3():
    words = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
             r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    built = train(models.BPE(ignore_merges=True), byte_bpe)(pre_tokenizer=split(words), decoder=decoders.ByteLevel())
    built.add_special_tokens(special("<|begin_of_text|>", "<|eot_id|>", "<|endoftext|>"))
    built.add_tokens([AddedToken("<tool_call>", special=False, normalized=False), AddedToken("café", normalized=True)])
    built.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B",
                                      special_tokens=[("<|begin_of_text|>", built.token_to_id("<|begin_of_text|>"))]),
    ])
    return built


def qwen():
    words = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
             r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    built = train(models.BPE(), byte_bpe)(
        normalizer=normalizers.NFC(), pre_tokenizer=split(words), decoder=decoders.ByteLevel(),
        post_processor=processors.ByteLevel(trim_offsets=False))
    built.add_special_tokens(special("<|endoftext|>", "<|im_start|>") + special("<|im_end|>", lstrip=True, rstrip=True))
    built.add_tokens([AddedToken(t, special=False, normalized=False) for t in ("<tool_call>", "</tool_call>")])
    return built


FALLBACK = [f"<0x{i:02X}>" for i in range(256)]


def sentencepiece_bpe(vocabulary):
    return trainers.BpeTrainer(vocab_size=vocabulary, show_progress=False, limit_alphabet=120,
                               special_tokens=["<unk>", "<s>", "</s>", *FALLBACK])


def rebuilt(trained, bos=True, **parts):
    """The trained vocabulary as a byte-fallback model whose byte tokens are ordinary tokens."""
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(m) for m in model["merges"]]
    built = Tokenizer(models.BPE(model["vocab"], merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    for name, part in parts.items():
        setattr(built, name, part)
    built.add_special_tokens(special("<unk>", "<s>", "</s>"))
    if bos:
        built.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return built


def llama2():
    trained = train(models.BPE(), sentencepiece_bpe, 900)(pre_tokenizer=pre_tokenizers.Metaspace())
    return rebuilt(
        trained,
        normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)]))


def gemma():
    trained = train(models.BPE(), sentencepiece_bpe, 900)(pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="never"))
    built = rebuilt(
        trained,
        normalizer=normalizers.Replace(" ", "▁"),
        pre_tokenizer=pre_tokenizers.Split(" ", "merged_with_previous"),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]))
    built.add_tokens([AddedToken("\n" * n, special=False, normalized=False) for n in (2, 3)])
    return built


def mistral_metaspace():
    trained = train(models.BPE(), sentencepiece_bpe, 800)(pre_tokenizer=pre_tokenizers.Metaspace())
    return rebuilt(trained, bos=False, pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
                   decoder=decoders.Metaspace(prepend_scheme="first"))


def unigram():
    built = train(models.Unigram(), lambda n: trainers.UnigramTrainer(
        vocab_size=n, show_progress=False, unk_token="<unk>", special_tokens=["<s>", "</s>", "<unk>"]), 500)(
        normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]),
        pre_tokenizer=pre_tokenizers.Metaspace(),
        decoder=decoders.Metaspace())
    built.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B </s>",
                                                         special_tokens=[("<s>", 0), ("</s>", 1)])
    return built


def bert(cleanup=False):
    built = train(models.WordPiece(unk_token="[UNK]"), lambda n: trainers.WordPieceTrainer(
        vocab_size=n, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]), 600)(
        normalizer=normalizers.BertNormalizer(lowercase=True),
        pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
        decoder=decoders.WordPiece("##", cleanup=cleanup))
    built.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return built


KINDS = {"gpt2": gpt2, "llama3": llama3, "qwen": qwen, "llama2": llama2, "gemma": gemma,
         "metaspace": mistral_metaspace, "unigram": unigram, "bert": bert, "bert_cleanup": lambda: bert(True)}


def packed(text):
    return base64.b64encode(text).decode()


def cases_of(tokenizer):
    rows = []
    rng = random.Random(5)
    for text in [t.encode() for t in HOSTILE] + INVALID:
        read = text.decode(errors="replace")
        ids = tokenizer.encode(read, add_special_tokens=False).ids
        row = {"text": packed(text), "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}
        full = tokenizer.encode(read).ids
        if full != ids:
            row["with_special"] = full
        skipped = tokenizer.decode(full)
        if skipped != row["decoded"]:
            row["decoded_skipping"] = skipped
        rows.append(row)
    # Ids in no order at all: broken characters, byte runs, special tokens anywhere, ids that do not exist.
    size = tokenizer.get_vocab_size()
    shuffled = []
    for i in range(60):
        ids = [rng.randrange(size + 2) for _ in range(rng.randrange(1, 24))]
        if i % 2 == 0:
            ids = [rng.choice(ids + list(range(3, 259))) for _ in ids]
        shuffled.append({"ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                         "decoded_skipping": tokenizer.decode(ids)})
    return {"texts": rows, "shuffled": shuffled,
            "million_spaces": len(tokenizer.encode(" " * 1_000_000, add_special_tokens=False).ids),
            "added": [{"id": i, "content": t.content, "special": t.special}
                      for i, t in sorted(tokenizer.get_added_tokens_decoder().items())]}


def write_tokenizers():
    (HOME / "tokenizers").mkdir(parents=True, exist_ok=True)
    result = {"reference": f"tokenizers {tokenizers.__version__}", "kinds": {}}
    for name, build in KINDS.items():
        path = HOME / "tokenizers" / f"{name}.json"
        if not path.exists():  # training breaks ties by chance
            build().save(str(path), pretty=False)
        tokenizer = Tokenizer.from_file(str(path))
        result["kinds"][name] = cases_of(tokenizer)
        print(f"{name}: {tokenizer.get_vocab_size()} tokens, {path.stat().st_size} bytes,",
              f"{result['kinds'][name]['million_spaces']} ids for a million spaces")
    write("tokenizers.json", result)


def write(name, value):
    """One line per entry of the innermost lists, so that a change shows as a small difference."""
    def lines(node, depth):
        if depth < 4 and isinstance(node, dict) and node:
            inner = ",\n".join(f"{json.dumps(k)}: {lines(v, depth + 1)}" for k, v in node.items())
            return "{\n" + inner + "\n}"
        if depth < 5 and isinstance(node, list) and node and isinstance(node[0], dict):
            return "[\n" + ",\n".join(json.dumps(v, ensure_ascii=False) for v in node) + "\n]"
        return json.dumps(node, ensure_ascii=False)
    (HOME / name).write_text(lines(value, 0) + "\n")


if __name__ == "__main__":
    write_chat()
    write_tokenizers()
