# What the user sees: messages, progress, errors. Colour only on a terminal.

UI_OUT=${UI_OUT:-1}

# Goes back to the start of a terminal's line and clears it.
UI_CLEAR=''
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
    UI_CLEAR=$'\r\e[K'
fi

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    UI_BOLD=$'\e[1m' UI_RED=$'\e[31m' UI_GREEN=$'\e[32m' UI_YELLOW=$'\e[33m' UI_CYAN=$'\e[36m' UI_RESET=$'\e[0m'
else
    UI_BOLD='' UI_RED='' UI_GREEN='' UI_YELLOW='' UI_CYAN='' UI_RESET=''
fi

ui_say() {
    printf '%s\n' "$*" >&"$UI_OUT"
}

# ui_step NAME TEXT: one line of progress.
ui_step() {
    printf '%s  %-16s %s\n' "$UI_CLEAR" "$1" "$2" >&"$UI_OUT"
}

# ui_transient NAME TEXT: what is being waited for; the next line replaces it. Only on a terminal.
ui_transient() {
    [ -z "$UI_CLEAR" ] || printf '%s  %-16s %.*s' "$UI_CLEAR" "$1" $((${COLUMNS:-80} - 20)) "$2" >&"$UI_OUT"
}

# ui_follow NAME: show each line of standard input while it is the last one.
ui_follow() {
    local line
    while IFS= read -r line; do
        ui_transient "$1" "$line"
    done
    printf '%s' "$UI_CLEAR" >&"$UI_OUT"
}

# ui_good NAME TEXT and ui_bad NAME TEXT: how a step ended.
ui_good() {
    ui_step "$1" "$UI_GREEN$2$UI_RESET"
}

ui_bad() {
    ui_step "$1" "$UI_RED$2$UI_RESET"
}

ui_warn() {
    printf '%s%sprodorder: %s%s\n' "$UI_CLEAR" "$UI_YELLOW" "$*" "$UI_RESET" >&2
}

ui_error() {
    printf '%s%sprodorder: %s%s\n' "$UI_CLEAR" "$UI_RED" "$*" "$UI_RESET" >&2
}

# die MESSAGE [HINT...]: what failed, then what to try, one hint a line.
die() {
    ui_error "$1"
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# Milliseconds of a clock that only goes forward, without starting a process.
ui_now_ms() {
    local up rest
    read -r up rest < /proc/uptime
    RET_MS=$((10#${up%.*} * 1000 + 10#${up#*.} * 10))
}

# "1.2 s" for 1234 milliseconds.
ui_seconds() {
    printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100))
}
