#!/usr/bin/env bash
# Checks the sources of the dashboard, and that they build to the committed files, byte for byte.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
    echo "web/check.sh: $*" >&2
    exit 1
}

# The largest the files may be together, each packed by gzip.
MAX_BYTES=150000

command -v npm >/dev/null || fail "npm is missing: install Node.js 20 or later"
# What is installed already is what the lock file names.
if ! cmp --silent package-lock.json node_modules/.checked; then
    npm ci
    cp package-lock.json node_modules/.checked
fi
npm run --silent check
npm run --silent test
npm run --silent build
git diff --exit-code -- dist || fail "dist is not what the sources build to: commit it"
[[ -z $(git status --porcelain -- dist) ]] || fail "dist has files that are not committed"
total=0
for file in dist/*; do
    size=$(gzip -9 --stdout "$file" | wc -c)
    total=$((total + size))
done
((total <= MAX_BYTES)) || fail "the files have $total bytes packed, and may have $MAX_BYTES"
echo "web/check.sh: all is well; $total bytes packed"
