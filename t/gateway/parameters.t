#!/usr/bin/perl
# Parameters, base path and media types through nginx: what the library's unit tests cannot see is how
# nginx hands over headers, cookies, targets and bodies.
use strict;
use warnings;

use Prodorder::Gateway;

my $document = <<'END';
{"openapi":"3.1.0","info":{"title":"t","version":"1"},"servers":[{"url":"https://api.example.com/v1/"}],
"paths":{"/items/{id}":{
"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string","maxLength":5}}],
"get":{"operationId":"read","responses":{"200":{"description":"d"}},"parameters":[
{"name":"ids","in":"query","explode":false,"schema":{"type":"array","items":{"type":"integer"},"maxItems":3}},
{"name":"tag","in":"query","schema":{"type":"array","items":{"enum":["a","b"]}}},
{"name":"f","in":"query","style":"deepObject","schema":{"type":"object","properties":{"n":{"type":"integer"}}}},
{"name":"j","in":"query","content":{"application/json":{"schema":{"type":"object","required":["k"]}}}},
{"name":"X-List","in":"header","schema":{"type":"array","items":{"type":"integer"}}},
{"name":"X-One","in":"header","schema":{"type":"integer"}},
{"name":"sid","in":"cookie","schema":{"type":"string","minLength":4}}]},
"options":{"responses":{"200":{"description":"d"}}}},
"/items":{"post":{"operationId":"write","responses":{"200":{"description":"d"}},
"requestBody":{"content":{"application/json":{"schema":{"type":"object"}},
"application/*+json":{"schema":{"type":"array"}},"text/*":{}}}}}}}
END

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(user_files => ">>> d.json\n$document");
    $block->set_value(http_config => <<'END');
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1; prodorder_gateway off; default_type application/json;
    location / { return 200 '"$request_uri"'; } }
END
    $block->set_value(config => <<'END');
prodorder_openapi html/d.json;
location / { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
END
});

run_tests();

__DATA__

=== TEST 1: the base path stands before every path
--- pipelined_requests eval
["GET /v1/items/7", "GET /items/7", "GET /v1/items", "GET /v2/items/7"]
--- error_code eval
[200, 404, 405, 404]


=== TEST 2: what is escaped is compared as it is meant, and forwarded as it was sent
--- pipelined_requests eval
["GET /v1/%69tems/%37", "GET /v1/items/a%2Fb", "GET /v1%2Fitems/7", "GET /%76%31/items/7?tag=%61"]
--- error_code eval
[200, 200, 404, 200]
--- response_body_like eval
['"data":"/v1/%69tems/%37"', '"data":"/v1/items/a%2Fb"', '"statusCode":404', '"data":"/%76%31/items/7\?tag=%61"']


=== TEST 3: dots, empty segments and a slash at the end lead nowhere
--- pipelined_requests eval
["GET /v1/items/.", "GET /v1/items/%2e%2E", "GET /v1/x/../items/7", "GET /v1//items/7", "GET /v1/items/7/", "GET /v1/items/"]
--- error_code eval
[404, 404, 404, 404, 404, 404]


=== TEST 4: HEAD where there is GET, OPTIONS where it is declared
--- pipelined_requests eval
["OPTIONS /v1/items/7", "OPTIONS /v1/items", "HEAD /v1/items/7?ids=x"]
--- error_code eval
[200, 405, 400]
--- response_headers eval
["", "Allow: POST", ""]


=== TEST 5: arrays and objects in the query
--- pipelined_requests eval
["GET /v1/items/7?ids=1,2,3", "GET /v1/items/7?ids=1,2,3,4", "GET /v1/items/7?ids=1&ids=2", "GET /v1/items/7?tag=a&tag=b&tag=a",
"GET /v1/items/7?tag=a&tag=c", "GET /v1/items/7?f[n]=1", "GET /v1/items/7?f%5Bn%5D=x", "GET /v1/items/7?j=%7B%22k%22%3A1%7D", "GET /v1/items/7?j=%7B%7D"]
--- error_code eval
[200, 400, 400, 200, 400, 200, 400, 200, 400]
--- response_body_like eval
["", '"path":"query/ids","keyword":"maxItems"', '"path":"query/ids","keyword":"maxItems","message":"must be given only once"', "",
'"path":"query/tag/1","keyword":"enum"', "", '"path":"query/f/n","keyword":"type"', "", '"path":"query/j","keyword":"required"']


=== TEST 6: several fields are one list
--- more_headers
X-List: 1, 2
X-Other: 1
x-list: 3,x
--- request
GET /v1/items/7
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"header/X-List/3","keyword":"type","message":"must be integer"\}\]


=== TEST 7: a list in two fields that is good
--- more_headers
X-List: 1
X-List: 2 , 3
--- request
GET /v1/items/7
--- error_code: 200


=== TEST 8: a header that is no list, twice
--- more_headers
X-One: 1
X-One: 1
--- request
GET /v1/items/7
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"header/X-One","keyword":"maxItems","message":"must be given only once"\}\]


=== TEST 9: a cookie among others
--- more_headers
Cookie: a=1; sid=abc; b="x;y"
--- request
GET /v1/items/7
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"cookie/sid","keyword":"minLength","message":"must have at least 4 characters"\}\]


=== TEST 10: a good one
--- more_headers
Cookie: a=1; sid=abcd
--- request
GET /v1/items/7
--- error_code: 200


=== TEST 11: HTTP/2 sends cookies one by one
--- http2
--- more_headers
Cookie: sid=abcd
Cookie: b=2
--- request
GET /v1/items/7
--- error_code: 200


=== TEST 12: what nobody declared is forwarded
--- more_headers
X-Unknown: 1
Cookie: unknown=1
--- request
GET /v1/items/7?unknown=1&unknown=2
--- error_code: 200
--- response_body_like: "data":"/v1/items/7\?unknown=1&unknown=2"


=== TEST 13: the media type chooses the schema
--- more_headers
Content-Type: application/patch+json
--- request
POST /v1/items
{}
--- error_code: 400
--- response_body_like: "errors":\[\{"path":"","keyword":"type","message":"must be array"\}\]


=== TEST 14: the other schema
--- more_headers
Content-Type: application/json; charset=UTF-8
--- request
POST /v1/items
{}
--- error_code: 200


=== TEST 15: what is no JSON is not looked into
--- more_headers
Content-Type: text/csv
--- request
POST /v1/items
{"a":
--- error_code: 200


=== TEST 16: what is not in the document is not taken
--- more_headers
Content-Type: application/xml
--- request
POST /v1/items
<a/>
--- error_code: 415


=== TEST 17: a body that may be absent
--- request
POST /v1/items
--- error_code: 200
