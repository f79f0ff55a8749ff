A project's folder of models, and manifests of them.

  $ mkdir -p mlx-models && cp -r tests/golden/broken/sound mlx-models/flux-schnell && cp -r tests/golden/qwen3/quantized_4bit mlx-models/flux-dev
  $ pome manifest show --root mlx-models
  there are no manifests: pome manifest sync makes them
  $ pome manifest sync --root mlx-models
  no model is registered: --include-unregistered takes those that are there
  $ pome manifest sync --root mlx-models --include-unregistered --dry-run
  nothing was written
  new  flux-dev  mlx-models/manifests/flux-dev.manifest.json
  new  flux-schnell  mlx-models/manifests/flux-schnell.manifest.json
  $ pome manifest sync --root mlx-models --models flux-schnell flux-dev --fast
  new  flux-dev  mlx-models/manifests/flux-dev.manifest.json
  new  flux-schnell  mlx-models/manifests/flux-schnell.manifest.json
  $ pome manifest sync --root mlx-models
  updated  flux-dev  mlx-models/manifests/flux-dev.manifest.json
  updated  flux-schnell  mlx-models/manifests/flux-schnell.manifest.json
  $ pome manifest sync --root mlx-models
  unchanged  flux-dev  mlx-models/manifests/flux-dev.manifest.json
  unchanged  flux-schnell  mlx-models/manifests/flux-schnell.manifest.json
  $ pome manifest show --root mlx-models
  model         source  quantization  precision  size
  flux-dev      -       4bit          -          99.8 KiB  here
  flux-schnell  -       -             fp16       14.9 KiB  here
  $ pome manifest sync flux-dev --root mlx-models --override source_id=black-forest-labs/FLUX.1-dev --override tags=flux,image --notes "licence asked for"
  updated  flux-dev  mlx-models/manifests/flux-dev.manifest.json
  $ pome manifest show flux-dev --root mlx-models --as-json
  {"model":"flux-dev","model_path":"flux-dev","source_id":"black-forest-labs/FLUX.1-dev","variant":"dev","precision":null,"quantization":"4bit","tags":["flux","image"],"adapter":{"allows_lora":true,"currently_fused":false,"fused_from":null},"notes":"licence asked for","storage":{"present":true,"file_count":3,"size_bytes":102181,"last_modified":"…"},"generated_at":"…","overrides":{"source_id":"black-forest-labs/FLUX.1-dev","tags":["flux","image"]}}
  $ rm -r mlx-models/flux-dev && pome manifest sync --root mlx-models && pome manifest show --root mlx-models
  updated  flux-dev  mlx-models/manifests/flux-dev.manifest.json
  unchanged  flux-schnell  mlx-models/manifests/flux-schnell.manifest.json
  model         source                        quantization  precision  size
  flux-dev      black-forest-labs/FLUX.1-dev  4bit          -          0 B       missing
  flux-schnell  -                             -             fp16       14.9 KiB  here
  $ pome manifest sync --root mlx-models --models flux-shnell
  error: flux-shnell: no such model in mlx-models
    hint: did you mean flux-schnell?
  [exit 3: not_found]
  $ pome manifest sync --root mlx-models --override storage.present=true
  error: --override: storage.present is measured, it cannot be told
  [exit 2: usage]
  $ pome manifest list
  error: manifest list: expected sync or show
    hint: pome help manifest
  [exit 2: usage]
  $ ls mlx-models/manifests
  flux-dev.manifest.json
  flux-schnell.manifest.json
  registry.json
