#!/bin/sh
# Builds the distribution of builder.yaml, unless it is there already, and prints its path.
# Four to eight minutes and 1.5 GB of modules the first time; nothing after that, until builder.yaml
# changes. Needs Go 1.25 or newer.
#
#   SPANLEDGER_COLLECTOR_CACHE   where it is kept (default: $XDG_CACHE_HOME/spanledger): outside of the
#                                repository, so that a fresh clone finds it
#   SPANLEDGER_COLLECTOR_CHECK   set: build nothing, only say where it is (exit code 3 if it is not)
set -eu
manifest="$(cd "$(dirname "$0")" && pwd)/builder.yaml"

hash() {
  { sha256sum "$manifest" 2>/dev/null || shasum -a 256 "$manifest"; } | cut -c 1-12
}

cache="${SPANLEDGER_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/spanledger}"
target="$cache/otelcol-$(hash)"
binary="$target/otelcol-spanledger"
if [ ! -x "$binary" ]; then
  [ -z "${SPANLEDGER_COLLECTOR_CHECK:-}" ] || exit 3
  command -v go >/dev/null || { echo "building a Collector needs Go: https://go.dev/dl" >&2; exit 1; }
  version="$(sed -n 's/^  version: *//p' "$manifest")"
  work="$target.build.$$"
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"
  echo "building the Collector $version into $target" >&2
  # Not the repository's version control: the build's tree is none.
  export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
  GOBIN="$work" go install "go.opentelemetry.io/collector/cmd/builder@v$version" >&2
  sed "s#^  output_path:.*#  output_path: $work/out#" "$manifest" >"$work/builder.yaml"
  CGO_ENABLED=0 "$work/builder" --config "$work/builder.yaml" >"$work/log" 2>&1 ||
    { tail -n 30 "$work/log" >&2; exit 1; }
  mkdir -p "$target"
  # By renaming: whoever looks meanwhile finds all of it or nothing.
  mv "$work/out/otelcol-spanledger" "$binary"
fi
echo "$binary"
