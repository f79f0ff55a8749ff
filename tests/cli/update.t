A model moves on: the Hub's first revision is pulled, then the same name has another one.

  $ eval "$(fakehub --model org/name=tests/golden/broken/sound --background)"
  $ folder=$(pome pull -q org/name)
  $ pome outdated
  everything is as new as on the Hub
  $ pome update org/name --rollback
  error: org/name: there is no update to take back
  [exit 3: not_found]
  $ eval "$(fakehub --model org/name=assets/demo --background)"
  $ pome outdated
  model     here     newest
  org/name  …  …
  $ pome outdated --json | wc -l
  1
  $ pome update 2> talk.txt
  org/name is at …
  $ ls $folder | head -1; [ "$(pome pull -q org/name)" != "$folder" ] && echo another
  config.json
  another
  $ pome outdated
  everything is as new as on the Hub

Back, and forth again.

  $ pome update --rollback org/name
  org/name is at …
  $ pome show org/name --json | grep -c "$(basename $folder)"
  1
  $ pome outdated | cut -c1-8
  …
  org/name
  $ pome update --rollback org/name
  org/name is at …

  $ pome outdated org/none
  error: org/none: not in the Hugging Face cache (~/.cache/huggingface/hub)
    hint: pome pull org/none
  [exit 3: not_found]
