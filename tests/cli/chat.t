A conversation through a pipe: answers on stdout, talk on stderr.

  $ model='tests/golden/broken/sound --logit-bias 6=1000'
  $ printf 'hello\nworld\n' | pome chat $model -n 5
  aaaaa
  aaaaa
  $ printf '"""hello\nworld"""\n/save talk.json\n/retry\n' | pome chat $model -n 5
  aaaaa
  2 messages written to talk.json
  aaaaa
  $ cat talk.json
  {
    "model": "tests/golden/broken/sound",
    "settings": {
      "max_tokens": 5,
      "logit_bias": {
        "6": 1000.0
      }
    },
    "messages": [
      {
        "role": "user",
        "content": "hello\nworld"
      },
      {
        "role": "assistant",
        "content": "aaaaa"
      }
    ]
  }
  $ printf '/load talk.json\n/system be brief\n/set max_tokens 2\n/set\nhi\n/clear\n/save talk.json\n' | pome chat $model
  2 messages read from talk.json
  system prompt: be brief
  max_tokens  2
  system_prompt  "be brief"
  max_tokens     2
  logit_bias     {"6":1000.0}
  aa
  the conversation begins anew
  0 messages written to talk.json
  $ cat talk.json
  {
    "model": "tests/golden/broken/sound",
    "settings": {
      "system_prompt": "be brief",
      "max_tokens": 2,
      "logit_bias": {
        "6": 1000.0
      }
    },
    "messages": []
  }
  $ printf '/help\n/stats\n/set temperature\n/exit\nnever answered\n' | pome chat $model
  /help               this list
  /system [TEXT]      show or set the system prompt
  /set [KEY [VALUE]]  show or set a setting: /set temperature 0.7
  /retry              answer the last message again
  /clear              forget the messages
  /save FILE          write the conversation
  /load FILE          continue a written conversation
  /stats              speed and memory of the last answer
  /exit               leave (so does Ctrl-D)
  no answer yet
  temperature is not set
  $ printf 'hi\n/stats\n' | pome chat $model -n 3 2>&1 >/dev/null
  prompt: … tokens, … tokens/s
  generation: 3 tokens, … tokens/s
  first token: … s
  peak memory: … MiB
  seed: …

What goes wrong ends a chat that nobody watches.

  $ printf '/foo\nhello\n' | pome chat $model
  error: unknown command /foo
    hint: /help lists the commands; a blank in front makes it a message
  [exit 2: usage]
  $ printf '/rtry\n' | pome chat $model
  error: unknown command /rtry
    hint: did you mean /retry? A blank in front makes it a message
  [exit 2: usage]
  $ printf '/set temperature hot\n' | pome chat $model
  error: temperature: expected a number, found "hot"
  [exit 2: usage]
  $ printf '/load nowhere.json\n' | pome chat $model
  error: nowhere.json: cannot open: No such file or directory
  [exit 3: not_found]
  $ printf '/retry\n' | pome chat $model
  error: there is no question to answer again
  [exit 2: usage]
  $ pome chat $model hello
  error: "hello" is one word too many
    hint: pome chat --help
  [exit 2: usage]
