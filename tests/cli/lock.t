A set of models that stays as it is, whatever their publishers do.

  $ eval "$(fakehub --model org/name=tests/golden/broken/sound --background)"
  $ pome pull --locked
  error: pome.lock: there is no locked model
    hint: pome pull MODEL --lock
  [exit 3: not_found]
  $ folder=$(pome pull -q org/name --lock)
  $ grep -c digest pome.lock
  4
  $ pome pull --locked org/other
  error: org/other: not in pome.lock
    hint: pome pull org/other --lock
  [exit 3: not_found]
  $ [ "$(pome pull -q --locked)" = "$folder" ] && echo the same
  the same
  $ pome pull --locked --revision v1
  error: --locked: revision and files are those of pome.lock
  [exit 2: usage]

Without the network too, and not when the lock file says other digests.

  $ [ "$(pome pull -q --locked --offline)" = "$folder" ] && echo the same
  the same
  $ sed -i 's/"digest": "./"digest": "0/' pome.lock
  $ pome pull -q --locked
  error: org/name: config.json: locked is 0…, the Hub says …
  [exit 4: corrupt]
