#!/bin/sh
# Reads a stored batch and a designation with the `capnp` command and the schemas that are installed:
# check_schemas.sh WRITER batch.capnp record.capnp, WRITER being the program that makes the two.
set -eu

for program in capnp basenc; do
    command -v "$program" >/dev/null || { echo "skipped: no $program here"; exit 77; }
done

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$1" "$directory"
batch_schema=$(realpath "$2")
record_schema=$(realpath "$3")
cd "$directory"

# decode SCHEMA STRUCT FILE: as text, its bytes as hexadecimal numbers.
decode() { capnp convert binary:json "$1" "$2" <"$3"; }

# says FIELD VALUE: a number, or bytes in hexadecimal, which JSON has as a list of numbers.
failed=0
says() {
    if [ "${#2}" -ge 16 ]; then
        list=$(printf %s "$2" | sed 's/../0x& /g')
        # shellcheck disable=SC2086
        wanted="\"$1\": [$(printf '%d, ' $list | sed 's/, $//')]"
    else
        wanted="\"$1\": $2"
    fi
    grep -qF "$wanted" said || { echo "does not say $wanted:"; cat said; failed=1; }
}
hex() { tr -d '\n' <"$1"; }

decode "$batch_schema" Batch second.batch >said
says pool "$(hex pool)"
says rootTerm '"1"'
says epoch '"1"'
says node "$(hex node)"
says seq '"2"'
says previous "$(hex second.previous)"
says digest "$(hex second.digest)"
says featureLevel 1
says id "$(hex user)"
says sealed "$(printf 'sealed as well' | basenc --base16)"

decode "$record_schema" Designation second.designation >said
says pool "$(hex pool)"
says rootTerm '"1"'
says epoch '"2"'
says node "$(hex node)"
says baseSeq '"2"'
says baseHash "$(hex second.hash)"
[ $failed = 0 ] && echo "a batch and a designation say what was put into them"
exit $failed
