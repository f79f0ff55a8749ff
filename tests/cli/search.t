What there is on the Hub, here one of this machine with four models. What pome can run says so, and so does what is here.

  $ eval "$(fakehub --model example/Tiny-Instruct-4bit=assets/demo --model example/Tiny-Instruct-bf16=tests/golden/broken/sound --model other/Tiny-4bit=assets/demo --tag example/Tiny-Instruct-4bit=base_model:quantized:maker/Tiny-Instruct --tag example/Tiny-Instruct-4bit=base_model:maker/Tiny-Instruct --tag example/Tiny-Instruct-bf16=base_model:maker/Tiny-Instruct --model maker/Tiny-Instruct=tests/golden/broken/sound --background)"
  $ pome search tiny
  model                       task      family  bits  weights   downloads  likes  changed
  example/Tiny-Instruct-4bit  generate  llama   4     3.5 MiB   0          0      2026-11-20  runs
  example/Tiny-Instruct-bf16  generate  llama   16    12.7 KiB  0          0      2026-11-20  runs
  maker/Tiny-Instruct         generate  llama   16    12.7 KiB  0          0      2026-11-20  runs
  other/Tiny-4bit             generate  llama   4     3.5 MiB   0          0      2026-11-20  runs
  $ pome search tiny instruct --bits 4
  model                       task      family  bits  weights  downloads  likes  changed
  example/Tiny-Instruct-4bit  generate  llama   4     3.5 MiB  0          0      2026-11-20  runs
  $ pome search --author other --json
  {"name":"other/Tiny-4bit","task":"generate","family":"llama","bits":4,"weight_bytes":3617792,"downloads":0,"likes":0,"last_modified":"2026-11-20T00:00:00.000Z","licence":null,"base_models":[],"gated":false,"here":false,"runs":true}
  $ pome search --family llama --max-size 20K
  model                       task      family  bits  weights   downloads  likes  changed
  example/Tiny-Instruct-bf16  generate  llama   16    12.7 KiB  0          0      2026-11-20  runs
  maker/Tiny-Instruct         generate  llama   16    12.7 KiB  0          0      2026-11-20  runs
  $ pome search nothing-like-it
  no such model in MLX format
  $ pome search --task nonsense
  error: "nonsense" is no task: expected generate, chat, code, embed, rerank, classify, image, music, speech, codec, transcribe or vision
  [exit 2: usage]
  $ pome search --max-size much
  error: --max-size: "much" is no size: expected one such as 500M or 7.5G
  [exit 2: usage]
  $ pome pull -q other/Tiny-4bit
  ~/.cache/huggingface/hub/models--other--Tiny-4bit/snapshots/…
  $ pome search --author other --sort date --fits --limit 1
  model            task      family  bits  weights  downloads  likes  changed
  other/Tiny-4bit  generate  llama   4     3.5 MiB  0          0      2026-11-20  here, runs

A wrong name gets names that exist.

  $ pome pull example/Tiny-Instruct-3bit
  error: example/Tiny-Instruct-3bit: no such model on 127.0.0.1:…, or a private one
    hint: did you mean example/Tiny-Instruct-4bit, example/Tiny-Instruct-bf16, maker/Tiny-Instruct?
  [exit 3: not_found]
  $ pome pull Tiny-Instruct
  error: "Tiny-Instruct" is no model that is known: expected org/name, or a name of the catalogue
    hint: did you mean maker/Tiny-Instruct, example/Tiny-Instruct-4bit, example/Tiny-Instruct-bf16?
  [exit 3: not_found]
  $ pome pull --offline other/Tiny-8bit
  error: other/Tiny-8bit: not in the Hugging Face cache (~/.cache/huggingface/hub), and pome is offline
    hint: did you mean other/Tiny-4bit?
  [exit 3: not_found]

With --bits a model's name stands for the repository that was made from it.

  $ pome pull maker/Tiny-Instruct --bits 4 --plan | tail -1
  example/Tiny-Instruct-4bit@…: 7 files, 3.6 MiB; 3.6 MiB to fetch, … free on disk; weights of 3.5 MiB, running takes about … MiB: fits into the … of memory available now
  $ pome pull maker/Tiny-Instruct --bits 3
  error: maker/Tiny-Instruct: the Hub has no repository of it with 3 bits in MLX format
    hint: there is example/Tiny-Instruct-4bit (4 bit), example/Tiny-Instruct-bf16 (16 bit)
  [exit 3: not_found]
