# The first products: mock/products.json, loaded when there are none.

# Where only the first products of the file are, the others are loaded: an earlier `up` was interrupted.
catalogue_load() {
    local url file=$ROOT/mock/products.json count=0 there missing=() product
    url=$(settings_url product-service)
    there=$(curl -sS -m 10 --fail-with-body "$url/products?limit=$(jq length "$file")" | jq -c 'map(.name)') ||
        catalogue_fail "GET $url/products: no list of products"
    mapfile -t missing < <(jq -c --argjson there "$there" \
        'if (.[:$there | length] | map(.name)) == $there then .[$there | length:][] else empty end' "$file")
    # One after the other, so that ids grow in the order of the file.
    for product in ${missing[@]+"${missing[@]}"}; do
        curl -sS -m 10 -o /dev/null --fail-with-body -H 'Content-Type: application/json' \
            --data-binary "$product" "$url/products" ||
            catalogue_fail "POST $url/products: no product was made of $product"
        count=$((count + 1))
    done
    [ "$count" -eq 0 ] || ui_good catalogue "$count products loaded"
}

catalogue_fail() {
    die "could not load $ROOT/mock/products.json: $1" \
        "To try again: ./prodorder up. It loads the products that are missing."
}
