#!/usr/bin/env bash
# The metrics of a real lb against Prometheus' own tools: promtool reads them without a complaint, checks
# the example rules, and a real Prometheus scrapes them and answers every query of the example dashboard.
#
# LB_BIN names the binary; without it the debug build is taken. With CI set, missing tools (Debian:
# prometheus, curl, python3) fail; else the check is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lb=${LB_BIN:-${CARGO_TARGET_DIR:-target}/debug/lb}
work=$(mktemp -d)
pids=()

finish() {
    ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT

for tool in promtool prometheus curl python3; do
    command -v "$tool" >/dev/null && continue
    [[ -z ${CI:-} ]] || { echo "metrics: $tool is missing: apt-get install prometheus curl" >&2; exit 1; }
    echo "metrics: skipped, $tool is missing"
    exit 0
done

# until_true WHAT COMMAND...: waits for a thing, not for a time.
until_true() {
    local what=$1 deadline=$((SECONDS + 30))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || { echo "metrics: waited in vain: $what" >&2; cat "$work"/*.log >&2; exit 1; }
        sleep 0.1
    done
}

python3 - "$work/port" >"$work/server.log" 2>&1 <<'PY' &
import http.server, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(404 if "none" in self.path else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
pathlib.Path(sys.argv[1]).write_text(str(server.server_address[1]))
server.serve_forever()
PY
pids+=($!)
until_true "a backend" test -s "$work/port"

# The second backend is down, so that there are errors and an ejection.
"$lb" --listen 127.0.0.1:0 --admin 127.0.0.1:0 --workers 2 --health none \
    --backends "$(<"$work/port"),127.0.0.1:9" 2>"$work/lb.log" &
pids+=($!)
until_true "an admin interface" grep -qs 'admin interface on' "$work/lb.log"
admin=$(grep -o 'http://127[^/]*' "$work/lb.log")
address=$(sed -n 's/^lb listens on \([^ ,]*\).*/\1/p' "$work/lb.log")
for ((n = 0; n < 50; n++)); do
    curl --silent --output "$work/body" "http://$address/$n"
    curl --silent --output "$work/body" "http://$address/none"
done

# A fault of the client, so that there is one.
curl --silent --output "$work/body" --header 'Host: a b' "http://$address/" || true

promtool check rules examples/monitoring/alerts.yml
curl --silent --fail --header 'Accept: text/plain' "$admin/metrics" >"$work/metrics.txt"
promtool check metrics <"$work/metrics.txt"

sed "s/127.0.0.1:9090/${admin#http://}/; s/scrape_interval: 5s/scrape_interval: 1s/" \
    examples/monitoring/prometheus.yml >"$work/prometheus.yml"
cp examples/monitoring/alerts.yml "$work/"
promtool check config "$work/prometheus.yml" >/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.listen-address="127.0.0.1:$port" >"$work/prometheus.log" 2>&1 &
pids+=($!)

# Two scrapes, for rates need two.
scraped() {
    promtool query instant "http://127.0.0.1:$port" 'count_over_time(lb_exchanges_total[1m]) >= 3' \
        2>/dev/null | grep -q lb
}
until_true "three scrapes" scraped
promtool query instant "http://127.0.0.1:$port" 'up{job="lb"}' | grep -q '=> 1 '

# Every query of the dashboard has an answer.
python3 - examples/monitoring/grafana.json "http://127.0.0.1:$port" <<'PY'
import json, sys, urllib.parse, urllib.request
dashboard, at = json.load(open(sys.argv[1])), sys.argv[2]
count = 0
for panel in dashboard["panels"]:
    for target in panel["targets"]:
        query = target["expr"].replace("$__rate_interval", "1m")
        query = query.replace("$instance", ".*").replace("$pool", ".*")
        url = f"{at}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        answer = json.load(urllib.request.urlopen(url))
        assert answer["status"] == "success", (panel["title"], query)
        assert answer["data"]["result"], (panel["title"], "has no answer to", query)
        count += 1
print(f"metrics: {count} queries of the dashboard are answered")
PY
echo "metrics: Prometheus takes them"
