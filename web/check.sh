#!/usr/bin/env bash
# Checks the sources of the pages, and that they build to the committed files, byte for byte.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
    echo "web/check.sh: $*" >&2
    exit 1
}

command -v npm >/dev/null || fail "npm is missing: install Node.js 20 or later"
# What is installed already is what the lock file names.
if ! cmp --silent package-lock.json node_modules/.checked; then
    npm ci
    cp package-lock.json node_modules/.checked
fi
npm run --silent check
npm run --silent test
npm run --silent build
# built FOLDER MAX_BYTES: what was built is what is committed, and not too large: the sum of its files,
# each packed by gzip.
built() {
    local folder=$1 most=$2 file size total=0
    git diff --exit-code -- "$folder" || fail "$folder is not what the sources build to: commit it"
    [[ -z $(git status --porcelain -- "$folder") ]] || fail "$folder has files that are not committed"
    for file in "$folder"/*; do
        size=$(gzip -9 --stdout "$file" | wc -c)
        total=$((total + size))
    done
    ((total <= most)) || fail "$folder has $total bytes packed, and may have $most"
    echo "web/check.sh: $folder: $total bytes packed"
}

built dist 150000
built ../controller/pages/fleet 150000
built ../controller/pages/agent 10000
echo 'web/check.sh: all is well'
