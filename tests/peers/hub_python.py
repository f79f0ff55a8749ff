"""Round trips with huggingface_hub, in the folder that HOME names. Prints a line per case; exit 1 if one fails."""
import os
import shutil
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
from huggingface_hub import constants

CACHE = Path(constants.HF_HUB_CACHE)


def pome(*words):
    done = subprocess.run(["pome", *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.strip()


def scan():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = scan_cache_dir()
    assert not report.warnings, report.warnings
    return {repo.repo_id: repo for repo in report.repos}


def blobs():
    return sorted(p for p in CACHE.rglob("*") if p.is_file() and not p.is_symlink() and p.stat().st_size > 10_000)


def pulled_by_pome_scanned_loaded_and_deleted():
    folder = pome("pull", "-q", "example/tiny")
    repo = scan()["example/tiny"]
    (revision,) = repo.revisions
    assert revision.refs == {"main"} and len(revision.files) == 4 and repo.nb_files == 4
    assert snapshot_download("example/tiny", local_files_only=True) == folder
    assert snapshot_download("example/tiny") == folder
    assert hf_hub_download("example/tiny", "config.json") == os.path.join(folder, "config.json")
    plan = scan_cache_dir().delete_revisions(revision.commit_hash)
    assert plan.expected_freed_size == repo.size_on_disk, (plan.expected_freed_size, repo.size_on_disk)
    plan.execute()
    assert "example/tiny" not in scan() and not blobs()


def part_of_a_model_is_a_snapshot_too():
    folder = pome("pull", "-q", "example/tiny", "--include", "*.json")
    assert snapshot_download("example/tiny", local_files_only=True) == folder
    assert not (Path(folder) / "model.safetensors").exists()
    whole = snapshot_download("example/tiny")
    assert whole == folder and (Path(folder) / "model.safetensors").exists()


def pulled_by_huggingface_hub_is_whole_for_pome():
    folder = snapshot_download("example/tiny")
    before = {p: p.stat().st_mtime_ns for p in Path(folder).iterdir()}
    assert pome("pull", "-q", "example/tiny") == folder
    assert before == {p: p.stat().st_mtime_ns for p in Path(folder).iterdir()}
    assert "0 B to fetch" in pome("pull", "--plan", "example/tiny")
    assert "example/tiny" in pome("list")
    assert " ok " in pome("verify", "example/tiny")
    pome("run", "example/tiny", "hello", "--max-tokens", "2", "--no-pull")


def shared_blobs_of_pome():
    one = pome("pull", "-q", "example/shared")
    two = pome("pull", "-q", "example/other")
    found = scan()
    assert {"example/shared", "example/other"} <= set(found)
    weights = [os.path.realpath(os.path.join(f, "model.safetensors")) for f in (one, two)]
    assert weights[0] == weights[1] and weights[0].startswith(str(CACHE / "blobs")), weights
    assert snapshot_download("example/shared", local_files_only=True) == one
    assert snapshot_download("example/other") == two
    commits = {name: next(iter(found[name].revisions)).commit_hash for name in ("example/shared", "example/other")}
    repo = CACHE / "models--example--shared"
    # Both repositories have the same commit: each deletion is of the folder that holds it.
    from huggingface_hub.utils._shared_blobs import sweep_shared_blob

    shutil.rmtree(repo)
    assert sweep_shared_blob(Path(weights[0]), cache_dir=CACHE) == 0, "still used by the other"
    plan = scan_cache_dir().delete_revisions(commits["example/other"])
    assert plan.expected_freed_size > 10_000
    plan.execute()
    assert not os.path.exists(weights[0])


def a_local_folder_is_not_fetched_again():
    folder = Path.home() / "local"
    pome("pull", "-q", "example/tiny", "--local-dir", str(folder))
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir() if p.is_file()}
    snapshot_download("example/tiny", local_dir=folder)
    assert before == {p: p.stat().st_mtime_ns for p in folder.iterdir() if p.is_file()}
    other = Path.home() / "other"
    snapshot_download("example/tiny", local_dir=other)
    before = {p: p.stat().st_mtime_ns for p in other.iterdir() if p.is_file()}
    assert "0 B to fetch" in pome("pull", "--plan", "example/tiny", "--local-dir", str(other))
    pome("pull", "-q", "example/tiny", "--local-dir", str(other))
    assert before == {p: p.stat().st_mtime_ns for p in other.iterdir() if p.is_file()}


def pome_deletes_what_huggingface_hub_wrote():
    snapshot_download("example/tiny")
    assert blobs()
    pome("rm", "example/tiny", "--apply", "--yes")
    assert not blobs() and "example/tiny" not in scan()


def content_that_huggingface_hub_took_unverified_is_noticed():
    folder = Path(snapshot_download("example/tiny"))
    link = folder / "model.safetensors"
    blob = link.resolve()
    wrong = bytearray(blob.read_bytes())
    wrong[100] ^= 1
    blob.write_bytes(wrong)
    link.unlink()  # not linked by us yet: checked before it is
    pome("pull", "-q", "example/tiny")
    assert link.resolve().read_bytes() != bytes(wrong)


def without_links_pome_writes_what_huggingface_hub_reads():
    os.environ["HF_HUB_DISABLE_SYMLINKS"] = "1"
    constants.HF_HUB_DISABLE_SYMLINKS = True
    folder = pome("pull", "-q", "example/tiny")
    assert not any(p.is_symlink() for p in Path(folder).iterdir())
    repo = scan()["example/tiny"]
    assert repo.nb_files == 4, repo
    assert snapshot_download("example/tiny", local_files_only=True) == folder
    assert snapshot_download("example/tiny") == folder
    (revision,) = repo.revisions
    scan_cache_dir().delete_revisions(revision.commit_hash).execute()
    assert "example/tiny" not in scan() and not blobs()


def without_links_pome_reads_what_huggingface_hub_writes():
    constants.HF_HUB_DISABLE_SYMLINKS = True
    folder = snapshot_download("example/tiny")
    assert not any(p.is_symlink() for p in Path(folder).iterdir())
    before = {p: p.stat().st_mtime_ns for p in Path(folder).iterdir()}
    assert pome("pull", "-q", "example/tiny") == folder
    assert before == {p: p.stat().st_mtime_ns for p in Path(folder).iterdir()}
    assert " ok " in pome("verify", "example/tiny")
    damaged = Path(folder) / "model.safetensors"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:100] + b"x" + content[101:])
    pome("verify", "--repair", "example/tiny")
    assert damaged.read_bytes() == content
    assert scan()["example/tiny"].nb_files == 4
    pome("clean", "--orphans", "--partials", "--apply", "--yes")
    assert damaged.read_bytes() == content
    pome("rm", "example/tiny", "--apply", "--yes")
    assert not blobs() and "example/tiny" not in scan()


def a_repaired_shared_blob_is_right_for_all_who_share_it():
    folders = [pome("pull", "-q", name) for name in ("example/shared", "example/other")]
    weights = Path(folders[0], "model.safetensors").resolve()
    content = weights.read_bytes()
    os.chmod(weights, 0o644)
    weights.write_bytes(content[:100] + b"x" + content[101:])
    references = Path(str(weights) + ".refs").read_text().split()
    pome("verify", "--repair", "example/shared")
    for folder in folders:
        assert Path(folder, "model.safetensors").resolve() == weights
        assert Path(folder, "model.safetensors").read_bytes() == content
    assert sorted(set(Path(str(weights) + ".refs").read_text().split())) == sorted(set(references))
    assert weights.stat().st_mode & 0o222 == 0, "read-only as huggingface_hub has it"
    assert " ok " in pome("verify", "example/other")
    assert {"example/shared", "example/other"} <= set(scan())
    shutil.rmtree(CACHE / "models--example--shared")
    from huggingface_hub.utils._shared_blobs import sweep_shared_blob

    assert sweep_shared_blob(weights, cache_dir=CACHE) == 0, "still used by the other"
    pome("rm", "example/other", "--apply", "--yes")
    assert not weights.exists()


CASES = [
    pulled_by_pome_scanned_loaded_and_deleted,
    part_of_a_model_is_a_snapshot_too,
    pulled_by_huggingface_hub_is_whole_for_pome,
    shared_blobs_of_pome,
    a_local_folder_is_not_fetched_again,
    pome_deletes_what_huggingface_hub_wrote,
    content_that_huggingface_hub_took_unverified_is_noticed,
    without_links_pome_writes_what_huggingface_hub_reads,
    without_links_pome_reads_what_huggingface_hub_writes,
    a_repaired_shared_blob_is_right_for_all_who_share_it,
]


def run(case):
    try:
        case()
        print(f"huggingface_hub: ok      {case.__name__}", flush=True)
        return 0
    except Exception:
        print(f"huggingface_hub: FAILED  {case.__name__}")
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        return 1


def main():
    failed = 0
    for case in CASES:
        shutil.rmtree(CACHE, ignore_errors=True)
        child = os.fork()  # huggingface_hub remembers listings for the life of a process
        if child == 0:
            os._exit(run(case))
        failed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(1 if failed else 0)


main()
