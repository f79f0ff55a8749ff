// Round trips with @huggingface/hub, in the folder that HOME names. Prints a line per case; exit 1 if one fails.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { scanCacheDir, snapshotDownload } from "@huggingface/hub";

const cache = join(process.env.HOME, ".cache/huggingface/hub");
const hubUrl = process.env.HF_ENDPOINT;
const pome = (...words) => execFileSync("pome", words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

async function scanned(id) {
  const report = await scanCacheDir(cache);
  // It knows no cache-wide blobs, whoever wrote them, and says so.
  assert.deepEqual(report.warnings.filter((warning) => !/: blobs$/.test(warning.message)), []);
  return report.repos.find((repo) => repo.id.name === id);
}

const cases = {
  async pulledByPomeIsScannedAndNotFetchedAgain() {
    const folder = pome("pull", "-q", "example/tiny");
    const repo = await scanned("example/tiny");
    assert.equal(repo.revisions.length, 1);
    assert.equal(repo.revisions[0].files.length, 4);
    assert.deepEqual(repo.revisions[0].refs, ["main"]);
    const again = await snapshotDownload({ repo: "example/tiny", cacheDir: cache, hubUrl });
    assert.equal(again, folder);
  },
  async sharedBlobsArePartOfTheModel() {
    const folder = pome("pull", "-q", "example/shared");
    const repo = await scanned("example/shared");
    assert.equal(repo.revisions[0].files.length, 4);
    assert.ok(readFileSync(join(folder, "model.safetensors")).length > 10000);
  },
  async fetchedByItIsWholeForPome() {
    const folder = await snapshotDownload({ repo: "example/tiny", cacheDir: cache, hubUrl });
    assert.match(pome("pull", "--plan", "example/tiny"), / 0 B to fetch/);
    assert.equal(pome("pull", "-q", "example/tiny"), folder);
    assert.ok(existsSync(join(folder, "config.json")));
  },
};

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  rmSync(cache, { recursive: true, force: true });
  try {
    await run();
    console.log(`@huggingface/hub: ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`@huggingface/hub: FAILED  ${name}\n${error.stack}`);
  }
}
process.exit(failed ? 1 : 0);
