# prodorder: build, check, install. `make help` lists the targets; everything built goes to build/.
#
# One Makefile, no recursion except for the sanitizer and coverage builds, which are the same
# Makefile with another BUILD directory. What configure.sh found is in $(BUILD)/config.mk.

BUILD  ?= build
WERROR ?= -Werror
DESTDIR ?=

.DEFAULT_GOAL := all
.SECONDEXPANSION:
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# Goals that must work on a machine where nothing is configured yet.
UNCONFIGURED := help print-version clean format asan ubsan tsan cov kill-points test diagrams
ifneq ($(filter-out $(UNCONFIGURED),$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/config.mk
endif

# ---- version: from git where there is one, else the last released -----------------------------

RELEASE := 0.1.0
VERSION := $(or $(shell git describe --tags 2>/dev/null),$(RELEASE)$(addprefix \
             -g,$(shell git rev-parse --short HEAD 2>/dev/null)))

# ---- flags ------------------------------------------------------------------------------------

# gcc warns of what is not there in code that a sanitizer has instrumented: no error in such a build.
ifneq ($(SANITIZE),)
WERROR :=
endif

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wvla -Wformat=2 $(WERROR)
CPPFLAGS := -D_GNU_SOURCE -I. -Iservices -It/unit -MMD -MP
CFLAGS   := -std=c11 -g $(WARNINGS) -fstack-protector-strong -fPIE
LDFLAGS  := -pie -Wl,-z,relro,-z,now $(LDFLAGS_EXTRA)

ifneq ($(SANITIZE),)
CFLAGS   += -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined
LDFLAGS  += -fsanitize=$(SANITIZE)
else ifeq ($(DEBUG),yes)
CFLAGS   += -O0 -g3
else
CFLAGS   += -O2
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif
ifeq ($(COVERAGE),yes)
CFLAGS   += --coverage
LDFLAGS  += --coverage
endif

ifeq ($(KILL_POINTS),yes)
CPPFLAGS += -DPRODORDER_KILL_POINTS
endif

CFLAGS += $(CFLAGS_EXTRA)
DEPS_CFLAGS := $(SERVICE_CFLAGS) $(OPENAPI_CFLAGS) $(CHECK_CFLAGS)
COMPILE = $(CC) $(CPPFLAGS) $(DEPS_CFLAGS) $(CFLAGS)

# ---- sources ----------------------------------------------------------------------------------

# The sources below folders, at any depth.
below = $(sort $(foreach d,$(wildcard $(1)),$(shell find $(d) -name '*.[ch]')))
c_below = $(filter %.c,$(call below,$(1)))

BASE_C     := $(call c_below,base)
MAIN_C     := services/runtime/process/main.c
KILL_POINT_C := $(wildcard services/runtime/telemetry/kill_point.c)
RUNTIME_C  := $(filter-out $(MAIN_C) $(if $(KILL_POINTS),,$(KILL_POINT_C)),$(call c_below,services/runtime))
CONTRACT_C := $(call c_below,services/contract)
PRODUCT_C  := $(call c_below,services/product)
ORDER_C    := $(call c_below,services/order)
ADMIN_C    := $(call c_below,services/admin)
TOOLS_C    := $(wildcard openapi/tools/*.c)
OPENAPI_C  := $(filter-out $(TOOLS_C),$(call c_below,openapi))
UNIT_HELP_C := $(wildcard t/unit/*.c)
MICRO_C    := $(wildcard bench/*.c)
UNIT_C     := $(filter-out $(UNIT_HELP_C),$(call c_below,t/unit))
ALL_C := $(BASE_C) $(MAIN_C) $(sort $(RUNTIME_C) $(KILL_POINT_C)) $(CONTRACT_C) $(PRODUCT_C) $(ORDER_C) $(ADMIN_C) $(OPENAPI_C) $(TOOLS_C) \
         $(UNIT_C) $(UNIT_HELP_C) $(MICRO_C)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

LIBBASE     := $(BUILD)/libbase.a
LIBRUNTIME  := $(BUILD)/libruntime.a
LIBCONTRACT := $(BUILD)/libcontract.a
LIBOPENAPI  := $(BUILD)/libopenapi.a
SERVICES    := $(if $(PRODUCT_C),$(BUILD)/product-service) $(if $(ORDER_C),$(BUILD)/order-service)
ADMIN       := $(if $(ADMIN_C),$(BUILD)/prodorder-admin)
TOOLS       := $(foreach c,$(TOOLS_C),$(BUILD)/$(subst _,-,$(basename $(notdir $(c)))))
GATEWAY     := $(BUILD)/ngx_http_prodorder_gateway_module.so
DOCS        := $(if $(wildcard docs/ui/index.html),$(BUILD)/docs/index.html)
DIAGRAMS    := $(patsubst %.dot,%.svg,$(wildcard docs/*.dot))
UNIT        := $(UNIT_C:t/unit/%.c=$(BUILD)/unit/%)
MICRO       := $(MICRO_C:%.c=$(BUILD)/%)

# ---- targets that people call -----------------------------------------------------------------

.PHONY: help print-version all services gateway openapi docs-ui diagrams unit micro check check-unit test asan ubsan tsan \
        kill-points fuzz fuzz-smoke cov tidy format style install clean compile_commands.json FORCE

help: ## this list
	@echo "make [TARGET] [BUILD=build] [WERROR=] [DESTDIR=DIR] [V=1]"; echo
	@awk -F':.*## ' '/^[a-z_. -]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo; echo "Options of the build (sanitizers, debug, prefix) are those of ./configure.sh --help."

print-version: ## the version that is built in: from git, else the last release
	@echo '$(VERSION)'

all: gateway services openapi $(DOCS) ## gateway module, both services, the OpenAPI tools, the docs page

services: $(SERVICES) $(ADMIN) ## build/product-service, build/order-service, build/prodorder-admin

gateway: $(if $(wildcard ngx_prodorder_gateway/build.sh),$(GATEWAY)) ## the nginx module

openapi: $(if $(OPENAPI_C),$(LIBOPENAPI) $(LIBBASE)) $(TOOLS) ## build/libopenapi.a and its command-line tools

docs-ui: ## the docs page in build/docs; fails when npm cannot fetch what it is made of
	scripts/build-docs.sh --require $(BUILD)

unit: $(UNIT) $(MICRO) ## build the unit tests (run them with ./prodorder test unit), and the programs of bench/

micro: $(MICRO) ## build/bench/: what parts of the code cost, and load generators

diagrams: $(DIAGRAMS) ## docs/*.svg from docs/*.dot (needs Graphviz)

check: style all unit symbols ## style and symbol rules; unit, control and gateway tests (no stack in use is touched)
	PRODORDER_BUILD=$(BUILD) scripts/run-tests unit control gateway

check-unit: unit ## only the unit tests
	PRODORDER_BUILD=$(BUILD) scripts/run-tests unit

symbols: all ## the symbol rule, in what was built
	@scripts/check-symbols.sh $(BUILD)

style: ## the include rule, file and function lengths, forbidden calls
	@scripts/check-includes.sh
	@scripts/check-style.sh

test: ## everything but the long tests, on an isolated stack (= ./prodorder test)
	./prodorder test

# The sanitizer builds live beside the normal one: build/asan and so on. To run the whole stack on
# one of them: make asan && PRODORDER_BUILD=build/asan ./prodorder test flow
asan:  SANITIZER := address
ubsan: SANITIZER := undefined
tsan:  SANITIZER := thread
asan ubsan tsan: ## build in build/NAME with that sanitizer and run the unit tests there
	./configure.sh --quiet --build-dir=$(BUILD)/$@ --sanitize=$(SANITIZER)
	$(MAKE) BUILD=$(BUILD)/$@ all check-unit

kill-points: ## both services, as t/fault stops them at named points (build/kill-points)
	./configure.sh --quiet --build-dir=$(BUILD)/kill-points --kill-points
	$(MAKE) BUILD=$(BUILD)/kill-points services

cov: ## unit tests' line coverage, by file (build/cov)
	./configure.sh --quiet --build-dir=$(BUILD)/cov --debug
	$(MAKE) BUILD=$(BUILD)/cov COVERAGE=yes check-unit
	scripts/coverage.sh $(BUILD)/cov

fuzz: ## build the fuzzers of fuzz/ with clang (build/fuzz/NAME)
	scripts/build-fuzzers.sh $(BUILD)

fuzz-smoke: ## run each fuzzer over its corpus, then FUZZ_SECONDS (20) on new inputs
	scripts/fuzz-smoke.sh $(BUILD)

tidy: compile_commands.json ## clang-tidy over our C (needs clang-tidy)
	@command -v clang-tidy >/dev/null || { echo "make tidy: clang-tidy is missing: apt-get install clang-tidy" >&2; exit 1; }
	clang-tidy --quiet -p . $(filter-out t/%,$(ALL_C))

format: ## clang-format our C in place, the gateway's nginx code excepted
	@command -v clang-format >/dev/null || { echo "make format: clang-format is missing: apt-get install clang-format" >&2; exit 1; }
	find base openapi services t/unit fuzz bench -name '*.[ch]' -exec clang-format -i {} +

compile_commands.json: ## for editors and clang tools, from this Makefile's own commands
	@scripts/compile-commands.sh '$(COMPILE)' '$(BUILD)' $(ALL_C) > $@.tmp && mv $@.tmp $@

clean: ## delete what was built (the stack's data is ./prodorder clean)
	rm -rf $(BUILD) compile_commands.json

install: all ## into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/nginx/modules \
	    $(DESTDIR)$(PREFIX)/share/prodorder/conf $(DESTDIR)$(PREFIX)/share/doc/prodorder/docs
	install -m 755 $(SERVICES) $(ADMIN) $(TOOLS) $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(GATEWAY) $(DESTDIR)$(PREFIX)/lib/nginx/modules/
	install -m 644 openapi.json asyncapi.json $(DESTDIR)$(PREFIX)/share/prodorder/
	install -m 644 conf/tls.conf.example $(DESTDIR)$(PREFIX)/share/prodorder/conf/
	sed -E 's,^load_module .*,load_module $(PREFIX)/lib/nginx/modules/$(notdir $(GATEWAY));,; s,(prodorder_openapi|alias) (build/)?,\1 $(PREFIX)/share/prodorder/,' \
	    nginx.conf > $(DESTDIR)$(PREFIX)/share/prodorder/nginx.conf
	cp -R $(BUILD)/docs $(DESTDIR)$(PREFIX)/share/prodorder/
	for service in product order; do \
	    if [ -f services/$$service/.env.example ]; then \
	        install -m 644 services/$$service/.env.example \
	            $(DESTDIR)$(PREFIX)/share/prodorder/$$service-service.env.example; \
	    fi; \
	done
	install -m 644 $(wildcard LICENSE README.md CHANGELOG.md) $(DESTDIR)$(PREFIX)/share/doc/prodorder/
	install -m 644 $(wildcard docs/*.md docs/*.svg) $(DESTDIR)$(PREFIX)/share/doc/prodorder/docs/

# ---- how things are built ---------------------------------------------------------------------

ifeq ($(V),1)
say =
Q =
else
say = @printf '  %-7s %s\n' $(1) '$(2)';
Q = @
endif

$(BUILD)/config.mk: configure.sh
	./configure.sh --build-dir=$(BUILD) $(CONFIGURE_OPTIONS)

# Changes only when the flags do: everything compiled depends on it.
FLAGS := $(COMPILE) $(LDFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(FLAGS)' | cmp -s - $@ || printf '%s\n' '$(FLAGS)' > $@

# Changes only when a source is added or removed: what is gone is newer than nothing.
SOURCES := $(BASE_C) $(RUNTIME_C) $(CONTRACT_C) $(PRODUCT_C) $(ORDER_C) $(ADMIN_C) $(OPENAPI_C) $(TOOLS_C) \
           $(call below,ngx_prodorder_gateway/src)
$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(SOURCES)' | cmp -s - $@ || printf '%s\n' '$(SOURCES)' > $@

# The version is compiled into main.o only, so that a commit does not rebuild the rest.
$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(VERSION)' | cmp -s - $@ || printf '%s\n' '$(VERSION)' > $@

MAIN_O := $(call obj,$(MAIN_C))
$(MAIN_O): CPPFLAGS += -DPRODORDER_VERSION='"$(VERSION)"'
$(MAIN_O): $(BUILD)/version

# What is embedded by PG_EMBED_TEXT does not show in the compiler's dependencies.
$(call obj,services/product/statements.c): $(wildcard services/product/migrations/*.sql) services/runtime/process/witness.sql
$(call obj,services/order/statements.c): $(wildcard services/order/migrations/*.sql) services/runtime/process/witness.sql

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) -c -o $@ $<

$(LIBBASE): $(call obj,$(BASE_C))
$(LIBRUNTIME): $(call obj,$(RUNTIME_C))
$(LIBCONTRACT): $(call obj,$(CONTRACT_C))
$(LIBOPENAPI): $(call obj,$(OPENAPI_C))
$(LIBBASE) $(LIBRUNTIME) $(LIBCONTRACT) $(LIBOPENAPI): $(BUILD)/sources
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(filter %.o,$^)

SERVICE_LINK := $(LIBCONTRACT) $(LIBRUNTIME) $(LIBBASE)
OPENAPI_LINK := $(LIBOPENAPI) $(LIBBASE)

# Written to one side and moved, so that a running service keeps the file that it was started from.
link = $(CC) $(CFLAGS) $(LDFLAGS) -o $@.new $(filter %.o,$^) $(filter %.a,$^) $(1) && mv -f $@.new $@

$(SERVICES): $(BUILD)/sources

$(BUILD)/product-service: $(call obj,$(PRODUCT_C)) $(MAIN_O) $(SERVICE_LINK)
	$(call say,LINK,$@)$(call link,$(SERVICE_LIBS) -lpthread)

$(BUILD)/order-service: $(call obj,$(ORDER_C)) $(MAIN_O) $(SERVICE_LINK)
	$(call say,LINK,$@)$(call link,$(SERVICE_LIBS) -lpthread)

$(ADMIN): $(call obj,$(ADMIN_C)) $(SERVICE_LINK) $(BUILD)/sources
	$(call say,LINK,$@)$(call link,$(SERVICE_LIBS) -lpthread)

$(MICRO): $(BUILD)/%: $$(call obj,%.c) $(LIBOPENAPI) $(SERVICE_LINK)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(call link,$(SERVICE_LIBS) $(OPENAPI_LIBS) -lpthread)

$(TOOLS): $(BUILD)/%: $$(call obj,openapi/tools/$$(subst -,_,$$*).c) $(OPENAPI_LINK)
	$(call say,LINK,$@)$(call link,$(OPENAPI_LIBS))

GATEWAY_SRC := $(wildcard $(addprefix ngx_prodorder_gateway/,build.sh config module.map)) \
               $(call below,ngx_prodorder_gateway/src openapi base)
$(GATEWAY): $(GATEWAY_SRC) $(BUILD)/flags $(BUILD)/sources
	$(call say,NGINX,$@)ngx_prodorder_gateway/build.sh \
	    $(if $(NGINX_SRC),--with-nginx-src $(NGINX_SRC)) $(if $(SANITIZE),--sanitize=$(SANITIZE)) \
	    $(if $(filter yes,$(DEBUG)),--debug) $(BUILD)
	@touch $@

# openapi.json is in the page only where swagger-ui is missing.
$(DOCS): $(wildcard docs/ui/*) scripts/build-docs.sh openapi.json
	$(call say,DOCS,$(@D))scripts/build-docs.sh $(BUILD)
	@touch $@

# The source's hash in the picture lets a test see that they belong together, whatever Graphviz drew it.
docs/%.svg: docs/%.dot
	$(call say,DOT,$@)dot -Tsvg $< > $@.new && \
	    sed "1a <!-- Made by make diagrams from $(<F), sha256 $$(sha256sum < $< | cut -d' ' -f1) -->" $@.new > $@ && \
	    rm -f $@.new

# ---- unit tests -------------------------------------------------------------------------------
#
# The tests below t/unit/openapi are linked with libopenapi.a, those below t/unit/base with nothing but
# libbase.a, the others with the libraries of the services: t/unit mirrors the folders.
# A test that fakes something at link time, or tests a service's own sources, names them in its first
# lines, paths from the repository root:   /* link: services/order/create_order.c t/unit/fake_pg.c */
# The libraries come behind them: they fill in only what the named sources leave undefined.

$(BUILD)/unit/%.link.mk: t/unit/%.c scripts/link-marker.sh
	@mkdir -p $(@D)
	@scripts/link-marker.sh $< > $@

ifneq ($(filter-out $(UNCONFIGURED),$(or $(MAKECMDGOALS),all)),)
include $(UNIT:%=%.link.mk)
endif

unit_parts = $(call obj,$(LINK_$(1))) \
             $(if $(filter openapi/%,$(1)),$(OPENAPI_LINK),$(if $(filter base/%,$(1)),$(LIBBASE),$(SERVICE_LINK)))

$(UNIT): $(BUILD)/unit/%: $$(call obj,t/unit/$$*.c) $$(call unit_parts,$$*)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(call link,$(SERVICE_LIBS) $(OPENAPI_LIBS) $(CHECK_LIBS) -lpthread)

-include $(patsubst %.o,%.d,$(call obj,$(ALL_C)))
