Whether models are whole: digests, sizes, and how their files fit together.

  $ pome verify
  there is nothing to verify
  $ pome verify demo tests/golden/broken/sound
  demo  ok  7 files
  tests/golden/broken/sound  ok  4 files
  $ pome verify tests/golden/broken/truncated_shard
  tests/golden/broken/truncated_shard  DAMAGED  6 files
    error: model-00002-of-00002.safetensors: tensor "model.norm.weight" ends at byte 6888, file has 5888 (download incomplete?)
  error: 1 of 1 model is damaged
  [exit 4: corrupt]
  $ pome verify tests/golden/broken/missing_shard --quick --json
  {"name":"tests/golden/broken/missing_shard","commit":null,"folder":"tests/golden/broken/missing_shard","ok":false,"files":5,"files_hashed":0,"bytes_hashed":0,"damaged":[],"findings":[{"grade":"error","check":"file","file":"1 of 2 shards of model","message":"missing","hint":null},{"grade":"error","check":"index","file":null,"message":"model-00002-of-00002.safetensors: not there, but model.safetensors.index.json has tensor \"model.layers.0.post_attention_layernorm.weight\" in it (download incomplete?)","hint":"pome verify --repair tests/golden/broken/missing_shard"}]}
  {"error":{"kind":"corrupt","message":"1 of 1 model is damaged"}}
  [exit 4: corrupt]
  $ repo=.cache/huggingface/hub/models--org--tiny commit=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  $ mkdir -p $repo/blobs $repo/refs $repo/snapshots/$commit && printf $commit > $repo/refs/main
  $ for file in config.json model.safetensors tokenizer.json tokenizer_config.json; do
  > cp tests/golden/broken/sound/$file $repo/snapshots/$commit/; done
  $ printf 'not what its name says' > $repo/blobs/$commit && ln -s ../../blobs/$commit $repo/snapshots/$commit/README.md
  $ pome verify
  org/tiny  DAMAGED  5 files, 1 of them hashed (22 B)
    error: README.md: git SHA-1 is 4c6ee9c8dd8b…, published as aaaaaaaaaaaa…
      hint: pome verify --repair org/tiny
  error: 1 of 1 model is damaged
  [exit 4: corrupt]

Content that several repositories share is repaired for all of them, and stays theirs.

  $ cat > repair.sh <<'END'
  > for name in one two; do pome pull -q a/$name > $name.txt; done
  > content=$(readlink -f $(cat one.txt)/model.safetensors)
  > sort -u $content.refs > before.txt
  > chmod u+w $content; printf x | dd of=$content bs=1 seek=9000 conv=notrunc status=none
  > pome verify a/two --quick; pome verify a/two 2> /dev/null | head -1
  > pome verify --repair a/one 2>&1 | tail -1
  > pome verify a/two
  > cmp $content tests/golden/broken/sound/model.safetensors
  > for name in one two; do [ $(readlink -f $(cat $name.txt)/model.safetensors) = $content ] || echo $name leads astray; done
  > sort -u $content.refs | cmp - before.txt && cut -d / -f 1 before.txt
  > pome rm a/one --apply --yes > /dev/null; [ -f $content ] && pome rm a/two --apply --yes > /dev/null; [ -f $content ] || echo gone
  > END
  $ model=tests/golden/broken/sound
  $ HF_HOME=shared fakehub --model a/one=$model --model a/two=$model --xet a/one --xet a/two -- bash repair.sh
  a/two  ok  4 files
  a/two  DAMAGED  4 files, 4 of them hashed (14.9 KiB)
  a/one  ok  4 files, 4 of them hashed (14.9 KiB)
  a/two  ok  4 files, 4 of them hashed (14.9 KiB)
  models--a--one
  models--a--two
  freed 1.7 KiB
  freed 15.5 KiB
  gone

Why a model is not listed or does not load, and what to run.

  $ pome doctor org/tiny
  ok       org/tiny: in the cache: ~/.cache/huggingface/hub/models--org--tiny, 1 revision
  ok       org/tiny: every file fits: llama, 12.7 KiB of weights
  ok       org/tiny: fits into memory: … available
  $ pome doctor Org/Tiny
  PROBLEM  Org/Tiny: not here: no alias, folder, imported model or repository in ~/.cache/huggingface/hub
           try: pome pull Org/Tiny
  note     Org/Tiny: names count letter by letter: org/tiny is here
           try: pome run org/tiny
  $ pome doctor tests/golden/broken/gguf
  PROBLEM  tests/golden/broken/gguf: gguf weights, which run only after a conversion
           try: pome convert tests/golden/broken/gguf
  $ pome doctor tests/golden/broken/no_tokenizer --json
  {"grade":"problem","subject":"tests/golden/broken/no_tokenizer","text":"there is none (tokenizer.json, tokenizer.model or vocab.json with merges.txt)","command":null}
  $ printf '\n' >> $repo/refs/main; pome doctor
  ok       cache: ~/.cache/huggingface/hub holds 1 model
  PROBLEM  org/tiny: refs/main does not hold 40 hex digits and nothing else; other clients skip the whole repository
           try: pome pull org/tiny
  …

What stands between this machine and the Hub, when asked.

  $ pome doctor --online | tail -4
  ok       proxy: none: 127.0.0.1:… is asked directly
  ok       network: 127.0.0.1:… answers after … ms; without TLS, so anybody on the way can read the token
  note     token: none is sent: gated and private models need one
           try: pome login
  $ model=example/tiny=tests/golden/broken/sound
  $ fakehub --model $model --token hf_good -- env HF_TOKEN=hf_good pome doctor example/tiny --online
  PROBLEM  example/tiny: not here: no alias, folder, imported model or repository in ~/.cache/huggingface/hub
           try: pome pull example/tiny
  ok       proxy: none: 127.0.0.1:… is asked directly
  ok       network: 127.0.0.1:… answers after … ms; without TLS, so anybody on the way can read the token
  ok       token: accepted: it is tester's, from HF_TOKEN
  ok       example/tiny: 127.0.0.1:… has it: commit 21c2c75, 4 files
  $ fakehub --model $model --token hf_good -- env HF_TOKEN=hf_bad pome doctor --online | grep -A1 token
  ok       token: HF_TOKEN is set
  ok       proxy: none: 127.0.0.1:… is asked directly
  ok       network: 127.0.0.1:… answers after … ms; without TLS, so anybody on the way can read the token
  PROBLEM  token: the one from HF_TOKEN is not accepted by 127.0.0.1:…
           try: unset HF_TOKEN
  $ fakehub --model $model --fault date=1000000000@/apix0 -- pome doctor --online | grep -A1 clock
  PROBLEM  clock: … days ahead of the Hub's: certificates and links count by the date
           try: sudo timedatectl set-ntp true
  $ fakehub --model $model --tls ca.pem -- pome doctor --online | grep -A1 network
  note     network: models come from HF_ENDPOINT, https://127.0.0.1:…
  note     token: there is none: public models need none, gated and private ones do
  --
  PROBLEM  network: 127.0.0.1:…: its certificate is not trusted: …
           try: export SSL_CERT_FILE=FILE.pem   (where your network has an authority of its own)
  $ SSL_CERT_FILE=ca2.pem fakehub --model $model --tls ca2.pem -- pome doctor --online | grep network
  note     network: models come from HF_ENDPOINT, https://127.0.0.1:…
  ok       network: 127.0.0.1:… answers after … ms; SSL_CERT_FILE vouches for its certificate
  $ fakehub --model $model --fault status=502@/apix0 -- pome doctor --online | grep -A1 network
  note     network: models come from HF_ENDPOINT, http://127.0.0.1:…
  note     token: there is none: public models need none, gated and private ones do
  --
  PROBLEM  network: 127.0.0.1:… answers with 502 Bad Gateway: something in between, or no Hub
           try: unset HF_ENDPOINT
  $ HF_ENDPOINT=http://hub.example http_proxy=http://me:secret@127.0.0.1:1 pome doctor --online | grep -A1 -E 'proxy|network'
  note     network: models come from HF_ENDPOINT, http://hub.example
  note     token: there is none: public models need none, gated and private ones do
  --
  note     proxy: hub.example is asked through 127.0.0.1:1 (http_proxy)
  PROBLEM  network: hub.example: cannot connect to the proxy 127.0.0.1:1 (http_proxy)
           try: unset http_proxy
  $ HF_HUB_OFFLINE=1 pome doctor --online | tail -2
  note     network: not asked: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set
           try: unset HF_HUB_OFFLINE TRANSFORMERS_OFFLINE
  $ pome doctor example/gated --online | tail -2
  PROBLEM  example/gated: gated: its owners decide who may download it
           try: ask for access at http://127.0.0.1:…/example/gated, then: pome login
