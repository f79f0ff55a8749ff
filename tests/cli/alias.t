Short names for models, with settings.

  $ pome alias
  $ pome alias set tiny tests/golden/broken/sound --system-prompt abc --max-tokens 3 --logit-bias 6=1000
  $ pome alias
  tiny  ~/tests/golden/broken/sound  {"system_prompt":"abc","max_tokens":3,"logit_bias":{"6":1000.0}}
  $ pome alias list --json
  {"name":"tiny","model":"~/tests/golden/broken/sound","settings":{"system_prompt":"abc","max_tokens":3,"logit_bias":{"6":1000.0}}}
  $ pome run tiny hello
  aaa
  $ pome run tiny hello -n 2
  aa
  $ pome show tiny | head -1
  model          ~/tests/golden/broken/sound

Names that mean something else are refused, and so is what is not there.

  $ pome alias set demo tests/golden/broken/sound
  error: "demo" cannot be an alias
    hint: use up to 64 letters, digits and - _ . : (not first), and not the name demo
  [exit 2: usage]
  $ pome alias set other ./nowhere
  error: there is no model "./nowhere": no alias, folder or cached model has this name
    hint: …
  [exit 3: not_found]
  $ pome alias set other
  error: alias set takes NAME and MODEL
    hint: pome help alias
  [exit 2: usage]
  $ pome alias set warm tests/golden/broken/sound --temp -1
  error: temperature is -1, expected 0 or more
  [exit 2: usage]
  $ pome alias rm tinny
  error: there is no alias "tinny"
    hint: did you mean tiny?
  [exit 3: not_found]
  $ pome alias remove tiny
  error: alias remove: expected list, set or rm
    hint: pome help alias
  [exit 2: usage]
  $ pome alias rm tiny
  $ pome alias
