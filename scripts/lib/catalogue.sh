# The first products: mock/products.json, loaded when there are none.

catalogue_load() {
    local url file=$ROOT/mock/products.json count=0 product
    url=$(settings_url product-service)
    [ "$(curl -sS -m 10 "$url/products?limit=1" | jq -r 'length')" = 0 ] || return 0
    # One after the other, so that ids are 1, 2, 3... in the order of the file.
    while read -r product; do
        curl -sS -m 10 -o /dev/null --fail-with-body -H 'Content-Type: application/json' \
            --data-binary "$product" "$url/products" ||
            die "could not load $file: POST $url/products refused $product"
        count=$((count + 1))
    done < <(jq -c '.[]' "$file")
    ui_good catalogue "$count products loaded"
}
