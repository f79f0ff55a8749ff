A cache with a model in two revisions, one of them detached, and what interrupted programs left.

  $ repo=.cache/huggingface/hub/models--org--tiny
  $ old=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa new=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
  $ mkdir -p $repo/blobs $repo/refs $repo/snapshots/$old $repo/snapshots/$new && printf $new > $repo/refs/main
  $ for commit in $old $new; do for file in config.json model.safetensors tokenizer.json; do
  > blob=$(printf %040d ${#file}); cp tests/golden/broken/sound/$file $repo/blobs/$blob
  > ln -s ../../blobs/$blob $repo/snapshots/$commit/$file; done; done
  $ printf 12345 > $repo/blobs/$old.1234abcd.incomplete; printf 1234567 > $repo/blobs/$old
  $ printf old > $repo/blobs/$new; ln -s ../../blobs/$new $repo/snapshots/$old/README.md
  $ pome list | grep tiny
  org/tiny  generate  llama   fp16  14.8 KiB  today      2 revisions

Nothing goes unless it is told to.

  $ pome clean
  org/tiny@aaaaaaa                                                                      3 B  detached revision
  models--org--tiny/blobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1234abcd.incomplete  5 B  interrupted download
  models--org--tiny/blobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa                      7 B  no snapshot links it
  would free 15 B; --apply does it
  $ pome clean --json
  {"kind":"revision","name":"org/tiny@aaaaaaa","reason":"detached revision","path":"~/.cache/huggingface/hub/models--org--tiny","commit":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","bytes":3,"kept":null}
  {"kind":"partial","name":"models--org--tiny/blobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1234abcd.incomplete","reason":"interrupted download","path":"~/.cache/huggingface/hub/models--org--tiny/blobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1234abcd.incomplete","commit":null,"bytes":5,"kept":null}
  {"kind":"orphan","name":"models--org--tiny/blobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","reason":"no snapshot links it","path":"~/.cache/huggingface/hub/models--org--tiny/blobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","commit":null,"bytes":7,"kept":null}
  {"items":3,"bytes":15,"applied":false}
  $ pome clean --partials --orphans --apply --yes
  models--org--tiny/blobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1234abcd.incomplete  5 B  interrupted download
  models--org--tiny/blobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa                      7 B  no snapshot links it
  freed 12 B
  $ pome clean --revisions --apply
  org/tiny@aaaaaaa  3 B  detached revision
  error: --apply without a terminal to ask on; nothing was deleted
    hint: --apply --yes
  [exit 2: usage]
  $ pome clean --revisions --apply --yes
  org/tiny@aaaaaaa  3 B  detached revision
  freed 3 B
  $ pome clean
  nothing to delete
  $ pome run org/tiny hello -n 2
  ..
  $ pome clean --tag tiny --quantization fp16
  org/tiny  14.8 KiB  last used …
  would free 14.8 KiB; --apply does it
  $ pome clean --tag tiny --quantization 4bit
  nothing to delete
  $ pome clean --unused 1h
  nothing to delete
  $ pome clean --unused soon
  error: --unused: "soon" is no age (expected 30d, 12h or 2w)
  [exit 2: usage]

By name.

  $ pome rm org/tyni
  error: org/tyni: no such model in the cache or among imported folders
    hint: did you mean org/tiny?
  [exit 3: not_found]
  $ pome rm demo
  error: demo: the bundled model stays with the program
  [exit 2: usage]
  $ pome rm org/tiny
  org/tiny  14.8 KiB  1 revision
  would free 14.8 KiB; --apply does it
  $ pome rm org/tiny@bbbbbbb --json
  {"kind":"revision","name":"org/tiny@bbbbbbb","reason":"main","path":"~/.cache/huggingface/hub/models--org--tiny","commit":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","bytes":15193,"kept":null}
  {"items":1,"bytes":15193,"applied":false}
  $ pome rm org/tiny --apply --yes
  org/tiny  14.8 KiB  1 revision
  freed 14.8 KiB
  $ ls .cache/huggingface/hub .cache/huggingface/hub/.locks
  .cache/huggingface/hub:
  
  .cache/huggingface/hub/.locks:
  $ pome list | grep tiny
  [exit 1: internal]
