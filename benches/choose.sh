#!/usr/bin/env bash
# The figures of docs/choose.md and http/README.md that neither `count` nor `profile.py` prints:
#
#   benches/choose.sh crates     crates in the dependency tree of each transport, itself included
#   benches/choose.sh build      CPU seconds that its release build takes from nothing
#   benches/choose.sh lines      its lines of code, without blank lines, comments and tests
#   benches/choose.sh calls      system calls of 10,000 requests one after the other, by name
#   benches/choose.sh race       requests per second and CPU time per request, each as a ratio to tokio's
#   benches/choose.sh router     the same of an axum Router over httpfsm, as a ratio to axum's own serve
#
# `calls` needs strace and wrk, `race` wrk; both run target/release/httpfsm (cargo build --release -p httpfsm-server).
# `router` needs wrk, and the release builds of httpfsm-benches and of benches/compare (`--features on-axum-router`) in one
# folder, or AXUM is the path of on-axum-router.
set -euo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
program="$target/release/httpfsm"
transports=(tokio async-std smol blocking)
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -KILL "$server"; rm -rf "$scratch"' EXIT

# --- the figures -------------------------------------------------------------------------------------------------

crates() {
  for transport in "${transports[@]}"; do
    package "$transport"
    local count
    count=$(cargo tree --locked "${package[@]}" -e normal --prefix none | sed 's/ .*//' | sort -u | wc -l)
    printf '%-10s %s\n' "$transport" "$count"
  done
}

build() {
  local TIMEFORMAT='%U user + %S system'
  for transport in "${transports[@]}"; do
    package "$transport"
    printf '%-10s ' "$transport"
    { time cargo build --release --locked --quiet "${package[@]}" --target-dir "$scratch/build"; } 2>&1
    rm -rf "$scratch/build"
  done
}

lines() {
  local file
  for transport in tokio async-std blocking; do
    printf '%-10s ' "$transport"
    find "transport-$transport/src" -name '*.rs' | while read -r file; do
      sed '/^#\[cfg(test)\]$/,$d' "$file"
    done | grep -cvE '^\s*(//.*)?$'
  done
}

calls() {
  for transport in "${transports[@]}"; do
    printf '%s\n' "--- $transport"
    start "$transport" 1
    strace -f -c -o "$scratch/calls" -p "$server" 2>/dev/null &
    local tracer=$!
    sleep 1
    wrk -t1 -c1 -d5 "$address/plaintext" >"$scratch/wrk"
    kill -INT "$tracer"
    wait "$tracer" || true
    stop
    awk -v requests="$(awk '/requests in/ { print $1 }' "$scratch/wrk")" '
      NR > 2 && $4 / requests > 0.005 { printf "%-14s %.2f\n", $NF, $4 / requests }' "$scratch/calls"
  done
}

# In turn, round after round, so that what else the machine does befalls each alike.
race() {
  local rounds=5 load round transport first="${transports[0]}"
  for load in plain pipelined; do
    for ((round = 1; round <= rounds; round++)); do
      for transport in "${transports[@]}"; do
        start "$transport" 1
        local before
        before=$(ticks)
        wrk -t1 -c64 -d2 -s "$scratch/$load.lua" "$address/plaintext" >"$scratch/wrk"
        awk -v load="$load" -v round="$round" -v transport="$transport" -v ticks=$(($(ticks) - before)) \
          -v hertz="$(getconf CLK_TCK)" '
          /requests in/ { requests = $1 }
          /^Requests\/sec:/ { print load, round, transport, $2, ticks / hertz / requests * 1e6 }' \
          "$scratch/wrk" | tee -a "$scratch/race"
        stop
      done
    done
  done
  echo
  echo "load       transport   requests/s (least, median, most of $rounds rounds)   CPU per request, likewise; $first is 1"
  awk -v first="$first" '$3 == first { rate[$1 $2] = $4; cpu[$1 $2] = $5 } { line[NR] = $0 }
       END { for (n = 1; n <= NR; n++) { split(line[n], f, " ");
               printf "%s %s %.2f %.2f\n", f[1], f[3], f[4] / rate[f[1] f[2]], f[5] / cpu[f[1] f[2]] } }' \
    "$scratch/race" >"$scratch/ratios"
  for load in plain pipelined; do
    for transport in "${transports[@]}"; do
      printf '%-10s %-10s  %-30s  %s\n' "$load" "$transport" "$(spread 3)" "$(spread 4)"
    done
  done
}

# --- what they are made of ---------------------------------------------------------------------------------------

package() { # the arguments that select the transport's package
  case $1 in
    smol) package=(-p httpfsm-async-std --no-default-features --features smol) ;;
    *) package=(-p "httpfsm-$1") ;;
  esac
}

start() { # transport, threads
  : >"$scratch/out" # the address of the one before is not to be taken for this one's
  local command=("$program" serve --app "${APP:-bench}" --transport "$1" --threads "$2" --port 0)
  case "$1" in
    axum) command=("${AXUM:-$target/release/on-axum-router}") ;;
    router) command=("$target/release/count" serve-router) ;;
  esac
  "${command[@]}" >"$scratch/out" 2>/dev/null &
  server=$!
  until address=$(sed -n 's/^listening on //p' "$scratch/out") && [ -n "$address" ]; do sleep 0.05; done
  address=${address%/}
}

stop() {
  kill -TERM "$server"
  wait "$server" || true
  server=
}

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$server/stat"; }

spread() { # column of the ratios
  awk -v load="$load" -v transport="$transport" -v column="$1" '$1 == load && $2 == transport { print $column }' \
    "$scratch/ratios" | sort -n | awk '{ v[NR] = $1 } END { print v[1], v[int((NR + 1) / 2)], v[NR] }'
}

echo 'wrk.method = "GET"' >"$scratch/plain.lua"
cat >"$scratch/pipelined.lua" <<'LUA'
init = function(args)
  local batch = {}
  for i = 1, 16 do batch[i] = wrk.format(nil, "/plaintext") end
  requests = table.concat(batch)
end
request = function() return requests end
LUA

case "${1:-}" in
  crates | build | lines | calls | race) "$1" ;;
  router)
    transports=(axum router)
    race
    ;;
  *)
    sed -n '2,13p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
    ;;
esac
