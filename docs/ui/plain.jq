# The docs page without swagger-ui: what openapi.json says of each operation, as a table.
def operations:
  .paths | to_entries[] | .key as $path | .value | to_entries[]
  | select(.value | type == "object" and has("operationId"))
  | {method: (.key | ascii_upcase), $path, summary: .value.summary, statuses: (.value.responses | keys_unsorted - ["default"])};

"<!doctype html>
<html lang=\"en\">
<head>
  <meta charset=\"utf-8\">
  <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
  <title>\(.info.title | @html) API</title>
  <link rel=\"icon\" type=\"image/svg+xml\" href=\"icon.svg\">
  <link rel=\"stylesheet\" href=\"docs.css\">
</head>
<body>
<main class=\"plain\">
<h1>\(.info.title | @html) API</h1>
<p>\(.info.summary | @html). The whole contract: <a href=\"/openapi.json\">/openapi.json</a>;
the events: <a href=\"/asyncapi.json\">/asyncapi.json</a>.</p>
<table>
<tr><th>request</th><th></th><th>answers</th></tr>",
(operations | "<tr><td><code>\(.method) \(.path | @html)</code></td><td>\(.summary | @html)</td><td>\(.statuses | join(" "))</td></tr>"),
"</table>
<p>The page on which requests can be tried was not built: \($why | @html).
To build it: <code>make docs-ui</code>, then <code>./prodorder restart gateway</code>.</p>
</main>
</body>
</html>"
