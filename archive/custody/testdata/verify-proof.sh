#!/bin/sh
# verify-proof.sh EVENT.json FILE.tlog-proof VERIFIER-KEY
#
# Checks by openssl and POSIX tools alone that an event is in the log of a key:
# the same steps as VerifyProof (SPEC.md). Prints the checkpoint's origin, size
# and root; exit code 0 only if everything holds.
set -eu
LC_ALL=C
export LC_ALL
event=$1 proof=$2 vkey=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAIL: $1" >&2; exit 1; }

unhex() { # hex on stdin -> bytes
	fold -w 2 | while read -r pair || [ -n "$pair" ]; do printf "\\$(printf %03o "0x$pair")"; done
}
sha() { openssl dgst -sha256 -binary; }
node() { { printf '\001'; printf %s "$1" | unhex; printf %s "$2" | unhex; } | sha | tohex; }
tohex() { od -An -v -tx1 | tr -d ' \n'; }
unbase64() { printf '%s\n' "$1" | openssl base64 -d -A; }

# The event: its salt and type, and what the log says of it.
salt=$(sed -n 's/.*"salt":"\([0-9a-f]\{64\}\)".*/\1/p' "$event")
type=$(sed -n 's/.*"type":"\([a-z_]*\)","version":"trawlmark.custody\/v1"}$/\1/p' "$event")
[ -n "$salt" ] && [ -n "$type" ] || fail "the event has no salt or type"
digest=$(sha < "$event" | tohex)
commitment=$({ printf %s "$salt" | unhex; printf %s "$digest" | unhex; } | sha | tohex)
r=$({ printf '\000'; printf 'trawlmark.custody/v1 %s %s\n' "$type" "$commitment"; } | sha | tohex)

# The proof: up the tree (RFC 9162, 2.1.3.2).
[ "$(sed -n 1p "$proof")" = "c2sp.org/tlog-proof@v1" ] || fail "not a proof"
index=$(sed -n '2s/^index \([0-9][0-9]*\)$/\1/p' "$proof")
[ -n "$index" ] || fail "no index"
blank=$(grep -n '^$' "$proof" | head -n 1 | cut -d: -f1)
tail -n +"$((blank + 1))" "$proof" > "$dir/checkpoint"
origin=$(sed -n 1p "$dir/checkpoint")
size=$(sed -n 2p "$dir/checkpoint")
root=$(sed -n 3p "$dir/checkpoint")
[ "$(sed -n 4p "$dir/checkpoint")" = "" ] || fail "the checkpoint has more than three lines"
[ "$index" -lt "$size" ] || fail "the index is outside of the log"
fn=$index sn=$((size - 1))
for p in $(sed -n "3,${blank}p" "$proof"); do
	p=$(unbase64 "$p" | tohex)
	[ ${#p} -eq 64 ] && [ "$sn" -gt 0 ] || fail "a hash too many, or none"
	if [ $((fn % 2)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then
		r=$(node "$p" "$r")
		while [ $((fn % 2)) -eq 0 ] && [ "$fn" -gt 0 ]; do fn=$((fn / 2)) sn=$((sn / 2)); done
	else
		r=$(node "$r" "$p")
	fi
	fn=$((fn / 2)) sn=$((sn / 2))
done
[ "$sn" -eq 0 ] || fail "a hash is missing"
[ "$r" = "$(unbase64 "$root" | tohex)" ] || fail "the event does not lead to the root of the checkpoint"

# The signature of the checkpoint, by the key that was given.
name=${vkey%%+*} rest=${vkey#*+}
id=${rest%%+*} key=$(unbase64 "${rest#*+}" | tohex)
[ "$name" = "$origin" ] || fail "the key is not one of this log"
[ "${key%"${key#??}"}" = "01" ] || fail "the key is not an Ed25519 key"
printf '302a300506032b6570032100%s' "${key#??}" | unhex > "$dir/key.der"
head -n 3 "$dir/checkpoint" > "$dir/text"
good=no
for s in $(sed -n "5,\$s|^— $name ||p" "$dir/checkpoint"); do
	s=$(unbase64 "$s" | tohex)
	[ "${s%"${s#????????}"}" = "$id" ] || continue
	printf %s "${s#????????}" | unhex > "$dir/sig"
	openssl pkeyutl -verify -pubin -keyform DER -inkey "$dir/key.der" -rawin -in "$dir/text" -sigfile "$dir/sig" > /dev/null 2>&1 || fail "the signature of the checkpoint is wrong"
	good=yes
done
[ $good = yes ] || fail "the checkpoint is not signed by this key"
echo "PASS: $type event is entry $index of $origin, size $size, root $root"
