Every kind of error has its exit code, and says what would help. (130, interrupted, needs a terminal: terminal_test.)

  $ ln -s tests/golden/broken broken

2, usage: a word or a value that cannot be.

  $ pome run broken/sound hello --temp warm
  error: --temp: "warm" is not a number
    hint: pome run --help
  [exit 2: usage]
  $ pome run broken/sound hello --temp -1
  error: temperature is -1, expected 0 or more
  [exit 2: usage]
  $ pome run broken/sound hello --temp
  error: --temp: value missing
    hint: pome run --help
  [exit 2: usage]
  $ pome run broken/sound hello --top_k 3
  error: unknown option --top_k
    hint: did you mean --top-k?
  [exit 2: usage]
  $ pome run broken/sound hello -n 0
  error: max_tokens is 0, expected at least 1 or -1
  [exit 2: usage]
  $ pome run broken/sound hello --mirostat 1
  error: mirostat is 1, expected 0 (off) or 2
  [exit 2: usage]
  $ pome run broken/sound hello --kv-bits 5
  error: kv_bits is 5, expected 4 or 8, or 0 for none
  [exit 2: usage]
  $ pome run broken/sound hello --chat-template-config 3
  error: --chat-template-config: 3 is not a JSON object
    hint: --chat-template-config '{"enable_thinking": false}'
  [exit 2: usage]
  $ pome run broken/sound hello --logit-bias 3
  error: --logit-bias: "3" is not TOKEN=BIAS
    hint: --logit-bias 17=-5
  [exit 2: usage]
  $ pome run broken/sound hello --logprobs 3
  error: --logprobs shows in --json events only
    hint: pome run --json --logprobs 3
  [exit 2: usage]
  $ pome run broken/sound hello --extra-eos-token hello
  error: extra_eos_tokens: "hello" is 5 tokens of this model, expected 1
  [exit 2: usage]
  $ pome run broken/sound ""
  error: the prompt is empty
    hint: pome run demo "what can you do?"
  [exit 2: usage]
  $ pome show
  error: MODEL missing
    hint: pome show --help
  [exit 2: usage]
  $ pome show broken/sound broken/sound
  error: "broken/sound" is one word too many
    hint: pome show --help
  [exit 2: usage]

3, not found.

  $ pome run nowhere/nothing hello
  …
  [exit 3: not_found]
  $ pome show ./nowhere
  …
  [exit 3: not_found]
  $ pome run broken/missing_shard hello
  error: broken/missing_shard/model-00002-of-00002.safetensors: not there, but model.safetensors.index.json has tensor "model.layers.0.post_attention_layernorm.weight" in it (download incomplete?)
    hint: pome verify --repair broken/missing_shard
  [exit 3: not_found]
  $ pome run broken/no_tokenizer hello
  error: broken/no_tokenizer: no tokenizer.json, nor any other tokenizer file
  [exit 3: not_found]
  $ pome run broken/sound hello --adapter-path nowhere
  error: nowhere/adapter_config.json: cannot open: No such file or directory
  [exit 3: not_found]
  $ pome template broken/sound --messages nowhere.json
  error: nowhere.json: cannot open: No such file or directory
  [exit 3: not_found]

4, corrupt.

  $ pome run broken/truncated_shard hello
  error: broken/truncated_shard/model-00002-of-00002.safetensors: tensor "model.norm.weight" ends at byte 6888, file has 5888 (download incomplete?)
    hint: pome verify --repair broken/truncated_shard
  [exit 4: corrupt]
  $ pome run broken/wrong_shape hello
  error: broken/wrong_shape/model.safetensors: tensor "model.layers.0.mlp.up_proj.weight" has shape [23, 32], expected [24, 32]
  [exit 4: corrupt]
  $ pome run broken/missing_tensor hello
  error: broken/missing_tensor: tensor "model.layers.0.mlp.up_proj.weight" is missing, nothing was loaded
    hint: pome verify --repair broken/missing_tensor
  [exit 4: corrupt]
  $ pome run broken/invalid_json hello
  …
  [exit 4: corrupt]

5, unsupported.

  $ pome run broken/unknown_architecture hello
  error: broken/unknown_architecture: config.json: model_type "lama" is not known, the nearest is "llama"
    hint: pome archs lists what is known
  [exit 5: unsupported]
  $ pome run broken/unknown_rope_scaling hello
  error: broken/unknown_rope_scaling/config.json: rope_scaling.rope_type "spiral" is not implemented; ignoring it would garble the text, so nothing was loaded
    hint: implemented are default, linear, dynamic, llama3, yarn, longrope and proportional
  [exit 5: unsupported]
  $ pome run broken/unknown_config_key hello
  error: broken/unknown_config_key/config.json: qk_layernorm_scale_mystery is 3, and nothing here knows what that changes; nothing was loaded
    hint: remove the key if the model computes the same without it
  [exit 5: unsupported]
  $ pome run broken/bits_not_in_table hello
  error: broken/bits_not_in_table/config.json: quantization.bits is 7, expected 2, 3, 4, 5, 6 or 8
  [exit 5: unsupported]
  $ pome run broken/gguf hello
  error: broken/gguf/model.gguf: a GGUF file, not a model folder; nothing was loaded
    hint: pome convert broken/gguf/model.gguf
  [exit 5: unsupported]
  $ pome run broken/gguf/model.gguf hello
  error: broken/gguf/model.gguf: a GGUF file, not a model folder; nothing was loaded
    hint: pome convert broken/gguf/model.gguf
  [exit 5: unsupported]
  $ pome run broken/pytorch_bin hello
  error: broken/pytorch_bin/pytorch_model.bin: a PyTorch checkpoint, not a model folder; nothing was loaded
    hint: pome convert broken/pytorch_bin/pytorch_model.bin
  [exit 5: unsupported]

6, not enough of something: the context, or memory, which is estimated before anything is loaded.

  $ yes hello | head -100 | pome run broken/sound
  error: prompt has 599 tokens, the context of sound has 64
    hint: shorten the prompt
  [exit 6: resource]
  $ pome bench broken/sound -p 8 -g 8 --depth 2000000000
  error: broken/sound: needs … GiB (weights 12.7 KiB + cache … GiB at 2000000016 tokens + … to work with), … available; nothing was loaded
    hint: --max-kv-size … needs …
  [exit 6: resource]
  $ pome help > /dev/full
  error: stdout: cannot write: No space left on device
  [exit 6: resource]

As JSON for programs.

  $ pome run broken/gguf hello --json
  {"error":{"kind":"unsupported","message":"broken/gguf/model.gguf: a GGUF file, not a model folder; nothing was loaded","hint":"pome convert broken/gguf/model.gguf"}}
  [exit 5: unsupported]
  $ pome run broken/unknown_architecture hello --json
  {"error":{"kind":"unsupported","message":"broken/unknown_architecture: config.json: model_type \"lama\" is not known, the nearest is \"llama\"","hint":"pome archs lists what is known"}}
  [exit 5: unsupported]
  $ pome run broken/sound hello --json --temp warm
  {"error":{"kind":"usage","message":"--temp: \"warm\" is not a number","hint":"pome run --help"}}
  [exit 2: usage]
