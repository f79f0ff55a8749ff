A model on the Hub is looked at before any download: its small files, and of its weights the headers.

  $ mkdir gguf && cp tests/fuzz/gguf/llama gguf/tiny-Q8_0.gguf && cp gguf/tiny-Q8_0.gguf gguf/tiny-Q4_K_M.gguf
  $ eval "$(fakehub --model org/demo-4bit=assets/demo --model org/tiny-GGUF=gguf --model org/pickle=tests/golden/broken/pytorch_bin --model org/new=tests/golden/broken/unknown_architecture --model org/tiny=tests/golden/broken/sound --model org/gated=tests/golden/broken/sound --gated org/gated --tag org/tiny=base_model:maker/Tiny --background)"
  $ pome show org/demo-4bit
  model          org/demo-4bit
  at             127.0.0.1:…, not here
  changed        2026-11-20
  revision       …
  format         MLX, for chat
  runs           yes
  architecture   LlamaForCausalLM (llama, model_type llama)
  parameters     5.77 M (5770496)
  weights        3.5 MiB, 5.02 bits per weight
  bits           mlp 5.00, attention 5.00, embeddings 5.00, norms 32.00
  quantization   affine 4 bit, groups of 64
  dtype          F32
  layers         6 of width 256, vocabulary of 4096, tied embeddings
  context        1024 tokens, 3.1 KiB of cache each
  memory         … MiB at 1024 tokens: weights 3.5 MiB, cache 3.1 MiB, … MiB to work with
  tokenizer      BPE
  chat template  yes
  adapters       can be added (--adapter-path)
  licence        apache-2.0
  made with      mlx
  files (3.6 MiB)
    README.md                660 B
    config.json              820 B
    generation_config.json   105 B
    model.safetensors        3.5 MiB
    special_tokens_map.json  95 B
    tokenizer.json           104.9 KiB
    tokenizer_config.json    1.1 KiB
  pome pull org/demo-4bit
  $ pome show org/tiny@main --context 32 --json
  {"name":"org/tiny@main","here":false,"folder":null,"commit":"…","hub":{"host":"127.0.0.1:…","renamed_to":null,"last_modified":"2026-11-20T00:00:00.000Z","downloads":0,"likes":0,"gated":false,"pull_bytes":15227},"format":"safetensors","task":"generate","missing":[],"runs":true,"why_not":null,"next":"pome pull org/tiny@main",…,"memory_context":32,"memory_bytes":…,"cache_bytes":5120,"working_bytes":…,…}

GGUF and pickles: what they are, and what runs in their place.

  $ pome show org/tiny-GGUF
  model          org/tiny-GGUF
  at             127.0.0.1:…, not here
  changed        2026-11-20
  revision       …
  format         GGUF
  runs           no: GGUF files, which have to be converted first
  architecture   model_type llama
  of             tiny-Q4_K_M.gguf
  parameters     10.3 K (10336)
  weights        11.0 KiB, 8.72 bits per weight
  bits           mlp 8.50, attention 8.50, embeddings 8.50, norms 32.00
  quantization   Q8_0
  dtype          F32
  layers         1 of width 32, vocabulary of 32
  context        64 tokens
  tokenizer      gpt2
  chat template  yes
  licence        apache-2.0
  made from      maker/Tiny
  files (25.4 KiB)
    tiny-Q4_K_M.gguf  12.7 KiB
    tiny-Q8_0.gguf    12.7 KiB
  pome pull org/tiny
  $ pome show gguf/tiny-Q8_0.gguf --json
  {"name":"gguf/tiny-Q8_0.gguf","here":true,"folder":"gguf/tiny-Q8_0.gguf","commit":null,"hub":null,"format":"gguf","task":null,"missing":[],"runs":false,"why_not":"GGUF files, which have to be converted first","next":"pome convert gguf/tiny-Q8_0.gguf","architecture":null,"family":null,"model_type":"llama","parameters":10336,"weight_bytes":11264,"bits_per_weight":8.718266253869968,"weights":[{"kind":"mlp","parameters":6144,"bytes":6528,"bits_per_weight":8.5},{"kind":"attention","parameters":3072,"bytes":3264,"bits_per_weight":8.5},{"kind":"embeddings","parameters":1024,"bytes":1088,"bits_per_weight":8.5},{"kind":"norms","parameters":96,"bytes":384,"bits_per_weight":32.0}],"quantization":"Q8_0",…"described_files":["tiny-Q8_0.gguf"],"licence":"apache-2.0","base_models":["maker/Tiny"],…}
  $ pome show org/pickle
  model          org/pickle
  at             127.0.0.1:…, not here
  changed        2026-11-20
  revision       …
  format         PyTorch (pickle), for generate
  runs           no: PyTorch weights (pickle), which have to be converted first
  architecture   LlamaForCausalLM (model_type llama)
  layers         1 of width 32, vocabulary of 32
  context        64 tokens
  tokenizer      BPE
  chat template  no
  licence        not stated
  files (18.3 KiB)
    config.json            386 B
    pytorch_model.bin      17.2 KiB
    tokenizer.json         679 B
    tokenizer_config.json  74 B
  pome search pickle

What pome does not run is described all the same.

  $ pome show org/new | grep -E '^(runs|parameters|context)'
  runs           no: config.json: model_type "lama" is not known, the nearest is "llama"
  parameters     6.50 K (6496)
  context        64 tokens

Names that are none, and models that one may not see, as by pull.

  $ pome show org/tiny-4bit
  error: org/tiny-4bit: no such model on 127.0.0.1:…, or a private one
    hint: did you mean org/tiny, org/tiny-GGUF?
  [exit 3: not_found]
  $ pome run --no-pull org/tiny-4bit hello
  error: org/tiny-4bit: not in the Hugging Face cache (~/.cache/huggingface/hub)
    hint: did you mean org/tiny, org/tiny-GGUF?
  [exit 3: not_found]
  $ pome run --no-pull org/tiny hello
  error: org/tiny: not in the Hugging Face cache (~/.cache/huggingface/hub)
    hint: pome pull org/tiny
  [exit 3: not_found]
  $ pome show flux
  error: "flux" stands for 3 models: flux-schnell, flux-dev, flux-schnell-4bit
    hint: pome show flux-schnell
  [exit 2: usage]
  $ pome show org/tiny@v9
  error: org/tiny@v9: no such revision on 127.0.0.1:…
  [exit 3: not_found]
  $ pome show org/gated
  error: org/gated: gated: its owners decide who may download it
    hint: ask for access at http://127.0.0.1:…/org/gated, then: pome login
  [exit 8: refused]
  $ pome show --offline org/tiny
  error: org/tiny: not in the Hugging Face cache (~/.cache/huggingface/hub), and pome is offline
  [exit 3: not_found]
  $ pome show --offline tests/golden/broken/sound | head -1
  model          tests/golden/broken/sound
