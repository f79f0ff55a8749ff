What is here, read anew every time. The cache is empty; folders get names.

  $ pome list
  model  task  family  bits  size     last used
  demo   chat  llama   4bit  … MiB  …      demo
  $ mkdir -p Documents/Models/models/org && cp -r tests/golden/broken/sound Documents/Models/models/org/tiny
  $ touch Documents/Models/gone
  $ pome import Documents
  marker of org/tiny: missing (--repair writes it)
  marker ~/Documents/Models/gone: no such model
  org/tiny  ~/Documents/Models/models/org/tiny
  $ pome import Documents --repair
  marker of org/tiny: written
  marker ~/Documents/Models/gone: no such model, removed
  org/tiny  ~/Documents/Models/models/org/tiny
  $ ls Documents/Models
  models
  tiny
  $ pome list
  model     task      family  bits  size      last used
  demo      chat      llama   4bit  … MiB   …      demo
  org/tiny  generate  llama   fp16  14.9 KiB  today      tree
  $ cp -r tests/golden/qwen3/quantized_4bit Documents/Models/models/org/new && pome list --family qwen3
  model    task      family  bits  size      last used
  org/new  generate  qwen3   4bit  99.8 KiB  today      tree
  $ pome list --task embed
  $ pome list --family llama --json | tail -1
  {"name":"org/tiny","source":"tree","folder":"~/Documents/Models/models/org/tiny","commit":null,"refs":[],"revisions":null,"format":"safetensors","task":"generate","family":"llama","architecture":"LlamaForCausalLM","bits":16,"quantization":null,"precision":"fp16","licence":null,"base_models":[],"bytes":15227,"files":4,"last_used":"…","last_modified":"…","complete":true,"missing":[],"in_use":false,"detached":false}

A folder of one's own, where it is or as a copy.

  $ pome import Documents/Models/models/org/tiny --name me/mine --copy
  me/mine  ~/.local/share/pome/models/me/mine
  $ pome run me/mine hello -n 2
  ..
  $ pome import Documents/Models/models/org/tiny --name me/mine --copy
  error: ~/.local/share/pome/models/me/mine: there already, so nothing was put there
    hint: --name org/name gives it another place
  [exit 8: refused]
  $ pome import Documents/Models/models/org/tiny --name up/../here
  error: "up/../here" cannot be a model's name
    hint: use org/name, or one word of letters, digits and - _ .
  [exit 2: usage]
  $ pome import Documents/Models/models/org/nothing
  error: there is no model "Documents/Models/models/org/nothing": no alias, folder or cached model has this name
    hint: these are here: demo, me/mine, org/new, org/tiny
  [exit 3: not_found]
  $ mkdir empty && pome import empty
  error: ~/empty: holds no model, and neither do the folders in it
    hint: pome doctor ~/empty
  [exit 3: not_found]
  $ rm .local/share/pome/models/me/mine/config.json && pome list --json | grep me/mine
  {"name":"me/mine","source":"folder","folder":"~/.local/share/pome/models/me/mine","commit":null,"refs":[],"revisions":null,"format":"safetensors","task":null,"family":null,"architecture":null,"bits":16,"quantization":null,"precision":"fp16","licence":null,"base_models":[],"bytes":14841,"files":3,"last_used":"…","last_modified":"…","complete":false,"missing":["config.json"],"in_use":false,"detached":false}

What an inventory wants and is not here.

  $ printf -- '- `org/tiny`\n- `org/absent` (3.0K downloads)\npome pull org/other\n' > inventory.md
  $ pome list --missing inventory.md
  1 of 3 are here
  org/absent
  org/other
  $ pome list --missing inventory.md --json
  {"name":"org/tiny","present":true,"state":"complete"}
  {"name":"org/absent","present":false,"state":"missing"}
  {"name":"org/other","present":false,"state":"missing"}
  $ echo nothing > empty.md; pome list --missing empty.md
  error: empty.md: names no model (expected org/name on a line of its own or in backticks)
  [exit 2: usage]
