# What each target does: make help
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
BIN := .cache/bin
export GOFLAGS ?= -buildvcs=false

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: needs lint ## Install what is lacking and run every test
	go test -race -timeout 15m ./...
	go test -run Alloc ./... # what allocates cannot be told under the race detector
	go run ./cmd/sluice test examples/events examples/gateway examples/jobs examples/mtls examples/shop examples/tiers
	go run ./examples/embed test examples/embed
	test/modules.sh $(CURDIR)/$(BIN)/staticcheck

.PHONY: lint
lint: $(BIN)/staticcheck ## Formatting, go vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))" || { gofmt -l $$(git ls-files -co --exclude-standard '*.go'); echo 'gofmt differs; run: gofmt -w .' >&2; exit 1; }
	go vet ./...
	$(BIN)/staticcheck ./...

$(BIN)/staticcheck: tools/go.mod tools/go.sum
	@mkdir -p $(BIN)
	cd tools && go build -o ../$(BIN)/staticcheck honnef.co/go/tools/cmd/staticcheck

.PHONY: needs
needs:
	@test/needs.sh gcc:gcc:-race libc6-dev:/usr/include/stdlib.h:-race nginx-light:nginx:backend/http \
		'postgresql:/usr/lib/postgresql/*/bin/postgres:those that need PostgreSQL' redis-server:redis-server:'those that need Redis' \
		rabbitmq-server:rabbitmq-server:'those that need RabbitMQ' prometheus:prometheus:'those that need Prometheus'

.PHONY: servers
servers:
	@test/needs.sh 'postgresql:/usr/lib/postgresql/*/bin/postgres:what needs PostgreSQL' redis-server:redis-server:'what needs Redis'

.PHONY: all-servers
all-servers: servers
	@test/needs.sh nginx-light:nginx:'what needs nginx' rabbitmq-server:rabbitmq-server:'what needs RabbitMQ' prometheus:prometheus:'what needs Prometheus'

.PHONY: reference
reference: ## Make docs/reference.md and the schema for editors anew
	go run ./cmd/sluice reference > docs/reference.md.new && mv docs/reference.md.new docs/reference.md
	go run ./cmd/sluice schema > docs/sluice.schema.json.new && mv docs/sluice.schema.json.new docs/sluice.schema.json

.PHONY: dashboard
dashboard: ## Make the Grafana dashboard and the PrometheusRule anew
	go run ./deploy/grafana -deploy deploy

.PHONY: fuzz
fuzz: ## A minute each for the parsers of configs, routes, references, queries, cursors and messages of HTTP/1.1
	test/fuzz.sh $${FUZZTIME:-1m} FuzzLoad FuzzRouter FuzzReference FuzzQueryValue FuzzCursor FuzzRequest FuzzResponse FuzzChunks FuzzHTTP1

.PHONY: fuzz-all
fuzz-all: ## Every fuzz target, for FUZZTIME (20s)
	test/fuzz.sh $${FUZZTIME:-20s}

.PHONY: tour
tour: all-servers ## Walk the parts of a scalable API on running servers
	go run ./tour

.PHONY: shop-postgres
shop-postgres: servers ## Serve examples/shop on three nodes, shards of PostgreSQL with replicas, and Redis
	@go run ./examples/shop

.PHONY: stack
stack: all-servers ## Serve a whole system: three nodes behind nginx, PostgreSQL, Redis, RabbitMQ, a user service, Prometheus
	@go run ./examples/stack

.PHONY: tiers
tiers: ## Serve examples/tiers: an edge that calls three data nodes over gRPC and mutual TLS
	@go run ./examples/tiers

.PHONY: prove-reload
prove-reload: ## 1,000 reloads, and stops, under load: no request fails
	go run ./prove reload

.PHONY: prove-slow
prove-slow: ## 500 slow connections of each sort do not stop ordinary clients
	go run ./prove slow

.PHONY: prove-limits
prove-limits: ## 4 nodes and a Redis let through what one bucket would; Redis killed and stopped
	go run ./prove limits

.PHONY: prove-tokens
prove-tokens: ## No forged token is taken and no good one refused, whatever happens to the issuer
	go run ./prove tokens

.PHONY: prove-freshness
prove-freshness: ## 4 nodes, one Redis: no old answer 100 ms after a write, one query for a cold key
	go run ./prove freshness

.PHONY: prove-grpc
prove-grpc: ## connectrpc.com/conformance and grpc-go's interop cases pass through a node; 60 cases of transcoding
	go run ./prove grpc

.PHONY: prove-sessions
prove-sessions: ## 50,000 writes are read at once on another node, through lag and a promotion: no read is stale, no write lost
	go run ./prove sessions

.PHONY: prove-scatter
prove-scatter: ## 500 generated queries over 3 shards have the answers of one database
	go run ./prove scatter

.PHONY: prove-failover
prove-failover: ## Replicas and primaries are killed and frozen: no read fails, no write is lost or made twice
	go run ./prove failover

.PHONY: prove-upstreams
prove-upstreams: ## Of three hosts one killed, one slow, one failing: no idempotent request fails, no other is sent twice
	go run ./prove upstreams
	go run ./prove upstreams -without-retry -span 10s

.PHONY: prove-http
prove-http: ## HTTP to the letter: the battery, bytes that pass, hostile answers, h1spec, h2spec, slowhttptest, WebSockets
	@test/needs.sh slowhttptest:slowhttptest:'what needs slowhttptest'
	go run ./prove http

.PHONY: prove-jobs
prove-jobs: ## 20,000 jobs end once each, whatever is killed, frozen or emptied; without the fence, that shows
	go run ./prove jobs
	go run ./prove jobs -postgres
	go run ./prove jobs -unfenced -jobs 3000 -span 12s

.PHONY: prove-rolling
prove-rolling: all-servers ## 3 nodes behind nginx: 5 rolling restarts, 20 reloads, a node killed; no request, no job is lost
	go run ./prove rolling
	go run ./prove rolling -small -abrupt

.PHONY: bench-proxy
bench-proxy: ## A proxied GET beside nginx, HAProxy, Caddy, net/http and fasthttp
	go run ./bench proxy

.PHONY: bench-full
bench-full: ## A proxied GET behind jwt, rate_limit, metrics and traces beside nginx with limit_req
	go run ./bench full

.PHONY: bench-cache
bench-cache: ## A hit from memory beside nginx, Varnish and fasthttp
	go run ./bench cache

.PHONY: bench-edge
bench-edge: ## System calls per request, memory for large bodies and for idle connections
	go run ./bench edge

.PHONY: bench-sqlite
bench-sqlite: ## A row of SQLite over HTTP beside hand-written servers
	go run ./bench sqlite

.PHONY: bench-postgres
bench-postgres: ## Rows of PostgreSQL over HTTP beside pgbench and a hand-written server
	go run ./bench postgres

.PHONY: bench-jobs
bench-jobs: ## Jobs accepted and done per second with durable commits, beside River
	go run ./bench jobs

.PHONY: test-modules
test-modules: needs $(BIN)/staticcheck ## The tests of what has a module of its own: image, manifests, collector
	test/modules.sh $(CURDIR)/$(BIN)/staticcheck

.PHONY: image
image: ## Make the container image in bin/image, without Docker
	cd deploy/image && go run . -source ../.. -out ../../bin/image

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf .cache bin
