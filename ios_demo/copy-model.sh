#!/usr/bin/env bash
# Puts a bundle into the app: ios_demo/copy-model.sh BUNDLE
# BUNDLE is a folder that `pocketbert build` wrote, or its zip; POCKETBERT names another command than `pocketbert`.
set -euo pipefail

[[ $# -eq 1 ]] || { echo "usage: copy-model.sh BUNDLE" >&2; exit 64; }
bundle=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${POCKETBERT:-pocketbert}" bundle "$bundle" --platform ios -o "$work/ios.zip"
unzip -q "$work/ios.zip" -d "$work"
cp Model/pocketbert/.gitignore "$work/pocketbert/"
rm -rf Model/pocketbert
mv "$work/pocketbert" Model/
