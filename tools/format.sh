#!/bin/sh
# tools/format.sh [--fix]: says where C files differ from .clang-format; --fix rewrites them.
set -eu
cd "$(dirname "$0")/.."
case "${1-}" in
"") how="-n --Werror" ;;
--fix) how="-i" ;;
*) echo "usage: tools/format.sh [--fix]" >&2; exit 2 ;;
esac
command -v clang-format >/dev/null || { echo "clang-format is not installed" >&2; exit 1; }
# Word splitting of $how is meant.
# shellcheck disable=SC2086
find src tests include -name '*.[ch]' -print0 2>/dev/null | xargs -0 clang-format $how
