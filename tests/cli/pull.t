Models come from the Hub. Here it is a small one on this machine (tests/fakehub), which can be made to misbehave.

  $ pome pull example/tiny --plan
    config.json            386 B
    model.safetensors      13.8 KiB
    tokenizer.json         679 B
    tokenizer_config.json  74 B
  example/tiny@…: 4 files, 14.9 KiB; 14.9 KiB to fetch, … free on disk; weights of 13.8 KiB, running takes about … MiB: fits into the … of memory available now

What goes to stdout is the folder and nothing else.

  $ pome pull example/tiny 2> talk.txt
  ~/.cache/huggingface/hub/models--example--tiny/snapshots/…
  $ sort talk.txt
    config.json  386 B
    model.safetensors  13.8 KiB
    tokenizer.json  679 B
    tokenizer_config.json  74 B
  example/tiny@…: 4 files, …
  $ pome run example/tiny hello --max-tokens 2 > answer.txt
  $ pome pull example/tiny --quiet
  ~/.cache/huggingface/hub/models--example--tiny/snapshots/…
  $ cat .cache/huggingface/hub/models--example--tiny/refs/main | wc -c
  40
  $ readlink "$(pome pull -q example/tiny)"/config.json
  ../../blobs/871bdda1afed79b3487b09a930ad6856da62b635

Some files, plain ones, as events.

  $ pome pull example/tiny --include '*.json' --exclude 'tok*' --local-dir here --json
  {…"files":[{"name":"config.json","size_bytes":386,"needed_bytes":386,"present":false,"digest":"871bdda1afed79b3487b09a930ad6856da62b635"}]…,"event":"plan"}
  …
  {"event":"file","model":"example/tiny","name":"config.json","size_bytes":386,"digest":"871bdda1afed79b3487b09a930ad6856da62b635"}
  {"event":"done","model":"example/tiny","commit":"…","folder":"~/here"}
  $ ls here; sed -n 2p here/.cache/huggingface/download/config.json.metadata
  config.json
  871bdda1afed79b3487b09a930ad6856da62b635
  $ pome pull example/tiny --include '*.txt'
  error: example/tiny: none of its 4 files is what was asked for
  [exit 3: not_found]

A renamed model is found under its old name, a revision that is none is not.

  $ pome pull example/old-name --plan | head -1
  example/old-name is called example/tiny now
  $ pome pull example/tiny@v9
  error: example/tiny@v9: no such revision on 127.0.0.1:…
  [exit 3: not_found]

Names of the catalogue stand for repositories; those of groups for several.

  $ pome pull qwen3-0.6b --bits 8
  error: mlx-community/Qwen3-0.6B-8bit: no such model on 127.0.0.1:…
    hint: pome search Qwen3-0.6B-8bit
  [exit 3: not_found]
  $ pome pull Qwen/Qwen3-0.6B --bits 4
  error: mlx-community/Qwen3-0.6B-4bit: no such model on 127.0.0.1:…
    hint: pome search Qwen3-0.6B-4bit
  [exit 3: not_found]
  $ pome pull qwen3-0.6b --bits 3
  error: qwen3-0.6b: known with other bits than 3 only
    hint: there is mlx-community/Qwen3-0.6B-4bit (4 bit), …
  [exit 3: not_found]
  $ pome pull flux
  error: "flux" stands for 3 models: flux-schnell, flux-dev, flux-schnell-4bit
    hint: pome pull flux-schnell, or pome pull flux --all
  [exit 2: usage]
  $ pome pull tiny-nonsense
  error: "tiny-nonsense" is no model that is known: expected org/name, or a name of the catalogue
  …
  [exit 3: not_found]

Gated models need a token, which huggingface_hub keeps in the same place.

  $ pome pull example/gated
  example/gated@…: 4 files, …
  error: example/gated: gated: its owners decide who may download it
    hint: ask for access at http://127.0.0.1:…/example/gated, then: pome login
  [exit 8: refused]
  $ pome whoami
  error: not logged in
    hint: pome login
  [exit 8: refused]
  $ echo hf_wrong | pome login
  error: 127.0.0.1:…: the access token is not valid
    hint: pome login
  [exit 8: refused]
  $ echo hf_example | pome login
  logged in as tester
  $ stat -c %a .cache/huggingface/token
  600
  $ pome whoami
  name           tester
  full name      A Tester
  organizations  example
  token          laptop (read)
  from           ~/.cache/huggingface/token
  $ pome pull --quiet example/gated
  ~/.cache/huggingface/hub/models--example--gated/snapshots/…
  $ pome logout
  logged out
  $ HF_TOKEN=hf_example pome whoami --json
  {"name":"tester","full_name":"A Tester","organizations":["example"],"token":{"name":"laptop","role":"read","source":"HF_TOKEN"}}

Wrong bytes never get a name. Once: they are fetched again. Always: exit 4, and nothing is there.

  $ fakehub --model org/bad=tests/golden/broken/sound --fault corrupt=100 -- pome pull org/bad 2>&1 >/dev/null | grep digest
    org/bad: …: what arrived has another digest; once more
  $ fakehub --model org/worse=tests/golden/broken/sound --fault corrupt=100@/cdn/x0 -- pome pull -q org/worse
  error: org/worse: model.safetensors: arrived twice with a digest that is not 62e24fdc15c09f3a884e461954e2fc437d4df62bc2fb5aefd50baacacaa1b04b; nothing was linked
  [exit 4: corrupt]
  $ ls .cache/huggingface/hub/models--org--worse/snapshots .cache/huggingface/hub/models--org--worse/refs
  .cache/huggingface/hub/models--org--worse/refs:
  
  .cache/huggingface/hub/models--org--worse/snapshots:

What went bad on disk is found, and fetched again.

  $ blob=$(readlink -f "$(pome pull -q example/tiny)"/model.safetensors)
  $ printf x | dd of="$blob" bs=1 seek=5000 conv=notrunc status=none
  $ pome verify example/tiny 2> errors.txt | head -1
  example/tiny  DAMAGED  4 files, 4 of them hashed (14.9 KiB)
  $ pome verify --repair example/tiny 2>&1 | tail -1
  example/tiny  ok  4 files, 4 of them hashed (14.9 KiB)

A Hub that is down is exit 7, and what is here goes on working without it.

  $ HF_ENDPOINT=http://127.0.0.1:1 pome pull org/none
  error: 127.0.0.1:1: cannot connect
  [exit 7: network]
  $ HF_ENDPOINT=http://127.0.0.1:1 pome pull -q example/tiny
  ~/.cache/huggingface/hub/models--example--tiny/snapshots/…
  $ pome pull --offline org/none
  error: org/none: not in the Hugging Face cache (~/.cache/huggingface/hub), and pome is offline
  [exit 3: not_found]
  $ fakehub --model org/slow=tests/golden/broken/sound --fault status=429:9999@/apix0 -- pome pull org/slow
  error: 127.0.0.1:…: 429 Too Many Requests; it asks to wait 9999 s, at most 300 s are waited
  [exit 7: network]

run fetches what is missing, after saying so.

  $ pome run --no-pull org/none hello
  error: org/none: not in the Hugging Face cache (~/.cache/huggingface/hub)
    hint: pome search none
  [exit 3: not_found]
  $ rm -rf .cache/huggingface/hub/models--example--tiny
  $ pome run example/tiny hello --max-tokens 2 2>&1 > answer.txt | head -1
  example/tiny@…: 4 files, 14.9 KiB; 14.9 KiB to fetch, …

Where links are not wanted a snapshot has its files themselves, as huggingface_hub's do on file systems without links.

  $ export HF_HOME=plain HF_HUB_DISABLE_SYMLINKS=1
  $ folder=$(pome pull -q example/tiny); ls -l $folder | grep -c -e '->' || true
  0
  $ pome verify example/tiny
  example/tiny  ok  4 files, 4 of them hashed (14.9 KiB)
  $ pome list --json | grep -c example/tiny
  1
  $ printf x | dd of=$folder/model.safetensors bs=1 seek=9000 conv=notrunc status=none
  $ pome verify example/tiny --repair 2>&1 | tail -1
  example/tiny  ok  4 files, 4 of them hashed (14.9 KiB)
  $ pome verify example/tiny
  example/tiny  ok  4 files, 4 of them hashed (14.9 KiB)
  $ pome clean --orphans --partials
  nothing to delete
  $ pome rm example/tiny --apply --yes
  example/tiny  15.4 KiB  1 revision
  freed 15.4 KiB
  $ find plain -type f -size +100c
  plain/hub/CACHEDIR.TAG
  $ unset HF_HOME HF_HUB_DISABLE_SYMLINKS
