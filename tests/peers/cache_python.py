"""What huggingface_hub makes of a cache that pome wrote or deleted from, and the other way round.

  python tests/peers/cache_python.py build/release/bin/pome      (huggingface_hub 2.x must be importable)

No network: snapshots are laid out by huggingface_hub's own functions where it has them.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from huggingface_hub import scan_cache_dir
from huggingface_hub.utils import _shared_blobs as shared

program = os.path.abspath(sys.argv[1])
commits = ["a" * 40, "b" * 40]


def pome(home, *words, code=0):
    environment = dict(os.environ, HOME=str(home), HF_HUB_CACHE=str(home / "hub"))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME"):
        environment.pop(name, None)
    done = subprocess.run([program, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def bytes_on_disk(root):
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def put(home, repo, commit, files, refs=(), xet=()):
    """A snapshot as huggingface_hub leaves it; files named in xet go to the shared store by its own function."""
    cache = home / "hub"
    folder = cache / ("models--" + repo.replace("/", "--"))
    for name, content in files.items():
        large = name.endswith(".safetensors")
        etag = hashlib.sha256(content).hexdigest() if large else hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        blob = folder / "blobs" / etag
        blob.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(blob):
            blob.write_bytes(content)
            if name in xet:
                assert shared.publish_blob_to_shared_store(
                    blob_path=str(blob), xet_hash=hashlib.sha256(b"xet" + content).hexdigest(), cache_dir=str(cache), expected_size=len(content)
                )
        link = folder / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    for ref in refs:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(commit)


def fill(home, xet):
    weights = b"w" * 100_000
    shared_files = ("model.safetensors",) if xet else ()
    put(home, "org/one", commits[0], {"config.json": b"{}", "model.safetensors": weights, "deep/a.txt": b"a"}, xet=shared_files)
    put(home, "org/one", commits[1], {"config.json": b"{ }", "model.safetensors": weights}, refs=["main"], xet=shared_files)
    put(home, "org/two", commits[0], {"config.json": b"{}", "model.safetensors": weights if xet else b"v" * 5000}, refs=["main", "v1"], xet=shared_files)


def clean_scan(home):
    scan = scan_cache_dir(home / "hub")
    assert not scan.warnings, scan.warnings
    return scan


def sizes_agree(home):
    theirs = {repo.repo_id: repo.size_on_disk for repo in clean_scan(home).repos}
    ours = {model["name"]: model["bytes"] for model in lines(pome(home, "list", "--json")) if model["source"] == "cache"}
    assert theirs == ours, (theirs, ours)


def pome_deletes(home):
    fill(home, pome_deletes.xet)
    sizes_agree(home)
    scan = clean_scan(home)
    expected = scan.delete_revisions(commits[0] if pome_deletes.xet else commits[1]).expected_freed_size
    before = bytes_on_disk(home / "hub")
    # One revision of org/one: its weights stay with the other.
    freed = lines(pome(home, "rm", "org/one@" + commits[0], "--apply", "--yes", "--json"))[-1]["bytes"]
    assert before - bytes_on_disk(home / "hub") == freed, "freed what it says"
    assert freed < 1000 and expected >= 0
    sizes_agree(home)
    before = bytes_on_disk(home / "hub")
    freed = lines(pome(home, "rm", "org/one", "org/two", "--apply", "--yes", "--json"))[-1]["bytes"]
    assert before - bytes_on_disk(home / "hub") == freed, (before - bytes_on_disk(home / "hub"), freed)
    assert freed > 100_000
    assert not clean_scan(home).repos
    assert clean_scan(home).size_on_disk == 0
    left = [path for path in (home / "hub").rglob("*") if path.is_file() and path.stat().st_size > 2]
    assert not left, left


def they_delete(home):
    fill(home, they_delete.xet)
    scan = clean_scan(home)
    scan.delete_revisions(commits[1]).execute()
    names = [model["name"] for model in lines(pome(home, "list", "--json")) if model["source"] == "cache"]
    assert names == ["org/one", "org/two"], names
    sizes_agree(home)
    assert lines(pome(home, "clean", "--orphans", "--partials", "--json"))[-1]["items"] == 0
    # What only the detached revision has goes by pome's prune; huggingface_hub still reads the rest.
    pome(home, "clean", "--revisions", "--apply", "--yes")
    assert {repo.repo_id for repo in clean_scan(home).repos} == {"org/two"}
    clean_scan(home).delete_revisions(commits[0]).execute()
    assert [m for m in lines(pome(home, "list", "--json")) if m["source"] == "cache"] == []


def partials_are_found_by_both(home):
    fill(home, False)
    blob = home / "hub/models--org--one/blobs" / ("c" * 64 + ".12345678.incomplete")
    blob.write_bytes(b"12345")
    assert clean_scan(home).incomplete_size_on_disk == 5
    assert lines(pome(home, "clean", "--partials", "--json"))[-1]["bytes"] == 5
    pome(home, "clean", "--partials", "--apply", "--yes")
    assert clean_scan(home).incomplete_size_on_disk == 0


def corruption_is_told(home):
    fill(home, True)
    pome(home, "verify", "org/two", "--quick", code=4)  # config and weights are no model
    report = lines(pome(home, "verify", "org/two", "--json", code=4))[0]
    assert report["damaged"] == [] and report["files_hashed"] == 2, report
    content = next((home / "hub/blobs").glob("??/*[0-9a-f]"))
    os.chmod(content, 0o644)
    data = bytearray(content.read_bytes())
    data[7] ^= 1
    content.write_bytes(data)
    report = lines(pome(home, "verify", "org/two", "--json", code=4))[0]
    assert report["damaged"] == ["model.safetensors"], report


def main():
    for test in (pome_deletes, they_delete):
        for xet in (False, True):
            test.xet = xet
            with tempfile.TemporaryDirectory() as home:
                test(pathlib.Path(home))
            print("ok", test.__name__, "shared blobs" if xet else "classic")
    for test in (partials_are_found_by_both, corruption_is_told):
        with tempfile.TemporaryDirectory() as home:
            test(pathlib.Path(home))
        print("ok", test.__name__)


main()
