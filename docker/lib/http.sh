# One HTTP request with nothing but bash: images need no curl.

HTTP_WAIT_S=3
HTTP_BODY_BYTES_MAX=1048576

# http_request METHOD HOST PORT PATH [JSON]: sets RET_STATUS and RET_BODY. Fails, with the reason in
# RET_ERROR, when there is no complete answer, or none within HTTP_WAIT_S for each line of it. Connecting has no
# limit but the kernel's (minutes, when a network swallows packets): whoever needs one runs this under timeout.
# Bodies are read by Content-Length; the services and the gateway always send one to a request like this.
http_request() {
    local fd failed=''
    RET_STATUS='' RET_BODY='' RET_ERROR=''
    { exec {fd}<> "/dev/tcp/$2/$3"; } 2> /dev/null || {
        RET_ERROR="no connection to $2:$3"
        return 1
    }
    http_exchange "$fd" "$@" || failed=yes
    exec {fd}>&-
    [ -z "$failed" ] || { RET_ERROR="no complete answer from $2:$3 to $1 $4: $RET_ERROR"; return 1; }
}

http_exchange() {
    local fd=$1 host=$3 body=${6-} line length=0
    local LC_ALL=C # lengths are bytes
    [[ $host != *:* ]] || host=[$host]
    # Standard error of the whole, for the shell itself speaks of a closed connection.
    {
        printf '%s %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n' "$2" "$5" "$host" "$4"
        [ -z "$body" ] || printf 'Content-Type: application/json\r\nContent-Length: %d\r\n' "${#body}"
        printf '\r\n%s' "$body"
    } 2> /dev/null >&"$fd" || { RET_ERROR="it does not take the request"; return 1; }
    IFS= read -r -t "$HTTP_WAIT_S" line <&"$fd" || { RET_ERROR="no status line"; return 1; }
    [[ $line =~ ^HTTP/1\.[01]\ ([1-5][0-9][0-9])[[:space:]] ]] || { RET_ERROR="not HTTP: ${line:0:40}"; return 1; }
    RET_STATUS=${BASH_REMATCH[1]}
    while IFS= read -r -t "$HTTP_WAIT_S" line <&"$fd" || { RET_ERROR="its header does not end"; return 1; }; do
        line=${line%$'\r'}
        [ -n "$line" ] || break
        [[ ! ${line,,} =~ ^content-length:\ *([0-9]{1,7})$ ]] || length=${BASH_REMATCH[1]}
    done
    [ "$length" -le "$HTTP_BODY_BYTES_MAX" ] || { RET_ERROR="its body of $length bytes is too large"; return 1; }
    [ "$length" -gt 0 ] || return 0
    IFS= read -r -t "$HTTP_WAIT_S" -N "$length" RET_BODY <&"$fd" || { RET_ERROR="its body does not end"; return 1; }
}
