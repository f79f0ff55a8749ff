#!/usr/bin/env python3
"""Judges a demo model folder: key facts on questions.jsonl, agreement of MLX with exact arithmetic, unseen wordings.

The reference is this folder's model.py in float32 on the weights exactly as stored. With --mlx, mlx-lm answers the
same questions and its greedy tokens must be equal. Golden files are written only if they are.
"""

import argparse
import json
import pathlib
import re

import numpy
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from corpus import Corpus
from model import BITS, GROUP_SIZE, Llama, generate
from text import Encoder

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = [1, 3, 11, 16, 27, 38, 52, 61, 69, 80, 86, 99]  # ids of the questions in the golden file


def load(folder):
    """The stored 4-bit weights, decoded into a float32 model."""
    arrays, state = load_file(folder / "model.safetensors"), {}
    for name, array in arrays.items():
        base = name.removesuffix(".weight")
        if base + ".scales" in arrays:
            shifts = numpy.arange(0, 32, BITS, dtype=numpy.uint32)
            codes = (array[..., None] >> shifts) & (2**BITS - 1)
            codes = codes.reshape(array.shape[0], -1, GROUP_SIZE).astype(numpy.float32)
            scale, bias = (arrays[base + part].astype(numpy.float32)[..., None] for part in (".scales", ".biases"))
            state[name] = torch.from_numpy((codes * scale + bias).reshape(array.shape[0], -1))
        elif name.endswith(".weight"):
            state[name] = torch.from_numpy(array.astype(numpy.float32))
    model = Llama()
    model.load_state_dict(state)
    return model.eval()


def judge(row, answer):
    """The patterns that the answer lacks, and those that it should not hold."""
    found = lambda pattern: re.search(pattern, answer, re.IGNORECASE)
    lacking = [pattern for pattern in row["must"] if not found(pattern)]
    return lacking, [pattern for pattern in row.get("must_not", []) if found(pattern)]


class Mlx:
    """mlx-lm on the CPU, where its quantized matmuls take milliseconds per row."""

    def __init__(self, folder):
        import mlx.core as mx
        from mlx_lm import load as load_mlx

        mx.set_default_device(mx.cpu)
        self.mx, (self.model, self.tokenizer) = mx, load_mlx(str(folder))

    def agrees(self, prompt, answer):
        """Whether every answer token is the likeliest after what precedes it: then greedy decoding gives them all."""
        logits = self.model(self.mx.array([prompt + answer[:-1]]))[0, len(prompt) - 1 :]
        return self.mx.argmax(logits, axis=-1).tolist() == answer

    def generate(self, prompt, limit):
        from mlx_lm.generate import generate_step

        answer = []
        for token, _ in generate_step(self.mx.array(prompt), self.model, max_tokens=limit):
            answer.append(int(token))
            if answer[-1] in self.tokenizer.eos_token_ids:
                break
        return answer


def print_score(rows, texts, everything):
    right = 0
    for row, text in zip(rows, texts):
        lacking, unwanted = judge(row, text)
        right += not (lacking or unwanted)
        if lacking or unwanted or everything:
            print(f"{row['id']:3} {row['question']}\n      {text}")
            print("".join([f"      lacks {p}\n" for p in lacking] + [f"      has {p}\n" for p in unwanted]), end="")
    print(f"{right} of {len(rows)} questions answered with their key facts")


def mlx_agrees(folder, rows, prompts, answers, limit):
    mlx = Mlx(folder)
    right = 0
    for row, prompt, answer in zip(rows, prompts, answers):
        same = mlx.agrees(prompt, answer)
        if row["id"] in GOLDEN:
            same = same and mlx.generate(prompt, limit) == answer
        right += same
        if not same:
            print(f"{row['id']:3} {row['question']}\n      mlx-lm differs")
    print(f"mlx-lm gives the same greedy tokens on {right} of {len(rows)}")
    return right == len(rows)


def write_golden(path, rows, prompts, answers, texts):
    import mlx_lm

    head = {
        "reference": f"tools/demo_model/model.py in float32 on the stored weights, PyTorch {torch.__version__}",
        "agrees_with": f"mlx-lm {mlx_lm.__version__} on the CPU",
    }
    cases = [
        {"question": row["question"], "prompt_ids": prompt, "answer_ids": answer, "answer": text}
        for row, prompt, answer, text in zip(rows, prompts, answers, texts)
        if row["id"] in GOLDEN
    ]
    lines = ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in cases)
    start = json.dumps(head, indent=1, ensure_ascii=False)[:-2]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{start},\n "cases": [\n{lines}\n ]\n}}\n', encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--questions", type=pathlib.Path, default=HERE / "questions.jsonl")
    parser.add_argument("--mlx", action="store_true", help="compare with mlx-lm, token by token")
    parser.add_argument("--golden", type=pathlib.Path, help="write prompt and answer ids of twelve questions here")
    parser.add_argument("--unseen", type=int, default=0, help="also judge that many questions in unseen wordings")
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--limit", type=int, default=96)
    parser.add_argument("--all", action="store_true", help="print every answer, not only the misses")
    parser.add_argument("--system", help="put a system message before every question")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    rows = [json.loads(line) for line in arguments.questions.read_text(encoding="utf-8").splitlines()]
    tokenizer = Tokenizer.from_file(str(arguments.folder / "tokenizer.json"))
    encoder = Encoder(tokenizer)
    ends = json.loads((arguments.folder / "config.json").read_text())["eos_token_id"]
    model = load(arguments.folder)
    before = [{"role": "system", "content": arguments.system}] if arguments.system else []

    def answered(questions):
        prompts = [encoder.prompt(before + [{"role": "user", "content": q}]) for q in questions]
        answers = generate(model, prompts, ends, arguments.limit)
        return prompts, answers, [tokenizer.decode(answer) for answer in answers]

    prompts, answers, texts = answered([row["question"] for row in rows])
    print_score(rows, texts, arguments.all)
    if arguments.mlx or arguments.golden:
        same = mlx_agrees(arguments.folder, rows, prompts, answers, arguments.limit)
        if arguments.golden and not same:
            raise SystemExit("no golden file written: the references disagree")
    if arguments.golden:
        write_golden(arguments.golden, rows, prompts, answers, texts)
    if arguments.unseen:
        held_out = Corpus().development(seed=11, count=arguments.unseen)
        _, _, texts = answered([row["question"] for row in held_out])
        for row, text in zip(held_out, texts):
            if text != row["answer"]:
                print(f"  {row['intent']:16} {row['question']}\n      {text}")
        right = sum(text == row["answer"] for row, text in zip(held_out, texts))
        print(f"{right} of {len(held_out)} questions in unseen wordings answered exactly as meant")


if __name__ == "__main__":
    main()
