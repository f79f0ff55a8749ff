Answers of a tiny random model: what counts is where they go and how they end. A bias makes them the same on
every machine.

  $ model=tests/golden/broken/sound always_a='--logit-bias 6=1000'
  $ pome run $model hello world -n 5 $always_a 2>/dev/null
  aaaaa
  $ pome run --model $model -n 5 $always_a hello world
  aaaaa
  $ echo hello world | pome run $model -n 5 $always_a
  aaaaa
  $ echo world | pome run $model -n 5 $always_a hello -
  aaaaa
  $ pome run $model -n 5 $always_a hello world --prefill-response abc
  abcaaaaa
  $ pome run $model -n 5 $always_a "[hello] world" --system-prompt=
  aaaaa

A seed draws the same again.

  $ pome run $model hello --temp 1 --seed 7 -n 30 > first
  $ pome run $model hello --temp 1 --seed 7 -n 30 > second
  $ pome run $model hello --temp 1 --seed 8 -n 30 > other
  $ cmp first second && ! cmp -s first other

A template in place of the model's own, and answers that must match a pattern.

  $ echo 'system: {{ messages[0].content }}, user: {{ messages[1].content }}' > template.jinja
  $ pome run $model hello --chat-template template.jinja --system-prompt abc -n 1 --verbose 2>&1 | head -1
  system: abc, user: hello
  $ pome run $model hello --regex '(ab){3}c'
  abababc
  $ pome run $model hello --regex '(' --threads 2
  error: regex: at 1(8): invalid regex "(" (in regex): regex parse error: ( ^ error: unclosed group 1 | start: /(/ ^
  [exit 5: unsupported]
  $ pome run $model hello --threads 0
  error: threads is 0, expected 1 to 1024
    hint: pome run --help
  [exit 2: usage]

A stop text is no part of the answer, wherever it begins.

  $ pome run $model hello -n 9 $always_a --prefill-response hello --stop aaa
  hello
  $ pome run $model hello -n 9 --logit-bias '{"6": 1000}' --prefill-response aab --stop b
  aabaaaaaaaaa

Talk stays out of the answer.

  $ pome run $model hello -n 5 $always_a --stats 2>&1 >/dev/null
  memory: … for weights of 12.7 KiB and a cache of 5.0 KiB at 10 tokens; … available
  prompt: 5 tokens, … tokens/s
  generation: 5 tokens, … tokens/s
  first token: … s
  peak memory: … MiB
  seed: …
  $ pome run $model hello -n 5 $always_a --verbose 2>&1 >/dev/null | head -2
  hello
  ----------

Events, one object per line.

  $ pome run $model hello -n 2 --json --logprobs 1
  {"event":"prompt","done":5,"total":5}
  {"event":"token","token":…,"text":"…","logprob":-…,"top_logprobs":[{"token":…,"logprob":-…}]}
  {"event":"token","token":…,"text":"…","logprob":-…,"top_logprobs":[{"token":…,"logprob":-…}]}
  {"event":"finished","reason":"length","text":"…","stats":{"prompt_tokens":5,…,"generated_tokens":2,…}}

A prompt cache continues where it ended.

  $ pome run $model hello -n 3 $always_a --prompt-cache-file cache.safetensors
  aaa
  $ test -s cache.safetensors

Reasoning stays out of the answer, unless asked for; tool calls are lines of JSON.

  $ echo '{# <think> <tool_call> #}{{ messages[-1].content }}' > thinking.jinja
  $ echo '[{"name": "look_up", "parameters": {}}]' > tools.json
  $ think='--chat-template thinking.jinja --prefill-response <think>hm</think>so'
  $ pome run $model hello -n 2 $always_a $think
  soaa
  $ pome run $model hello -n 2 $always_a $think --show-reasoning
  hm
  
  soaa
  $ pome run $model hello -n 2 $always_a $think --json | tail -1
  {"event":"finished","reason":"length","text":"soaa","reasoning":"hm","stats":{…}}
  $ call='<tool_call>{"name":"look_up","arguments":{"word":"pome"}}</tool_call>'
  $ pome run $model hello -n 2 $always_a --chat-template thinking.jinja --tools tools.json --prefill-response "$call"
  {"name":"look_up","arguments":{"word":"pome"}}
  aa
  $ pome run $model hello -n 2 --tools thinking.jinja
  error: thinking.jinja: …
  [exit 4: corrupt]

A reader that has seen enough ends the program quietly.

  $ pome run $model hello $always_a | head -c 2
  aa (no eol)
