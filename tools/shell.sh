#!/bin/sh
# tools/shell.sh: what shellcheck finds in the tree's shell scripts, those without a name of their kind too.
set -eu
cd "$(dirname "$0")/.."
command -v shellcheck >/dev/null || { echo "shellcheck is not installed" >&2; exit 1; }
find . \( -name .git -o -name .cache -o -path ./build -o -path ./tests/corpus \) -prune -o -type f -size -200k -print0 |
	xargs -0 awk 'FNR == 1 { if (FILENAME ~ /\.sh$/ || /^#! *\/.*sh( |$)/) print FILENAME; nextfile }' |
	xargs -d '\n' shellcheck -x
