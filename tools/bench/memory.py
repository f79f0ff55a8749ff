"""Measures how much memory models of every kind take, beside what pome foretells, and writes docs/memory.md.

    ./dev bench memory [CASE…]

Takes about four minutes and no disk: see memory_models.py. A peak is VmHWM of a process of its own, all its resident
pages: those of the weights' files, of the program, and anonymous ones.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import memory_models
from compare import ROOT, machine, put_figures, run, table

PAGE = ROOT / "docs" / "memory.md"
BEGIN = "<!-- figures: ./dev bench memory -->"


@dataclass
class Case:
    model: str
    prompt: int = 512
    generate: int = 16
    batch: int = 1
    kv_bits: int = 0

    @property
    def name(self):
        text = f"{self.model}, {self.prompt} tokens"
        text += f", {self.batch} sequences" if self.batch > 1 else ""
        return text + (f", --kv-bits {self.kv_bits}" if self.kv_bits else "")


CASES = [
    Case("qwen3 0.6B"),
    Case("qwen3 0.6B", 4096),
    Case("qwen3 0.6B", 4096, kv_bits=8),
    Case("qwen3 0.6B", 4096, kv_bits=4),
    Case("qwen3 0.6B", 512, batch=16),
    Case("qwen3 0.6B bf16"),
    Case("qwen3 1.7B"),
    Case("llama 135M", 4096),
    Case("llama, 4 wide layers"),
    Case("llama, 4 wide layers", 16384),
    Case("llama 25M, 262k tokens"),
    Case("qwen3_moe, 4 layers"),
    Case("gemma3 1B"),
    Case("gemma3 1B", 4096),
    Case("deepseek_v2, 4 layers"),
    Case("deepseek_v2, 4 layers", 4096),
    Case("mamba2 370M", 2048),
    Case("granitemoehybrid 350M", 2048),
    Case("gpt_oss, 2 layers", 2048),
]


def measure(case, pome, folder):
    command = [pome, "bench", folder, "-p", case.prompt, "-g", case.generate, "-b", case.batch, "-r", 1, "--json"]
    if case.kv_bits:
        command += ["--kv-bits", case.kv_bits]
    row = json.loads(run(command))["results"][0]
    return {"cache": row["cache_bytes"], "foretold": row["predicted_memory_bytes"], "peak": row["peak_memory_bytes"]}


def page(results):
    rows, worst, over = [], 0, 0
    for case in CASES:
        if case.name not in results["cases"]:
            continue
        found = results["cases"][case.name]
        error = found["foretold"] - found["peak"]
        share = error / found["peak"]
        good = abs(error) <= max(50e6, 0.05 * found["peak"])
        over += not good
        worst = max(worst, abs(error))
        rows.append([case.name, *(f"{found[key] / 2**20:.0f}" for key in ("weights", "cache", "foretold", "peak")),
                     f"{error / 2**20:+.0f} ({share:+.1%})" + ("" if good else " **too far**")])
    return "\n\n".join([
        f"Machine: {machine()}. Measured on {results['date']}, {results['pome']}. All in MiB. "
        f"{len(rows) - over} of {len(rows)} within the larger of 5 % and 50 MB; the furthest is {worst / 1e6:.0f} MB "
        "off.",
        table(["model and use", "weights", "cache", "foretold", "peak", "error"], rows)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--pome", type=Path, default=ROOT / "build/release/bin/pome")
    parser.add_argument("--models", type=Path, default=ROOT / "build/bench/memory")
    options = parser.parse_args()
    kept = options.models / "results.json"
    options.models.mkdir(parents=True, exist_ok=True)
    results = json.loads(kept.read_text()) if kept.exists() else {"cases": {}}
    for case in [c for c in CASES if not options.cases or any(part in c.name for part in options.cases)]:
        folder, weights = memory_models.make(options.models, case.model)
        try:
            results["cases"][case.name] = measure(case, options.pome, folder) | {"weights": weights}
        except (RuntimeError, subprocess.SubprocessError) as problem:  # one case less, the others stand
            print(f"{case.name}: {problem}", file=sys.stderr)
            continue
        finally:
            shutil.rmtree(folder)
        results["date"] = time.strftime("%Y-%m-%d")
        results["pome"] = run([options.pome, "--version"]).splitlines()[0]
        kept.write_text(json.dumps(results, indent=1))
        found = results["cases"][case.name]
        print(f"{case.name}: foretold {found['foretold'] / 2**20:.0f}, peak {found['peak'] / 2**20:.0f} MiB",
              file=sys.stderr)
        put_figures(PAGE, BEGIN, page(results))


if __name__ == "__main__":
    main()
