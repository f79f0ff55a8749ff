// Round trips with @huggingface/hub, in the folder that HOME names. Prints a line per case; exit 1 if one fails.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, lstatSync, readFileSync, readdirSync, rmSync } from "node:fs";
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
  async whatPomeDeletedIsGoneAndComesBack() {
    const folder = pome("pull", "-q", "example/tiny");
    pome("pull", "-q", "example/other");
    pome("rm", "example/tiny", "--apply", "--yes");
    assert.equal(await scanned("example/tiny"), undefined);
    assert.equal((await scanned("example/other")).revisions[0].files.length, 4);
    assert.equal(await snapshotDownload({ repo: "example/tiny", cacheDir: cache, hubUrl }), folder);
    assert.match(pome("verify", "example/tiny"), / ok /);
  },
  async aRevisionThatPomeCleanedLeavesTheOthersWhole() {
    const folder = pome("pull", "-q", "example/tiny");
    const detached = join(folder, "..", "a".repeat(40));
    cpSync(folder, detached, { recursive: true, verbatimSymlinks: true });
    assert.equal((await scanned("example/tiny")).revisions.length, 2);
    const before = (await scanned("example/tiny")).size;
    pome("clean", "--revisions", "--apply", "--yes");
    const repo = await scanned("example/tiny");
    assert.deepEqual(repo.revisions.map((revision) => revision.path), [folder]);
    assert.equal(repo.size, before, "blobs that both had stay");
    assert.equal(await snapshotDownload({ repo: "example/tiny", cacheDir: cache, hubUrl }), folder);
  },
  async aSharedBlobStaysWhileOneUsesIt() {
    pome("pull", "-q", "example/shared");
    const folder = pome("pull", "-q", "example/other");
    pome("rm", "example/shared", "--apply", "--yes");
    assert.equal(await scanned("example/shared"), undefined);
    assert.ok(readFileSync(join(folder, "model.safetensors")).length > 10000);
    assert.equal((await scanned("example/other")).revisions[0].files.length, 4);
    pome("rm", "example/other", "--apply", "--yes");
    assert.deepEqual((await scanCacheDir(cache)).repos, []);
    const left = readdirSync(cache, { recursive: true }).map((name) => join(cache, name));
    assert.deepEqual(left.filter((file) => lstatSync(file).isFile() && lstatSync(file).size > 1000), []);
  },
  async partialsThatPomeCleanedWereNoneOfItsModels() {
    const folder = await snapshotDownload({ repo: "example/tiny", cacheDir: cache, hubUrl });
    pome("clean", "--partials", "--orphans", "--apply", "--yes");
    assert.equal((await scanned("example/tiny")).revisions[0].files.length, 4);
    assert.equal(await snapshotDownload({ repo: "example/tiny", cacheDir: cache, hubUrl }), folder);
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
