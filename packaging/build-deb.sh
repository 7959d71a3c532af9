#!/usr/bin/env bash
# Builds the Debian package of lb with cargo-deb (cargo install cargo-deb), and proves it: unpacks it
# and has the binary in it check the configuration in it. Prints the path of the package.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked --package lb >&2
pages=target/packaging
rm -rf "$pages"
mkdir -p "$pages/man"
target/release/lb man "$pages/man"
gzip --best --no-name "$pages"/man/*.1
target/release/lb completions bash >"$pages/lb.bash"
target/release/lb completions zsh >"$pages/_lb"
target/release/lb completions fish >"$pages/lb.fish"

package=$(cargo deb --package lb --no-build --quiet)
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
dpkg-deb --extract "$package" "$unpacked"
"$unpacked/usr/bin/lb" check "$unpacked/etc/lb/lb.toml" >&2
for file in lib/systemd/system/lb.service usr/share/man/man1/lb.1.gz \
    usr/share/bash-completion/completions/lb; do
    test -e "$unpacked/$file" || test -e "$unpacked/usr/$file" || {
        echo "build-deb.sh: the package lacks $file" >&2
        exit 1
    }
done
echo "$package"
