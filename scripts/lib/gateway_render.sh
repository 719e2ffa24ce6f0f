# nginx.conf with other addresses, and with our own directives for how nginx runs: for ./prodorder and for the
# gateway's container. Functions of their arguments only.

# gateway_render_conf FILE LISTEN PRODUCT ORDER [USER]: FILE with these in the place of the addresses that it
# names, on standard output; nginx's prefix has a directory temp, USER is who its workers are when it is
# started by root. Every line keeps its number. PRODUCT and ORDER are what stands behind "server": an
# address and parameters, or several of them, joined by "; server ".
gateway_render_conf() {
    local file=$1 listen=$2 product=$3 order=$4 run temp='' kind
    run="daemon off; pid nginx.pid; ${5:+user $5; }"
    for kind in client_body proxy fastcgi uwsgi scgi; do
        temp+=" ${kind}_temp_path temp/$kind;"
    done
    sed -E \
        -e '/^(daemon|pid|user|lock_file)[[:space:]]/s/.*//' \
        -e '/^[[:space:]]*(client_body|proxy|fastcgi|uwsgi|scgi)_temp_path[[:space:]]/s/.*//' \
        -e 's#127\.0\.0\.1:(4000|3001|3002)\b#@\1@#g' \
        -e "s#@4000@#$listen#g; s#@3001@#$product#g; s#@3002@#$order#g" \
        -e "s#^http[[:space:]]*\\{#&$temp#" \
        -e "1s#^#$run#" "$file"
}
