#!/usr/bin/perl
# The configuration: mistakes are refused with a clear line, the repository's own is accepted.
use strict;
use warnings;

use Prodorder::Gateway;

run_tests();

__DATA__

=== TEST 1: a document that is not there
--- config
prodorder_openapi nowhere.json;
--- must_die
--- error_log
nowhere.json: cannot be opened: No such file or directory


=== TEST 2: a document with a mistake: file, JSON Pointer, reason
--- user_files
>>> bad.json
{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/a":{"post":{"requestBody":{"content":{"application/json":{"schema":
{"minimun":1}}}},"responses":{"200":{"description":"d"}}}}}}
--- config
prodorder_openapi html/bad.json;
--- must_die
--- error_log
html/bad.json: #/paths/~1a/post/requestBody/content/application~1json/schema/minimun: "minimun" is not a member of a schema; did you mean "minimum"?


=== TEST 3: a document that is not JSON: line and column
--- user_files
>>> bad.json
{"openapi":"3.1.0",
 "paths":}
--- config
prodorder_openapi html/bad.json;
--- must_die
--- error_log
html/bad.json: line 2, column 10: expected a value


=== TEST 4: a limit of errors that is none
--- config
prodorder_max_errors 0;
--- must_die
--- error_log
"prodorder_max_errors" directive must be from 1 to 1000


=== TEST 5: a format that is none
--- config
prodorder_error_format html;
--- must_die
--- error_log
invalid value "html"


=== TEST 6: the same directive twice
--- config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
--- must_die
--- error_log
"prodorder_openapi" directive is duplicate


=== TEST 7: a document for one server, off for one location
--- config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
location / { default_type text/plain; alias html/; }
location /free { prodorder_openapi off; default_type text/plain; alias html/f.txt; }
--- user_files
>>> f.txt
text
--- pipelined_requests eval
["GET /anything", "GET /free"]
--- error_code eval
[404, 200]


=== TEST 8: a gateway that is off costs nothing and changes nothing
--- http_config
prodorder_openapi $TEST_NGINX_ROOT/openapi.json;
--- config
prodorder_gateway off;
location / { alias html/; }
--- user_files
>>> f.txt
text
--- request
GET /f.txt
--- response_headers
Server: nginx
! X-Request-Id
