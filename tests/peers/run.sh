#!/usr/bin/env bash
# Round trips with the official clients of the Hub, against tests/fakehub: what one writes the others scan, load and
# delete. Installs the clients from their registries into build/peers; `./dev test --peers` builds and runs this.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/peers work=$PWD/build/peers
bin=$PWD/build/release/bin fakehub=$PWD/build/release/tests/fakehub
mkdir -p "$work"

python=$work/venv/bin/python
if [ ! -x "$python" ]; then python3 -m venv "$work/venv"; fi
"$python" -c 'import huggingface_hub as h; assert h.__version__ == "2.4.0"' 2>/dev/null ||
  "$python" -m pip install -q --disable-pip-version-check huggingface_hub==2.4.0
[ -d "$work/node_modules/@huggingface/hub" ] ||
  npm install --silent --no-fund --no-audit --prefix "$work" @huggingface/hub@2.17.5 >&2
rm -f "$work/hub_js.mjs"; cp "$here/hub_js.mjs" "$work/"  # so that it finds its packages

models=(--model example/tiny="$PWD/tests/golden/broken/sound" --model example/shared="$PWD/tests/golden/broken/sound"
  --model example/other="$PWD/tests/golden/broken/sound" --xet example/shared --xet example/other)
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
unset ${!HF_*} HUGGINGFACE_HUB_CACHE
export HOME=$scratch PATH=$bin:$PATH NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 HF_HUB_DISABLE_PROGRESS_BARS=1
failed=0
for client in "$python $here/hub_python.py" "node $work/hub_js.mjs"; do
  "$fakehub/fakehub" "${models[@]}" -- $client || failed=1
done
"$python" "$here/cache_python.py" "$bin/pome" || failed=1
exit $failed
