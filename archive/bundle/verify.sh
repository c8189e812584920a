#!/bin/sh
# Checks an unpacked package of evidence (format trawlmark-package/1) with a
# POSIX shell, openssl (3.0 or later) and coreutils. Nothing else is needed.
#
#   sh verify/verify.sh TRUST.txt
#
# TRUST.txt says whom to believe: lines "log <verifier key>" and the PEM
# certificates of time stamp authorities' roots. Get it, or compare it, by
# another way than this package. Without it nothing that rests on a key can
# pass.
#
# Exit codes: 0 everything passed, 6 something failed, 7 nothing failed but
# something was not checked, 2 wrong usage.
#
# Lines that begin NOT-JUDGED name what this script does not look at, and what
# does. They change no exit code. trawlmark-verify judges the index inside the
# WACZ against the WARC, a WARC that was made whole against the one that is
# kept, headers.txt against the WARC, a redaction's manifest against its
# original's, and the finer rules of time stamps (that the signer's certificate
# is for nothing else) and of revocation lists (of a part of the reasons only).
#
# verify/expected.txt has what is to be seen when all is well: which files are
# looked at, and how that ends.

set -u
LC_ALL=C
export LC_ALL
umask 077

usage() {
	printf 'usage: sh verify/verify.sh [TRUST.txt]\n' >&2
	exit 2
}
[ $# -le 1 ] || usage
trust=
if [ $# -eq 1 ]; then
	trust=$(realpath "$1") && [ -f "$trust" ] && [ -r "$trust" ] || usage
fi
cd "$(dirname "$0")/.." || exit 2
[ -f verify/SHA256SUMS ] || { printf 'verify.sh: there is no package around this script\n' >&2; exit 2; }
for need in openssl sha256sum sha512sum base64 od tail head cut tr wc sort comm date mktemp; do
	command -v "$need" >/dev/null 2>&1 || { printf 'verify.sh: %s is not on this machine\n' "$need" >&2; exit 2; }
done
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
trap 'exit 2' HUP INT TERM

today=$(date +%s)
failed=0
unchecked=0
unjudged=0
passed=0
say() { # status, layer, text: text of the package never reaches a terminal raw
	printf '%-11s  %-20s  %s\n' "$1" "$2" "$3" | tr -c '[:print:]\n' '?'
}
# told: status, layer, file. What expected.txt is compared with: without what
# only the day, the trust file, or the log after the export can tell.
told() {
	case $3 in export/* | seal/log/*.json | '') return ;; esac
	printf '%-11s  %-20s  %s\n' "$1" "$2" "$3" | tr -c '[:print:]\n' '?' >>"$tmp/told"
}
: >"$tmp/told"
pass() { passed=$((passed + 1)); say PASS "$1" "$2"; told PASS "$1" "${2%%: *}"; }
fail() { failed=$((failed + 1)); say FAIL "$1" "$2"; told FAIL "$1" "${2%%: *}"; }
skip() { unchecked=$((unchecked + 1)); say NOT-CHECKED "$1" "$2"; told NOT-CHECKED "$1" "${2%%: *}"; }
later() { unjudged=$((unjudged + 1)); say NOT-JUDGED "$1" "$2; trawlmark-verify judges it"; }

hash_of() { sha256sum <"$1" | cut -c1-64; }
is_hash() { # 64 lower-case hex digits
	case $1 in *[!0-9a-f]*) return 1 ;; esac
	[ ${#1} -eq 64 ]
}
unhex() { # hex digits -> bytes
	if command -v basenc >/dev/null 2>&1; then
		printf %s "$1" | tr a-f A-F | basenc --base16 -d
		return
	fi
	hex=$1
	while [ -n "$hex" ]; do
		byte=${hex%"${hex#??}"}
		hex=${hex#??}
		printf "\\$(printf %03o "0x$byte")"
	done
}

# --- whom to believe -------------------------------------------------------

keys=
roots=
if [ -n "$trust" ]; then
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		'log '*) keys="$keys ${line#log }" ;;
		'-----BEGIN CERTIFICATE-----'*) roots=$trust ;;
		'{'*) printf 'verify.sh: this script reads the text form of a trust file, not JSON\n' >&2; exit 2 ;;
		esac
	done <"$trust"
fi

# --- log: leaf, proof, root, signature -------------------------------------

# member NAME FILE: the value of the last member of this name in a custody
# event. Events are canonical JSON, members sorted, so that nothing that a
# person wrote stands behind salt, type and manifest.
member() {
	text=$(cat "$2")
	case $text in *"\"$1\":\""*) ;; *) value=; return 1 ;; esac
	value=${text##*"\"$1\":\""}
	value=${value%%\"*}
}

# leaf_of EVENT: writes the leaf hash of an event to $tmp/leaf.
leaf_of() {
	member salt "$1" && is_hash "$value" || return 1
	salt=$value
	member type "$1" || return 1
	type=$value
	commitment=$(unhex "$salt$(hash_of "$1")" | sha256sum | cut -c1-64)
	{ printf '\000'; printf 'trawlmark.custody/v1 %s %s\n' "$type" "$commitment"; } | openssl dgst -sha256 -binary >"$tmp/leaf"
}

# split_proof FILE: hashes up to an empty line, then a checkpoint; sets first
# and second (the lines above the hashes; a proof of consistency has one), and
# hashes, and writes $tmp/checkpoint.
split_proof() {
	line_no=0
	offset=0
	first=
	second=
	hashes=
	while IFS= read -r line; do
		line_no=$((line_no + 1))
		offset=$((offset + ${#line} + 1))
		case $line_no-$line in
		*-) tail -c "+$((offset + 1))" "$1" >"$tmp/checkpoint"; return 0 ;;
		1-*) first=$line ;;
		"2-index "*) second=$line ;;
		*) hashes="$hashes $line" ;;
		esac
	done <"$1"
	return 1
}

# leads PROOF: follows a c2sp.org/tlog-proof@v1 from $tmp/leaf to the root of
# the checkpoint in it (RFC 9162, 2.1.3.2).
leads() {
	split_proof "$1" && [ "$first" = 'c2sp.org/tlog-proof@v1' ] || return 1
	index=${second#index }
	case $index in '' | *[!0-9]*) return 1 ;; esac
	{ IFS= read -r origin && IFS= read -r size && IFS= read -r root && IFS= read -r empty; } <"$tmp/checkpoint" || return 1
	case $size in '' | *[!0-9]*) return 1 ;; esac
	[ -z "$empty" ] && [ ${#index} -le 18 ] && [ ${#size} -le 18 ] && [ "$index" -lt "$size" ] || return 1
	fn=$index
	sn=$((size - 1))
	cat "$tmp/leaf" >"$tmp/r"
	for p in $hashes; do
		[ "$sn" -ne 0 ] || return 1
		printf %s "$p" | base64 -d >"$tmp/p" 2>/dev/null || return 1
		[ "$(wc -c <"$tmp/p")" -eq 32 ] || return 1
		if [ $((fn % 2)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then
			{ printf '\001'; cat "$tmp/p" "$tmp/r"; } | openssl dgst -sha256 -binary >"$tmp/n"
			while [ $((fn % 2)) -eq 0 ] && [ "$fn" -ne 0 ]; do
				fn=$((fn / 2))
				sn=$((sn / 2))
			done
		else
			{ printf '\001'; cat "$tmp/r" "$tmp/p"; } | openssl dgst -sha256 -binary >"$tmp/n"
		fi
		cat "$tmp/n" >"$tmp/r"
		fn=$((fn / 2))
		sn=$((sn / 2))
	done
	[ "$sn" -eq 0 ] && [ "$(base64 -w 0 <"$tmp/r")" = "$root" ]
}

# signed_by KEY CHECKPOINT: Ed25519 over the first three lines (C2SP signed note).
signed_by() {
	name=${1%%+*}
	rest=${1#*+}
	key_id=${rest%%+*}
	printf %s "${rest#*+}" | base64 -d >"$tmp/key" 2>/dev/null || return 1
	[ "$(wc -c <"$tmp/key")" -eq 33 ] && [ "$(head -c 1 "$tmp/key" | od -An -tx1 | tr -d ' \n')" = 01 ] || return 1
	[ "$({ printf '%s\n' "$name"; cat "$tmp/key"; } | sha256sum | cut -c1-8)" = "$key_id" ] || return 1
	IFS= read -r origin <"$2" || return 1
	[ "$origin" = "$name" ] || return 1
	{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'; tail -c 32 "$tmp/key"; } >"$tmp/key.der"
	openssl pkey -pubin -inform DER -in "$tmp/key.der" -out "$tmp/key.pem" 2>/dev/null || return 1
	head -n 3 "$2" >"$tmp/text"
	tail -n +5 "$2" >"$tmp/signatures"
	while IFS= read -r line; do
		case $line in "— $name "*) ;; *) continue ;; esac
		printf %s "${line##* }" | base64 -d >"$tmp/sig" 2>/dev/null || continue
		[ "$(wc -c <"$tmp/sig")" -eq 68 ] || continue
		[ "$(head -c 4 "$tmp/sig" | od -An -tx1 | tr -d ' \n')" = "$key_id" ] || continue
		tail -c 64 "$tmp/sig" >"$tmp/sig64"
		openssl pkeyutl -verify -pubin -inkey "$tmp/key.pem" -rawin -in "$tmp/text" -sigfile "$tmp/sig64" >/dev/null 2>&1 && return 0
	done <"$tmp/signatures"
	return 1
}

signed() { # by any key that is trusted
	for k in $keys; do
		signed_by "$k" "$1" && return 0
	done
	return 1
}

# head_of CHECKPOINT FILE: notes the state of the log that a signed checkpoint
# tells of.
head_of() {
	{ IFS= read -r origin && IFS= read -r state_size && IFS= read -r state_root; } <"$1" && printf '%s %s\n' "$state_size" "$state_root" >>"$2"
}
: >"$tmp/heads"
: >"$tmp/later"

# consistent: all checkpoints are states of one log that was only ever extended.
consistent() {
	[ -n "$keys" ] || return # every checkpoint is NOT-CHECKED already
	for file in seal/log/*.tlog-proof; do
		[ -f "$file" ] && split_proof "$file" && signed "$tmp/checkpoint" && head_of "$tmp/checkpoint" "$tmp/heads"
	done
	sort -u -k 1,1n -k 2,2 "$tmp/heads" >"$tmp/states"
	sort -u -k 1,1n -k 2,2 "$tmp/heads" "$tmp/later" >"$tmp/all"
	last=
	while IFS=' ' read -r n root; do
		[ "$n" != "$last" ] || fail 'checkpoint signature' "seal/log: the log has two states of $n entries"
		last=$n
	done <"$tmp/all"
	linked=' '
	for file in seal/log/*.consistency; do
		[ -f "$file" ] || continue
		if extends "$file"; then
			pass 'checkpoint signature' "$file: the log of $old entries was extended to $new"
			linked="$linked$old-$new "
		else
			fail 'checkpoint signature' "$file: it does not show that the log of one checkpoint in this package was extended to the next"
		fi
	done
	last=0
	while IFS=' ' read -r n root; do
		case $linked in
		*" $last-$n "*) ;;
		*) [ "$last" -eq 0 ] || [ "$last" = "$n" ] || skip 'checkpoint signature' "seal/log/$last-$n.consistency: nothing shows that the log of the one size was extended to the other" ;;
		esac
		last=$n
	done <"$tmp/states"
}

# state OF: sets root to that of the state of a size.
state() {
	while IFS=' ' read -r n root; do
		[ "$n" != "$1" ] || return 0
	done <"$tmp/states"
	return 1
}

# extends FILE: the proof that the log of one size begins with that of another
# (RFC 9162, 2.1.4.2); sets old and new.
extends() {
	old=
	new=
	split_proof "$1" || return 1
	old=${first#old }
	case $first in 'old '*) ;; *) return 1 ;; esac
	case $old in '' | *[!0-9]*) return 1 ;; esac
	signed "$tmp/checkpoint" || return 1
	{ IFS= read -r origin && IFS= read -r new && IFS= read -r new_root; } <"$tmp/checkpoint" || return 1
	case $new in '' | *[!0-9]*) return 1 ;; esac
	[ ${#old} -le 18 ] && [ ${#new} -le 18 ] && [ "$old" -gt 0 ] && [ "$old" -lt "$new" ] || return 1
	[ "$1" = "seal/log/$old-$new.consistency" ] || return 1
	state "$new" && [ "$root" = "$new_root" ] && state "$old" || return 1
	fn=$((old - 1))
	sn=$((new - 1))
	while [ $((fn % 2)) -eq 1 ]; do
		fn=$((fn / 2))
		sn=$((sn / 2))
	done
	[ "$fn" -ne 0 ] || hashes=" $root$hashes"
	begun=
	for p in $hashes; do
		printf %s "$p" | base64 -d >"$tmp/p" 2>/dev/null || return 1
		[ "$(wc -c <"$tmp/p")" -eq 32 ] || return 1
		if [ -z "$begun" ]; then
			begun=yes
			cat "$tmp/p" >"$tmp/fr"
			cat "$tmp/p" >"$tmp/sr"
			continue
		fi
		[ "$sn" -ne 0 ] || return 1
		if [ $((fn % 2)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then
			{ printf '\001'; cat "$tmp/p" "$tmp/fr"; } | openssl dgst -sha256 -binary >"$tmp/n"
			cat "$tmp/n" >"$tmp/fr"
			{ printf '\001'; cat "$tmp/p" "$tmp/sr"; } | openssl dgst -sha256 -binary >"$tmp/n"
			while [ $((fn % 2)) -eq 0 ] && [ "$fn" -ne 0 ]; do
				fn=$((fn / 2))
				sn=$((sn / 2))
			done
		else
			{ printf '\001'; cat "$tmp/sr" "$tmp/p"; } | openssl dgst -sha256 -binary >"$tmp/n"
		fi
		cat "$tmp/n" >"$tmp/sr"
		fn=$((fn / 2))
		sn=$((sn / 2))
	done
	[ -n "$begun" ] && [ "$sn" -eq 0 ] && [ "$(base64 -w 0 <"$tmp/fr")" = "$root" ] && [ "$(base64 -w 0 <"$tmp/sr")" = "$new_root" ]
}

# logged LAYER EVENT: an event with its proof beside it.
logged() {
	if ! { leaf_of "$2" && [ -f "${2%.json}.tlog-proof" ] && leads "${2%.json}.tlog-proof"; }; then
		fail "$1" "$2: its proof does not lead to a root"
	elif [ -z "$keys" ]; then
		skip "$1" "$2: no log key is trusted"
	elif signed "$tmp/checkpoint"; then
		pass "$1" "$2: in the log, entry $index of $size"
		case $2 in export/*) head_of "$tmp/checkpoint" "$tmp/later" ;; *) head_of "$tmp/checkpoint" "$tmp/heads" ;; esac
	else
		fail "$1" "$2: its checkpoint is not signed by a trusted key"
	fi
}

# history: a trusted key that handed over to another makes that one trusted.
history() {
	turned=yes
	while [ -n "$turned" ] && [ -n "$keys" ]; do
		turned=
		for event in seal/log/*.json; do
			[ -f "$event" ] || continue
			text=$(cat "$event")
			new=${text#*'"new_key":"'}
			new=${new%%\"*}
			old=${text#*'"old_key":"'}
			old=${old%%\"*}
			case " $keys " in *" $new "*) continue ;; esac
			case " $keys " in *" $old "*) ;; *) continue ;; esac
			leaf_of "$event" && [ "$type" = key_rotated ] && leads "${event%.json}.tlog-proof" || continue
			cat "$tmp/checkpoint" >"$tmp/both"
			signed_by "$old" "$tmp/both" && signed_by "$new" "$tmp/both" || continue
			keys="$keys $new"
			turned=yes
			pass 'checkpoint signature' "$event: a trusted key handed over to $new"
		done
	done
}

# --- package ---------------------------------------------------------------

walk() { # every file below a folder, hidden ones too
	for f in "$1"* "$1".[!.]* "$1"..?*; do
		if [ -h "$f" ]; then
			printf '%s (a link)\n' "$f"
		elif [ -d "$f" ]; then
			walk "$f/"
		elif [ -e "$f" ]; then
			printf '%s\n' "$f"
		fi
	done
}

package() {
	if sha256sum -c verify/SHA256SUMS >"$tmp/sums" 2>&1; then
		pass package "verify/SHA256SUMS: all files have the hashes that it lists"
	else
		while IFS= read -r line; do
			case $line in *': OK') ;; *) fail package "$line" ;; esac
		done <"$tmp/sums"
	fi
	cut -c67- verify/SHA256SUMS | sort >"$tmp/listed"
	walk '' | sort >"$tmp/there"
	comm -13 "$tmp/listed" "$tmp/there" >"$tmp/extra"
	while IFS= read -r name; do
		id=${name#export/}
		id=${id%.json}
		id=${id%.tlog-proof}
		case $name in
		verify/SHA256SUMS) continue ;;
		export/*) [ -d "seal/$id" ] && { [ "$name" = "export/$id.json" ] || [ "$name" = "export/$id.tlog-proof" ]; } && continue ;;
		esac
		fail package "$name: it is not in verify/SHA256SUMS"
	done <"$tmp/extra"
}

exported() { # capture: the log has this list of files
	event=export/$1.json
	[ -f "$event" ] || { skip package "$event: only the package itself says that its list of files is whole"; return; }
	text=$(cat "$event")
	case $text in
	*"\"contents\":\"$(hash_of verify/SHA256SUMS)\""*) ;;
	*) fail package "$event: what was exported had another list of files"; return ;;
	esac
	case $text in
	*"\"subject\":{\"capture\":\"$1\""*"},\"type\":\"exported\""*) logged package "$event" ;;
	*) fail package "$event: it is no exported event of this capture" ;;
	esac
}

# --- one capture -----------------------------------------------------------

# time_of REPLY: sets at, seconds, and latest (as late as its accuracy allows).
time_of() {
	at=
	late=0
	openssl ts -reply -in "$1" -text >"$tmp/reply" 2>/dev/null
	while IFS= read -r line; do
		case $line in
		'Time stamp: '*) at=${line#Time stamp: } ;;
		'Accuracy: 0x'*) late=${line#Accuracy: } late=$((${late%% *})) ;;
		esac
		case $line in
		'Accuracy: unspecified') ;;
		'Time stamp: '*.* | 'Accuracy: '*', 0x'*) late=$((late + 1)) ;;
		esac
	done <"$tmp/reply"
	seconds=$(date -d "$at" +%s 2>/dev/null) && latest=$((seconds + late))
}

# held_at REPLY MESSAGE SECONDS: an RFC 3161 response over a file, its chain as
# things were at that time.
held_at() {
	openssl ts -verify -in "$1" -data "$2" -CAfile "$roots" -untrusted "${1%.tsr}.pem" -attime "$3" >/dev/null 2>&1
}

# pieces FILE NAME: the PEM blocks of a file, each a file $tmp/NAME.00 and so on.
pieces() {
	rm -f "$tmp/$2".*
	csplit -s -z -n 3 -f "$tmp/$2." "$1" '/^-----BEGIN /' '{*}' 2>/dev/null
}

# chain_of REPLY: the certificates behind a stamp, as $tmp/chain.*: the one that
# signed it, each followed by the one that issued it, the last one trusted.
chain_of() {
	openssl ts -reply -in "$1" -token_out -out "$tmp/token" 2>/dev/null &&
		openssl cms -verify -inform DER -in "$tmp/token" -noverify -signer "$tmp/signer" -out /dev/null 2>/dev/null || return 1
	pieces "${1%.tsr}.pem" chain
	[ -f "$tmp/chain.000" ] || return 1
	openssl x509 -in "$tmp/signer" -outform DER -out "$tmp/one" 2>/dev/null && openssl x509 -in "$tmp/chain.000" -outform DER -out "$tmp/two" 2>/dev/null || return 1
	signer=$(hash_of "$tmp/one")
	[ "$signer" = "$(hash_of "$tmp/two")" ] || return 1
	cert=
	for next in "$tmp"/chain.*; do
		[ -z "$cert" ] || openssl verify -partial_chain -trusted "$next" -attime "$seconds" "$cert" >/dev/null 2>&1 || return 1
		cert=$next
	done
	# The last one is a root of the trust file, to the bit: two may have one name.
	if [ ! -f "$tmp/roots" ]; then
		: >"$tmp/roots"
		pieces "$roots" root
		for next in "$tmp"/root.*; do
			openssl x509 -in "$next" -outform DER -out "$tmp/one" 2>/dev/null && printf '%s ' "$(hash_of "$tmp/one")" >>"$tmp/roots"
		done
	fi
	openssl x509 -in "$cert" -outform DER -out "$tmp/one" 2>/dev/null || return 1
	case " $(cat "$tmp/roots")" in *" $(hash_of "$tmp/one") "*) ;; *) return 1 ;; esac
}

seconds_of() { # a line "name=date", as openssl prints it; 0: none
	case $1 in *=NONE | *=) printf 0 ;; *) date -d "${1#*=}" +%s ;; esac
}

sound() { # a text of openssl: signed with a hash that is still worth something
	case $1 in *sha256* | *SHA256* | *sha384* | *SHA384* | *sha512* | *SHA512* | *ED25519*) ;; *) return 1 ;; esac
}

# list_says CERT ISSUER CRL: writes a verdict about one certificate:
# "<number of CERT> good|revoked <made> <until, 0: open> <end of CERT> <revoked at> <reason>".
list_says() {
	openssl crl -in "$3" -noout -text 2>/dev/null >"$tmp/list" || return
	sound "$(head -n 4 "$tmp/list")" || return
	made=$(seconds_of "$(openssl crl -in "$3" -noout -lastupdate)") && until_then=$(seconds_of "$(openssl crl -in "$3" -noout -nextupdate)") || return
	ends=$(seconds_of "$(openssl x509 -in "$1" -noout -enddate)") || return
	# openssl checks signature, scope and extensions; as of the list's own date, so that both are in force.
	case $(openssl verify -partial_chain -trusted "$2" -crl_check -CRLfile "$3" -attime "$made" "$1" 2>&1) in
	*'error 23 '*) ;;
	*': OK') printf '%s good %s %s %s 0 -\n' "${1##*.}" "$made" "$until_then" "$ends" >>"$tmp/verdicts"; return ;;
	*) return ;;
	esac
	serial=$(openssl x509 -in "$1" -noout -serial)
	here=
	revoked_at=
	reason='no reason given'
	awaited=
	while IFS= read -r line; do
		case $line in
		*'Serial Number: '*)
			[ -z "$here" ] || break
			[ "${line##* }" != "${serial#*=}" ] || here=yes
			;;
		*'Signature Algorithm:'*) [ -z "$here" ] || break ;;
		*)
			[ -n "$here" ] || continue
			[ -z "$awaited" ] || reason=${line#"${line%%[! ]*}"}
			awaited=
			case $line in
			*'Revocation Date: '*) revoked_at=$(seconds_of "=${line#*: }") ;;
			*'CRL Reason Code:'*) awaited=yes ;;
			esac
			;;
		esac
	done <"$tmp/list"
	[ -z "$revoked_at" ] || printf '%s revoked %s %s %s %s %s\n' "${1##*.}" "$made" "$until_then" "$ends" "$revoked_at" "$reason" >>"$tmp/verdicts"
}

# answer_says CERT ISSUER OCSP: the same of an OCSP response, DER.
answer_says() {
	openssl ocsp -respin "$3" -noverify -resp_text 2>/dev/null >"$tmp/list" || return
	produced=
	algorithm=
	while IFS= read -r line; do
		case $line in
		*'Produced At: '*) produced=$(seconds_of "=${line#*: }") ;;
		*'Signature Algorithm: '*) algorithm=${algorithm:-$line} ;;
		esac
	done <"$tmp/list"
	[ -n "$produced" ] && sound "$algorithm" || return
	ends=$(seconds_of "$(openssl x509 -in "$1" -noout -enddate)") || return
	for digest in -sha1 -sha256; do # of the certificate's id, not of a signature
		openssl ocsp -respin "$3" -issuer "$2" "$digest" -cert "$1" -CAfile "$2" -partial_chain -verify_other "$2" -no_nonce \
			-attime "$produced" -auth_level 2 >"$tmp/answer" 2>"$tmp/verified"
		verdict=
		made=
		until_then=0
		revoked_at=0
		reason=-
		while IFS= read -r line; do
			case $line in
			good | "$1: good") verdict=good ;; # alone behind a warning that it is not of today
			revoked | "$1: revoked") verdict=revoked reason='no reason given' ;;
			*'This Update: '*) made=$(seconds_of "=${line#*: }") ;;
			*'Next Update: '*) until_then=$(seconds_of "=${line#*: }") ;;
			*'Revocation Time: '*) revoked_at=$(seconds_of "=${line#*: }") ;;
			*'Reason: '*) reason=${line#*: } ;;
			esac
		done <"$tmp/answer"
		case $(cat "$tmp/verified") in *'Response verify OK'*) ;; *) continue ;; esac
		[ -n "$verdict" ] && [ -n "$made" ] || continue
		[ "$reason" != unspecified ] || reason='no reason given' # cannot be told from it
		printf '%s %s %s %s %s %s %s\n' "${1##*.}" "$verdict" "$made" "$until_then" "$ends" "$revoked_at" "$reason" >>"$tmp/verdicts"
		return
	done
}

# revocation REPLY: what the .rev beside a stamp says of the certificates behind
# it, as of the stamped time ($seconds); sets said. False: one was revoked, and
# the stamp falls with it (RFC 3161, section 4).
revocation() {
	rev=${1%.tsr}.rev
	said='; no revocation data kept'
	[ -f "$rev" ] || return 0
	if ! chain_of "$1"; then
		said=
		later 'time stamps' "$rev: the certificates that it is about could not be put in order here"
		return 0
	fi
	facts=$tmp/facts-$signer-$(hash_of "$rev")
	if [ ! -f "$facts" ]; then
		: >"$tmp/verdicts"
		pieces "$rev" said
		cert=
		for next in "$tmp"/chain.*; do
			for statement in "$tmp"/said.*; do
				[ -n "$cert" ] && [ -f "$statement" ] || continue
				IFS= read -r line <"$statement"
				case $line in
				'-----BEGIN X509 CRL-----') list_says "$cert" "$next" "$statement" ;;
				'-----BEGIN OCSP RESPONSE-----')
					tail -n +2 "$statement" | head -n -1 | base64 -d >"$tmp/der" 2>/dev/null && answer_says "$cert" "$next" "$tmp/der"
					;;
				esac
			done
			cert=$next
		done
		cat "$tmp/verdicts" >"$facts"
	fi
	as_of=
	cert=
	for next in "$tmp"/chain.*; do
		[ -z "$cert" ] || good_then "${cert##*.}" || return 1
		cert=$next
	done
	case $as_of in
	none)
		said=
		later 'time stamps' "$rev: nothing in it tells by openssl whether the certificates behind the stamp were good then"
		;;
	'') said='; the root itself signed it' ;;
	*) said="; not revoked as of $(date -u -d "@$as_of" +%Y-%m-%dT%H:%M:%SZ)" ;;
	esac
}

# good_then N: holds the verdicts about certificate N against the stamped time;
# as_of becomes the date of the statement that knew least. False: revoked.
good_then() {
	best=0
	while IFS=' ' read -r n verdict made until_then ends revoked_at reason; do
		[ "$n" = "$1" ] || continue
		case $verdict-$reason in
		good-* | revoked-Unspecified | revoked-'Affiliation Changed' | revoked-Superseded | revoked-'Cessation Of Operation' | \
			revoked-affiliationChanged | revoked-superseded | revoked-cessationOfOperation) harmless=yes ;;
		*) harmless= ;;
		esac
		if [ "$verdict" = revoked ] && { [ -z "$harmless" ] || [ "$revoked_at" -le "$latest" ]; }; then
			said="a certificate behind it was revoked on $(date -u -d "@$revoked_at" +%Y-%m-%dT%H:%M:%SZ) ($reason)"
			return 1
		fi
		# After its end a certificate may have left the list.
		if { [ "$made" -ge "$latest" ] || { [ "$until_then" -ne 0 ] && [ "$latest" -le "$until_then" ]; }; } && [ "$made" -le "$ends" ] && [ "$made" -gt "$best" ]; then
			best=$made
		fi
	done <"$facts"
	if [ "$best" -eq 0 ]; then
		as_of=none
	elif [ -z "$as_of" ] || { [ "$as_of" != none ] && [ "$best" -lt "$as_of" ]; }; then
		as_of=$best
	fi
}

# stamped REPLY MESSAGE: the stamp held at its own time; at and seconds are set.
stamped() {
	time_of "$1" || { fail 'time stamps' "$1: it has no time"; return 1; }
	if [ -z "$roots" ]; then
		skip 'time stamps' "$1: $at, but no root of an authority is trusted"
		return 1
	fi
	if ! held_at "$1" "$2" "$seconds" ||
		! openssl ts -verify -in "$1" -queryfile "${1%.tsr}.tsq" -CAfile "$roots" -untrusted "${1%.tsr}.pem" -attime "$seconds" >/dev/null 2>&1; then
		fail 'time stamps' "$1: it is not of these bytes, or not by a trusted authority"
		return 1
	fi
	revocation "$1" && return 0
	fail 'time stamps' "$1: $said"
	return 1
}

# renewals: stamps over lists of old stamps. Those that hold go to $tmp/renewals.
renewals() {
	: >"$tmp/renewals"
	for file in seal/renewals/*/*; do
		[ -f "$file" ] || continue
		case $file in
		*.list) ;;
		*) [ -f "${file%.*}.list" ] || fail 'time stamps' "$file: there is no list that it is of"; continue ;;
		esac
		stamped "${file%.list}.tsr" "$file" || continue
		pass 'time stamps' "${file%.list}.tsr: $at$said; renews the stamps on its list"
		printf '%s\n' "$file" >>"$tmp/renewals"
	done
}

# line_of LIST SIZE: sets sum and files to the rest of the line of a size.
line_of() {
	while IFS=' ' read -r n sum files; do
		[ "$n" = "$2" ] || continue
		case $files in '' | *[!a-z0-9/.\ -]* | *..*) return 1 ;; esac
		return 0
	done <"$1"
	return 1
}

# links DIR CHECKPOINT: the renewals that are of the stamps in DIR over a
# checkpoint go to $tmp/links.
links() {
	: >"$tmp/links"
	{ IFS= read -r origin && IFS= read -r entries; } <"$2" || return
	while IFS= read -r list; do
		line_of "$list" "$entries" || continue
		: >"$tmp/old"
		for file in $files; do
			case $file in */*) file=seal/renewals/$file ;; *) file=$1/$file ;; esac
			[ -f "$file" ] || continue 2 # without it the list shows nothing
			cat "$file" >>"$tmp/old"
		done
		cat "$2" >>"$tmp/old"
		if [ "$(hash_of "$tmp/old")" = "$sum" ]; then
			printf '%s\n' "$list" >>"$tmp/links"
		else
			fail 'time stamps' "$list: its hash for size $entries is of other bytes"
		fi
	done <"$tmp/renewals"
}

# lasts REPLY DIR CHECKPOINT: the stamp's chain holds today, or it was renewed
# while it held, and the renewal does (or was renewed in turn); sets how.
lasts() {
	how=
	held_at "$1" "$3" "$today" && return 0
	reached=" ${1##*/} "
	grew=yes
	while [ -n "$grew" ]; do
		grew=
		while IFS= read -r list; do
			renewal=${list%.list}.tsr
			case $reached in *" ${renewal#seal/renewals/} "*) continue ;; esac
			line_of "$list" "$entries" && time_of "$renewal" || continue
			for file in $files; do
				case $reached in *" $file "*) ;; *) continue ;; esac
				old=$2/$file
				data=$3
				case $file in */*) old=seal/renewals/$file data=${old%.tsr}.list ;; esac
				held_at "$old" "$data" "$seconds" || continue
				reached="$reached${renewal#seal/renewals/} "
				grew=yes
				held_at "$renewal" "$list" "$today" || break
				how="; its certificates ended, it was renewed before, and that holds"
				return 0
			done
		done <"$tmp/links"
	done
	return 1
}

# artifacts ID: every artifact of the manifest, by size, SHA-256 and SHA-512.
artifacts() {
	text=$(cat "seal/$1/manifest.json")
	list=${text#*'"artifacts":['}
	printf '%s\n' headers.txt "$1.wacz" >"$tmp/expected"
	while :; do
		case $list in '{'*'}'*) ;; *) break ;; esac
		one=${list%%\}*}
		list=${list#*\}}
		list=${list#,}
		for name in bytes key role sha256 sha512; do
			value=${one#*"\"$name\":"}
			value=${value#\"}
			value=${value%%[\",]*}
			case $name in
			bytes) bytes=$value ;; key) key=$value ;; role) role=$value ;; sha256) sha256=$value ;; sha512) sha512=$value ;;
			esac
		done
		case $bytes in '' | *[!0-9]*) fail artifacts "$1: the manifest lists a file without a size"; continue ;; esac
		file=native/$1/${key##*/}
		if [ "$role" = warc ] && [ -f "native/$1/capture.warc.gz" ]; then
			file=native/$1/capture.warc.gz # the WACZ has one that was made whole
			printf '%s\n' capture.warc.gz >>"$tmp/expected"
			cat "$file" >"$tmp/file"
		elif [ "$role" = warc ]; then
			file=native/$1/$1.wacz # the WARC is its first member, stored: 30 bytes of header and the name
			tail -c +54 "$file" 2>/dev/null | head -c "$bytes" >"$tmp/file"
		else
			printf '%s\n' "${key##*/}" >>"$tmp/expected"
			cat "$file" >"$tmp/file" 2>/dev/null
		fi
		if [ "$(wc -c <"$tmp/file")" -eq "$bytes" ] && [ "$(hash_of "$tmp/file")" = "$sha256" ] && [ "$(sha512sum <"$tmp/file" | cut -c1-128)" = "$sha512" ]; then
			pass artifacts "$file: $role"
		else
			fail artifacts "$file: its bytes are not those that the manifest names as $role"
		fi
	done
	later artifacts "native/$1/headers.txt: whether it is what the WARC says"
	later WACZ "native/$1/$1.wacz: its index and page list against the WARC in it"
	[ ! -f "native/$1/capture.warc.gz" ] || later WACZ "native/$1/$1.wacz: the WARC in it, which was made whole, against native/$1/capture.warc.gz"
	case $list in ']'*) ;; *) fail artifacts "$1: the manifest's list of files could not be read to its end" ;; esac
	sort "$tmp/expected" >"$tmp/wanted"
	walk "native/$1/" | cut -c45- | sort | comm -13 "$tmp/wanted" - >"$tmp/extra"
	while IFS= read -r name; do
		fail artifacts "native/$1/$name: the manifest has no such file"
	done <"$tmp/extra"
}

after() { # capture: the checkpoint that was known before the visit
	text=$(cat "seal/$1/manifest.json")
	case $text in
	'{"after":null,'*) return ;;
	'{"after":{"checkpoint":"'*) ;;
	*) fail 'time stamps' "seal/$1/manifest.json: it does not say what was known before"; return ;;
	esac
	known=${text#'{"after":{"checkpoint":"'}
	known=${known%%\"*}
	reply=${text#*'"stamp":"'}
	reply=${reply%%\"*}
	dir=seal/$1/after
	if [ ! -f "$dir/checkpoint" ] || [ "$(hash_of "$dir/checkpoint")" != "$known" ]; then
		fail 'time stamps' "$dir/checkpoint: it is not the one that the manifest names as known before"
		return
	fi
	if [ -n "$keys" ]; then
		if signed "$dir/checkpoint"; then
			head_of "$dir/checkpoint" "$tmp/heads"
		else
			fail 'time stamps' "$dir/checkpoint: it is not signed by a trusted key"
		fi
	fi
	found=
	for tsr in "$dir"/*.tsr; do
		[ -f "$tsr" ] && [ "$(hash_of "$tsr")" = "$reply" ] || continue
		found=yes
		stamped "$tsr" "$dir/checkpoint" || continue
		if held_at "$tsr" "$dir/checkpoint" "$today"; then
			pass 'time stamps' "$tsr: $at$said"
		elif [ -n "$sealed_at" ] && held_at "$tsr" "$dir/checkpoint" "$sealed_at"; then
			pass 'time stamps' "$tsr: $at$said; its certificates ended, and the manifest that names it was stamped before"
		else
			skip 'time stamps' "$tsr: $at; it held then, but its certificates ended and no stamp shows that it is from before that"
			continue
		fi
		from=$at
	done
	[ -n "$found" ] || fail 'time stamps' "$dir: the stamp that the manifest names as known before is not there"
}

# names_manifest EVENT DIGEST CAPTURE TYPE: an event with this id's manifest.
names_manifest() {
	text=$(cat "$1")
	case $text in
	*'"manifest":"'"$2"'","salt":"'*'","subject":{"capture":"'"$3"'"},"type":"'"$4"'","version":"trawlmark.custody/v1"}') return 0 ;;
	esac
	return 1
}

# sealed EVENT DIR: proof, checkpoint and stamps of an event; sets until.
sealed() {
	check=$2/checkpoint
	until=
	if leaf_of "$1" && leads "$2/capture.tlog-proof" && [ "$(hash_of "$tmp/checkpoint")" = "$(hash_of "$check")" ]; then
		pass 'log proof' "$2/capture.tlog-proof: entry $index of $size"
	else
		fail 'log proof' "$2/capture.tlog-proof: it does not lead from the event to the root of $check"
	fi
	if [ -z "$keys" ]; then
		skip 'checkpoint signature' "$check: no log key is trusted"
	elif signed "$check"; then
		pass 'checkpoint signature' "$check"
		head_of "$check" "$tmp/heads"
	else
		fail 'checkpoint signature' "$check: it is not signed by a trusted key"
	fi
	any=
	sealed_at=
	: >"$tmp/ended"
	links "$2/stamps" "$check"
	for tsr in "$2/stamps"/*.tsr; do
		[ -f "$tsr" ] || continue
		any=yes
		stamped "$tsr" "$check" || continue
		when=$at
		when_seconds=$seconds
		if lasts "$tsr" "$2/stamps" "$check"; then
			pass 'time stamps' "$tsr: $when$said$how"
			until="$until $when;"
			sealed_at=$when_seconds
		else
			printf '%s\n' "$tsr: $when$said" >>"$tmp/ended"
		fi
	done
	while IFS= read -r line; do
		if [ -n "$until" ]; then
			pass 'time stamps' "$line; its certificates ended and it was not renewed: its time does not count, for another stamp stands"
		else
			skip 'time stamps' "$line; it held then, but its certificates ended and no renewal that holds shows that it is from before that"
		fi
	done <"$tmp/ended"
	[ -n "$any" ] || skip 'time stamps' "$2: there is none over its checkpoint"
}

# original ID: what a redaction was made of. Its manifest is compared by digest
# only; trawlmark-verify compares it with the redaction's, file by file.
original() {
	dir=seal/$1/original
	if [ -f "$dir/captured.json" ] && names_manifest "$dir/captured.json" "$digest" "$of" captured; then
		pass manifest "$dir/captured.json: the log has the original $of and the manifest that the redaction names"
	else
		fail manifest "$dir/captured.json: the log has no such original"
	fi
	sealed "$dir/captured.json" "$dir"
	shown=${redaction#*'"disclosed":'}
	if [ -f "$dir/manifest.json" ]; then
		if [ "$(hash_of "$dir/manifest.json")" = "$digest" ]; then
			pass manifest "$dir/manifest.json: it is the one that the log has of the original"
			later manifest "$dir/manifest.json: that the redaction is the original but for what it says is withheld"
		else
			fail manifest "$dir/manifest.json: it is not the one that the log has of the original"
		fi
	else
		case $shown in
		true*) fail manifest "$dir/manifest.json: it is not there" ;;
		*) skip manifest "$dir/manifest.json: withheld (digest known: $digest)" ;;
		esac
	fi
	list=${redaction#*'"withheld":['}
	while :; do
		case $list in '{'*'}'*) ;; *) break ;; esac
		one=${list%%\}*}
		list=${list#*\}}
		list=${list#,}
		role=${one#*'"role":"'}
		sum=${one#*'"sha256":"'}
		say WITHHELD artifacts "the ${role%%\"*} of the original (digest known: sha256 ${sum%%\"*})"
	done
}

one_capture() {
	id=$1
	from=
	of=
	manifest=seal/$id/manifest.json
	event=custody/$id/$id.json
	[ -f "$manifest" ] && [ -f "$event" ] || { fail manifest "$id: the manifest, or the event of its capture, is not there"; return; }
	text=$(cat "$manifest")
	case $text in
	*'"format":"trawlmark-manifest/2"'*)
		redaction=${text##*'"redaction":{"at":"'}
		of=${redaction#*'"capture":"'}
		of=${of%%\"*}
		digest=${redaction#*'"manifest":"'}
		digest=${digest%%\"*}
		is_hash "$digest" || of=x
		;;
	esac
	good=
	if [ -n "$of" ] && names_manifest "$event" "$(hash_of "$manifest")" "$of" redacted; then
		pass manifest "$manifest: it is the one that the redacted event names; a redaction of $of"
		good=yes
	elif [ -z "$of" ] && names_manifest "$event" "$(hash_of "$manifest")" "$id" captured; then
		pass manifest "$manifest: it is the one that the captured event names"
		good=yes
	else
		fail manifest "$manifest: the log has another manifest of this capture"
	fi
	sealed "$event" "seal/$id"
	[ -z "$good" ] || [ -z "$of" ] || original "$id"
	after "$id"
	for event in "custody/$id"/*.json; do
		case $(cat "$event") in
		*'"subject":{"capture":"'"$id"'"'*) logged 'custody events' "$event" ;;
		*'"subject":{"capture":"'"${of:-none}"'"'*) logged 'custody events' "$event" ;;
		*) fail 'custody events' "$event: it is an event of another capture" ;;
		esac
	done
	if [ -n "$good" ]; then
		artifacts "$id"
	else
		skip artifacts "$id: the manifest that they would be compared with is not good"
	fi
	exported "$id"
	printf '\ncapture %s\n  after  %s\n  before %s\n\n' "$id" "${from:-an unknown time}" "${until:-an unknown time}"
}

history
package
renewals
count=0
for d in seal/*/; do
	d=${d#seal/}
	d=${d%/}
	[ "$d" != log ] && [ "$d" != renewals ] && [ "$d" != '*' ] || continue
	count=$((count + 1))
	one_capture "$d"
done
[ "$count" -gt 0 ] || fail package 'there is no capture in it'
for event in custody/case/*.json; do
	[ -f "$event" ] && logged 'custody events' "$event"
done

consistent

# expected: what was said and what the sender expected, line by line.
expected() {
	[ -f verify/expected.txt ] && [ -n "$keys" ] && [ -n "$roots" ] || return
	while IFS= read -r line; do
		case $line in 'PASS  '* | 'FAIL  '* | 'NOT-CHECKED  '*) printf '%s\n' "$line" ;; esac
	done <verify/expected.txt | sort -u >"$tmp/expected"
	sort -u "$tmp/told" >"$tmp/real"
	if [ "$(hash_of "$tmp/expected")" = "$(hash_of "$tmp/real")" ]; then
		printf 'this is what verify/expected.txt has\n'
		return
	fi
	printf 'not what verify/expected.txt has, which the sender wrote when the package was made\n'
	comm -23 "$tmp/expected" "$tmp/real" | while IFS= read -r line; do say expected '' "$line"; done
	comm -13 "$tmp/expected" "$tmp/real" | while IFS= read -r line; do say 'but found' '' "$line"; done
}
expected

printf 'passed %s, failed %s, not checked %s, not judged by this script %s\n' "$passed" "$failed" "$unchecked" "$unjudged"
if [ "$failed" -gt 0 ]; then
	printf 'FAIL\n'
	exit 6
fi
if [ "$unchecked" -gt 0 ]; then
	printf 'NOT-CHECKED: nobody knows; that is not good\n'
	exit 7
fi
printf 'PASS\n'
