What there is, and how it is used.

  $ pome
  pome gets, inspects, converts, runs and serves models in the MLX format.
  
  usage: pome VERB [options]
  
  get and keep
    recommend   models that suit a task and this machine
    search      models on the Hub that are in MLX format, and what runs here
    pull        fetch models, verified, and go on where it ended
    outdated    models of which the Hub has a newer revision
    update      fetch newer revisions beside the old ones, or go back
    list        the models that are here
    import      names for models in folders of your own
    rm          delete models; shows first what that frees
    clean       find what can go, and delete it when told to
    verify      whether models are whole and unchanged
    doctor      why a model is not listed or does not load, and what to run
    manifest    provenance, precision and size of models as files, for other tools
    show        what a model is, here or on the Hub: size, memory, files
    alias       short names for models, with their settings
    login       save an access token for the Hub, as hf does
    logout      remove the saved access token
    whoami      the account of the access token
  
  use
    run         answer a prompt; without one, chat
    chat        a conversation, with commands like /retry and /save
  
  look inside
    archs       the model families that run here
    tokenize    the token ids of a text
    detokenize  the text of token ids
    template    a conversation as the model sees it
    logits      what a model computes for given tokens, as a file
    bench       how fast a model is on this machine
  
  help
    completion  a shell's completion script
    help        what there is, and how it is used
  
  pome help VERB     options and examples of one verb, or the environment variables (environment)
  pome --version     versions, and what this processor can do
  $ pome help completion
  pome completion: a shell's completion script
  
  usage: pome completion bash|zsh|fish
  
  examples
    pome completion bash > ~/.local/share/bash-completion/completions/pome  bash
    pome completion zsh > ~/.zfunc/_pome                                    zsh, with ~/.zfunc in fpath
    pome completion fish > ~/.config/fish/completions/pome.fish             fish
  $ pome help environment
  Environment variables that pome reads. Those of the Hub mean what huggingface_hub takes them to mean;
  of several names the first that is set counts. No telemetry is sent, whatever is set.
  
  where things lie
    HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE
        the cache; default: hub in HF_HOME
    HF_HOME
        huggingface_hub's folder; default: huggingface in XDG_CACHE_HOME or ~/.cache
    HF_HUB_DISABLE_SYMLINKS
        1: files of a snapshot are content, not links to blobs; no shared blobs
    HF_HUB_DISABLE_SHARED_BLOBS, HF_HUB_DISABLE_XET
        1: a repository's blobs are its own
    XDG_DATA_HOME, XDG_STATE_HOME, XDG_CACHE_HOME, XDG_CONFIG_HOME
        pome's own data, leases, prompt caches and settings
  
  the Hub
    HF_ENDPOINT
        the Hub, or a mirror; default: https://huggingface.co
    HF_TOKEN, HUGGING_FACE_HUB_TOKEN
        the access token; it is sent to HF_ENDPOINT alone
    HF_TOKEN_PATH
        the file of the token; default: token in HF_HOME
    HF_HUB_DISABLE_IMPLICIT_TOKEN
        1: no token is sent, but by whoami
    HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE
        1: nobody is asked
    HF_HUB_ETAG_TIMEOUT
        seconds without a byte before a question is given up; default: 20
    HF_HUB_DOWNLOAD_TIMEOUT
        the same for files
    HF_HUB_USER_AGENT_ORIGIN
        said to the Hub beside pome's name, and nothing else is
    HF_HUB_DISABLE_PROGRESS_BARS
        1: no bar on terminals
  
  the way there
    https_proxy, HTTPS_PROXY
        the proxy for https, as http://USER:PASSWORD@HOST:PORT
    http_proxy, HTTP_PROXY
        the proxy for http; the second not where REQUEST_METHOD is set
    all_proxy, ALL_PROXY
        the proxy for both
    no_proxy, NO_PROXY
        hosts, domains, networks that are asked directly, by commas; * is all
    SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE
        certificates to trust: a file, or a folder as OpenSSL names it
  
  pome's own
    POME_PRECISION
        default, exact or fast, where --precision does not say
    POME_BACKEND
        reference: compute with MLX in float32, to compare
    POME_ISA
        the most that kernels may use: scalar, avx2, …
    POME_DEMO
        another folder for the model demo
  $ pome --version
  pome …
  MLX …
  CPU …
  $ pome --version --json
  {"pome":"…","mlx":"…","cpu":{"architecture":"…","features":[…]}}

Every verb of the table explains itself.

  $ for verb in $(pome completion bash | sed -n 's/^    \([a-z]*\)) options=.*/\1/p'); do
  >   pome $verb --help | grep -q "^usage: pome $verb" || echo "$verb has no help"
  > done

Mistakes name what was probably meant.

  $ pome hlep
  error: unknown verb "hlep"
    hint: pome help
  [exit 2: usage]
  $ pome completion --hepl
  error: unknown option --hepl
    hint: did you mean --help?
  [exit 2: usage]
  $ pome completion tcsh
  error: no completion for "tcsh", only for bash, zsh and fish
    hint: pome help completion
  [exit 2: usage]
  $ pome completion
  error: bash|zsh|fish missing
    hint: pome completion --help
  [exit 2: usage]
  $ pome completion bash zsh --json
  {"error":{"kind":"usage","message":"unknown option --json","hint":"pome completion --help"}}
  [exit 2: usage]
  $ pome --verison
  error: unknown option --verison
    hint: pome --help
  [exit 2: usage]
