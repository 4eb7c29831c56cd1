#!/usr/bin/env bash
# What a call costs: CPU of announcement, echo and recording at so many calls, beside a C listener that echoes.
#     test/bench/cost.sh [CALLS [SECONDS]]      from the project's root; needs make, gcc, ss (iproute2)
# The server runs on processor 0, the generator on processor 1; nothing else should run beside them.
set -eu
calls=${1:-200}; hold=${2:-10}
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
out=$(mktemp -d); trap 'rm -rf "$out"' EXIT
make -s -C "$here" OUT="$out/bin"; load=$out/bin/sipload
(cd "$out" && "$load" --write-tone prompt.wav,500,60 >/dev/null)
figure() { python3 -c '
import json, sys
d = json.load(open(sys.argv[2])); m, s = d["media"], d["signalling"]; e = d.get("echo") or m.get("echo") or {}
print("%-12s %.3f ms a call-second, on time %.2f %%, failed %d, lateness p99 %.1f ms" % (
    sys.argv[1], d["server"]["cpu_ms_per_call_second"], m["on_time_pct"], s["failed"], m["spacing_deviation_ms"]["p99"]))' "$1" "$2"; }
measure() { # measure NAME PORT PID MEDIA
  taskset -c 1 "$load" --target 127.0.0.1:"$2" --calls "$calls" --rate 100 --hold "$hold" --media "$4" --pid "$3" >"$out/json" 2>/dev/null
  figure "$1" "$out/json"
}
taskset -c 0 "$load" --listen --local-port 25060 --media echo --calls $((2 * calls)) --max-time $((hold + 20)) >/dev/null 2>&1 & c=$!
sleep 0.5; measure "C listener" 25060 $c echo-check; kill $c; wait $c 2>/dev/null || true
port=25062
for row in Announce:tone Echo:echo-check Record:tone; do
  port=$((port + 2))
  (cd "$out" && PYTHONPATH="$here" BENCH_DIR=$out BENCH_PROMPT=$out/prompt.wav exec taskset -c 0 "$root/.venv/bin/twistd" -n --pidfile= \
    doug --app="benchapps.${row%%:*}" --listen=udp:127.0.0.1:$port >"$out/log" 2>&1) & server=$!
  for _ in $(seq 50); do ss -Hlun "sport = :$port" | grep -q . && break; sleep 0.1; done
  measure "${row%%:*}" $port $server "${row##*:}"
  kill $server; wait $server 2>/dev/null || true
done
