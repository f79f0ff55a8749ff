"""Times pome and llama.cpp on the same random models, by turns, and writes the tables of docs/performance.md.

    LLAMA_BENCH=…/llama-bench [LLAMA_VERSION=…] ./dev bench [--rounds N] [CASE…]

A case is a part of CASES' names ("qwen3-0.6b", "8k", "batch"); all take about ten minutes. Every round runs each
contender once, so that what else the machine does meets all of them; a ratio is taken within a round.
Results are kept beside the models, after every case: a run of some cases leaves the others' rows as they were.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import models

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: ./dev bench -->", "<!-- end of figures -->"
ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
MODES = {"default": [], "--fast": ["--fast"]}


@dataclass
class Case:
    name: str
    model: str
    threads: int
    prompt: int = 0
    generate: int = 0
    depth: int = 0
    rounds: int = 2
    peers: tuple = ("Q4_0", "Q4_K")
    modes: tuple = ("default", "--fast")


CASES = [
    Case("qwen3-0.6b", "qwen3-0.6b", ALL, 512, 64, rounds=3),
    Case("qwen3-0.6b one thread", "qwen3-0.6b", 1, 512, 32),
    Case("qwen3-1.7b", "qwen3-1.7b", ALL, 512, 32),
    Case("qwen3-1.7b one thread", "qwen3-1.7b", 1, 512, 16, rounds=1),
    Case("8k prompt", "qwen3-0.6b", ALL, 8192, 0, rounds=1, peers=("Q4_K",)),
    Case("8k depth", "qwen3-0.6b", ALL, 0, 16, 8192, rounds=1, peers=("Q4_K",)),
    Case("moe", "qwen3-moe", ALL, 512, 32),
    Case("135m", "135m", ALL, 512, 128, peers=("Q4_0",)),
    Case("bf16", "qwen3-0.6b-bf16", ALL, 512, 32, peers=("BF16",)),
    Case("f16", "qwen3-0.6b-f16", ALL, 512, 32, peers=("F16",), modes=("default",)),
]
BATCHES, BATCH_CASE, START_CASE = [1, 8, 16], "batch", "start"


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


def time_pome(pome, folder, case, mode):
    report = json.loads(run([pome, "bench", folder, "-t", case.threads, "-p", case.prompt, "-g", case.generate,
                             "-d", case.depth, "-r", 1, "--json", *MODES[mode]]))
    row = report["results"][0]
    return {"prompt": row["prompt_tps"], "generate": row["generation_tps"],
            "share": row.get("bandwidth_share", 0), "bandwidth": report["read_bandwidth_gbps"],
            "overhead_ms": row["overhead_ms"], "step_ms": row["step_ms"],
            "anonymous": row["anonymous_memory_bytes"], "cache": row["cache_bytes"]}


def time_llama(bench, file, case):
    # A long prompt warms up on its own first batches.
    long = ["--no-warmup"] if case.prompt + case.depth > 2048 else []
    rows = json.loads(run([bench, "-m", file, "-t", case.threads, "-p", case.prompt, "-n", case.generate, "-d",
                           case.depth, "-fa", 1, "-r", 1, "-o", "json", *long]))
    result = {"prompt": 0, "generate": 0, "build": f"{rows[0]['build_number']} ({rows[0]['build_commit']})"}
    for row in rows:
        result["generate" if row["n_gen"] else "prompt"] = row["avg_ts"]
    return result


def measure(case, options, results):
    folder, files = models.make(options.models, case.model)
    rounds = []
    for number in range(options.rounds or case.rounds):
        print(f"{case.name}: round {number + 1} of {options.rounds or case.rounds}", file=sys.stderr)
        entry = {mode: time_pome(options.pome, folder, case, mode) for mode in case.modes}
        if options.llama:
            entry |= {peer: time_llama(options.llama, files[peer], case) for peer in case.peers}
        rounds.append(entry)
    results[case.name] = rounds


def measure_batch(options, results):
    folder, _ = models.make(options.models, "qwen3-0.6b")
    rounds = []
    for number in range(options.rounds or 2):
        print(f"{BATCH_CASE}: round {number + 1} of {options.rounds or 2}", file=sys.stderr)
        entry = {}
        for mode, flags in MODES.items():
            report = json.loads(run([options.pome, "bench", folder, "-p", 0, "-g", 32, "-r", 1, "--json", "-b",
                                     ",".join(map(str, BATCHES)), *flags]))
            entry[mode] = {str(row["batch"]): row["generation_tps"] for row in report["results"]}
        rounds.append(entry)
    results[BATCH_CASE] = rounds


def measure_start(options, results):
    """Milliseconds from nothing to first logits, and to the first token of `run`; the least of five."""
    folder, _ = models.make(options.models, "qwen3-0.6b")
    models.write_tokenizer(folder, models.SHAPES["qwen3-0.6b"].vocab)

    def least(command):
        times = []
        for _ in range(5):
            begin = time.monotonic()
            run(command)
            times.append((time.monotonic() - begin) * 1000)
        return min(times)

    with tempfile.TemporaryDirectory() as place:
        ids = Path(place) / "ids.json"
        ids.write_text("[1, 2, 3, 4]")
        logits = least([options.pome, "logits", folder, "--tokens-file", ids, "--precision", "default", "--out",
                        Path(place) / "logits.safetensors"])
    token = least([options.pome, "run", folder, "one two three", "--max-tokens", 1])
    results[START_CASE] = {"logits_ms": logits, "token_ms": token}


# ---- the page


def spread(values, digits=1):
    values = [v for v in values if v]
    if not values:
        return "–"
    text = f"{statistics.mean(values):.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {statistics.stdev(values):.{digits}f}"


def ratio(rounds, mode, test, peers):
    ratios = []
    for entry in rounds:
        best = max((entry[peer][test] for peer in peers if peer in entry), default=0)
        if best and mode in entry:
            ratios.append(entry[mode][test] / best)
    return spread(ratios, 2)


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def test_name(case, test):
    if test == "prompt":
        return f"prompt of {case.prompt}"
    return "next token" + (f" at depth {case.depth}" if case.depth else "")


def speed_rows(results, cases):
    for case in cases:
        rounds = results.get(case.name)
        if not rounds:
            continue
        for test in [t for t, wanted in (("prompt", case.prompt), ("generate", case.generate)) if wanted]:
            of = lambda who: spread([entry[who][test] for entry in rounds if who in entry])
            share = "–" if test == "prompt" else " / ".join(
                spread([entry[mode]["share"] for entry in rounds if mode in entry], 2) for mode in case.modes)
            yield [case.model, str(case.threads), test_name(case, test), *(of(mode) for mode in MODES),
                   " / ".join(f"{peer} {of(peer)}" for peer in case.peers if peer in rounds[0]) or "–",
                   *(ratio(rounds, mode, test, case.peers) for mode in MODES), share]


def machine():
    try:
        text = Path("/proc/cpuinfo").read_text()
        name = re.search(r"model name\s*: (.*)", text)
        family = re.search(r"cpu family\s*: (\d+)", text)
        model = re.search(r"^model\s*: (\d+)", text, re.M)
        flags = re.search(r"flags\s*: (.*)", text)
        known = ["avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"]
        found = [flag for flag in known if flags and flag in flags.group(1).split()]
        return (f"{name.group(1) if name else platform.machine()} (family {family.group(1) if family else '?'}, model "
                f"{model.group(1) if model else '?'}), {ALL} cores, {' '.join(found)}")
    except OSError:
        return f"{platform.machine()}, {ALL} cores"


def page(results):
    builds = {entry[peer]["build"] for case in CASES for entry in results.get(case.name, [])
              for peer in case.peers if peer in entry}
    bandwidths = {}
    for case in CASES:
        for entry in results.get(case.name, []):
            for mode in set(case.modes) & set(entry):  # of kept rows, maybe not all
                bandwidths.setdefault(case.threads, []).append(entry[mode]["bandwidth"])
    parts = [f"Machine: {machine()}; memory reads " + ", ".join(
        f"{statistics.mean(values):.0f} GB/s on {threads} thread{'s' if threads > 1 else ''}"
        for threads, values in sorted(bandwidths.items())) + f". Measured on {results['date']}, {results['pome']}"
        + (f", against llama.cpp {results['llama']}" if builds else "") + ".",
        table(["model", "threads", "tokens/s", "pome", "pome --fast", "llama.cpp", "pome ÷ best",
               "--fast ÷ best", "of read bandwidth (pome / --fast)"], list(speed_rows(results, CASES)))]
    if rounds := results.get(BATCH_CASE):
        rows = []
        for mode in MODES:
            totals = [spread([entry[mode][str(b)] for entry in rounds]) for b in BATCHES]
            gains = [spread([entry[mode][str(b)] / entry[mode]["1"] for entry in rounds], 2) for b in BATCHES[1:]]
            rows.append([mode, *totals, *gains])
        parts += ["Several sequences in one step (qwen3-0.6b, tokens/s of all together):",
                  table(["precision", *map(str, BATCHES), *(f"{b} ÷ 1" for b in BATCHES[1:])], rows)]
    costs = []
    for case in CASES:
        rounds = [entry["default"] for entry in results.get(case.name, [])] if case.generate else []
        if rounds:
            costs.append([case.model, str(case.threads), test_name(case, "generate"),
                          spread([r["step_ms"] for r in rounds], 2), spread([r["overhead_ms"] for r in rounds], 3),
                          f"{statistics.mean(r['overhead_ms'] / r['step_ms'] for r in rounds):.1%}",
                          f"{max(r['anonymous'] for r in rounds) / 2**20:.0f} MiB",
                          f"{max(r['cache'] for r in rounds) / 2**20:.0f} MiB"])
    if costs:
        parts += ["What a token costs besides kernels (bookkeeping, sampling, calling the threads for each phase), and "
                  "memory that is no view of the model's files:",
                  table(["model", "threads", "", "token, ms", "overhead, ms", "share", "anonymous memory",
                         "of it cache"], costs)]
    if start := results.get(START_CASE):
        parts += [f"Start, files in the page cache (qwen3-0.6b, 335 MB): first logits without a tokenizer after "
                  f"{start['logits_ms']:.0f} ms, first token of `pome run` with a tokenizer of 151,936 entries after "
                  f"{start['token_ms']:.0f} ms (whole processes)."]
    return "\n\n".join(parts)


def put_figures(page, begin, figures):
    """Between the marks of a page of docs/; what stands around them stays."""
    text = page.read_text()
    start, end = text.index(begin) + len(begin), text.index(END)
    page.write_text(text[:start] + "\n\n" + figures + "\n\n" + text[end:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--pome", type=Path, default=ROOT / "build/release/bin/pome")
    parser.add_argument("--models", type=Path, default=ROOT / "build/bench/models")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="name the cases")
    options = parser.parse_args()
    options.llama = os.environ.get("LLAMA_BENCH")
    names = [case.name for case in CASES] + [BATCH_CASE, START_CASE]
    if options.list:
        print("\n".join(names))
        return
    wanted = [name for name in names if not options.cases or any(part in name for part in options.cases)]
    if not wanted:
        sys.exit(f"{' '.join(options.cases)}: no such case, there are {', '.join(names)}")

    options.models.mkdir(parents=True, exist_ok=True)
    kept = options.models / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for name in wanted:
        try:
            if name == BATCH_CASE:
                measure_batch(options, results)
            elif name == START_CASE:
                measure_start(options, results)
            else:
                measure(next(case for case in CASES if case.name == name), options, results)
        except RuntimeError as problem:  # one case less, the others stand
            print(f"{name}: {problem}", file=sys.stderr)
            continue
        results["date"] = time.strftime("%Y-%m-%d")
        results["pome"] = run([options.pome, "--version"]).splitlines()[0]
        results["llama"] = os.environ.get("LLAMA_VERSION") or next(
            (entry[peer]["build"] for case in CASES for entry in results.get(case.name, []) for peer in case.peers
             if peer in entry), "")
        kept.write_text(json.dumps(results, indent=1))
        put_figures(PAGE, BEGIN, page(results))
    if results:
        print(page(results))


if __name__ == "__main__":
    main()
