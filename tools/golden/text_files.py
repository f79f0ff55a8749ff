"""Writes tests/golden/text/files/: tiny SentencePiece models and tiktoken files, and the ids that the two libraries give.

Each kind is a folder as a model repository has it, without tokenizer.json. files.json holds ids of hostile strings and
of random ones (in base64, because some are not UTF-8). Texts that spell a control symbol are left out: the libraries
alone read them as text, transformers and pome as the symbol.
"""

import base64
import io
import json
import random
import unicodedata

import mistral_common
import sentencepiece
import tiktoken
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

from text import CORPUS, HOME, HOSTILE, INVALID, packed, write

FILES = HOME / "files"
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")
KIMI = "|".join([
    r"[\p{Han}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])

CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
          r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s")


def nfkc_rules():
    """The part of NFKC that hostile strings touch: the whole table is 240 KB."""
    ranges = [(0xA0, 0xC0), (0x300, 0x345), (0x2000, 0x2070), (0x2100, 0x2190), (0x2460, 0x24FF), (0x3000, 0x3001),
              (0x1E00, 0x1F00), (0xFB00, 0xFB06), (0xFF01, 0xFFEF), (0x1D400, 0x1D540)]
    lines = []
    for low, high in ranges:
        for code in range(low, high):
            composed = unicodedata.normalize("NFKC", chr(code))
            if composed != chr(code):
                lines.append(f"{code:X}\t{' '.join(f'{ord(c):X}' for c in composed)}")
    for base in "aeinouAEINOU":
        for mark in range(0x300, 0x310):
            pair = base + chr(mark)
            composed = unicodedata.normalize("NFC", pair)
            if composed != pair:
                lines.append(f"{ord(base):X} {mark:X}\t{ord(composed):X}")
    path = "/tmp/nfkc_rules.tsv"
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


PIECES = {
    "unigram": dict(model_type="unigram", vocab_size=600, normalization_rule_tsv=nfkc_rules()),
    "unigram_bytes": dict(model_type="unigram", vocab_size=850, byte_fallback=True, character_coverage=0.98,
                          normalization_rule_name="identity", remove_extra_whitespaces=False,
                          user_defined_symbols=["<tool>", "aba", "\u2581\u2581"]),
    "llama": dict(model_type="bpe", vocab_size=900, byte_fallback=True, character_coverage=0.98, split_digits=True,
                  normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True),
    "gemma": dict(model_type="bpe", vocab_size=900, byte_fallback=True, character_coverage=0.98, add_dummy_prefix=False,
                  normalization_rule_name="identity", remove_extra_whitespaces=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3,
                  bos_piece="<bos>", eos_piece="<eos>", pad_piece="<pad>", allow_whitespace_only_pieces=True,
                  user_defined_symbols=["<start_of_turn>", "\n\n", "\n", "\t", "\u2581\u2581", "\u2581\u2581\u2581", "ab"]),
    "bpe": dict(model_type="bpe", vocab_size=600, normalization_rule_tsv=nfkc_rules(), split_by_whitespace=False),
    "word": dict(model_type="word", vocab_size=300, normalization_rule_name="identity", remove_extra_whitespaces=False),
    "char": dict(model_type="char", vocab_size=120, normalization_rule_tsv=nfkc_rules(), remove_extra_whitespaces=False,
                 user_defined_symbols=["<tool>", "ab"]),
}
CONFIGS = {"gemma": {"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>"},
           "llama": {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "legacy": False},
           "unigram": {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>"}}
TIKTOKEN = {"kimi": ("tiktoken.model", KIMI, "qwen", "TikTokenTokenizer"),
            "qwen": ("qwen.tiktoken", QWEN, "llama3", "QWenTokenizer"),
            "phi3small": ("cl100k_base.tiktoken", CL100K, "llama3", "Phi3SmallTokenizer")}
# What Phi3SmallTokenizer puts behind cl100k's tokens, whose last is 100255 there.
PHI_3_SMALL = {
    0: "<|dummy_id_2|>", 1: "<|endoftext|>", 2: "<|fim_prefix|>", 3: "<|fim_middle|>", 4: "<|fim_suffix|>",
    5: "<|system|>", 6: "<|user|>", 7: "<|assistant|>", 8: "<|dummy_id_0|>", 9: "<|dummy_id_1|>", 10: "<|end|>",
    20: "<|endofprompt|>"} | {i: f"<|dummy_id_{i - 8}|>" for i in range(11, 20)} | {i: f"<|dummy_id_{i - 9}|>" for i in range(21, 96)}


def random_texts(rng):
    letters = sorted(set("".join(CORPUS)))
    for i in range(80):
        size = rng.randrange(1, 40)
        if i % 4 == 0:
            yield "".join(rng.choice(letters) for _ in range(size))
        elif i % 4 == 1:
            codes = (rng.randrange(1, rng.choice([0x180, 0x3100, 0x10FFFF])) for _ in range(size))
            yield "".join(chr(c) for c in codes if not 0xD800 <= c <= 0xDFFF)
        elif i % 4 == 2:
            yield "".join(rng.choice(letters) * rng.randrange(1, 12) for _ in range(4))
        else:
            yield "".join(rng.choice(["a", "b", "ab", " ", "\u2581", "<tool>", "\t", "e\u0301", "\uFF76\uFF9E"]) for _ in range(size))


TEXTS = [t.encode() for t in HOSTILE if len(t) < 150] + INVALID + [t.encode() for t in random_texts(random.Random(6))]


def pieces(name, options):
    folder = FILES / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("spiece.model" if name == "unigram" else "tokenizer.model")
    if not path.exists():
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS * 3), model_writer=model, hard_vocab_limit=False, minloglevel=2, **options)
        path.write_bytes(model.getvalue())
    if name in CONFIGS:
        (folder / "tokenizer_config.json").write_text(json.dumps(CONFIGS[name]) + "\n")
    model = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
    reserved = [model.id_to_piece(i) for i in range(len(model)) if model.is_control(i) or model.is_unknown(i)]
    rows = []
    for text in TEXTS:
        read = text.decode(errors="replace")
        if any(piece in read for piece in reserved):
            continue
        ids = model.encode(read)
        row = {"text": packed(text), "ids": ids}
        if model.unk_id() not in ids:
            row["decoded"] = model.decode(ids)
        rows.append(row)
    print(f"{name}: {len(model)} pieces, {path.stat().st_size} bytes, {len(rows)} texts")
    return rows


def bytes_of(token):
    table = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = {chr(b): b for b in table}
    characters |= {chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in table)}
    return bytes(characters[c] for c in token)


def ranks(name, file, pattern, source, tokenizer_class):
    folder = FILES / name
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = json.loads((HOME / "tokenizers" / f"{source}.json").read_text())["model"]["vocab"]
    tokens = {bytes_of(token): rank for token, rank in vocabulary.items()}
    lines = sorted((rank, base64.b64encode(token).decode()) for token, rank in tokens.items())
    (folder / file).write_text("".join(f"{token} {rank}\n" for rank, token in lines))
    config = {"tokenizer_class": tokenizer_class}
    base = len(tokens)
    if name == "kimi":
        contents = {base: "[BOS]", base + 1: "[EOS]", base + 4: "<|im_end|>", base + 255: "[PAD]"}
        config["added_tokens_decoder"] = {str(i): {"content": c, "special": True} for i, c in contents.items()}
        special = {contents.get(i, f"<|reserved_token_{i}|>"): i for i in range(base, base + 256)}
    elif name == "phi3small":
        special = {content: base + i for i, content in PHI_3_SMALL.items()}
    else:
        extras = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{i}|>" for i in range(205))]
        special = {content: base + i for i, content in enumerate(extras)}
    (folder / "tokenizer_config.json").write_text(json.dumps(config) + "\n")
    model = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=tokens, special_tokens=special)
    rows = []
    more = "".join([*list(special)[:9], "<|extra_204|> x ", f"<|reserved_token_{base + 9}|>[PAD]<|im_end|>", "<|dummy_id_12|><|dummy_id_86|><|end|>"])
    for text in [*TEXTS, more.encode()]:
        read = text.decode(errors="replace")
        read = unicodedata.normalize("NFC", read) if name == "qwen" else read
        ids = model.encode(read, allowed_special="all")
        rows.append({"text": packed(text), "ids": ids, "decoded": model.decode(ids)})
    print(f"{name}: {len(tokens)} tokens, {(folder / file).stat().st_size} bytes, {len(rows)} texts")
    return rows


TEKKEN_WORDS = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
                r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
                r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def tekken(name, named):
    """Ranks begin with the bytes, as mistral_common wants them; the last three tokens are beyond the vocabulary."""
    folder = FILES / name
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = json.loads((HOME / "tokenizers" / "llama3.json").read_text())["model"]["vocab"]
    merged = [t for t in (bytes_of(token) for token in sorted(vocabulary, key=vocabulary.get)) if len(t) > 1]
    tokens = [bytes([b]) for b in range(256)] + merged
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[THINK]", "[/THINK]"]
    config = {"pattern": TEKKEN_WORDS, "num_vocab_tokens": len(tokens), "default_vocab_size": len(tokens) + 27,
              "default_num_special_tokens": 30, "version": "v11" if named else "v3"}
    entries = [{"rank": i, "token_bytes": base64.b64encode(t).decode(), "token_str": None} for i, t in enumerate(tokens)]
    file = {"config": config, "vocab": entries}
    if named:
        file["special_tokens"] = [{"rank": i, "token_str": s, "is_control": True} for i, s in enumerate(special)]
    (folder / "tekken.json").write_text(json.dumps(file) + "\n")
    model = Tekkenizer.from_file(folder / "tekken.json")
    rows = []
    for text in TEXTS:
        if any(s["token_str"] in text.decode(errors="replace") for s in model._all_special_tokens):
            continue
        ids = model.encode(text.decode(errors="replace"), bos=False, eos=False)
        rows.append({"text": packed(text), "ids": ids, "decoded": model.decode(ids)})
    print(f"{name}: {model.n_words} tokens, {(folder / 'tekken.json').stat().st_size} bytes, {len(rows)} texts")
    return rows


if __name__ == "__main__":
    kinds = {name: pieces(name, options) for name, options in PIECES.items()}
    kinds |= {name: ranks(name, *options) for name, options in TIKTOKEN.items()}
    kinds |= {"tekken": tekken("tekken", True), "tekken_first": tekken("tekken_first", False)}
    versions = f"sentencepiece {sentencepiece.__version__}, tiktoken {tiktoken.__version__}, mistral_common {mistral_common.__version__}"
    write("files.json", {"reference": versions, "kinds": kinds})
