#!/usr/bin/env python3
"""Trains the demo model from nothing: tokenizer, float32 training, then training through 4-bit rounding.

The same seed, number of workers and PyTorch build give the same weights: each worker is a process of one thread
(which loses less than threads do where other programs share the machine), and gradients are added in a fixed order. The loss counts what the assistant says
only. Most conversations are cut after the first tokens of their last answer: those decide which answer it is, the
rest is recited and learned from the others, so half of the arithmetic is saved.
"""

import argparse
import functools
import itertools
import json
import pathlib
import random
import time

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import multiprocessing

from corpus import Corpus
from model import CONFIG, Llama
from text import Encoder, train_tokenizer

CHUNK = 8192  # conversations drawn, sorted by length and cut into batches at a time


def batches(corpus, encoder, seed, batch_tokens, whole):
    """Endless batches of (ids [B, L], flat rows that predict, their targets). whole: share of uncut conversations."""
    rng = random.Random(seed)
    while True:
        chunk = []
        for _ in range(CHUNK):
            ids, learn = encoder.conversation(corpus.conversation(rng), rng, rng.choice([0.0, 0.0, 0.08, 0.25]))
            if rng.random() > whole:
                last = max(i for i, on in enumerate(learn) if on)
                first = last
                while learn[first - 1]:
                    first -= 1
                cut = min(last + 1, first + rng.randrange(6, 16))
                ids, learn = ids[:cut], learn[:cut]
            chunk.append((ids[:512], learn[:512]))
        chunk.sort(key=lambda pair: len(pair[0]))
        groups, group = [], []
        for pair in chunk:
            if group and (len(group) + 1) * len(pair[0]) > batch_tokens:
                groups.append(group)
                group = []
            group.append(pair)
        groups.append(group)
        rng.shuffle(groups)
        for group in groups:
            yield collate(group)


def collate(pairs):
    length = max(len(ids) for ids, _ in pairs)
    ids = torch.tensor([ids + [0] * (length - len(ids)) for ids, _ in pairs])
    learn = torch.tensor([learn + [False] * (length - len(learn)) for _, learn in pairs])
    rows = learn[:, 1:].flatten().nonzero().squeeze(1)
    rows = rows + rows // (length - 1)  # positions before the learned ones, in the [B, L] layout
    return ids, rows, ids.flatten()[rows + 1]


@torch.no_grad()
def exact(model, encoder, rows):
    """Share of development questions whose greedy answer is the expected one, token for token."""
    model.eval()
    pairs, right = [], 0
    for row in rows:
        messages = [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]
        pairs.append(encoder.conversation(messages))
    pairs.sort(key=lambda pair: len(pair[0]))
    for start in range(0, len(pairs), 50):
        ids, at, target = collate(pairs[start : start + 50])
        wrong = at[model(ids, at).argmax(-1) != target] // ids.shape[1]
        right += len(ids) - len(set(wrong.tolist()))
    model.train()
    return right / len(rows)


def owners(model, workers):
    """Which worker updates which parameter: the heaviest first, each to whoever has least."""
    load, owner = [0] * workers, {}
    for name, p in sorted(model.named_parameters(), key=lambda item: (-item[1].numel(), item[0])):
        least = load.index(min(load))
        owner[name] = least
        load[least] += p.numel()
    return owner


def work(rank, arguments, model, gradients, results, barrier):
    """One worker. Every worker computes the gradient of its own batch, then updates the parameters that it owns
    with the sum over workers, taken in the order of their ranks."""
    torch.manual_seed(arguments.seed * 1000 + rank)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    began = time.time()
    encoder, corpus = Encoder(Tokenizer.from_file(str(arguments.out / "tokenizer.json"))), Corpus(arguments.all_wordings)
    held_out = corpus.development(seed=3, count=480)[rank :: arguments.workers]
    source = batches(corpus, encoder, arguments.seed, arguments.batch_tokens, arguments.whole)
    source = itertools.islice(source, rank, None, arguments.workers)

    owner = owners(model, arguments.workers)
    mine = [(n, p) for n, p in model.named_parameters() if owner[n] == rank]
    matrices = [p for n, p in mine if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in mine if p.ndim != 2 or "embed" in n]
    optimizers = [torch.optim.Muon(matrices, lr=arguments.lr, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")]
    if others:
        optimizers.append(torch.optim.AdamW(others, lr=arguments.lr, betas=(0.9, 0.98), weight_decay=0.0))
    model.train()
    running, tokens = None, 0
    for step in range(arguments.stop or arguments.steps):
        share = step / arguments.steps
        model.quantized = share >= arguments.quantize_from
        model.drop = 0.0 if model.quantized else arguments.dropout
        rate = arguments.lr * min(1.0, (step + 1) / 60, (1.0 - share) / 0.6)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        ids, rows, target = next(source)
        loss = F.cross_entropy(model(ids, rows), target)
        for p in model.parameters():
            p.grad = None
        loss.backward()
        for n, p in model.named_parameters():
            gradients[n][rank].copy_(p.grad)
        barrier.wait()
        for n, p in mine:
            p.grad = gradients[n].sum(0).div_(arguments.workers)
        for optimizer in optimizers:
            optimizer.step()
        running = loss.item() if running is None else 0.95 * running + 0.05 * loss.item()
        tokens += ids.numel()
        barrier.wait()
        if (step + 1) % 100 == 0 or step + 1 == arguments.steps:
            results[rank] = torch.tensor([running, exact(model, encoder, held_out), tokens])
            barrier.wait()
            if rank == 0:
                line = {"step": step + 1, "loss": round(results[:, 0].mean().item(), 4)}
                line |= {"development": round(results[:, 1].mean().item(), 3), "tokens": int(results[:, 2].sum())}
                print(json.dumps(line | {"minutes": round((time.time() - began) / 60, 1)}), flush=True)
                torch.save(model.state_dict(), arguments.out / "weights.pt")
            barrier.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for tokenizer.json and weights.pt")
    parser.add_argument("--start", type=pathlib.Path, help="folder of an earlier run to go on from")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=3, help="processes of one thread each")
    parser.add_argument("--steps", type=int, default=2800)
    parser.add_argument("--stop", type=int, help="end after this step of the schedule, to try things out")
    parser.add_argument("--batch-tokens", type=int, default=1200, help="for each worker")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--whole", type=float, default=0.2, help="share of conversations that are not cut")
    parser.add_argument("--all-wordings", action="store_true", help="train on the development set's wordings too")
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--quantize-from", type=float, default=0.7, help="share of the steps in plain float32")
    arguments = parser.parse_args()

    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.start:
        tokenizer = Tokenizer.from_file(str(arguments.start / "tokenizer.json"))
    else:
        tokenizer = train_tokenizer(CONFIG["vocab_size"])
    if tokenizer.get_vocab_size() != CONFIG["vocab_size"]:
        raise SystemExit(f"the tokenizer has {tokenizer.get_vocab_size()} tokens, expected {CONFIG['vocab_size']}")
    tokenizer.save(str(arguments.out / "tokenizer.json"))

    torch.manual_seed(arguments.seed)
    model = Llama()
    if arguments.start:
        model.load_state_dict(torch.load(arguments.start / "weights.pt"))
    model.share_memory()
    shapes = {n: p.shape for n, p in model.named_parameters()}
    gradients = {n: torch.zeros(arguments.workers, *shape).share_memory_() for n, shape in shapes.items()}
    results = torch.zeros(arguments.workers, 3).share_memory_()
    barrier = multiprocessing.get_context("spawn").Barrier(arguments.workers)
    spawn = functools.partial(multiprocessing.spawn, nprocs=arguments.workers)
    spawn(work, (arguments, model, gradients, results, barrier))


if __name__ == "__main__":
    main()
