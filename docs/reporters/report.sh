# Report from a script of the POSIX shell that assets-core runs. Copy this file and read it in: . ./report.sh
# Where nobody listens, nothing happens. Texts may hold anything but control characters, which are left out.

# assets_metadata NAME TEXT: a fact about what is being made
assets_metadata() {
    _assets_send "{\"metadata\": {\"$(_assets_text "$1")\": \"$(_assets_text "$2")\"}}"
}

# assets_number NAME NUMBER: a fact that is a number
assets_number() {
    _assets_send "{\"metadata\": {\"$(_assets_text "$1")\": $2}}"
}

# assets_progress FRACTION [MESSAGE]: how far it has come, from 0 to 1
assets_progress() {
    _assets_send "{\"progress\": $1, \"message\": \"$(_assets_text "${2:-}")\"}"
}

# assets_log TEXT [debug|info|warning|error]: a line for the log
assets_log() {
    _assets_send "{\"log\": {\"level\": \"${2:-info}\", \"text\": \"$(_assets_text "$1")\"}}"
}

# assets_version TEXT: the version of what was made elsewhere
assets_version() {
    _assets_send "{\"version\": \"$(_assets_text "$1")\"}"
}

_assets_text() {
    printf '%s\n' "$1" | LC_ALL=C tr -d '\000-\010\013-\037' |
        LC_ALL=C sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e "s/$(printf '\t')/\\\\t/g" |
        LC_ALL=C awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }'
}

_assets_send() {
    [ -z "${ASSETS_REPORT_FD:-}" ] || printf '%s\n' "$1" >&"$ASSETS_REPORT_FD"
}
