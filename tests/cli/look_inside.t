The verbs for measuring and porting.

  $ model=tests/golden/broken/sound
  $ pome archs | head -3
  family            caches        model_type
  llama             full sliding  llama mistral                                                 Llama 1 to 3.x, Mistral 7B, TinyLlama, CodeLlama, SmolLM2
  qwen2             full sliding  qwen2                                                         Qwen2, Qwen2.5 and models distilled into them
  $ pome archs --json | head -1
  {"name":"llama","model_types":["llama","mistral"],"summary":"…","caches":["full","sliding"],"layouts":["huggingface","mlx","meta"],"quantization":[{"mode":"affine","bits":[2,3,4,5,6,8],"group_sizes":[32,64,128]},…]}

  $ pome tokenize $model hello world
  13 10 17 17 20 1 28 20 23 17 9
  $ pome tokenize $model --pieces "hi x"
  13  h
  14  i
  1
  29  x
  $ printf 'hello world' > text.txt
  $ pome tokenize $model --file text.txt --json
  {"tokens":[13,10,17,17,20,1,28,20,23,17,9],"pieces":["h","e","l","l","o"," ","w","o","r","l","d"],"count":11}
  $ pome tokenize $model hello world | pome detokenize $model
  hello world
  $ pome detokenize $model 13 10 17 --json
  {"text":"hel"}
  $ pome tokenize $model hello world --json | pome detokenize $model
  hello world
  $ pome detokenize $model 13 99
  error: token 99 is not in the vocabulary of tests/golden/broken/sound
  [exit 2: usage]
  $ pome detokenize $model 13 x
  error: ID: "x" is not a whole number
  [exit 2: usage]
  $ pome detokenize $model -- -1
  error: token -1 is not in the vocabulary of tests/golden/broken/sound
  [exit 2: usage]

  $ echo '[{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]' > messages.json
  $ pome template $model --messages messages.json
  hello
  hi (no eol)
  $ pome template $model --messages messages.json --json
  {"text":"hello\nhi","tokens":[13,10,17,17,20,5,13,14]}
  $ echo '{"role": "user"}' > messages.json
  $ pome template $model --messages messages.json
  error: messages: expected a list with at least one message
  [exit 2: usage]

  $ echo '[13, 10, 17, 17, 20]' > ids.json
  $ pome logits $model --tokens-file ids.json --out logits.safetensors --layers
  logits.safetensors: logits [5, 32]
  logits.safetensors: layers [1, 5, 32]
  $ pome logits $model --tokens-file ids.json --out logits.safetensors --json
  {"file":"logits.safetensors","tokens":5,"vocabulary":32,"layers":0}
  $ echo '[13, 99]' > ids.json
  $ pome logits $model --tokens-file ids.json --out logits.safetensors
  error: token 99 is not in the vocabulary of 32 tokens
  [exit 2: usage]

  $ pome bench $model -p 8,16 -g 8 -r 1
  memory: … for weights of 12.7 KiB and a cache of 5.0 KiB at 16 tokens; … available
  prompt  generation  depth  batch  prompt tokens/s  generation tokens/s  of bandwidth  overhead/step …
  8       8           0      1      … ± 0.0 … ± 0.0 …
  16      8           0      1      … ± 0.0 … ± 0.0 …
  backend cpu, … threads, memory reads … GB/s, … phases a step of … µs each without work
  $ pome bench $model -p 8 -g 8 -r 1 --json
  {"results":[{"prompt_tokens":8,"generation_tokens":8,"depth":0,"batch":1,"prompt_tps":…,"generation_tps":…,"stddev":0.0,"step_ms":…,"anonymous_memory_bytes":…,"bandwidth_share":…,"threads":…}],"read_bandwidth_gbps":…}
  $ pome bench --kernels rope
  operation  speed … one call
  rope       …
  … threads, …
  $ pome bench --kernels rope --json
  {"kernels":[{"name":"rope","value":…,"stddev":…,"unit":"µs","us":…}],"isa":…}
  $ pome bench --kernels gemx
  error: no operation's name contains "gemx", there are gemv affine …
  [exit 2: usage]
  $ pome bench -p 8
  error: MODEL missing
    hint: pome bench --help
  [exit 2: usage]
  $ pome bench $model -p 8 --precision rough
  error: precision "rough" is unknown, expected default, exact or fast
    hint: pome bench --help
  [exit 2: usage]
  $ pome bench $model -p 8,x
  error: -p: "x" is not a whole number
    hint: pome bench --help
  [exit 2: usage]

  $ pome show $model
  model          tests/golden/broken/sound
  folder         tests/golden/broken/sound
  format         Hugging Face (safetensors), for generate
  runs           yes
  architecture   LlamaForCausalLM (llama, model_type llama)
  parameters     6.50 K (6496)
  weights        12.7 KiB, 16.00 bits per weight
  quantization   none
  dtype          F16
  layers         1 of width 32, vocabulary of 32, tied embeddings
  context        64 tokens, 80 B of cache each
  memory         … MiB at 64 tokens: weights 12.7 KiB, cache 5.0 KiB, … MiB to work with
  tokenizer      BPE, 32 tokens
  chat template  no
  adapters       can be added (--adapter-path)
  licence        not stated
  files (14.9 KiB)
    config.json            386 B
    model.safetensors      13.8 KiB
    tokenizer.json         679 B
    tokenizer_config.json  74 B
  $ pome show $model --context 32 --json
  {"name":"tests/golden/broken/sound",…,"memory_context":32,"memory_bytes":…}
