#!/usr/bin/env bash
# Makes the README's pictures from the example clip, with the package's own command.
#
#     docs/make_pictures.sh
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

python examples/make_clip.py -o "$work/clip.mp4" --colour "$work/truth.mp4"
vidcolor run "$work/clip.mp4" -o "$work/result.mp4" -q
python examples/contact_sheet.py "$work/truth.mp4" "$work/result.mp4" -o docs/example.png --frames 4 --width 320
